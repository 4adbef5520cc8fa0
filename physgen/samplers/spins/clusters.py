"""Shared by Wolff and Swendsen-Wang: the couplings they accept, and chains of Ising spins.

A chain of the graph kernels is int8 spins in the order of sites; where the couplings depend on the
axis only, Swendsen-Wang keeps 64 spins of a row in a word.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Compilable, Target
from physgen.core.random import Stream
from physgen.kernels.cpu.clusters_rows import row_moments, sweep_rows
from physgen.samplers._threads import over_blocks
from physgen.samplers.plain import default_observables, first_configurations

__all__ = ["Couplings", "GraphChains", "RowChains", "couplings", "thresholds"]

_ALL, _NONE = np.uint64(2**64 - 1), np.uint64(0)
_SITE = 5e-9  # seconds that a site takes, about


class Couplings(NamedTuple):
    """S = -sum_b K_b s s' - sum_i H_i s_i, with one row where all sites have the same.

    Attributes
    ----------
    neighbours : int32 array (n_sites, z)
        -1 where absent.
    K : float64 array (1 or n_sites, z)
        Couplings, aligned with `neighbours`.
    H : float64 array (1 or n_sites,)
        Fields.
    """

    neighbours: np.ndarray
    K: np.ndarray
    H: np.ndarray

    def tables(self) -> tuple[np.ndarray, ...]:
        """Return what `kernels.cpu.clusters_graph` takes: neighbours, thresholds and signs."""
        signs = np.sign(self.K).astype(np.int8), np.sign(self.H).astype(np.int8)
        return self.neighbours, thresholds(self.K), signs[0], thresholds(self.H), signs[1]


def couplings(target: Target, sampler: str) -> Couplings:
    """Return the couplings of an Ising target, or raise InputError if clusters do not fit it."""
    name, arrays = target.kernel if isinstance(target, Compilable) else ("", ())
    if name != "ising":
        raise InputError(
            f"{sampler} needs an Ising target, got {type(target).__name__}; "
            "take HeatBath, Metropolis or HMC, or Phi4Cluster for a phi^4 field"
        )
    neighbours, K, H = (np.asarray(a) for a in arrays)
    if frustrated(neighbours, K):
        raise InputError(
            f"{sampler} needs couplings without frustrated loops (around every loop the product "
            "of J must be positive), got frustrated ones: there, clusters percolate long before "
            "the spins order, and to flip one is to flip nearly the whole lattice; take HeatBath, "
            "and ParallelTempering at low temperature"
        )
    return Couplings(
        np.ascontiguousarray(neighbours, np.int32),
        _one_row(K, neighbours >= 0),
        _one_row(H[:, None], np.ones((len(H), 1), bool))[:, 0],
    )


def thresholds(K: np.ndarray) -> np.ndarray:
    """Return 2^64 (1 - exp(-2 |K|)) as uint64."""
    p = -np.expm1(-2 * np.abs(np.asarray(K, float)))
    return np.array([min(int(v * 2.0**64), 2**64 - 1) for v in p.ravel()], np.uint64).reshape(
        p.shape
    )


def frustrated(neighbours: np.ndarray, K: np.ndarray) -> bool:
    """Return whether no gauge, s_i -> g_i s_i, makes all couplings ferromagnetic (Mattis)."""
    gauge = np.zeros(len(neighbours), np.int8)
    sign = np.where(neighbours < 0, 0, np.sign(K)).astype(np.int8)
    for root in range(len(gauge)):
        if gauge[root]:
            continue
        gauge[root] = 1
        front = np.array([root])
        while front.size:  # breadth first, a layer at a time
            near, bond = neighbours[front], sign[front]
            wanted = gauge[front][:, None] * bond
            new = (bond != 0) & (gauge[near] == 0)
            gauge[near[new]] = wanted[new]
            front = np.unique(near[new])
    return bool(np.any(gauge[:, None] * gauge[neighbours] * sign < 0))


def _one_row(K: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Return one row of `K` if it holds for all existing bonds, else `K`."""
    row = np.max(np.where(there, K, -np.inf), axis=0)
    row[~there.any(axis=0)] = 0.0
    return row[None] if np.all((row == K) | ~there) else np.where(there, K, 0.0)


@dataclass(frozen=True)
class GraphChains:
    """Chains of int8 spins on any graph, moved by a kernel of `clusters_graph`."""

    target: Any
    tables: tuple[np.ndarray, ...]
    kernel: Callable[..., None]
    metrics: tuple[str, str]
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return spins, int8 (n_chains, n_sites)."""
        return State(first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1))

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps (clusters, for Wolff)."""
        check_positive_int("n", n)
        check_layout(state, np.int8, math.prod(self.target.event_shape))
        x, out = state.x.copy(), np.empty((2, len(state.x)))
        key = rng.philox_key()
        over_blocks(
            lambda *part: self.kernel(part, x, *self.tables, n, key, out),
            len(x),
            _SITE * n * x.size,
        )
        return State(x), Info(metrics=dict(zip(self.metrics, out, strict=True)))

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return default_observables(self.target, self.configurations(state))

    def configurations(self, state: State) -> np.ndarray:
        """Return the spins, int8 (n_chains, *event_shape)."""
        return state.x.reshape(-1, *self.target.event_shape)


@dataclass(frozen=True)
class RowChains:
    """Swendsen-Wang on a hypercubic lattice whose couplings depend on the axis only.

    The last axis lies in words of 64 spins; see `kernels.cpu.clusters_rows`.
    """

    target: Any
    table: Couplings
    exactness: str = "asymptotic"

    @staticmethod
    def fit(table: Couplings, shape: tuple[int, ...]) -> bool:
        """Whether the lattice and its couplings are of this kind."""
        uniform = len(table.K) == len(table.H) == 1
        return uniform and _is_hypercubic(table.neighbours, shape)

    @property
    def L(self) -> int:
        """Length of a row."""
        return self.target.event_shape[-1]

    @cached_property
    def _lattice(self) -> tuple[np.ndarray, bool]:
        """Forward neighbours of each row along the other axes; whether rows are periodic."""
        ahead = self.table.neighbours[:, ::2]
        rows = ahead[:: self.L, :-1]
        forward = np.where(rows >= 0, rows // self.L, -1).astype(np.int32)
        return np.ascontiguousarray(forward), bool(ahead[self.L - 1, -1] >= 0)

    @cached_property
    def _thresholds(self) -> tuple[np.ndarray, np.ndarray, np.uint64, np.uint64]:
        K, H = np.ascontiguousarray(self.table.K[0, ::2]), self.table.H
        anti, up = np.where(K < 0, _ALL, _NONE), np.where(H > 0, _ALL, _NONE)
        return thresholds(K), anti, thresholds(H)[0], up[0]

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return spins as words, uint64 (n_chains, n_rows, n_words)."""
        x = first_configurations(self.target, rng, n_chains, start)
        bits = np.packbits(x.reshape(n_chains, -1, self.L) > 0, axis=-1, bitorder="little")
        return State(np.pad(bits, ((0, 0), (0, 0), (0, -bits.shape[-1] % 8))).view(np.uint64))

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps."""
        check_positive_int("n", n)
        self._check(state)
        x, out = state.x.copy(), np.empty((2, len(state.x)))
        lattice, key = (self.L, *self._lattice, *self._thresholds), rng.philox_key()
        n_sites = math.prod(self.target.event_shape)
        over_blocks(
            lambda *part: sweep_rows(part, x, *lattice, n, key, out),
            len(x),
            _SITE * n * len(x) * n_sites,
        )
        return State(x), Info(metrics={"n_clusters": out[0], "mean_cluster_size": out[1]})

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target; energy and magnetization by counting bits."""
        self._check(state)
        functions = self.target.observables
        known = self._moments(state) if self.target.beta > 0 else {}
        if set(functions) <= set(known):
            return {name: known[name] for name in functions}
        x = self.configurations(state)
        return {n: known[n] if n in known else f.function(x) for n, f in functions.items()}

    def configurations(self, state: State) -> np.ndarray:
        """Return the spins, int8 (n_chains, *event_shape)."""
        bits = np.unpackbits(state.x.view(np.uint8), axis=-1, count=self.L, bitorder="little")
        return (2 * bits.view(np.int8) - 1).reshape(-1, *self.target.event_shape)

    def _check(self, state: State) -> None:
        n_rows = math.prod(self.target.event_shape[:-1])
        check_layout(state, np.uint64, n_rows, -(-self.L // 64))

    def _moments(self, state: State) -> dict[str, np.ndarray]:
        n_chains, n_sites = len(state.x), math.prod(self.target.event_shape)
        products = np.empty((n_chains, len(self.target.event_shape)), np.int64)
        ups = np.empty(n_chains, np.int64)
        row_moments((0, 1), state.x, self.L, *self._lattice, products, ups)
        total = 2.0 * ups - n_sites
        action = -(products @ self.table.K[0, ::2]) - self.table.H[0] * total
        return {"energy": action / self.target.beta, "magnetization": total / n_sites}


def _is_hypercubic(neighbours: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether column 2 mu is the forward neighbour of every site, periodic or open."""
    if neighbours.shape[1] != 2 * len(shape):
        return False
    sites = np.arange(math.prod(shape)).reshape(shape)
    for axis in range(len(shape)):
        here = neighbours[:, 2 * axis].reshape(shape)
        ahead = np.roll(sites, -1, axis)
        cut = ahead.copy()
        np.moveaxis(cut, axis, 0)[-1] = -1
        if not (np.array_equal(here, ahead) or np.array_equal(here, cut)):
            return False
    return True
