r"""Large periodic Ising lattices, each on its own: layout "lattice", bit = part of the lattice.

As fast for one lattice as layout "chains" is for 512: see :mod:`physgen.kernels.cpu.ising_strips`.
The order of the sites within a sweep is that of the virtual lattice; otherwise ``step`` is as in
:mod:`physgen.samplers.spins.chains`, with one lattice a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.random import Stream
from physgen.kernels.cpu.ising_tables import Tables, tables
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers._threads import over_blocks
from physgen.samplers.plain import first_configurations
from physgen.samplers.spins.bits import empty_words

__all__ = ["IsingLattice", "StripsModel", "moves_of", "strips_model", "turned_neighbours"]

_SLABS, _STRIPS = 8, 64


class StripsModel(NamedTuple):
    """Virtual lattice and tables, as `physgen.kernels.cpu.ising_sweeps.sweeps` takes them."""

    shape: tuple[int, ...]  # virtual
    variant: tuple[int, int]
    rows: np.ndarray
    signs: np.ndarray
    edges: np.ndarray
    moves: np.ndarray
    tables: Tables


def strips_model(target: Any, rule: int) -> StripsModel | str:
    """Return the arrays of a target, or the reason why it cannot be cut into strips."""
    lattice = declared(target).lattice
    if not isinstance(lattice, Hypercubic) or not lattice.is_periodic or lattice.dim < 2:
        return "the lattice must be hypercubic and periodic, of two dimensions or more"
    if not (np.isscalar(target.J) and np.isscalar(target.h)):
        return "couplings and fields must be uniform"
    full = lattice.shape
    if full[0] % _SLABS or full[0] < 2 * _SLABS or full[-1] % _STRIPS or full[-1] < 2 * _STRIPS:
        return (
            f"the last extent must be a multiple of {_STRIPS} from {2 * _STRIPS} on and the first "
            f"a multiple of {_SLABS} from {2 * _SLABS} on, got shape {full}"
        )
    if min(full) < 2:
        return f"every extent must be at least 2, got shape {full}"
    shape = (full[0] // _SLABS, *full[1:-1], full[-1] // _STRIPS)
    rows, edges, moves = _moves(shape)
    z, K, H = rows.shape[1], target.beta * target.J, target.beta * target.h
    symmetric = not H and (K != 0 or rule == 0)  # as in `_ising_model`: no ties beside n = z / 2
    signs = np.full(rows.shape, 2**64 - 1 if K < 0 else 0, dtype=np.uint64)
    kinds = tables(np.array([z]), abs(K), np.array([H]), z, symmetric, rule)
    variant = (z if K < 0 else -z, int(symmetric))
    return StripsModel(shape, variant, rows, signs, edges, moves, kinds)


def _moves(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return offsets of neighbours, and what to rotate for those beyond an edge of the strips."""
    return moves_of(*turned_neighbours(shape))


def turned_neighbours(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the neighbours of every row of a virtual lattice, and how they are rotated.

    Returns
    -------
    source : int64 array (n, z)
    turn : int64 array (n, z, 2)
        By how many bits and lanes, -1, 0 or 1.
    """
    virtual = Hypercubic(shape)
    source = virtual.neighbours.astype(np.int64)
    n, z = source.shape
    coordinates = np.stack(np.unravel_index(np.arange(n), shape), axis=1)
    turn = np.zeros((n, z, 2), dtype=np.int64)
    for axis, what in ((virtual.dim - 1, 0), (0, 1)):
        turn[coordinates[:, axis] == shape[axis] - 1, 2 * axis, what] = 1
        turn[coordinates[:, axis] == 0, 2 * axis + 1, what] = -1
    return source, turn


def moves_of(source: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return rows, edges and moves, as the sweeps take them, of `turned_neighbours`."""
    n, z = source.shape
    crossing = turn.any(axis=2)
    slot = np.broadcast_to(n + 1 + np.arange(z), (n, z))
    site, m = np.nonzero(crossing)
    moves = np.stack([8 * slot[site, m], 8 * source[site, m], *turn[site, m].T], axis=1)
    edges = np.concatenate([[0], np.cumsum(crossing.sum(axis=1))])
    rows = 8 * np.where(crossing, slot, source)
    return np.ascontiguousarray(rows), edges.astype(np.int64), np.ascontiguousarray(moves)


@final
@dataclass(frozen=True, eq=False)
class IsingLattice:
    """Bit-sliced local updates of large lattices; made by `HeatBath` and `Metropolis`.

    Parameters
    ----------
    target : Ising
    model : StripsModel
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    fast : bool
        xoshiro256++ lanes instead of Philox.
    """

    target: Any
    model: StripsModel
    rule: int
    fast: bool
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` lattices."""
        spins = first_configurations(self.target, rng, n_chains, start)
        virtual = self.model.shape
        d = len(virtual)
        cut = (n_chains, _SLABS, *virtual[:-1], _STRIPS, virtual[-1])
        # (chain, slab, y, ..., strip, x) -> (chain, y, ..., x, slab, strip)
        order = (0, *range(2, d + 1), d + 2, 1, d + 1)
        up = (spins > 0).reshape(cut).transpose(order)
        words = np.packbits(up, axis=-1, bitorder="little").view("<u8")
        x = empty_words((n_chains, int(np.prod(virtual)), _SLABS))
        x[:] = words.reshape(x.shape)
        return State(x)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.ising_sweeps import sweeps
        from physgen.kernels.cpu.philox import key_schedule

        check_positive_int("n", n)
        self._check(state)
        n_chains, n_rows = state.x.shape[:2]
        x, out = np.ascontiguousarray(state.x), empty_words(state.x.shape)
        model = self.model
        run = sweeps(*model.variant, self.rule, int(self.fast))
        schedule = key_schedule(rng.philox_key()[0])
        flipped = np.zeros((n_chains, 512), dtype=np.int64)
        kinds = np.zeros(n_rows, dtype=np.int64)

        def work(first: int, stride: int) -> None:
            run(
                x.reshape(n_chains, -1), out.reshape(n_chains, -1), model.rows, model.signs,
                kinds, *model.tables, model.edges, model.moves, schedule, first, stride, n,
                flipped,
            )  # fmt: skip

        over_blocks(work, n_chains, seconds=5e-8 * n_chains * n_rows * n)
        accepted = None
        if self.rule > 0:
            accepted = flipped.sum(axis=1) / (n * self.target.n_sites)
        return State(out), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every lattice."""
        from physgen.kernels.cpu.ising_strips import unequal_pairs

        self._check(state)
        n_chains, n_rows = state.x.shape[:2]
        x, model = np.ascontiguousarray(state.x).reshape(n_chains, -1), self.model
        unequal, up = np.zeros((2, n_chains), dtype=np.int64)

        def work(first: int, stride: int) -> None:
            unequal_pairs(x, model.rows, model.edges, model.moves, first, stride, unequal, up)

        over_blocks(work, n_chains, seconds=1e-8 * n_chains * n_rows)
        return self.numbers(unequal, up)

    def numbers(self, unequal: np.ndarray, up: np.ndarray) -> dict[str, np.ndarray]:
        """Return energy and magnetization of lattices with these counts of bonds and spins."""
        sites, target = self.target.n_sites, self.target
        total = 2.0 * up - sites
        n_bonds = len(target.event_shape) * sites
        energy = -target.J * (n_bonds - 2.0 * unequal) - target.h * total
        return {"energy": energy, "magnetization": total / sites}

    def _check(self, state: State) -> None:
        check_layout(state, np.uint64, int(np.prod(self.model.shape)), _SLABS)

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        virtual, n_chains = self.model.shape, len(state.x)
        d = len(virtual)
        bytes_ = np.ascontiguousarray(state.x).astype("<u8").view(np.uint8)
        up = np.unpackbits(bytes_, axis=-1, bitorder="little").view(np.int8)
        up = up.reshape(n_chains, *virtual, _SLABS, _STRIPS)
        # (chain, y, ..., x, slab, strip) -> (chain, slab, y, ..., strip, x)
        order = (0, d + 1, *range(1, d), d + 2, d)
        return (2 * up - 1).transpose(order).reshape(n_chains, *self.target.event_shape)
