r"""What a sampling run may be told: one class a section of ``config.toml``.

A run is a scan: every extent ``L`` in [target] times every value of the one coupling that is given
as a list or a range, times every [sampler].  What sections have in common, and how a config
identifies a run, is in :mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from physgen.workflow.sampling.families import FAMILIES, couplings_known, couplings_of
from physgen.workflow.sampling.methods import LABEL_RULE, checked_settings
from physgen.workflow.sampling.values import extents, numbers
from physgen.workflow.sections import (
    Count,
    Draws,
    JobConfig,
    PathText,
    Positive,
    Section,
    Text,
    rule,
)

__all__ = ["Config", "SampleSection", "SamplerSection", "TargetSection", "ValidateSection"]

_NAMES = ", ".join(repr(name) for name in FAMILIES)
Extents = Annotated[list[int] | None, BeforeValidator(extents)]
Numbers = Annotated[list[float] | None, BeforeValidator(numbers)]
Warmup = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=0)], rule("'auto' or an integer >= 0 (of draws)")
]


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


class SamplerSection(Section):
    """One algorithm, its own settings, and how long its chains are."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Text
    label: Annotated[str, rule(LABEL_RULE, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_+-]*$")] = ""
    n_chains: Count = 64
    n_draws: Draws = 1000
    thin: Count = 1
    warmup: Warmup = "auto"

    @model_validator(mode="before")
    @classmethod
    def _settings(cls, values: Any) -> Any:
        """Check what the algorithm is told, and fill in its defaults."""
        if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
            return values
        return checked_settings(values, reserved=[name for name in cls.model_fields])

    def settings(self) -> dict[str, Any]:
        """Return the settings of the algorithm itself."""
        return dict(self.model_extra or {})


class SampleSection(Section):
    """The work of sampling, which decides nothing about its result."""

    checkpoint_every: Positive = 20.0


class ValidateSection(Section):
    """When an estimate is flagged."""

    ess_min: Positive = 100.0


class Config(JobConfig):
    """A whole scan."""

    KIND: ClassVar[str] = "sampling"
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ("target",)

    target: TargetSection
    sampler: Annotated[list[SamplerSection], rule("a section, or a list of them", min_length=1)]
    sample: SampleSection = SampleSection()
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")

    @model_validator(mode="before")
    @classmethod
    def _samplers_are_a_list(cls, values: Any) -> Any:
        sampler = values.get("sampler") if isinstance(values, dict) else None
        return {**values, "sampler": [sampler]} if isinstance(sampler, Mapping) else values

    @model_validator(mode="after")
    def _labels_differ(self) -> Config:
        labels = [sampler.label for sampler in self.sampler]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(
                    f"[[sampler]] label must differ from the others, got {label!r} twice; give "
                    "each a label"
                )
        return self

    @property
    def device(self) -> str:
        """What the chains run on."""
        devices = {str(sampler.settings().get("device", "cpu")) for sampler in self.sampler}
        return ", ".join(sorted(devices))

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form that identifies the run, without what was not given."""
        table = super().canonical()
        table["target"] = {k: v for k, v in table["target"].items() if v not in (None, {})}
        del table["sample"]  # how often to checkpoint changes no number
        return table
