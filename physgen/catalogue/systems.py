"""Read the catalogue of systems: one folder each, of data and no code.

    systems/<name>/system.toml      title, description, parameters, conventions, target
                   reference.toml   quantity, parameters, value, error, kind, source
                   README.md  references.bib

In a checkout the folders are read where they stand; an installed wheel carries a copy.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from physgen.catalogue.makers import make_target
from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["KINDS", "Reference", "System", "list_systems", "load_system"]

KINDS = ("exact", "published", "computed")
_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Reference:
    """One known number.

    Attributes
    ----------
    quantity : str
        What it is, e.g. ``ground_state_energy``.
    parameters : mapping
        At which parameters.
    value, error : float
        The number and its uncertainty (0 for exact ones, to the digits given).
    kind : {"exact", "published", "computed"}
        Closed form or oracle; read in a publication; computed by us.
    source : str
        The formula, publication or computation.
    """

    quantity: str
    parameters: Mapping[str, Any]
    value: float
    error: float
    kind: str
    source: str


@dataclass(frozen=True)
class System:
    """A named system with its conventions and known numbers.

    ``maker`` names what :meth:`target` makes; None for the state of a quantum system, which is
    measured, not sampled from an action.
    """

    name: str
    title: str
    description: str
    maker: str | None
    parameters: Mapping[str, Mapping[str, Any]]
    conventions: Mapping[str, str]
    readme: str
    bibliography: str
    references: tuple[Reference, ...]
    data_files: tuple[Path, ...]

    def reference(self, quantity: str, kind: str | None = None, **parameters: Any) -> Reference:
        """Return the entry of that quantity at those parameters.

        Parameters of the system that are not given have their defaults.  Where entries of several
        kinds are known and none is asked for, an exact one comes before a published and that
        before a computed one.

        Examples
        --------
        >>> round(load_system("tfim-1d").reference("ground_state_energy", L=50).value, 6)
        -63.301189
        """
        wanted = (self._defaults | parameters).items()
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

    def target(self, **parameters: Any) -> Any:
        """Return the target of this system at these parameters.

        Parameters that are not given have their defaults.

        Raises
        ------
        InputError
            If the system is no target, a parameter is unknown or missing, or the target refuses
            its value.

        Examples
        --------
        >>> load_system("ising-2d").target(L=16, beta=0.44)
        Ising(L=16, beta=0.44)
        """
        if self.maker is None:
            raise InputError(
                f"a target must be a system with an action, {self.name} is a quantum state; "
                "see physgen.quantum"
            )
        known = ", ".join(self.parameters)
        if unknown := sorted(parameters.keys() - self.parameters.keys()):
            raise InputError(f"parameters of {self.name} are {known}; got {unknown[0]!r}")
        return make_target(self.name, self.maker, self._defaults | parameters)

    @property
    def _defaults(self) -> dict[str, Any]:
        """Parameters that need not be given, and their values."""
        return {k: about["default"] for k, about in self.parameters.items() if "default" in about}


def list_systems() -> list[str]:
    """Return the names of the systems, sorted."""
    root = _root("systems")
    return sorted(folder.name for folder in root.iterdir() if (folder / "system.toml").is_file())


def load_system(name: str) -> System:
    """Return one system of the catalogue."""
    check_choice("system", name, list_systems())
    folder = _root("systems") / name
    about = _read_toml(folder / "system.toml")
    missing = {"title", "description", "parameters", "conventions"} - about.keys()
    if missing:
        raise InputError(f"{folder}/system.toml must contain {', '.join(sorted(missing))}")
    entries = _read_toml(folder / "reference.toml").get("reference", [])
    return System(
        name=name,
        title=about["title"],
        description=about["description"].strip(),
        maker=about.get("target"),
        parameters=about["parameters"],
        conventions=about["conventions"],
        readme=(folder / "README.md").read_text(encoding="utf-8"),
        bibliography=(folder / "references.bib").read_text(encoding="utf-8"),
        references=tuple(_reference(entry, folder) for entry in entries),
        data_files=tuple(sorted((_root("data") / name).glob("*.h5"))),
    )


def _reference(entry: Mapping[str, Any], folder: Path) -> Reference:
    where = f"a reference in {folder}/reference.toml"
    fields = set(Reference.__dataclass_fields__)
    if entry.keys() != fields:
        wrong = ", ".join(sorted(fields ^ entry.keys()))
        raise InputError(f"{where} must have exactly {', '.join(sorted(fields))}; see {wrong}")
    check_choice(f"kind of {where}", entry["kind"], KINDS)
    return Reference(**{**entry, "value": float(entry["value"]), "error": float(entry["error"])})


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
