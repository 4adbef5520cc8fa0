"""The sections of generators that learn: [[model]] and [importance].

How a model is trained is in :mod:`.train_section`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from physgen.core.checks import is_mapping
from physgen.models.families import FAMILIES as ROWS
from physgen.models.families import names
from physgen.training.evidence_objectives import EVIDENCE, EVIDENCE_OPTIONS
from physgen.training.regressions import REGRESSIONS
from physgen.workflow.lattice.sampler_section import TEMPERING, ChainsSection
from physgen.workflow.lattice.train_section import ADVERSARIAL, GOALS_OF, TrainSection
from physgen.workflow.sections import Flag, Label, Positive, Section, one_of, rule

__all__ = ["ImportanceSection", "ModelSection"]

_WORDS = {
    "density": "a density",
    "energy": "an energy",
    "simulator": "a generator",
    "joint": "a joint model",
}
FAMILIES = ("auto", *names("reals", None), *names("spins", None))


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
        goal, kind = self.train.objective, self.kind
        what, energy = _WORDS[kind], kind == "energy"
        if goal != "auto" and goal not in GOALS_OF[kind]:
            raise ValueError(
                f"[train] objective of {self.family!r} must be one of "
                f"{', '.join(map(repr, ('auto', *GOALS_OF[kind])))}, got {goal!r}"
            )
        if self.train.terms is not None and not self.is_adversarial:
            raise ValueError(
                f"[train] terms are for an adversarial objective, got objective {goal!r} of "
                f"{self.family!r}; remove terms"
            )
        if not self.is_weighed and self.train.on == "action":
            raise ValueError(
                f"[train] on = 'action' is for densities, and {self.family!r} is {what}, which "
                "learns from configurations; remove on"
            )
        if self.is_estimated and (self.train.on == "action" or goal not in ("auto", "forward-kl")):
            key = f"on = {self.train.on!r}" if goal == "auto" else f"objective {goal!r}"
            raise ValueError(
                f"[train] {key} is not for {self.family!r}, which is estimated from "
                "configurations by its likelihood; remove it"
            )
        if self.is_estimated and self.mixture:
            raise ValueError(
                f"[[model]] mixture is for densities that are trained in steps, and "
                f"{self.family!r} is estimated; remove it"
            )
        if kind != "density" and self.mixture:
            itself = ", which is even by itself" * self.is_joint
            raise ValueError(
                f"[[model]] mixture is for densities, and {self.family!r} is {what}{itself}; "
                "remove it"
            )
        if not energy and (given := self._of_energies_alone()):
            raise ValueError(
                f"[train] {given} is for energies, and {self.family!r} is {what}; remove {given}"
            )
        usual = ROWS[self.family].objective if self.family in ROWS else goal
        self.train.check_options(usual if goal == "auto" else goal)
        row = ROWS.get(self.family)
        laws = {**row.defaults, **self.options()} if row else {}
        if self.train.free_bits and "flow" in (laws.get("prior"), laws.get("posterior")):
            law = "prior" if laws.get("prior") == "flow" else "posterior"
            raise ValueError(
                f"[train] free_bits need a divergence in closed form, and the {law} of "
                f"{self.family!r} is a flow; set {law} to another law, or remove free_bits"
            )
        if self.chains.name == TEMPERING and not self.train.trajectory:
            raise ValueError(
                f"[[model]] chains {TEMPERING!r} exchange replicas along the training, which is "
                "not kept; add trajectory = true to train"
            )
        if not energy and self.chains != ChainsSection.model_validate({}):
            raise ValueError(
                f"[[model]] chains are for energies, and {self.family!r} is {what}, which "
                "draws without them; remove chains"
            )
        return self

    def _of_energies_alone(self) -> str:
        """Return a key of the training that only energies have, if one is given."""
        train = self.train
        alone = (key for key in train.options() if key not in EVIDENCE_OPTIONS[EVIDENCE[0]])
        given = (*alone, "trajectory" * train.trajectory, "then" * bool(train.then))
        return next(filter(None, given), "")

    @property
    def kind(self) -> str:
        """What the trained model is: "density", "energy", "joint" or "simulator"."""
        return ROWS[self.family].kind if self.family in ROWS else "density"

    @property
    def is_weighed(self) -> bool:
        """Whether draws of the family have weights, where an action is known."""
        return self.kind in ("density", "joint")

    @property
    def is_adversarial(self) -> bool:
        """Whether the model is trained against a critic."""
        goal = self.train.objective
        if goal == "auto" and self.family in ROWS:
            goal = ROWS[self.family].objective
        return goal in ADVERSARIAL

    @property
    def is_energy(self) -> bool:
        """Whether the family is an energy: an action with weights, and no density."""
        return self.kind == "energy"

    @property
    def is_joint(self) -> bool:
        """Whether the family is one of joint models (x, z): weights are those of pairs."""
        return self.kind == "joint"

    @property
    def corrects(self) -> bool:
        """Whether the family is an energy on top of the action of the target."""
        return self.family in ROWS and bool(ROWS[self.family].corrects)

    @property
    def needs_configurations(self) -> bool:
        """Whether the fit learns from configurations of the target."""
        usual = self.regresses and self.train.objective == "auto" and self.train.on == "auto"
        weighed = self.is_weighed and not self.is_estimated
        return not weighed or usual or self.train.needs_configurations

    @property
    def is_estimated(self) -> bool:
        """Whether the family is estimated from configurations, and knows no other objective."""
        return self.family in ROWS and ROWS[self.family].objective == "likelihood"

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
