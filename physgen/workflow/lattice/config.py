r"""What a sampling run may be told: one class a section of ``config.toml``.

A run is a scan: every extent ``L`` in [target] times every value of the one coupling that is given
as a list or a range, times every [sampler].  What sections have in common, and how a config
identifies a run, is in :mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, model_validator

from physgen.workflow.lattice.methods import LABEL_RULE, checked_settings
from physgen.workflow.sections import (
    Count,
    Draws,
    JobConfig,
    Positive,
    Section,
    Text,
    rule,
)
from physgen.workflow.target.section import TargetSection

__all__ = ["Config", "SampleSection", "SamplerSection", "ValidateSection"]

Warmup = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=0)], rule("'auto' or an integer >= 0 (of draws)")
]


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

    KIND: ClassVar[str] = "lattice"
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
