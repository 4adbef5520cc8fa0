r"""Snapshots of a model while it is trained, for its log Z and for tempering along its past.

``fit(..., on_average=trajectory)`` hands over the averaged weights :math:`\bar\theta_t` at powers
of two and at every validation; a snapshot is kept when the step has grown by a factor,

.. math:: t \ge g\, t_{\rm last} ,

because weights change fast at first.  What lies between two snapshots is filled in with weights on
the straight line between them (:class:`~physgen.samplers.trajectory.Follower`).
"""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import torch

from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.io import dataset_to_tensors, tensors_to_dataset
from physgen.samplers.trajectory import Followed, follow

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Trajectory"]


class Trajectory:
    """A recorder of snapshots, called by `fit`.

    Parameters
    ----------
    growth : float
        Factor of the step between snapshots, > 1.

    Attributes
    ----------
    steps : list of int
        Optimiser steps of the snapshots.

    Raises
    ------
    InputError
        If `growth` is at most 1.

    Examples
    --------
    ::

        trajectory = Trajectory()
        fit(model, objective, on_average=trajectory)
        found = trajectory.followed(model, rng=1)
        found.data["log_z"]  # of every snapshot
        TrajectoryTempering(BlockGibbs(), found.models, labels=found.labels)
    """

    def __init__(self, growth: float = 1.25) -> None:
        if check_finite("growth", growth) <= 1:
            raise InputError(f"growth must be larger than 1, got {growth}")
        self.growth = growth
        self.steps: list[int] = []
        self._weights: list[dict[str, torch.Tensor]] = []
        self._last = 0  # the step last seen

    def __call__(self, step: int, model: Any) -> None:
        """Note the weights after this step."""
        self._last = max(self._last, int(step))
        if self.steps and step <= self.steps[-1]:  # a fit that was resumed repeats its steps
            return
        if not self.steps or step >= self.growth * self.steps[-1]:
            weights = {name: t.detach().cpu().clone() for name, t in model.state_dict().items()}
            self.steps.append(int(step))
            self._weights.append(weights)

    def __len__(self) -> int:
        """Return the number of snapshots."""
        return len(self.steps)

    def snapshots(self, model: Any) -> list[tuple[int, Any]]:
        """Return (step, model) of every snapshot, copies of `model` with the weights of then."""
        found = []
        for step, weights in zip(self.steps, self._weights, strict=True):
            other = copy.deepcopy(model)
            try:
                other.load_state_dict(weights)
            except RuntimeError as error:
                raise InputError(
                    f"model must be the one that was trained, got {model!r} ({error})"
                ) from error
            found.append((step, other))
        return found

    def followed(
        self, model: Any, move: Any = None, *, rng: Stream | int = 0, **settings: Any
    ) -> Followed:
        """Return log Z along the training and the ladder of replicas, up to `model` itself.

        Parameters
        ----------
        model : EnergyModel
            The result of the fit; it is the last member of the ladder.
        move : Sampler, optional
        rng : Stream or int
        **settings
            n_chains, n_moves and least of :class:`~physgen.samplers.trajectory.Follower`.
        """
        return follow([*self.snapshots(model), (self._last + 1, model)], move, rng=rng, **settings)

    def to_dataset(self) -> xr.Dataset:
        """Return all snapshots as arrays; :meth:`from_dataset` is the inverse."""
        tensors = {
            f"{step}.{name}": tensor
            for step, weights in zip(self.steps, self._weights, strict=True)
            for name, tensor in weights.items()
        }
        kept = json.dumps({"growth": self.growth, "steps": self.steps, "last": self._last})
        return tensors_to_dataset(tensors).assign_attrs(trajectory=kept)

    @classmethod
    def from_dataset(cls, stored: xr.Dataset) -> Trajectory:
        """Return what :meth:`to_dataset` wrote."""
        try:
            kept = json.loads(stored.attrs["trajectory"])
        except (KeyError, AttributeError) as error:
            raise InputError(
                f"a trajectory must be one that to_dataset gave, got {stored!r:.60}"
            ) from error
        found, tensors = cls(kept["growth"]), dataset_to_tensors(stored)
        found.steps = [int(step) for step in kept["steps"]]
        found._last = int(kept.get("last", max(found.steps, default=0)))
        for step in found.steps:
            start = f"{step}."
            found._weights.append(
                {n[len(start) :]: t for n, t in tensors.items() if n.startswith(start)}
            )
        return found
