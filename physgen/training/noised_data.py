"""Configurations for regressions on noised fields: what a model learns of them, in memory.

A collapsed model learns the even sites alone; their force is the force of the even target.  Items
are numbered as :class:`~physgen.training.samples.Samples` orders them.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed, Differentiable
from physgen.core.random import Stream
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations
from physgen.training.problem import learned_part, problem
from physgen.training.samples import Samples

__all__ = ["NoisedData", "Part", "check_scaling"]

_AT_ONCE = 4096  # configurations whose forces are computed at once


class Part(NamedTuple):
    """What a model learns of items.

    Attributes
    ----------
    x : tensor (n, sites)
    force : tensor (n, sites) or None
        -dS/dx, where the action is known.
    """

    x: torch.Tensor
    force: torch.Tensor | None


class NoisedData:
    """Configurations of a target, or of an ensemble whose action nobody knows.

    Parameters
    ----------
    source : Target or Configurations
    samples : array (n, *event_shape), optional
        Configurations of a target, from converged chains; left out with Configurations.
    validation_fraction : float
        Share held out, in (0, 1): the last.

    Raises
    ------
    InputError
        If there are no samples, they are spins, or their shape is wrong.
    """

    def __init__(self, source: Any, samples: Any, validation_fraction: float) -> None:
        if isinstance(source, Configurations):
            if samples is not None:
                raise InputError("samples are those of the Configurations, got others beside them")
            self.target, samples = None, source.flat
        else:
            self.target = source = checked_target(source)
            if samples is None:
                raise InputError(
                    f"a regression on configurations needs samples of {source!r}, got None; draw "
                    "them with run(sampler, target, keep='configurations')"
                )
        if source.support.kind != "reals":
            raise InputError(
                f"noise is added to real fields, got {source.support.kind}; for spins take the "
                "family 'coloured-net'"
            )
        self.even = declared(source).is_even
        self.samples = Samples.of_chain(
            samples, source.event_shape, source.support, validation_fraction, even=self.even
        )
        self.n_sites = math.prod(source.event_shape)
        self._parts: dict[tuple[bool, bool], Part] = {}
        self._powers: dict[int, torch.Tensor] = {}
        self._references: dict[int, Part] = {}

    @property
    def has_force(self) -> bool:
        """Whether the action is known, with its gradient."""
        return isinstance(self.target, Differentiable)

    def learned(self, model: Any) -> Any:
        """Return the density of the variables that a model has to learn.

        Raises
        ------
        InputError
            If the model draws the rest from another action, or from one where none is known.
        """
        if self.target is not None:
            return problem(model, self.target)[0]
        if isinstance(model, Collapsed):
            raise InputError(
                "a model that draws a part of its variables from a known action cannot be fitted "
                "to configurations of an unknown one; make it with for_target(configurations)"
            )
        return model

    def part(self, model: Any, held_out: bool = False) -> Part:
        """Return what the model learns of the items of training, or of those held out."""
        key = (isinstance(model, Collapsed), held_out)
        if key not in self._parts:
            x = self.samples.validation if held_out else self.samples.train
            x = torch.as_tensor(to_numpy(learned_part(model, x)))
            self._parts[key] = Part(x.flatten(1), self._forces(model, x))
        return self._parts[key]

    def force_power(self, modes: torch.Tensor) -> torch.Tensor:
        """Return the mean square of the force of training items in modes (sites, n), float64 (n,).

        Raises
        ------
        InputError
            If no such part was asked for before.
        """
        sites = len(modes)
        if sites not in self._powers:
            force = self._part_of(sites).force
            assert force is not None
            rows = [(f.double() @ modes.double().cpu()).square().sum(0) for f in force.split(4096)]
            self._powers[sites] = torch.stack(rows).sum(0) / len(force)
        return self._powers[sites]

    def references(self, sites: int, n: int) -> Part:
        """Return n training items of this many sites, the same ones every time.

        Where p is even, half of them are mirror images.  Some part with so many sites must have
        been asked for before.
        """
        if sites not in self._references:
            part = self._part_of(sites)
            count = min(len(part.x), n // 2 if self.even else n)
            rows = Stream(0).child("references").numpy().permutation(len(part.x))[:count]
            x, force = (None if t is None else t[torch.from_numpy(rows)] for t in part)
            assert x is not None
            if self.even:
                x, force = (None if t is None else torch.cat([t, -t]) for t in (x, force))
            assert x is not None
            self._references[sites] = Part(x, force)
        return self._references[sites]

    def _part_of(self, sites: int) -> Part:
        return next(p for p in self._parts.values() if p.x.shape[1] == sites)

    def batch(self, model: Any, index: np.ndarray, rng: Stream, device: Any) -> Part:
        """Return the items at these positions; `rng` flips them, where p is even."""
        whole, rows = self.part(model), torch.from_numpy(np.asarray(index))
        parts = [None if t is None else t[rows] for t in whole]
        if self.even:
            signs = rng.child("flip").numpy().integers(0, 2, size=len(rows)) * 2 - 1
            s = torch.as_tensor(signs, dtype=whole.x.dtype)[:, None]
            parts = [None if t is None else t * s for t in parts]
        x, force = (None if t is None else t.to(device) for t in parts)
        assert x is not None
        return Part(x, force)

    def _forces(self, model: Any, x: torch.Tensor) -> torch.Tensor | None:
        if not self.has_force:
            return None
        target = problem(model, self.target)[1]
        rows = [
            to_numpy(target.force(part.numpy().astype(np.float64))) for part in x.split(_AT_ONCE)
        ]
        return torch.as_tensor(np.concatenate(rows).astype(np.float32)).flatten(1)


def check_scaling(scaling: str) -> None:
    """Raise InputError unless the units of a field are those of its spectrum.

    The extremes of a sample grow with its size, and are not symmetric.
    """
    if scaling != "spectrum":
        raise InputError(
            f"a field is measured in units of its spectrum, got scaling {scaling!r}; the extremes "
            "of a sample grow with its size and break phi -> -phi, and log q would lack n_sites "
            "log(scale). Leave it out"
        )
