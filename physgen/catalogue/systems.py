"""Read the catalogue of systems: one folder each, of data and no code.

    systems/<name>/system.toml      title, description, parameters, conventions; target, label
                   reference.toml   quantity, parameters, value, error, kind, source
                   README.md  references.bib

``target = "package.module:Class"`` names the class of an action, or a function that returns an
action, in physgen or in any importable module; it is called with the parameters by name.  A name
in braces, as in ``"...:Phi4.from_{convention}"``, is replaced by the value of that choice.  A
system without a target is a quantum state, which is measured.  A checkout reads these folders
directly; an installed wheel has a copy.
"""

from __future__ import annotations

import functools
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from physgen.catalogue.parameters import Parameter
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import Target

__all__ = ["KINDS", "Reference", "System", "list_systems", "load_system", "target_systems"]

KINDS = ("exact", "published", "computed")
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Reference:
    """One reference value.

    Attributes
    ----------
    quantity : str
        Name of the quantity, e.g. ``ground_state_energy``.
    parameters : mapping
        The parameters of the system.
    value, error : float
        The value and its uncertainty (0 for exact values, to the digits given).
    kind : {"exact", "published", "computed"}
        From a closed form or oracle; from a publication; computed by us.
    source : str
        The formula, publication or computation.
    """

    quantity: str
    parameters: Mapping[str, Any]
    value: float
    error: float
    kind: str
    source: str


@dataclass(frozen=True, eq=False)
class System:
    """A named system with its conventions and reference values.

    Attributes
    ----------
    name, title, description : str
    label : str
        Name in tables and figures, in a word or two.
    path : str or None
        Path of the class of its target; None for a quantum state.
    parameters : mapping of str to Parameter
        If no coupling has several values, the first one counts as the scanned coupling.
    conventions : mapping of str to str
    folder : Path
    """

    name: str
    title: str
    label: str
    description: str
    path: str | None
    parameters: Mapping[str, Parameter]
    conventions: Mapping[str, str]
    folder: Path

    @cached_property
    def readme(self) -> str:
        """Its conventions in words, in Markdown."""
        return (self.folder / "README.md").read_text(encoding="utf-8")

    @cached_property
    def bibliography(self) -> str:
        """The works cited by its references, in BibTeX."""
        return (self.folder / "references.bib").read_text(encoding="utf-8")

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The reference values of this system."""
        entries = _read_toml(self.folder / "reference.toml").get("reference", [])
        return tuple(_reference(entry, self.folder) for entry in entries)

    @property
    def data_files(self) -> tuple[Path, ...]:
        """The shipped data sets of this system."""
        return tuple(sorted((_root("data") / self.name).glob("*.h5")))

    def reference(self, quantity: str, kind: str | None = None, **parameters: Any) -> Reference:
        """Return the entry of this quantity at these parameters.

        Parameters that are not given have their defaults.  If no kind is given, exact entries come
        before published ones, and these before computed ones.

        Examples
        --------
        >>> round(load_system("tfim-1d").reference("ground_state_energy", L=50).value, 6)
        -63.301189
        """
        defaults = {k: p.default for k, p in self.parameters.items() if p.default is not None}
        wanted = (defaults | parameters).items()
        found = [
            entry
            for entry in self.references
            if entry.quantity == quantity and wanted <= entry.parameters.items()
        ]
        kinds = KINDS if kind is None else (check_choice("kind", kind, KINDS),)
        best = next((k for k in kinds if any(entry.kind == k for entry in found)), None)
        found = [entry for entry in found if entry.kind == best]
        if len(found) != 1:
            known = ", ".join(sorted({entry.quantity for entry in self.references}))
            raise InputError(
                f"{quantity} with {parameters} must match one reference of {self.name}, "
                f"got {len(found)}; quantities: {known}"
            )
        return found[0]

    def checked_convention(self, convention: str | None = None) -> str | None:
        """Return the convention, the default if None is given; None if there is only one.

        Raises
        ------
        InputError
            If the system has no such convention.
        """
        about = self.parameters.get("convention")
        if about is None and convention is not None:
            raise InputError(f"convention must be left out for {self.name}, got {convention!r}")
        if about is None:
            return None
        return about.checked(about.default if convention is None else convention)

    def takes(self, convention: str | None = None) -> dict[str, Parameter]:
        """Return the parameters in a convention, by default the default convention."""
        convention = self.checked_convention(convention)
        return {k: p for k, p in self.parameters.items() if p.belongs_to(convention)}

    def couplings(self, convention: str | None = None) -> dict[str, Parameter]:
        """Return the couplings in a convention, which a config may scan."""
        return {k: p for k, p in self.takes(convention).items() if p.is_coupling}

    def target(self, **parameters: Any) -> Any:
        """Return the target of this system at these parameters.

        Parameters that are not given have their defaults.

        Raises
        ------
        InputError
            If the system has no target, a parameter is unknown, missing or from another
            convention, or the target refuses its value.

        Examples
        --------
        >>> load_system("ising-2d").target(L=16, beta=0.44)
        Ising(L=16, beta=0.44)
        """
        if self.path is None:
            raise InputError(
                f"a target must be a system with an action, {self.name} is a quantum state; "
                "see physgen.quantum"
            )
        known = ", ".join(self.parameters)
        if unknown := sorted(parameters.keys() - self.parameters.keys()):
            raise InputError(f"parameters of {self.name} are {known}; got {unknown[0]!r}")
        wanted = self.takes(parameters.get("convention"))
        arguments = {k: p.default for k, p in wanted.items()} | parameters
        if missing := [k for k in wanted if arguments[k] is None]:
            raise InputError(f"{self.name} must be given {missing[0]}, got {parameters}")
        if others := sorted(parameters.keys() - wanted.keys()):
            raise InputError(
                f"{self.name} in the convention {arguments['convention']!r} takes "
                f"{', '.join(wanted)}; got {others[0]!r}"
            )
        return self._made({k: p.checked(arguments[k]) for k, p in wanted.items()})

    def _made(self, arguments: Mapping[str, Any]) -> Any:
        """Return the object that the callable at `path` makes from the arguments."""
        placed = {name for _, name, _, _ in string.Formatter().parse(str(self.path)) if name}
        path = str(self.path).format_map(arguments)
        others = {k: v for k, v in arguments.items() if k not in placed}
        rule = f"target of {self.name} must be the class of an action, 'package.module:Class'"
        module, _, names = path.partition(":")
        try:
            maker: Any = functools.reduce(getattr, names.split("."), import_module(module))
        except Exception as error:  # a foreign module may raise anything
            raise InputError(f"{rule}, got {path!r} ({type(error).__name__}: {error})") from error
        try:
            made = maker(**others)
        except TypeError as error:
            raise InputError(f"{rule} that takes {', '.join(others)}, got {error}") from error
        if not isinstance(made, Target):
            raise InputError(f"{rule}, got {path!r}, which makes a {type(made).__name__}")
        return made


def list_systems() -> list[str]:
    """Return the names of the systems, sorted."""
    root = _root("systems")
    return sorted(folder.name for folder in root.iterdir() if (folder / "system.toml").is_file())


def load_system(name: str) -> System:
    """Return one system of the catalogue."""
    check_choice("system", name, list_systems())
    return _load(_root("systems") / name)


def target_systems() -> dict[str, System]:
    """Return the systems with an action, by name; [target] may name these."""
    systems = (load_system(name) for name in list_systems())
    return {system.name: system for system in systems if system.path is not None}


@functools.cache
def _load(folder: Path) -> System:
    """Read the one file that configs need; the others are read on demand."""
    about, where = _read_toml(folder / "system.toml"), f"{folder}/system.toml"
    required = {"title", "description", "parameters", "conventions"}
    if missing := required - about.keys():
        raise InputError(f"{where} must contain {', '.join(sorted(missing))}")
    if unknown := sorted(about.keys() - required - {"target", "label"}):
        raise InputError(f"{where} may also contain target and label, got {unknown[0]!r}")
    return System(
        name=folder.name,
        title=about["title"],
        label=about.get("label", about["title"]),
        description=about["description"].strip(),
        path=about.get("target"),
        parameters={
            name: Parameter.from_table(name, table, where)
            for name, table in about["parameters"].items()
        },
        conventions=about["conventions"],
        folder=folder,
    )


def _reference(entry: Mapping[str, Any], folder: Path) -> Reference:
    where = f"a reference in {folder}/reference.toml"
    fields = set(Reference.__dataclass_fields__)
    if set(entry) != fields:
        wrong = ", ".join(sorted(fields ^ entry.keys()))
        raise InputError(f"{where} must have exactly {', '.join(sorted(fields))}; see {wrong}")
    check_choice(f"kind of {where}", entry["kind"], KINDS)
    numbers = {"value": float(entry["value"]), "error": float(entry["error"])}
    known: dict[str, Any] = {**entry, **numbers}
    return Reference(**known)


def _root(folder: str) -> Path:
    """Folder in the checkout, or its copy in the wheel."""
    candidates = (_PACKAGE.parent / folder, _PACKAGE / f"_{folder}")
    checkout = (_PACKAGE.parent / "pyproject.toml").is_file()
    for candidate in candidates if checkout else candidates[::-1]:
        if candidate.is_dir():
            return candidate
    raise InputError(f"the folder {folder} must be installed with physgen; reinstall physgen")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"a system must have a file {path.name}, none in {path.parent}") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path} must be valid TOML: {error}") from None
