"""The section [target] of a config: a system of the catalogue, or an action of the user's own.

The keys of a system are its name, L, the convention if there are several, and its couplings; which
those are says its ``system.toml`` (:mod:`physgen.catalogue`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from physgen.catalogue import System, list_systems, load_system, target_systems
from physgen.core.checks import is_mapping
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.observables.shelf import SHELF
from physgen.workflow.sections import PathText, Section, Text, one_of, rule, unknown_key
from physgen.workflow.target import own
from physgen.workflow.target.values import extents, numbers

__all__ = ["TargetSection"]

Extents = Annotated[list[int] | None, BeforeValidator(extents)]


class TargetSection(Section):
    """What is sampled: a system by its name, or an object of a Python file of the user.

    Attributes
    ----------
    name
        System of the catalogue; its couplings are keys too (`physgen systems NAME`).
    L
        Extent or extents of the lattice.
    convention
        How the action is written, where there are several ways.
    file
        Python file with an action of your own.
    sha256
        SHA-256 of the file; with it the run is refused where the file has changed.
    object
        Name of the target in the file, or of a function that returns one.
    parameters
        Arguments of that function: numbers, lists, or one range {start, stop, n}.
    observables
        Recorded beside the target's own: correlator and propagator give effective masses and the
        correlation length.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Annotated[str | None, rule("the name of a system")]
    L: Extents = None
    convention: Annotated[str | None, rule("a text")] = None
    file: PathText | None = None
    sha256: Text | None = None
    object: Text | None = None
    parameters: dict[str, list[float]] = Field(default_factory=dict)
    observables: list[Annotated[str, one_of(SHELF)]] = Field(default_factory=list[str])

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, values: Any) -> Any:
        if not is_mapping(values):
            return values
        values = {key: value for key, value in values.items() if value is not None}
        try:
            return _own(values) if _is_own(values) else _named(values)
        except InputError as error:
            raise ValueError(f"[target] {error}") from None

    @model_validator(mode="after")
    def _one_scan(self) -> TargetSection:
        many = [name for name, values in self.couplings().items() if len(values) > 1]
        if len(many) > 1:
            raise ValueError(
                f"[target] may scan one coupling, got lists for {' and '.join(many)}; make "
                "several runs of the others"
            )
        return self

    @property
    def system(self) -> System | None:
        """The system that is named; None for an action of the user's own."""
        return None if self.name is None else load_system(self.name)

    @property
    def is_foreign(self) -> bool:
        """Whether the action is of other hands than physgen's: its force is then checked."""
        return self.system is None or not str(self.system.path).startswith("physgen.")

    @property
    def title(self) -> str:
        """What is sampled, in a word or two."""
        if self.system is not None:
            return self.system.label
        return f"{self.object} of {Path(str(self.file)).name}"

    def target(self, L: int | None, couplings: Mapping[str, float]) -> Target:
        """Return the target at one extent and one value of every coupling."""
        extent: dict[str, int] = {} if L is None else {"L": L}
        if self.system is None:
            return own.load(str(self.file), str(self.object), self.sha256, {**extent, **couplings})
        return self.system.target(**extent, **self.choices(), **couplings)

    def couplings(self) -> dict[str, list[float]]:
        """Return the values of every coupling, by name, in the order of the system."""
        if self.system is None:
            return dict(self.parameters)
        given = self.model_extra or {}
        return {name: given[name] for name in self.system.couplings(self.convention)}

    def choices(self) -> dict[str, str]:
        """Return the parameters of the system that are words, such as its convention."""
        given = {"convention": self.convention} | (self.model_extra or {})
        about = {} if self.system is None else self.system.takes(self.convention)
        return {name: str(given[name]) for name, p in about.items() if p.type == "choice"}


def _is_own(values: Mapping[str, Any]) -> bool:
    """Whether the action is of a file; it has one source."""
    named, own = "name" in values, "file" in values
    if named == own:
        names = ", ".join(map(repr, target_systems()))
        raise InputError(
            f"must have a name (one of {names}) or the file of an action of your own, got "
            f"{'both' if named else 'neither'}"
        )
    return own


def _own(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of an action of the user's own, with lists of numbers."""
    keys = ["L", "file", "sha256", "object", "parameters", "observables"]
    for key in sorted(values.keys() - keys):
        if any(key in system.parameters for system in target_systems().values()):
            raise InputError(f"{key} is no key of an own action; give it in parameters")
        raise unknown_key(key, keys)
    if is_mapping(given := values.get("parameters")):
        values["parameters"] = {key: numbers(key, value) for key, value in given.items()}
    return {"name": None, "object": "target", **values}


def _named(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a system of the catalogue, checked, with its defaults."""
    system = _system(values["name"])
    for key in ("object", "parameters"):
        if values.get(key):
            raise InputError(f"{key} belongs beside a file; remove it or the name")
    convention = system.checked_convention(values.get("convention"))
    wanted = system.takes(convention)
    of = system.name + (f" in the convention {convention!r}" if convention else "")
    for key in sorted(values.keys() - wanted.keys() - TargetSection.model_fields.keys()):
        if any(key in other.parameters for other in target_systems().values()):
            takes = ", ".join(k for k, p in wanted.items() if p.is_coupling)
            raise InputError(f"{key} is no coupling of {of}, which takes {takes}")
        raise unknown_key(key, ["name", *wanted])
    if ("L" in values) != ("L" in wanted):
        how = "given, an integer >= 2 or a list of them" if "L" in wanted else "left out"
        raise InputError(f"L must be {how}, for {of}")
    for key, about in wanted.items():
        given = values.get(key, about.default)
        if given is None:
            raise InputError(f"{key} must be given for {of}; add it to the config")
        if about.is_coupling:
            values[key] = [about.checked(each) for each in numbers(key, given)]
        elif key != "L":
            values[key] = about.checked(given)
    return values


def _system(name: object) -> System:
    """Return the system of this name, which must have an action."""
    known = target_systems()
    if isinstance(name, str) and name in known:
        return known[name]
    names = ", ".join(map(repr, known))
    if name in list_systems():
        raise InputError(
            f"name must be a system with an action, one of {names}; {name} is a quantum state, "
            f"which is measured: write [system] name = {name!r}"
        )
    raise InputError(f"name must be one of {names}, got {name!r}")
