"""The sections of generators that learn: [[model]], [train], [importance].

[train] holds what all models have in common; ``train = {...}`` in a [[model]] is its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from physgen.core.checks import is_list, is_mapping
from physgen.core.errors import InputError
from physgen.models.families import FAMILIES as ROWS
from physgen.models.families import names
from physgen.training.energy_objectives import ENERGY_OBJECTIVES
from physgen.training.evidence_objectives import EVIDENCE
from physgen.training.regressions import REGRESSIONS
from physgen.workflow.devices import Device
from physgen.workflow.lattice.sampler_section import ChainsSection
from physgen.workflow.sections import (
    Count,
    Draws,
    Flag,
    Fraction,
    Label,
    Positive,
    Section,
    one_of,
    rule,
)

__all__ = ["ImportanceSection", "ModelSection", "TrainSection", "with_common_training"]

_KINDS = ("density", "energy", "joint")
FAMILIES = ("auto", *(n for s in ("reals", "spins") for kind in _KINDS for n in names(s, kind)))
Gradient = Literal["auto", "path", "reparam", "reinforce"]
Source = Literal["auto", "action", "configurations"]
# (on, objective): an objective that looks at the other source alone.
_IGNORED = (
    ("action", "forward-kl"),
    ("configurations", "reverse-kl"),
    *(("action", name) for name in (*REGRESSIONS, *EVIDENCE)),
)
_KL = ("reverse-kl", "forward-kl", "mixed-kl")
DIVERGENCES = (*_KL, *REGRESSIONS)  # objectives of densities
PAIRS = (*_KL, *EVIDENCE)  # objectives of joint models
_LEARN_FROM_DATA = ("forward-kl", "mixed-kl", *REGRESSIONS, *EVIDENCE)
ENERGY_GOALS, EVIDENCE_GOALS = tuple(ENERGY_OBJECTIVES), EVIDENCE
GOALS = ("auto", *DIVERGENCES, *EVIDENCE, *ENERGY_GOALS)


class TrainSection(Section):
    """The fit of every point; None leaves a setting to the recipe of the family.

    Attributes
    ----------
    device
        Where models are trained and drawn from.
    on
        What is learnt from: the action, or configurations of the first [[sampler]].
    objective
        What is minimized; auto: a divergence, by what is learnt from, or what suits the energy.
    budget
        CPU time of a fit; a minute if neither this nor n_epochs is given.
    n_epochs
        Length of a fit in epochs.
    batch_size
        Draws or configurations of an update.
    learning_rate
        Largest step of Adam.
    gradient
        Estimator of the gradient of the reverse divergence.
    anneal
        Share of the fit in which the action grows from a fraction to the whole.
    draws_per_epoch
        Draws of the model in an epoch.
    n_validation
        Draws with fixed random numbers on which weights are chosen.
    validation_fraction
        Share of the configurations held out.
    checkpoint_every
        Seconds between checkpoints.
    """

    device: Device = "cpu"
    on: Annotated[Source, rule("'auto', 'action' or 'configurations'")] = "auto"
    objective: Annotated[str, one_of(GOALS)] = "auto"
    budget: Annotated[str | None, rule("a CPU time such as '60s'")] = None
    n_epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    gradient: Annotated[Gradient, rule("'auto', 'path', 'reparam' or 'reinforce'")] = "auto"
    anneal: Fraction | None = None
    draws_per_epoch: Count | None = None
    n_validation: Draws = 1024
    validation_fraction: Annotated[
        float, rule("a number in (0, 1)", gt=0, lt=1, allow_inf_nan=False)
    ] = 0.1
    checkpoint_every: Positive = 20.0

    @field_validator("budget")
    @classmethod
    def _is_a_time(cls, budget: str | None) -> str | None:
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

    @model_validator(mode="after")
    def _source_of_the_objective(self) -> TrainSection:
        """Refuse a source that the objective would not look at."""
        if (self.on, self.objective) in _IGNORED:
            raise ValueError(
                f"[train] objective {self.objective!r} does not learn on {self.on!r}; remove one "
                "of the two keys"
            )
        return self

    @property
    def needs_configurations(self) -> bool:
        """Whether the fit learns from configurations of the target."""
        return self.on == "configurations" or self.objective in _LEARN_FROM_DATA

    def length(self) -> dict[str, Any]:
        """Return how long to train: a minute of CPU time if nothing is said."""
        if self.n_epochs is not None:
            return {"n_epochs": self.n_epochs}
        return {"n_epochs": None, "budget": self.budget or "60s"}


class ModelSection(Section):
    """A family of models, arguments of its class, and how it is trained.

    Attributes
    ----------
    family
        Family of models (`physgen models`); auto: the one that suits the target.
    label
        Name in tables; the family if left out.
    decimate
        Integrate one sublattice exactly, where the target can.
    mixture
        Mix the model with its mirror image, where S(-x) = S(x).
    train
        Its own training: keys of [train] that go before those.
    chains
        Markov chains of an energy: keys of [[sampler]].
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    family: Annotated[str, one_of(FAMILIES)] = "auto"
    label: Label = ""
    decimate: Flag = True
    mixture: Flag = False
    train: TrainSection = Field(default=TrainSection())
    chains: ChainsSection = Field(default_factory=lambda: ChainsSection.model_validate({}))

    @model_validator(mode="before")
    @classmethod
    def _labelled(cls, values: Any) -> Any:
        if not is_mapping(values) or values.get("label"):
            return values
        family = values.get("family", "auto")
        return {**values, "label": "model" if family == "auto" else family}

    @model_validator(mode="after")
    def _goal_of_the_family(self) -> ModelSection:
        """Refuse what a density is told of energies, and an energy of densities."""
        goal, energy = self.train.objective, self.is_energy
        known = ENERGY_GOALS if energy else PAIRS if self.is_joint else DIVERGENCES
        if goal != "auto" and goal not in known:
            raise ValueError(
                f"[train] objective of {self.family!r} must be one of "
                f"{', '.join(map(repr, ('auto', *known)))}, got {goal!r}"
            )
        if energy and self.train.on == "action":
            raise ValueError(
                f"[train] on = 'action' is for densities, and {self.family!r} is an energy, which "
                "learns from configurations; remove on"
            )
        if energy and self.mixture:
            raise ValueError(
                f"[[model]] mixture is for densities, and {self.family!r} is an energy; remove it"
            )
        if self.is_joint and self.mixture:
            raise ValueError(
                f"[[model]] mixture is for densities, and {self.family!r} is a joint model, which "
                "is even by itself; remove it"
            )
        if not energy and self.chains != ChainsSection.model_validate({}):
            raise ValueError(
                f"[[model]] chains are for energies, and {self.family!r} is none: it "
                "draws without them; remove chains"
            )
        return self

    @property
    def is_energy(self) -> bool:
        """Whether the family is an energy: an action with weights, and no density."""
        return self.family in ROWS and ROWS[self.family].kind == "energy"

    @property
    def is_joint(self) -> bool:
        """Whether the family is one of joint models (x, z): weights are those of pairs."""
        return self.family in ROWS and ROWS[self.family].kind == "joint"

    @property
    def needs_configurations(self) -> bool:
        """Whether the fit learns from configurations of the target."""
        usual = self.regresses and self.train.objective == "auto" and self.train.on == "auto"
        return self.is_energy or usual or self.train.needs_configurations

    @property
    def regresses(self) -> bool:
        """Whether the family learns by a regression, or a bound of data, if nothing is said."""
        known = (*REGRESSIONS, *EVIDENCE)
        return self.family in ROWS and ROWS[self.family].objective in known

    def options(self) -> dict[str, Any]:
        """Return the arguments of the class itself."""
        return dict(self.model_extra or {})


class ImportanceSection(Section):
    """Weighted draws of the trained models.

    Attributes
    ----------
    n_draws
        Draws of each model.
    ess_floor
        Effective draws below which weights are refused.
    """

    n_draws: Annotated[int, rule("an integer >= 128", ge=128)] = 100_000
    ess_floor: Positive = 200.0


def with_common_training(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a config in which every [[model]] has the whole of its training."""
    models, common = values.get("model"), values.get("train", {})
    if not is_list(models) or not is_mapping(common):
        return values
    filled: list[dict[str, Any]] = []
    for model in models:
        if not is_mapping(model) or not is_mapping(own := model.get("train", {})):
            return values  # which the rules of these sections refuse
        base = dict(common)
        if own.keys() & {"budget", "n_epochs"}:  # one length, and the model's own
            base = {k: v for k, v in base.items() if k not in ("budget", "n_epochs")}
        filled.append({**model, "train": {**base, **own}})
    return {**values, "model": filled}
