"""Read the catalogue of systems: one folder each, of data and no code.

    systems/<name>/system.toml      title, description, parameters, conventions;
                                    target or hamiltonian, label
                   reference.toml   quantity, parameters, value, error, kind, source
                   README.md  references.bib

``target = "package.module:Class"`` names the class of an action, or a function that returns an
action, in physgen or in any importable module; it is called with the parameters by name.  A name
in braces, as in ``"...:Phi4.from_{convention}"``, is replaced by the value of that choice.
``hamiltonian = "package.module:Class"`` names the class of a Hamiltonian in the same way: the
system is its ground state, which is measured.  A checkout reads these folders directly; an
installed wheel has a copy.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from physgen.catalogue.making import Kind, made
from physgen.catalogue.parameters import Parameter
from physgen.catalogue.references import KINDS, Reference, read_reference
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import Target

if TYPE_CHECKING:
    from physgen.quantum.hamiltonians import Hamiltonian

__all__ = [
    "System",
    "hamiltonian_systems",
    "list_systems",
    "load_system",
    "shipped_folder",
    "target_systems",
]

_PACKAGE = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, eq=False)
class System:
    """A named system with its conventions and reference values.

    Attributes
    ----------
    name, title, description : str
        Of its folder, in a line, and in a few sentences.
    label : str
        Name in tables and figures, in a word or two.
    path, hamiltonian_path : str or None
        Path of the class of its target, or of its Hamiltonian; a system has one of them.
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
    hamiltonian_path: str | None
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
        return tuple(read_reference(entry, self.folder) for entry in entries)

    @property
    def data_files(self) -> tuple[Path, ...]:
        """The shipped data sets of this system."""
        return tuple(sorted((shipped_folder("data") / self.name).glob("*.h5")))

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
        kind = Kind("target", "an action", Target)
        return made(self.name, self.path, kind, self._arguments(parameters))

    def hamiltonian(self, **parameters: Any) -> Hamiltonian:
        """Return the Hamiltonian of this system at these parameters.

        Parameters that are not given have their defaults.

        Raises
        ------
        InputError
            If the system has no Hamiltonian, a parameter is unknown or missing, or the Hamiltonian
            refuses its value.

        Examples
        --------
        >>> load_system("xxz-1d").hamiltonian(L=6)
        XXZ(L=6, J=1.0, Delta=1.0, h=0.0, boundary='open')
        """
        from physgen.quantum.hamiltonians import Hamiltonian

        if self.hamiltonian_path is None:
            raise InputError(
                f"a Hamiltonian must be a system with one, {self.name} has an action; "
                "see System.target"
            )
        kind = Kind("hamiltonian", "a Hamiltonian", Hamiltonian)
        return made(self.name, self.hamiltonian_path, kind, self._arguments(parameters))

    def _arguments(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Return the checked arguments of the class, with the defaults."""
        known = ", ".join(self.parameters)
        if unknown := sorted(parameters.keys() - self.parameters.keys()):
            raise InputError(f"parameters of {self.name} are {known}; got {unknown[0]!r}")
        wanted = self.takes(parameters.get("convention"))
        arguments = {k: p.default for k, p in wanted.items()} | dict(parameters)
        if missing := [k for k in wanted if arguments[k] is None]:
            raise InputError(f"{self.name} must be given {missing[0]}, got {parameters}")
        if others := sorted(parameters.keys() - wanted.keys()):
            raise InputError(
                f"{self.name} in the convention {arguments['convention']!r} takes "
                f"{', '.join(wanted)}; got {others[0]!r}"
            )
        return {k: p.checked(arguments[k]) for k, p in wanted.items()}


def list_systems() -> list[str]:
    """Return the names of the systems, sorted."""
    return list(_found(shipped_folder("systems")))


def load_system(name: str) -> System:
    """Return one system of the catalogue.

    Parameters
    ----------
    name : str
        One of :func:`list_systems`.

    Raises
    ------
    InputError
        If there is no such system.
    """
    root = shipped_folder("systems")
    if name not in _known(root):  # or it is there since a moment ago
        check_choice("system", name, list_systems())
    return _load(root / name)


def target_systems() -> dict[str, System]:
    """Return the systems with an action, by name; [target] may name these."""
    systems = (load_system(name) for name in list_systems())
    return {system.name: system for system in systems if system.path is not None}


def hamiltonian_systems() -> dict[str, System]:
    """Return the systems with a Hamiltonian, by name; [system] may name these."""
    systems = (load_system(name) for name in list_systems())
    return {system.name: system for system in systems if system.hamiltonian_path is not None}


def _found(root: Path) -> tuple[str, ...]:
    return tuple(sorted(path.parent.name for path in root.glob("*/system.toml")))


_known = functools.cache(_found)  # every point of a scan asks for its system


@functools.cache
def _load(folder: Path) -> System:
    """Read the one file that configs need; the others are read on demand."""
    about, where = _read_toml(folder / "system.toml"), f"{folder}/system.toml"
    required = {"title", "description", "parameters", "conventions"}
    if missing := required - about.keys():
        raise InputError(f"{where} must contain {', '.join(sorted(missing))}")
    if unknown := sorted(about.keys() - required - {"target", "hamiltonian", "label"}):
        raise InputError(
            f"{where} may also contain target, hamiltonian and label, got {unknown[0]!r}"
        )
    if "target" in about and "hamiltonian" in about:
        raise InputError(f"{where} must name a target or a hamiltonian, got both")
    return System(
        name=folder.name,
        title=about["title"],
        label=about.get("label", about["title"]),
        description=about["description"].strip(),
        path=about.get("target"),
        hamiltonian_path=about.get("hamiltonian"),
        parameters={
            name: Parameter.from_table(name, table, where)
            for name, table in about["parameters"].items()
        },
        conventions=about["conventions"],
        folder=folder,
    )


def shipped_folder(folder: str) -> Path:
    """Return a folder of the checkout, or its copy in the wheel."""
    return _shipped(_PACKAGE, folder)


@functools.cache
def _shipped(package: Path, folder: str) -> Path:
    candidates = (package.parent / folder, package / f"_{folder}")
    checkout = (package.parent / "pyproject.toml").is_file()
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
