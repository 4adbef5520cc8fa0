"""The points of a run: a target, its model, its recipe, its Markov chains."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, final

from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.workflow.lattice.methods import METHODS, make
from physgen.workflow.neural.config import Config
from physgen.workflow.target.axes import Axes
from physgen.workflow.target.section import TargetSection

__all__ = ["Point", "Points"]

_RESERVED = {
    "rng",
    "shape",
    "boundary",
    "halved",
    "net",
    "begin_from",
}  # what is decided elsewhere


@dataclass(frozen=True)
class Point:
    """One target.

    Attributes
    ----------
    group : str
        Where its results are in the run file.
    target : Target
    L : int or None
    value : float or None
        Of the coupling that is scanned.
    text : str
        The point in words.
    """

    group: str
    target: Target
    L: int | None
    value: float | None
    text: str
    config: Config

    def family(self) -> str:
        """Return the family of its model."""
        from physgen import models

        given = self.config.model.family
        return models.default_family(self.target) if given == "auto" else given

    def model(self, rng: Stream) -> Any:
        """Return a fresh model, on the device of the run.

        InputError where the family and the target do not match.
        """
        from physgen import models

        section, options = self.config.model, self.config.model.options()
        if bad := sorted(_RESERVED & set(options)):
            raise InputError(f"[model] {bad[0]} follows from target and family; leave it out")
        how = {"decimate": section.decimate, "mixture": section.mixture, "rng": rng}
        try:
            model = models.for_target(self.target, self.family(), **how, **options)
        except InputError as error:
            raise InputError(f"[model] {self.text}: {error}") from None
        return model.to(self.config.device)

    def objective(self, rng: Stream) -> Any:
        """Return the objective of its fit."""
        from physgen.training import ReverseKL

        train = self.config.train
        spins = self.target.support.kind == "spins"
        anneal = (0.3 if spins else 0.0) if train.anneal is None else train.anneal
        return ReverseKL(
            self.target,
            None if train.gradient == "auto" else train.gradient,
            anneal=anneal,
            n_validation=train.n_validation,
            draws_per_epoch=train.draws_per_epoch or (25_600 if spins else 6400),
            rng=rng,
        )

    def settings(self) -> Any:
        """Return the settings of its fit."""
        from physgen.training import recipe

        train = self.config.train
        given = {"batch_size": train.batch_size, "learning_rate": train.learning_rate}
        known: dict[str, Any] = {k: v for k, v in given.items() if v is not None}
        known |= train.length()
        return replace(recipe(self.family()), checkpoint_every=train.checkpoint_every, **known)

    def sampler(self) -> tuple[str, Any]:
        """Return the name of the Markov chains beside it, and their sampler."""
        name = self.config.chains.name
        if name == "auto":
            name = _usual(self.target)
        if name not in METHODS:
            listed = ", ".join(map(repr, METHODS))
            raise InputError(f"[chains] name must be 'auto' or one of {listed}, got {name!r}")
        return name, make(name, {})


@final
@dataclass(frozen=True)
class Points(Axes):
    """All points of a config, small lattices first, and the axes that they lie on."""

    config: Config

    @property
    def section(self) -> TargetSection:
        """The [target] section."""
        return self.config.target

    def __iter__(self) -> Iterator[Point]:
        for L in self.extents:
            for value in self.values:
                group = "/".join(["points", *(self.place(L, value) or ["target"])])
                text = ", ".join(self.words(L, value)) or self.title
                yield Point(group, self.target(L, value), L, value, text, self.config)


def _usual(target: Any) -> str:
    """Return the sampler that users would take first."""
    from physgen.targets import Ising, Phi4

    if isinstance(target, Ising):
        return "swendsen-wang" if "z2" in target.symmetries else "heat-bath"
    return "phi4-cluster" if isinstance(target, Phi4) and target.hop >= 0 else "hmc"
