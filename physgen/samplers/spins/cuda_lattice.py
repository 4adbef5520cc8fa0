"""Large periodic Ising lattices on a CUDA device, each worked on by all of it: layout "lattice".

The state is that of :class:`~physgen.samplers.spins.lattice.IsingLattice`, so a run may continue
on the other device.  A sweep visits the rows of the virtual lattice in another order, the even
ones and then the odd ones: the chains are as good as the CPU's, but others.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers.cuda_arrays import DeviceArray, copied, on_device
from physgen.samplers.spins.lattice import IsingLattice, StripsModel, turned_neighbours

__all__ = ["CudaIsingLattice", "colours_of"]

_LANES = 8


def colours_of(shape: tuple[int, ...]) -> np.ndarray | str:
    """Return the rows of a virtual lattice, even ones first, or why there are no two colours."""
    if any(extent % 2 for extent in shape):
        return (
            f"the virtual lattice {shape} must have even extents; take a first extent that is a "
            "multiple of 16, a last one that is a multiple of 128 and even others"
        )
    return np.argsort(Hypercubic(shape).colouring(), kind="stable")


@final
@dataclass(frozen=True, eq=False)
class CudaIsingLattice:
    """Bit-sliced local updates of large lattices on the device.

    Parameters
    ----------
    target : Ising
    model : StripsModel
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    order : int array (n_rows,)
        Of the rows: `colours_of` the virtual lattice.
    """

    target: Any
    model: StripsModel
    rule: int
    order: np.ndarray
    exactness: str = "asymptotic"
    _scratch: dict[str, Any] = field(default_factory=dict, repr=False)

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` lattices."""
        from physgen.kernels.cuda.launch import require_memory

        n_rows, n_classes = len(self.order), self.model.tables.kept.shape[1]
        words = n_chains * n_rows * _LANES * (2 + n_classes)
        require_memory(8 * words, f"{n_chains} lattices of {self.target.n_sites} spins")
        state = self._host.init(rng, n_chains, start)
        shape = state.x.shape
        x: Any = DeviceArray(on_device(state.x, (n_chains, n_rows * _LANES)), shape)
        return State(x)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.philox import split_key
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.ising_lattice import SLOTS, colour, rare_events

        check_positive_int("n", n)
        check_layout(state, np.uint64, len(self.order), _LANES)
        n_chains, n_rows = state.x.shape[:2]
        x: Any = copied(state.x, (n_chains, n_rows * _LANES))
        k0, k1 = (np.uint32(k) for k in split_key(rng.philox_key()[0]))
        kinds, kept, poisson, codes, order, rows, turns = self._tables
        events = self._events((n_chains, n_rows * kept.shape[1] * _LANES))
        flips = cuda.to_device(np.zeros((n_chains, SLOTS), np.int64))
        half = n_rows // 2
        draw = self._over(rare_events, n_chains, -(-n_rows // 64))
        update = self._over(colour(*self.model.variant, self.rule), n_chains, half)
        for t in range(n):
            sweep = np.uint32(t)
            draw(kinds, kept, poisson, k0, k1, sweep, events)
            for first in (0, half):
                begin, end = np.uint32(first), np.uint32(first + half)
                update(x, order, rows, turns, codes, begin, end, k0, k1, sweep, events, flips)
        accepted = None
        if self.rule:
            accepted = flips.copy_to_host().sum(axis=1) / (n * self.target.n_sites)
        moved: Any = DeviceArray(x, tuple(state.x.shape))
        return State(moved, state.aux), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every lattice."""
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.ising_lattice import SLOTS, counts

        n_chains, n_rows = state.x.shape[:2]
        out = cuda.to_device(np.zeros((2, n_chains, SLOTS), np.int64))
        x = on_device(state.x, (n_chains, n_rows * _LANES))
        *_, order, rows, turns = self._tables
        self._over(counts, n_chains, n_rows)(x, order, rows, turns, out)
        return self._host.numbers(*out.copy_to_host().sum(axis=2))

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        return self._host.configurations(State(np.asarray(state.x)))

    def _events(self, shape: tuple[int, int]) -> Any:
        """Return scratch for rare events, all 0: every sweep consumes its own."""
        from physgen.kernels.cuda._numba import cuda

        if self._scratch.get("shape") != shape:
            self._scratch.update(shape=shape, events=cuda.to_device(np.zeros(shape, np.uint64)))
        return self._scratch["events"]

    @cached_property
    def _host(self) -> IsingLattice:
        return IsingLattice(self.target, self.model, self.rule, fast=False)

    @cached_property
    def _tables(self) -> tuple[Any, ...]:
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.ising_logic import class_codes

        tables, order = self.model.tables, self.order
        source, turn = turned_neighbours(self.model.shape)
        turns = 3 * (1 + turn[order, :, 0]) + 1 + turn[order, :, 1]
        host = (
            np.zeros(len(order), np.uint32), tables.kept, tables.poisson,
            class_codes(tables.masks), order.astype(np.uint32), source[order].astype(np.uint32),
            turns.astype(np.uint8),
        )  # fmt: skip
        return tuple(cuda.to_device(np.ascontiguousarray(a)) for a in host)

    def _over(self, kernel: Any, n_lattices: int, n: int) -> Any:
        """Return the kernel with a thread for each lane of n places, and each lattice."""
        from physgen.kernels.cuda.ising_lattice import THREADS
        from physgen.kernels.cuda.launch import configured

        return configured(kernel, (-(-n // THREADS), n_lattices), (_LANES, THREADS))
