r"""Tempering along a trajectory of training: replicas are one model with the weights of its past.

Neighbours i and j exchange configurations with probability

.. math:: \min(1, e^A), \qquad A = S_i(x_i) + S_j(x_j) - S_i(x_j) - S_j(x_i) ,

which leaves :math:`\prod_i e^{-S_i(x_i)}` invariant for any actions.  Early weights are nearly
independent sites and mix at once; the modes of the last ones open one after another along the
trajectory, by continuous transitions, where a change of temperature often meets a discontinuous
one (Béreux, Decelle, Furtlehner, Rosset & Seoane, arXiv:2405.15376, 2024).  Any sequence of
targets of one shape and support will do.  :func:`~physgen.samplers.trajectory.follow` chooses the
members so that neighbours exchange.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar, final

from physgen.core.chains import Sampler
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.samplers.tempering import Replicas
from physgen.targets.fingerprint import fingerprint

__all__ = ["TrajectoryTempering"]


@final
@dataclass(frozen=True, repr=False)
class TrajectoryTempering:
    """Any sampler, on several models at once that exchange configurations.

    Parameters
    ----------
    sampler : Sampler
        Moves each replica, e.g. ``BlockGibbs()``.
    models : sequence of Target
        From the one that mixes best to the one that is wanted, at least one; the target that is
        bound is one of them, known by its fingerprint.
    swap_every : int
        Steps of the sampler between rounds of exchanges; together they are one step.
    labels : sequence of float, optional
        Values of the dimension "checkpoint", increasing, e.g. steps of the training; by default
        0, 1, 2, ...

    Raises
    ------
    InputError
        If there are no models, they live on different lattices or have no action, or labels are
        not increasing, one for each.

    Notes
    -----
    As for :class:`~physgen.samplers.ParallelTempering`: observables have the dimension
    "checkpoint", configurations are those of the bound target alone, and ``run`` reports
    ``swap_rate`` of every pair and ``round_trips``.

    Examples
    --------
    >>> from physgen.samplers import HeatBath
    >>> from physgen.targets import Ising
    >>> models = [Ising(L=8, beta=beta) for beta in (0.3, 0.4, 0.5)]
    >>> replicas = TrajectoryTempering(HeatBath(), models).bind(models[-1])
    """

    cites: ClassVar[tuple[str, ...]] = ("Hukushima1996", "Bereux2024")

    sampler: Sampler
    models: Sequence[Any]
    swap_every: int = 1
    labels: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.sampler, Sampler):
            raise InputError(
                f"sampler must have a bind(target), e.g. HeatBath(), got {self.sampler!r}"
            )
        models = tuple(self.models)
        if not models:
            raise InputError("models must hold at least one target, got none")
        for model in models:
            if not isinstance(model, Target):
                raise InputError(
                    f"models must be targets, with an action, got {type(model).__name__}"
                )
            for name in ("event_shape", "support"):
                one, first = getattr(model, name), getattr(models[0], name)
                if one != first:
                    raise InputError(f"models must have one {name}, got {first} and {one}")
        labels = tuple(range(len(models))) if self.labels is None else tuple(self.labels)
        labels = tuple(check_finite("each of labels", value) for value in labels)
        if len(labels) != len(models) or any(b <= a for a, b in pairwise(labels)):
            raise InputError(
                f"labels must be increasing, one for each of {len(models)} models, got "
                f"{list(labels)}"
            )
        check_positive_int("swap_every", self.swap_every)
        object.__setattr__(self, "models", models)
        object.__setattr__(self, "labels", labels)

    @property
    def coupling(self) -> str:
        """Name of the dimension of replicas."""
        return "checkpoint"

    @property
    def betas(self) -> Sequence[float]:
        """Values along that dimension."""
        return self.labels or ()

    def bind(self, target: Target) -> Replicas:
        """Return the replicas, of which one is this target.

        Raises
        ------
        InputError
            If the target is none of the models.
        """
        wanted = fingerprint(target)
        own = [k for k, model in enumerate(self.models) if fingerprint(model) == wanted]
        if not own:
            raise InputError(
                f"models must contain the target, got {len(self.models)} others; give it as the "
                "last one"
            )
        bounds = tuple(self.sampler.bind(model) for model in self.models)
        return Replicas(target, bounds, self, own[-1])

    def __repr__(self) -> str:
        """Name the sampler and the fingerprints: they identify a run."""
        known = ", ".join(fingerprint(model)[:8] for model in self.models)
        return f"TrajectoryTempering({self.sampler!r}, [{known}], swap_every={self.swap_every})"
