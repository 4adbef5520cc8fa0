"""The sections of generators that learn: [[model]] and [importance].

How a model is trained is in :mod:`.train_section`.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, model_validator

from physgen.core.checks import is_mapping
from physgen.models.families import FAMILIES as ROWS
from physgen.models.families import names
from physgen.training.regressions import REGRESSIONS
from physgen.workflow.lattice.sampler_section import TEMPERING, ChainsSection
from physgen.workflow.lattice.train_section import DIVERGENCES, ENERGY_GOALS, TrainSection
from physgen.workflow.sections import Flag, Label, Positive, Section, one_of, rule

__all__ = ["ImportanceSection", "ModelSection"]

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
        goal, energy = self.train.objective, self.is_energy
        if goal != "auto" and (goal in ENERGY_GOALS) != energy:
            known = ENERGY_GOALS if energy else DIVERGENCES
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
        if not energy and (given := self._of_energies_alone()):
            raise ValueError(
                f"[train] {given} is for energies, and {self.family!r} is a density; remove "
                f"{given}"
            )
        if energy:
            self.train.check_options(ROWS[self.family].objective if goal == "auto" else goal)
        if self.chains.name == TEMPERING and not self.train.trajectory:
            raise ValueError(
                f"[[model]] chains {TEMPERING!r} exchange replicas along the training, which is "
                "not kept; add trajectory = true to train"
            )
        if not energy and self.chains != ChainsSection.model_validate({}):
            raise ValueError(
                f"[[model]] chains are for energies, and {self.family!r} is a density, which "
                "draws without them; remove chains"
            )
        return self

    def _of_energies_alone(self) -> str:
        """Return a key of the training that only energies have, if one is given."""
        train = self.train
        given = (*train.options(), "trajectory" * train.trajectory, "then" * bool(train.then))
        return next(filter(None, given), "")

    @property
    def is_energy(self) -> bool:
        """Whether the family is an energy: an action with weights, and no density."""
        return self.family in ROWS and ROWS[self.family].kind == "energy"

    @property
    def corrects(self) -> bool:
        """Whether the family is an energy on top of the action of the target."""
        return self.family in ROWS and bool(ROWS[self.family].corrects)

    @property
    def needs_configurations(self) -> bool:
        """Whether the fit learns from configurations of the target."""
        usual = self.regresses and self.train.objective == "auto" and self.train.on == "auto"
        return self.is_energy or usual or self.train.needs_configurations

    @property
    def regresses(self) -> bool:
        """Whether the family is a density that learns by a regression, if nothing is said."""
        return self.family in ROWS and ROWS[self.family].objective in REGRESSIONS

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
