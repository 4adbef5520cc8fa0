"""The section [target] of a config: a known action, or an object of a Python file of the user."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from physgen.workflow.sections import PathText, Section, Text, rule
from physgen.workflow.target.families import FAMILIES, couplings_known, couplings_of
from physgen.workflow.target.values import extents, numbers

__all__ = ["TargetSection"]

_NAMES = ", ".join(repr(name) for name in FAMILIES)
Extents = Annotated[list[int] | None, BeforeValidator(extents)]
Numbers = Annotated[list[float] | None, BeforeValidator(numbers)]


class TargetSection(Section):
    """What is sampled: a known action, or an object of a Python file of the user."""

    name: Annotated[Literal["ising-2d", "phi4-2d", "free-field"] | None, rule(f"one of {_NAMES}")]
    L: Extents = None
    convention: Annotated[str | None, rule("a text")] = None
    beta: Numbers = None
    J: Numbers = None
    h: Numbers = None
    kappa: Numbers = None
    m2: Numbers = None
    lam: Numbers = None
    file: PathText | None = None
    sha256: Text | None = None
    object: Text | None = None
    parameters: dict[str, Numbers] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _one_source(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        named, file = values.get("name"), values.get("file")
        if (named is None) == (file is None):
            raise ValueError(
                f"[target] must have a name (one of {_NAMES}) or the file of an action of your "
                f"own, got {'both' if named else 'neither'}"
            )
        if file is not None:
            for key in couplings_known() & set(values):
                raise ValueError(
                    f"[target] {key} is no key of an own action; give it in parameters"
                )
            return {"name": None, "object": "target", **values}
        return couplings_of(values)

    @model_validator(mode="after")
    def _one_scan(self) -> TargetSection:
        many = [name for name, values in self.couplings().items() if len(values) > 1]
        if len(many) > 1:
            raise ValueError(
                f"[target] may scan one coupling, got lists for {' and '.join(many)}; make "
                "several runs of the others"
            )
        if self.name is not None and self.L is None:
            raise ValueError("[target] L must be given, an integer >= 2 or a list of them")
        if self.name is not None and (self.object or self.parameters):
            key = "object" if self.object else "parameters"
            raise ValueError(f"[target] {key} belongs beside a file; remove it or the name")
        return self

    def couplings(self) -> dict[str, list[float]]:
        """Return the values of every coupling, by name."""
        if self.name is None:
            return {name: values or [] for name, values in self.parameters.items()}
        known = FAMILIES[self.name].names(self.convention)
        return {name: getattr(self, name) or [] for name in known}
