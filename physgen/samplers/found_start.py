r"""A density that SMC can begin from, for an action of which nothing is known: found by a pilot.

.. math:: q(x) = \prod_i \frac{1}{\sqrt{2 \pi}\, \sigma_i}\,
          e^{-(x_i - \mu_i)^2 / 2 \sigma_i^2} ,

with the means and the spreads, a fifth wider, of short chains from hot starts (and from further
configurations, where they are given).  With translations of the lattice, mean and spread are the
same everywhere.  A start that covers the target badly costs stages, and does not bias log Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Differentiable, Support
from physgen.core.random import Stream, as_stream
from physgen.samplers.plain import kernel_name

__all__ = ["IndependentNormals", "default_move", "found_start", "visited"]

_CHAINS = 128
_TUNE, _STEPS = 60, 40
_WIDER = 1.2


@dataclass(frozen=True, eq=False)
class IndependentNormals:
    """Independent normal numbers, each with its mean and its spread; a Density.

    Parameters
    ----------
    mean, scale : ndarray (*event_shape,)
    """

    mean: np.ndarray
    scale: np.ndarray

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration."""
        return self.mean.shape

    @property
    def support(self) -> Support:
        """Real fields."""
        return REALS

    def sample(self, n: int, rng: Stream | int) -> np.ndarray:
        """Return n draws (n, *event_shape)."""
        z = as_stream(rng).numpy().standard_normal((n, *self.event_shape))
        return self.mean + self.scale * z

    def log_prob(self, x: Any) -> Any:
        """Return log q (...) of x (..., *event_shape)."""
        z = (to_numpy(x) - self.mean) / self.scale
        axes = tuple(range(z.ndim - self.mean.ndim, z.ndim))
        constant = float(np.log(self.scale).sum()) + 0.5 * self.mean.size * math.log(2 * math.pi)
        return like(-0.5 * (z**2).sum(axis=axes) - constant, x)

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[np.ndarray, np.ndarray]:
        """Return draws and their log q."""
        x = self.sample(n, rng)
        return x, self.log_prob(x)

    def force(self, x: Any) -> Any:
        """Return d log q / dx."""
        return like((self.mean - to_numpy(x)) / self.scale**2, x)

    def __repr__(self) -> str:
        """Return the shape and the range of the spreads."""
        low, high = float(self.scale.min()), float(self.scale.max())
        return f"IndependentNormals(shape={self.event_shape}, scale={low:.3g}..{high:.3g})"


def found_start(target: Any, x: np.ndarray | None = None) -> IndependentNormals:
    """Return independent normals that cover where short chains of a target go.

    Parameters
    ----------
    target : Target
        Of real fields.
    x : array (n, *event_shape), optional
        Further configurations that chains begin at.

    Raises
    ------
    InputError
        If the chains lead nowhere.
    """
    found = visited(target, x)
    about = declared(target)
    axes: tuple[int, ...] = (0,)
    if "translations" in about.symmetries:
        axes += tuple(range(1, 1 + about.lattice.dim))
    mean = found.mean(axis=axes, keepdims=True)
    scale = _WIDER * found.std(axis=axes, keepdims=True)
    if about.is_even:
        mean, scale = 0 * mean, _WIDER * np.sqrt((found**2).mean(axis=axes, keepdims=True))
    if not (np.isfinite(mean).all() and np.isfinite(scale).all() and np.all(scale > 0)):
        raise InputError(
            "chains from hot starts must lead to fields of finite spread, got "
            f"{float(np.ravel(scale)[0]):.3g}; give start=, a density that can be drawn exactly, "
            "e.g. FreeField(lattice, m2=1.0)"
        )
    shape = target.event_shape
    return IndependentNormals(
        np.broadcast_to(mean[0], shape).copy(), np.broadcast_to(scale[0], shape).copy()
    )


def visited(target: Any, x: np.ndarray | None = None) -> np.ndarray:
    """Return where short chains of a target end, float64 (n, *event_shape).

    Arguments as for :func:`found_start`.
    """
    rng = Stream(0).child("found start")
    chains = default_move(target).bind(target)
    hot = chains.configurations(chains.init(rng.child("hot"), _CHAINS, "hot"))
    first = hot if x is None else np.concatenate([hot, to_numpy(x).astype(hot.dtype)])
    state = chains.init(rng.child("first"), len(first), first)
    if hasattr(chains, "tune"):
        chains, state = chains.tune(rng.child("tune"), state, _TUNE)
    state, _ = chains.step(rng.child("steps"), state, _STEPS)
    return chains.configurations(state).astype(np.float64)


def default_move(target: Any) -> Any:
    """Return the default sampler for a target.

    Block Gibbs for restricted Boltzmann machines, heat bath for compiled spins, HMC for other real
    fields, and Metropolis without a force.
    """
    if kernel_name(target) == "rbm":
        from physgen.samplers.block_gibbs import BlockGibbs

        return BlockGibbs()
    if target.support.kind == "spins" and hasattr(target, "kernel"):
        from physgen.samplers.heat_bath import HeatBath

        return HeatBath()
    if target.support.kind == "reals" and isinstance(target, Differentiable):
        from physgen.samplers.hmc import HMC

        return HMC()
    from physgen.samplers.metropolis import Metropolis

    return Metropolis()
