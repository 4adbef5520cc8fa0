"""The fits of one model at one point: one of a density, one or several stages of an energy.

Stage s of an energy begins with the weights that stage s - 1 left; what belongs to stages before
the last is kept in ``stage1``, ``stage2``, ... beside the model.  Every stage has random numbers
of its own, and the first has those of a fit without further stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from physgen.core.energies import SoftDirections
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.workflow.fitting import Groups
from physgen.workflow.lattice import chains
from physgen.workflow.lattice.generators import Learned
from physgen.workflow.lattice.train_section import REFINES, FitSection

__all__ = ["Stage", "is_begun", "stages_of"]

TRIED = 64  # configurations on which an objective is tried


@dataclass(frozen=True)
class Stage:
    """One fit of a model.

    Attributes
    ----------
    point : Learned
    index : int
        Its number, from 0.
    is_last : bool
        Whether its weights are those of the model.
    section : FitSection
        What it is told.
    goal : str
        Name of its objective; "" for a density, whose objective depends on its target too.
    """

    point: Learned
    index: int
    is_last: bool
    section: FitSection
    goal: str

    @property
    def group(self) -> str:
        """Where its history and its weights are in the run file."""
        return self.point.group + ("" if self.is_last else f"/stage{self.index + 1}")

    @property
    def groups(self) -> Groups:
        """The groups of the fit."""
        return Groups(f"{self.group}/training", f"{self.group}/model", chains.CHECKPOINT)

    @property
    def text(self) -> str:
        """The stage in words; the model, where it has one."""
        one = self.index == 0 and self.is_last
        return self.point.text if one else f"{self.point.text}, {self.goal}"

    def stream(self, stream: Stream) -> Stream:
        """Return the random numbers of the fit, of those of the point."""
        return stream.child("fit") if self.index == 0 else stream.child("stage", self.index)

    def objective(self, configurations: Any, rng: Stream) -> Any:
        """Return what is minimized; of an energy, which knows configurations and no action.

        Raises
        ------
        InputError
            If data and objective do not go together.
        """
        from physgen.training.energy_objectives import energy_objective

        point = self.point
        if not self.goal:
            return point.objective(configurations, rng)
        given = isinstance(point.target, Configurations)
        source, fraction = point.target if given else configurations, point.section.train
        options: dict[str, Any] = dict(self.section.options())
        options["validation_fraction"] = fraction.validation_fraction
        try:
            return energy_objective(self.goal, source, **options)
        except InputError as error:
            raise InputError(f"[train] {self.text}: {error}") from None

    def check(self, model: Any) -> None:
        """Raise InputError if the objective does not suit the model, before anything is drawn."""
        if self.goal == "moment-matching" and not _has_soft_terms(model):
            raise InputError(
                f"[train] {self.text}: moment matching needs an energy with soft terms, got "
                f"{self.point.family!r}; take 'convolutional-energy', or objective = "
                "'contrastive-divergence'"
            )
        if self.goal and not isinstance(self.point.target, Configurations):
            x = model.hot(Stream(0), TRIED)  # of the kind that is learned from
            kind = model.support.kind
            self.objective(Configurations(x, support=kind, boundary=model.boundary), Stream(0))

    def settings(self) -> Any:
        """Return the settings of the fit: what is given, then the recipe of the family."""
        from physgen.training import recipe

        own, section = recipe(self.point.family), self.section
        if self.index:  # weights that are nearly right are moved by small steps
            own = replace(own, learning_rate=REFINES * own.learning_rate)
        given = {"batch_size": section.batch_size, "learning_rate": section.learning_rate}
        known: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        known |= section.length()
        train = self.point.section.train
        known |= {"checkpoint_every": train.checkpoint_every, "shards": train.shards}
        known |= {"cuda_graphs": train.cuda_graphs}
        return replace(own, **known)


def _has_soft_terms(model: object) -> bool:
    return isinstance(model, SoftDirections)


def stages_of(point: Learned) -> Iterator[Stage]:
    """Yield the fits of a model, in their order."""
    from physgen.models.families import family

    train = point.section.train
    if not point.section.is_energy:
        yield Stage(point, 0, True, train, "")
        return
    first = family(point.family).objective if train.objective == "auto" else train.objective
    goals = [(train, first), *((each, each.objective) for each in train.then)]
    for index, (section, goal) in enumerate(goals):
        yield Stage(point, index, index == len(goals) - 1, section, goal)


def is_begun(context: Any, point: Learned) -> bool:
    """Whether a part of the training of a point is in the run file."""
    return context.store.has(next(stages_of(point)).groups.history)
