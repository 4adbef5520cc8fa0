r"""Paths that SMC anneals along, from a distribution that can be drawn exactly to a target.

All are straight lines of actions,

.. math:: S_\lambda(x) = S_0(x) + \lambda\, U(x), \qquad 0 \le \lambda \le 1, \qquad S_1 = S ,

from the independent spins of infinite temperature (:math:`U = \beta H`,
:math:`\log Z_0 = N \log 2`), from the independent sites of a field without hopping
(:math:`\log Z_0 = V \log z_{\rm site}`; any local action:
:mod:`physgen.samplers.local_action_path`), or from any density q
(:math:`S_0 = -\log q`, :math:`\log Z_0 = 0`).  For an action of the user's of real fields q is
found by a pilot run (:mod:`physgen.samplers.found_start`); other spins and outcomes begin at equal
probabilities.  A path that is not straight gives :func:`work_along` its differences itself
(:mod:`physgen.samplers.tempered_path`).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import State
from physgen.core.energies import LinearEnergy
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Support, Target
from physgen.core.random import Stream
from physgen.kernels.cpu.bond_sums import bond_products, lane_products
from physgen.samplers.exchange import interleaved
from physgen.samplers.found_start import found_start
from physgen.samplers.independent_sites import IndependentSites
from physgen.samplers.local_action_path import LocalActionPath
from physgen.samplers.tempered_path import Tempered, TemperedPath
from physgen.targets.function import Own
from physgen.targets.ising import Ising
from physgen.targets.local_action import LocalAction
from physgen.targets.own import whole_target
from physgen.targets.phi4 import Phi4
from physgen.targets.phi4_site import site_weight
from physgen.targets.site_draws import draw_sites

__all__ = [
    "DensityPath",
    "IsingPath",
    "Path",
    "Phi4Path",
    "path_to",
    "usual_path",
    "work_along",
]


class Path(Protocol):
    """A straight line of actions."""

    @property
    def log_z(self) -> float:
        """Return log Z_0, exactly."""
        ...

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return independent draws of e^{-S_0}, shape (n, *event_shape)."""
        ...

    def at(self, fraction: float) -> Target:
        """Return the target S_lambda."""
        ...

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return U of every chain, float64 (n_chains,)."""
        ...


def path_to(target: Any, start: Density | None) -> Path:
    """Return the path to `target`, from `start` if given.

    Raises
    ------
    InputError
        If no start is given and none is found, or the start has other configurations.
    """
    if start is not None:
        if not isinstance(start, Density):
            raise InputError(f"start must be a density, got {type(start).__name__}")
        if tuple(start.event_shape) != tuple(target.event_shape):
            raise InputError(
                f"start must live on configurations of shape {tuple(target.event_shape)}, got "
                f"{tuple(start.event_shape)}"
            )
        if start.support != target.support:
            raise InputError(
                f"start must draw {target.support.kind}, as the target has them, got "
                f"{start.support.kind}"
            )
        return DensityPath(start, target)
    return usual_path(target)


@functools.singledispatch
def usual_path(target: Any) -> Path:
    """Return the usual path to a target of this class, or to any action of spins or real fields.

    Register another class of targets with ``usual_path.register(cls, path)``.
    """
    source = getattr(target, "source", None)
    own = usual_path.dispatch(type(source))
    if source is not None and own is not usual_path.dispatch(object):
        return own(source)
    for each in (target, source):
        if isinstance(each, Tempered):
            return TemperedPath(each)
    # A model that is a target of known couplings; one that corrects a target is not.
    numbers = getattr(target, "target", None) if isinstance(target, LinearEnergy) else None
    if isinstance(numbers, LocalAction):
        return LocalActionPath(numbers)
    whole = whole_target(target)
    if whole.support.kind == "reals":
        return DensityPath(found_start(whole), whole)
    if whole.support.kind == "spins" and isinstance(whole, Own):
        return SpinPath(whole)
    return DensityPath(IndependentSites.uniform(whole.event_shape, whole.support), whole)


def work_along(
    path: Any, bound: Any, state: State, fraction: float
) -> Callable[[float], np.ndarray]:
    """Return the function step -> S_(fraction + step) - S_fraction of every chain, float64."""
    own = getattr(path, "work", None)
    if own is not None:
        return own(bound, state, fraction)
    U = path.slope(bound, state)
    return lambda step: step * U


@usual_path.register(Ising)
@dataclass(frozen=True)
class IsingPath:
    """From infinite temperature."""

    target: Ising

    @property
    def log_z(self) -> float:
        """N log 2."""
        return self.target.n_sites * math.log(2)

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return independent fair spins."""
        return self.target.hot(rng, n)

    def at(self, fraction: float) -> Ising:
        """Return the model at this fraction of beta."""
        return self.target.at(beta=fraction * self.target.beta)

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return beta H."""
        return self.target.beta * bound.measure(state)["energy"]


@usual_path.register(Phi4)
@dataclass(frozen=True)
class Phi4Path:
    """From independent sites, with a growing hopping term."""

    target: Phi4

    @property
    def log_z(self) -> float:
        """V log z of one site."""
        t = self.target
        site = to_numpy(site_weight(t.quad, t.quart).log_z(np.zeros(1)))[0]
        return t.n_sites * (float(site) - t.const)

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return fields of independent sites."""
        t = self.target
        return draw_sites(n * t.n_sites, t.quad, t.quart, rng).reshape(n, *t.event_shape)

    def at(self, fraction: float) -> Phi4:
        """Return the theory with this fraction of its hopping."""
        t = self.target
        return Phi4(t.lattice, fraction * t.hop, t.quad, t.quart, t.const)

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return the hopping term."""
        bonds = self.target.lattice.bonds
        if interleaved(bound):
            sums = np.empty((state.x.shape[0], state.x.shape[2]))
            lane_products(state.x, bonds, sums)
            return -self.target.hop * sums.reshape(-1)[: int(state.aux["n_chains"])]
        x = bound.configurations(state)
        sums = np.empty(len(x))
        bond_products(x.reshape(len(x), -1), bonds, sums)
        return -self.target.hop * sums


@dataclass(frozen=True)
class SpinPath:
    """From infinite temperature to an action of the user's."""

    target: Any

    @property
    def log_z(self) -> float:
        """N log 2."""
        return math.prod(self.target.event_shape) * math.log(2)

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return independent fair spins."""
        return 2 * rng.numpy().integers(0, 2, (n, *self.target.event_shape), np.int8) - 1

    def at(self, fraction: float) -> Any:
        """Return this fraction of the action."""
        return replace(self.target, beta=fraction * self.target.beta)

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return S."""
        return to_numpy(self.target.action(bound.configurations(state)))


@dataclass(frozen=True)
class DensityPath:
    """From a density, by the geometric mean q^(1 - lambda) e^(-lambda S)."""

    density: Any
    target: Any
    log_z: float = 0.0

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return draws of the density."""
        return to_numpy(self.density.sample(n, rng))

    def at(self, fraction: float) -> Target:
        """Return the bridge, with a force if both ends have one."""
        forces = hasattr(self.density, "force") and hasattr(self.target, "force")
        kind = ForcedBridge if forces else Bridge
        return kind(self.density, self.target, fraction)

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return S + log q."""
        x = bound.configurations(state)
        return to_numpy(self.target.action(x)) + to_numpy(self.density.log_prob(x))


@dataclass(frozen=True)
class Bridge:
    """The target -(1 - lambda) log q + lambda S."""

    density: Any
    target: Any
    fraction: float

    @property
    def event_shape(self) -> tuple[int, ...]:
        """That of the target."""
        return self.target.event_shape

    @property
    def support(self) -> Support:
        """That of the target."""
        return self.target.support

    def action(self, x: Any) -> Any:
        """Return S_lambda."""
        rest = -(1 - self.fraction) * self.density.log_prob(x) if self.fraction < 1 else 0.0
        return rest + self.fraction * self.target.action(x) if self.fraction > 0 else rest


class ForcedBridge(Bridge):
    """A bridge whose ends both have a force; the density's is d log q / dx."""

    def force(self, x: Any) -> Any:
        """Return -dS_lambda / dx."""
        return self.fraction * self.target.force(x) + (1 - self.fraction) * self.density.force(x)


usual_path.register(LocalAction, LocalActionPath)
