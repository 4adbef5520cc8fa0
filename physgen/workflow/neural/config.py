r"""What a run of neural samplers may be told: one class a section of ``config.toml``.

A run trains one model for every extent ``L`` in [target] times every value of the one coupling
that is given as a list or a range, and weighs its draws; Markov chains and sequential Monte Carlo
of the same target stand beside it.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, field_validator, model_validator

from physgen.models.families import names
from physgen.workflow.devices import Device
from physgen.workflow.sections import (
    Count,
    Draws,
    Flag,
    Fraction,
    JobConfig,
    Positive,
    Section,
    Text,
    one_of,
    rule,
)
from physgen.workflow.target.section import TargetSection

__all__ = [
    "ChainsSection",
    "Config",
    "ImportanceSection",
    "ModelSection",
    "SmcSection",
    "TrainSection",
]

FAMILIES = ("auto", *names("reals"), *names("spins"))
Gradient = Literal["auto", "path", "reparam", "reinforce"]


class ModelSection(Section):
    """The family of models, and arguments of its class."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    family: Annotated[str, one_of(FAMILIES)] = "auto"
    decimate: Flag = True
    mixture: Flag = False

    def options(self) -> dict[str, Any]:
        """Return the arguments of the class itself."""
        return dict(self.model_extra or {})


class TrainSection(Section):
    """The fit of every point; None leaves a setting to the recipe of the family."""

    device: Device = "cpu"
    budget: Annotated[str | None, rule("a CPU time such as '60s'")] = None
    n_epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    gradient: Annotated[Gradient, rule("'auto', 'path', 'reparam' or 'reinforce'")] = "auto"
    anneal: Fraction | None = None
    draws_per_epoch: Count | None = None
    n_validation: Draws = 1024
    checkpoint_every: Positive = 20.0

    @field_validator("budget")
    @classmethod
    def _is_a_time(cls, budget: str | None) -> str | None:
        from physgen.core.errors import InputError
        from physgen.training.settings import parse_seconds

        try:
            _ = budget is None or parse_seconds(budget)
        except InputError as error:
            raise ValueError(f"[train] {error}") from None
        return budget

    @model_validator(mode="after")
    def _one_length(self) -> TrainSection:
        if self.budget is not None and self.n_epochs is not None:
            raise ValueError("[train] takes budget or n_epochs, got both; remove one")
        return self

    def length(self) -> dict[str, Any]:
        """Return how long to train: a minute of CPU time if nothing is said."""
        if self.n_epochs is not None:
            return {"n_epochs": self.n_epochs}
        return {"n_epochs": None, "budget": self.budget or "60s"}


class ImportanceSection(Section):
    """Weighted draws of the trained model."""

    n_draws: Annotated[int, rule("an integer >= 128", ge=128)] = 100_000
    ess_floor: Positive = 200.0


class ChainsSection(Section):
    """Markov chains beside it; n_draws = 0 leaves them out."""

    name: Text = "auto"
    n_chains: Count = 64
    n_draws: Annotated[int, rule("0, or an integer >= 2", ge=0)] = 200
    thin: Count = 5


class SmcSection(Section):
    """An independent log Z; n_particles = 0 leaves it out."""

    n_particles: Annotated[int, rule("0, or a positive integer", ge=0)] = 512
    n_islands: Draws = 32


class Config(JobConfig):
    """A whole run."""

    KIND: ClassVar[str] = "neural"
    FILE_SECTIONS: ClassVar[tuple[str, ...]] = ("target",)

    target: TargetSection
    model: ModelSection
    train: TrainSection = TrainSection()
    importance: ImportanceSection = ImportanceSection()
    chains: ChainsSection = ChainsSection()
    smc: SmcSection = SmcSection()

    @property
    def device(self) -> str:
        """What models are trained and drawn on."""
        return self.train.device

    def canonical(self) -> dict[str, Any]:
        """Return the JSON-able form that identifies the run, without what was not given."""
        table = super().canonical()
        table["target"] = {k: v for k, v in table["target"].items() if v not in (None, {})}
        del table["train"]["checkpoint_every"]  # how often to checkpoint changes no number
        return table
