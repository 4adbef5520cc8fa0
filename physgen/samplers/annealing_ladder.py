r"""Temperatures that are equidistant in the length of a path.

A step :math:`\Delta` along the path spreads the weights :math:`v = e^{-\Delta S}` of chains in
equilibrium by

.. math:: \frac{1}{\mathrm{cess}} - 1 = \frac{\mathrm{Var}\, v}{(E\, v)^2}
          \approx \mathrm{Var}(\Delta S) = (d\ell)^2 , \qquad
          \ell = \int_0^1 \sqrt{\mathrm{Var}_\lambda (\partial_\lambda S)}\; d\lambda .

K steps of equal :math:`d\ell = \ell / K` give :math:`\log w` the smallest variance,
:math:`\ell^2 / K` times twice the autocorrelation time of the chains (Gelman & Meng, Stat. Sci.
13, 163 (1998)).  A pilot run of weighted particles takes steps of equal cess, so its stages are
equidistant in :math:`\ell`, and a monotone interpolation refines them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.random import Stream
from physgen.samplers.annealer import Annealer
from physgen.samplers.exchange import regroup
from physgen.samplers.smc_checkpoint import PILOT, Stage
from physgen.samplers.smc_results import Islands

__all__ = ["Pilot", "pilot_run"]

_CESS, _RESAMPLE, _STAGES = 0.9, 0.5, 2000
_MOVES, _TUNING = 4, 8  # a stage


@dataclass(frozen=True)
class Pilot:
    """Stages of equal cess, and particles at the target.

    Attributes
    ----------
    stages : list of Stage
        The last one is the target.
    draws : ndarray (n, *event_shape)
        Resampled by their weights and moved; descendants of one particle are neighbours.
    n_ancestors : float
        First particles that still have descendants.
    """

    stages: list[Stage]
    draws: np.ndarray
    n_ancestors: float

    @property
    def n_stages(self) -> int:
        """Steps of the pilot run."""
        return len(self.stages)

    @property
    def length(self) -> float:
        """The length of the path, in nats."""
        return self.n_stages * math.sqrt(1 / _CESS - 1)

    def ladder(self, n_steps: int) -> list[Stage]:
        """Return n_steps + 1 stages from lambda = 0 to 1, equidistant in the length."""
        from scipy.interpolate import PchipInterpolator

        knots = np.arange(self.n_stages + 1)
        fractions = np.array([0.0, *(s.fraction for s in self.stages)])
        at = np.linspace(0, self.n_stages, n_steps + 1)
        found = PchipInterpolator(knots, fractions)(at)
        found[0], found[-1] = 0.0, 1.0
        tuned = [self.stages[0].tuning, *(s.tuning for s in self.stages)]
        return [Stage(float(f), _between(tuned, t)) for f, t in zip(found, at, strict=True)]


def pilot_run(path: Any, move: Any, n: int, n_equilibrate: int, rng: Stream) -> Pilot:
    """Anneal n weighted particles along a path in stages of equal cess.

    Parameters
    ----------
    path : Path
    move : Sampler
        Tuned at every stage where it can be.
    n : int
    n_equilibrate : int
        Steps at the target after the last resampling, >= 0.
    rng : Stream
    """
    islands = Islands(1, n)
    annealer = Annealer(path, move, _MOVES, {}, lambda now: None, _STAGES, _TUNING, go_on=True)
    done = annealer.anneal(PILOT, islands, _RESAMPLE, rng.child("anneal"), _CESS, None)
    source = islands.resample(1.0, rng.child("resample"))
    state = regroup(done.bound, done.state, source)
    if n_equilibrate:
        state, _ = done.bound.step(rng.child("equilibrate"), state, n_equilibrate)
    alive = 1 + int(np.sum(np.diff(islands.ancestor, axis=1) != 0))
    return Pilot(done.stages, done.bound.configurations(state), alive)


def _between(tuned: list[Mapping[str, float]], t: float) -> dict[str, float]:
    """Return tuned values (step sizes, > 0) between two stages, on a logarithmic scale."""
    k = min(int(t), len(tuned) - 2)
    low, high = tuned[k], tuned[k + 1]
    return {
        name: math.exp((1 + k - t) * math.log(low[name]) + (t - k) * math.log(high[name]))
        for name in low
    }
