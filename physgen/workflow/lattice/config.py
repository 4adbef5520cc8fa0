r"""What a run over a lattice target may be told: one class a section of ``config.toml``.

A run is a scan: every extent ``L`` in [target] times every value of the one coupling that is given
as a list or a range, times every generator of draws: each [[sampler]], each [[model]], and
sequential Monte Carlo, [smc].  [data] of configurations stands in place of [target] where nobody
knows the action: models are then fitted to the configurations and compared with them, and there
is nothing that could be sampled or weighed.  What sections have in common, and how a config
identifies a run, is in :mod:`physgen.workflow.sections`.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from physgen.core.checks import is_mapping
from physgen.workflow.lattice.compare_section import CompareSection
from physgen.workflow.lattice.data_section import DataSection
from physgen.workflow.lattice.model_section import ImportanceSection, ModelSection
from physgen.workflow.lattice.sampler_section import SamplerSection
from physgen.workflow.lattice.train_section import (
    DATA_GOALS,
    TrainSection,
    with_common_training,
)
from physgen.workflow.sections import JobConfig, Positive, Section, rule
from physgen.workflow.target.section import TargetSection

__all__ = ["Config", "SampleSection", "SmcSection", "ValidateSection"]

SMC = "smc"  # the label of sequential Monte Carlo
DATA = "data"  # the label of given configurations
_LEARNED = ("model", "train", "importance", "smc")  # sections that a scan by chains lacks


class SmcSection(Section):
    """Sequential Monte Carlo, an independent log Z; n_particles = 0 leaves it out.

    Attributes
    ----------
    n_particles
        Particles of an island.
    n_islands
        Independent islands, whose spread is the error.
    """

    n_particles: Annotated[int, rule("0, or an integer >= 2", ge=0)] = 512
    n_islands: Annotated[int, rule("an integer >= 8", ge=8)] = 32


class SampleSection(Section):
    """The work of a run, which decides nothing about its result.

    Attributes
    ----------
    checkpoint_every
        Seconds between commits: what a kill may lose.
    """

    checkpoint_every: Positive = 20.0


class ValidateSection(Section):
    """When an estimate is flagged.

    Attributes
    ----------
    ess_min
        Fewest independent draws.
    """

    ess_min: Positive = 100.0


class Config(JobConfig):
    """A whole scan."""

    KIND: ClassVar[str] = "lattice"
    LAYOUT: ClassVar[int] = 2  # 1: kinds "sampling" and "neural"
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ("target", "data")

    target: TargetSection | None = None
    data: DataSection | None = None
    # Before the models, which it is merged into: what is wrong with it is said of [train].
    train: TrainSection = TrainSection()
    sampler: Annotated[list[SamplerSection], rule("a section, or a list of them")] = Field(
        default_factory=list[SamplerSection]
    )
    model: Annotated[list[ModelSection], rule("a section, or a list of them")] = Field(
        default_factory=list[ModelSection]
    )
    importance: ImportanceSection = ImportanceSection()
    smc: SmcSection | None = None
    compare: CompareSection | None = None
    sample: SampleSection = SampleSection()
    validate_: ValidateSection = Field(default=ValidateSection(), alias="validate")

    @model_validator(mode="before")
    @classmethod
    def _generators_are_lists(cls, values: Any) -> Any:
        if not is_mapping(values):
            return values
        if "chains" in values:
            raise ValueError(
                "[chains] is [[sampler]] now, with the same keys and name = 'auto' where it had "
                "none; rename the section (n_draws = 0: leave it out)"
            )
        for section in ("train", "importance"):
            if section in values and "model" not in values:
                raise ValueError(
                    f"[{section}] belongs beside a [[model]], and this config has none; add one, "
                    f"or remove [{section}]"
                )
        lists = {key: [values[key]] for key in ("sampler", "model") if is_mapping(values.get(key))}
        return with_common_training({**values, **lists})

    @model_validator(mode="after")
    def _one_source(self) -> Config:
        if (self.target is None) == (self.data is None):
            got = "neither" if self.target is None else "both"
            raise ValueError(
                "a config must have [target], an action, or [data] of configurations whose "
                f"action nobody knows, got {got}"
            )
        if self.data is None:
            return self
        if section := "sampler" if self.sampler else "smc" if self.smc is not None else "":
            raise ValueError(
                f"[{section}] needs an action, and [data] holds configurations without one; "
                f"remove [{section}], or name the action as [target]"
            )
        for model in self.model:
            for key, value in (("on", model.train.on), ("objective", model.train.objective)):
                if value not in ("auto", "configurations", *DATA_GOALS):
                    raise ValueError(
                        f"[train] {key} = {value!r} needs an action, and [data] holds "
                        f"configurations without one; remove {key}"
                    )
            if model.corrects:
                raise ValueError(
                    f"[[model]] family {model.family!r} corrects a known action, and [data] holds "
                    "configurations without one; name the action as [target], or take "
                    "'convolutional-energy'"
                )
            self._no_idle_keys(model)
        return self

    def _no_idle_keys(self, model: ModelSection) -> None:
        """Refuse keys that mean nothing without an action, and so would do nothing."""
        for name, section, keys in (
            ("train", model.train, ("gradient", "anneal", "draws_per_epoch", "n_validation")),
            ("importance", self.importance, ("ess_floor",)),
            ("model", model, ("decimate",)),
        ):
            for key in keys:
                if getattr(section, key) != type(section).model_fields[key].default:
                    raise ValueError(
                        f"[{name}] {key} means nothing without an action, and [data] holds "
                        f"configurations without one; remove {key}"
                    )

    @model_validator(mode="after")
    def _something_draws(self) -> Config:
        if self.data is not None:
            return self
        if not (self.sampler or self.model or self.n_particles):
            raise ValueError(
                "a config with [target] must have a [[sampler]] or a [[model]], which draw from "
                "it; add one, e.g. [sampler] with name = 'auto'"
            )
        return self

    @model_validator(mode="after")
    def _labels_differ(self) -> Config:
        labels = self.labels
        for label in labels:
            if labels.count(label) > 1:
                section = "sampler" if label in [s.label for s in self.sampler] else "model"
                raise ValueError(
                    f"[[{section}]] label must differ from the others, got {label!r} twice; give "
                    "each a label"
                )
        return self

    @model_validator(mode="after")
    def _configurations_come_from_chains(self) -> Config:
        if self.data is not None or self.sampler:
            return self
        for model in self.model:
            train = model.train
            what = f"family {model.family!r}"
            if train.on == "configurations":
                what = "on = 'configurations'"
            elif train.objective != "auto" and model.is_weighed:
                what = f"objective = {train.objective!r}"
            if model.needs_configurations:
                raise ValueError(
                    f"[train] {what} needs configurations, which the first [[sampler]] draws; "
                    "add one, e.g. name = 'auto'"
                )
        return self

    @model_validator(mode="after")
    def _something_to_compare(self) -> Config:
        if self.compare is None:
            return self
        if self.data is None and not self.sampler:
            raise ValueError(
                "[compare] needs configurations to compare with, which the first [[sampler]] "
                "draws; add one, e.g. name = 'auto'"
            )
        if not self.model and len(self.sampler) < 2:
            raise ValueError(
                "[compare] needs a [[model]] or a second [[sampler]] to compare with the first; "
                "add one, or remove [compare]"
            )
        return self

    @property
    def labels(self) -> list[str]:
        """Every generator, in the order of the tables."""
        found = [DATA] * (self.data is not None)
        found += [each.label for each in (*self.sampler, *self.model)]
        return found + [SMC] * bool(self.n_particles)

    @property
    def n_particles(self) -> int:
        """Particles of an island of sequential Monte Carlo; by default beside models."""
        if self.smc is None:
            return SmcSection().n_particles if self.model and self.data is None else 0
        return self.smc.n_particles

    @property
    def device(self) -> str:
        """What the chains run on, and models are trained on."""
        devices = {str(sampler.settings().get("device", "cpu")) for sampler in self.sampler}
        return ", ".join(sorted(devices | {model.train.device for model in self.model}))

    @property
    def least_shards(self) -> int:
        """How many processes can share each of its fits."""
        return min((model.train.shards for model in self.model), default=1)

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form that identifies the run, without what was not given."""
        table = super().canonical()
        for source in ("target", "data"):
            if table[source] is None:
                del table[source]
        if "target" in table:
            table["target"] = {k: v for k, v in table["target"].items() if v not in (None, {}, [])}
        if "data" in table and not table["data"]["observables"]:
            del table["data"]["observables"]
        if table["compare"] is None:
            del table["compare"]
        # How often to checkpoint changes no number; what all models have is in each of them.
        del table["sample"], table["train"]
        for section, model in zip(self.model, table["model"], strict=True):
            model["train"] = section.train.canonical(model["train"])
            if not section.is_energy:
                del model["chains"]
        if not self.model:
            for section in _LEARNED:
                if section in table and not (section == SMC and self.smc is not None):
                    del table[section]
        return table
