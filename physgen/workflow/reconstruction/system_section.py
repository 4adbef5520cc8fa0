"""The section [system] of a config: a Hamiltonian of the catalogue; its ground state is measured.

The keys are the name of the system and its parameters; which those are says its ``system.toml``
(:mod:`physgen.catalogue`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import ConfigDict, model_validator

from physgen.catalogue import Parameter, System, hamiltonian_systems, list_systems, load_system
from physgen.core.checks import check_choice, is_mapping
from physgen.core.errors import InputError
from physgen.workflow.sections import Section, rule, unknown_key

if TYPE_CHECKING:
    from physgen.quantum import Hamiltonian

__all__ = ["SystemSection"]


class SystemSection(Section):
    """The Hamiltonian whose ground state is measured: a system by its name.

    Attributes
    ----------
    name
        System of the catalogue; its parameters are keys too (`physgen systems NAME`).
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Annotated[str, rule("the name of a system")] = "tfim-1d"

    @model_validator(mode="before")
    @classmethod
    def _parameters_of_the_system(cls, values: Any) -> Any:
        if not is_mapping(values):
            return values
        try:
            return _checked(dict(values))
        except InputError as error:
            raise ValueError(f"[system] {error}") from None

    @model_validator(mode="after")
    def _some_coupling(self) -> SystemSection:
        try:
            terms = self.hamiltonian().pauli_sum().terms
        except InputError as error:
            raise ValueError(f"[system] {error}") from None
        if all(string == () for string in terms):
            names = [k for k, p in self.system.parameters.items() if p.type == "number"]
            listed = " and ".join(filter(None, [", ".join(names[:-1]), *names[-1:]]))
            how = f"{listed} must not {'both' if len(names) == 2 else 'all'} be 0"
            raise ValueError(
                f"[system] {how if names else 'terms must act on a site'}; every state is a "
                "ground state"
            )
        return self

    @property
    def system(self) -> System:
        """The system that is named."""
        return load_system(self.name)

    def parameters(self) -> dict[str, Any]:
        """Return the values of all parameters of the system, by name."""
        return dict(self.model_extra or {})

    def hamiltonian(self) -> Hamiltonian:
        """Return the Hamiltonian of the system at these parameters."""
        return self.system.hamiltonian(**self.parameters())


def _checked(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a section with the defaults of its system, in the system's order."""
    system = _system(values.setdefault("name", "tfim-1d"))
    known = ["name", *system.parameters]
    for key in sorted(values.keys() - known):
        if any(key in other.parameters for other in hamiltonian_systems().values()):
            takes = ", ".join(system.parameters)
            raise InputError(f"{key} is no parameter of {system.name}, which takes {takes}")
        raise unknown_key(key, known)
    found = {key: _value(p, values.get(key, p.default)) for key, p in system.parameters.items()}
    return {"name": values["name"], **found}


def _value(parameter: Parameter, value: Any) -> Any:
    """Return a value of the parameter's type; an integer is not taken for a float's sake."""
    told = _rule(parameter)
    if value is None:
        raise InputError(f"{parameter.name} must be given as {told}; add it to the config")
    wrong = isinstance(value, bool) or (parameter.type == "integer" and isinstance(value, float))
    try:
        if wrong:
            raise InputError(told)
        return parameter.checked(value)
    except InputError:
        raise InputError(f"{parameter.name} must be {told}, got {value!r}") from None


def _rule(parameter: Parameter) -> str:
    """Return what a parameter may be, in words."""
    if parameter.type == "choice":
        return " or ".join(map(repr, parameter.choices))
    if parameter.type == "text":
        return f"a text ({parameter.meaning})"
    least = "" if parameter.minimum is None else f" >= {parameter.minimum:g}"
    if parameter.type == "integer":
        return f"an integer{least} (the {parameter.meaning})"
    return f"a number{least}" if least else "a finite number"


def _system(name: object) -> System:
    """Return the system of this name, which must have a Hamiltonian."""
    known = hamiltonian_systems()
    if isinstance(name, str) and name in list_systems() and name not in known:
        raise InputError(
            f"name must be a system with a Hamiltonian, one of {', '.join(map(repr, known))}; "
            f"{name} has an action, which is drawn from: write [target] name = {name!r}"
        )
    return known[check_choice("name", name, list(known))]
