"""How models are trained: [train], the ``train = {...}`` of a [[model]], and the stages after it.

[train] holds what all models have in common; ``train = {...}`` in a [[model]] is its own.  An
energy may be trained in several stages: ``then = [{...}]`` lists those that follow, each of which
goes on from the weights of the one before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from physgen.core.checks import is_list, is_mapping
from physgen.core.errors import InputError
from physgen.training.divergence_names import DIVERGENCES as ADVERSARIAL
from physgen.training.divergence_names import TERMS
from physgen.training.energy_objectives import ENERGY_OBJECTIVES, ENERGY_OPTIONS
from physgen.training.evidence_objectives import EVIDENCE, EVIDENCE_OPTIONS
from physgen.training.regressions import REGRESSIONS
from physgen.workflow.devices import Device
from physgen.workflow.sections import Count, Draws, Flag, Fraction, Positive, Section, one_of, rule

__all__ = [
    "ADVERSARIAL",
    "DATA_GOALS",
    "ENERGY_GOALS",
    "GOALS_OF",
    "OPTIONS",
    "PAIRS",
    "FitSection",
    "StageSection",
    "TrainSection",
    "with_common_training",
]

Gradient = Literal["auto", "path", "reparam", "reinforce"]
Source = Literal["auto", "action", "configurations"]
# (on, objective): an objective that looks at the other source alone.
_IGNORED = (
    ("action", "forward-kl"),
    ("configurations", "reverse-kl"),
    ("configurations", "log-variance"),
    *(("action", name) for name in (*REGRESSIONS, *EVIDENCE, *ADVERSARIAL)),
)
_KL = ("reverse-kl", "forward-kl", "mixed-kl")
# Objectives of densities, and of joint models.
DIVERGENCES = (*_KL, "log-variance", *REGRESSIONS)
PAIRS = (*_KL, *EVIDENCE)
_LEARN_FROM_DATA = ("forward-kl", "mixed-kl", *REGRESSIONS, *EVIDENCE, *ADVERSARIAL)
ENERGY_GOALS = tuple(ENERGY_OBJECTIVES)
DATA_GOALS = (*ENERGY_GOALS, *EVIDENCE, *ADVERSARIAL)  # which need no action
# By what a trained model is.  A density may be the generator of a game: it keeps its log_prob.
GOALS_OF: Mapping[str, tuple[str, ...]] = {
    "density": (*DIVERGENCES, *ADVERSARIAL),
    "energy": ENERGY_GOALS,
    "joint": PAIRS,
    "simulator": tuple(ADVERSARIAL),
}
GOALS = ("auto", *DIVERGENCES, *EVIDENCE, *ENERGY_GOALS, *ADVERSARIAL)
# Keys that an objective itself is told; others do not look at them.
OPTIONS_OF: Mapping[str, tuple[str, ...]] = {**ENERGY_OPTIONS, **EVIDENCE_OPTIONS}
OPTIONS = tuple(dict.fromkeys(key for keys in OPTIONS_OF.values() for key in keys))
MOST = 1_000_000  # steps of a chain in an update
REFINES = 0.01  # share of the rate of a family's recipe at which a later stage begins


class FitSection(Section):
    """What every fit may be told; None leaves a setting to the recipe of the family."""

    budget: Annotated[str | None, rule("a CPU time such as '60s'")] = None
    n_epochs: Count | None = None
    batch_size: Count | None = None
    learning_rate: Positive | None = None
    k: Annotated[int, rule(f"an integer from 1 to {MOST:,}", ge=1, le=MOST)] | None = None
    n_chains: Draws | None = None
    rounds: Count | None = None

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
    def _one_length(self) -> FitSection:
        if self.budget is not None and self.n_epochs is not None:
            raise ValueError("[train] takes budget or n_epochs, got both; remove one")
        return self

    def length(self) -> dict[str, Any]:
        """Return how long to train: a minute of CPU time if nothing is said."""
        if self.n_epochs is not None:
            return {"n_epochs": self.n_epochs}
        return {"n_epochs": None, "budget": self.budget or "60s"}

    def options(self) -> dict[str, Any]:
        """Return what the objective itself is told."""
        found = {key: getattr(self, key, None) for key in OPTIONS}
        return {key: value for key, value in found.items() if value is not None}

    def check_options(self, goal: str) -> None:
        """Raise ValueError for a key that this objective would not look at."""
        for key in self.options():
            if key not in OPTIONS_OF.get(goal, ()):
                takers = [name for name, keys in OPTIONS_OF.items() if key in keys]
                raise ValueError(
                    f"[train] {key} is of objective {' or '.join(map(repr, takers))}, got "
                    f"{goal!r}; remove {key}"
                )


class StageSection(FitSection):
    """A stage of training that goes on from the weights of the one before.

    Attributes
    ----------
    objective
        What is minimized, by an energy.
    budget
        CPU time of the stage; a minute if neither this nor n_epochs is given.
    n_epochs
        Length of the stage in epochs.
    batch_size
        Configurations of an update.
    learning_rate
        Largest step of Adam; a hundredth of that of the family, if it is left out.
    k
        Steps of every chain of the negative phase in an update.
    n_chains
        Chains of the negative phase.
    rounds
        Newton steps of moment matching.
    """

    objective: Annotated[str, one_of(ENERGY_GOALS)]

    @model_validator(mode="after")
    def _known_keys(self) -> StageSection:
        self.check_options(self.objective)
        return self


class TrainSection(FitSection):
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
    shards
        Parts of a batch with random numbers of their own: as many processes (torchrun, srun) can
        share a fit, to the same weights on any number of them.
    cuda_graphs
        Record an update on a CUDA device once and replay it: less time to launch its kernels.
    learning_rate
        Largest step of Adam.
    k
        Steps of every chain of the negative phase in an update: contrastive divergence, moment
        matching.  Draws of z for each x: the evidence bounds.
    n_chains
        Chains of the negative phase.
    rounds
        Newton steps of moment matching.
    beta
        Factor of the divergence in "elbo"; other than 1, the loss bounds no likelihood.
    warm_up
        Share of an "elbo" fit over which this factor grows from 0.
    free_bits
        Nats of each latent variable that "elbo" does not charge.
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
    terms
        Weights of the terms of an adversarial objective, by name.
    trajectory
        Keep snapshots of an energy as it is trained: log Z and mixing times along the training,
        and chains = { name = "trajectory-tempering" }.
    then
        Further stages of an energy: a table, or a list of them, each with an objective.
    checkpoint_every
        Seconds between checkpoints.
    """

    device: Device = "cpu"
    shards: Count = 1
    cuda_graphs: Flag = False
    on: Annotated[Source, rule("'auto', 'action' or 'configurations'")] = "auto"
    objective: Annotated[str, one_of(GOALS)] = "auto"
    beta: Positive | None = None
    warm_up: Annotated[
        float | None, rule("a number in [0, 1)", ge=0, lt=1, allow_inf_nan=False)
    ] = None
    free_bits: Annotated[
        float | None, rule("a number of nats >= 0", ge=0, allow_inf_nan=False)
    ] = None
    gradient: Annotated[Gradient, rule("'auto', 'path', 'reparam' or 'reinforce'")] = "auto"
    anneal: Fraction | None = None
    draws_per_epoch: Count | None = None
    n_validation: Draws = 1024
    validation_fraction: Annotated[
        float, rule("a number in (0, 1)", gt=0, lt=1, allow_inf_nan=False)
    ] = 0.1
    terms: Annotated[
        dict[str, float] | None, rule(f"a table of weights of {', '.join(TERMS)}")
    ] = None
    trajectory: Flag = False
    then: Annotated[list[StageSection], rule("a table, or a list of them")] = Field(
        default_factory=list[StageSection]
    )
    checkpoint_every: Positive = 20.0

    @model_validator(mode="before")
    @classmethod
    def _stages_are_a_list(cls, values: Any) -> Any:
        if is_mapping(values) and is_mapping(values.get("then")):
            return {**values, "then": [values["then"]]}
        return values

    @model_validator(mode="after")
    def _source_of_the_objective(self) -> TrainSection:
        """Refuse a source that the objective would not look at."""
        if (self.on, self.objective) in _IGNORED:
            raise ValueError(
                f"[train] objective {self.objective!r} does not learn on {self.on!r}; remove one "
                "of the two keys"
            )
        return self

    @model_validator(mode="after")
    def _graphs_of_a_device(self) -> TrainSection:
        if self.cuda_graphs and (self.device == "cpu" or self.shards > 1):
            raise ValueError(
                "[train] cuda_graphs needs a CUDA device and shards = 1, got device = "
                f"{self.device!r} and shards = {self.shards}; leave it out"
            )
        return self

    @property
    def needs_configurations(self) -> bool:
        """Whether the fit learns from configurations of the target."""
        return self.on == "configurations" or self.objective in _LEARN_FROM_DATA

    def canonical(self, table: dict[str, Any]) -> dict[str, Any]:
        """Return the JSON-able form of this section without what decides no number.

        `checkpoint_every` and `cuda_graphs` change none; keys of energies and generators that are
        not given are left out, so that runs which began without them go on.
        """
        given = {k: v for k, v in table.items() if k not in ("checkpoint_every", "cuda_graphs")}
        if self.shards == 1:
            del given["shards"]
        for key in (*OPTIONS, "terms", "trajectory", "then"):
            if not given[key]:
                del given[key]
        return given


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
