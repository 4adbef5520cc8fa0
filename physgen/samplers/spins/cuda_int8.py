"""Ising chains as int8 on a CUDA device, for couplings that the bit-sliced kernels do not take.

The chains of :class:`~physgen.samplers.spins.int8.IsingInt8`, from the same random words and in
the same layout: a run may continue on the other device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.random import Stream
from physgen.samplers.cuda_arrays import DeviceArray, copied, empty, on_device
from physgen.samplers.spins.cuda_numbers import CudaNumbers
from physgen.samplers.spins.int8 import IsingInt8

__all__ = ["CudaIsingInt8"]


@final
@dataclass(frozen=True, eq=False)
class CudaIsingInt8:
    """Local updates of int8 spins with any couplings, on the device.

    Parameters
    ----------
    target : Ising
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    """

    target: Any
    rule: int
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` chains; they need not fill the last block."""
        from physgen.kernels.cuda.launch import require_memory

        require_memory(3 * n_chains * self._n_sites, f"{n_chains} chains of {self._n_sites} spins")
        state = self._host.init(rng, n_chains, start)
        shape = state.x.shape
        x: Any = DeviceArray(on_device(state.x, _flat(shape)), shape)
        return State(x, state.aux)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.philox import split_key
        from physgen.kernels.cuda.ising_scalar import WIDTH, sweeps

        check_positive_int("n", n)
        check_layout(state, np.int8, self._n_sites, WIDTH)
        x: Any = copied(state.x, _flat(state.x.shape))
        k0, k1 = (np.uint32(k) for k in split_key(rng.philox_key()[0]))
        n_chains, (n_periods, useful, tables) = int(state.aux["n_chains"]), self._plan
        rates: Any = empty((n_chains,), np.float64)
        run = self._configured(sweeps(self.rule), state, useful)
        run(x, *tables, n_periods, k0, k1, n, rates)
        moved: Any = DeviceArray(x, tuple(state.x.shape))
        accepted: Any = DeviceArray(rates, (n_chains,)) if self.rule else None
        return State(moved, state.aux), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every chain."""
        return self.measuring(state)()

    def measuring(self, state: State) -> Callable[[], Mapping[str, np.ndarray]]:
        """Begin to measure; what is returned waits for the numbers and returns them."""
        x = on_device(state.x, _flat(state.x.shape))
        return self._numbers.start(x, state.x.shape[2], int(state.aux["n_chains"]))

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        return self._host.configurations(state._replace(x=np.asarray(state.x)))

    @cached_property
    def _host(self) -> IsingInt8:
        return IsingInt8(self.target, self.rule, fast=False)

    @property
    def _n_sites(self) -> int:
        return self.target.n_sites

    @cached_property
    def _numbers(self) -> CudaNumbers:
        return CudaNumbers(self.target)

    @cached_property
    def _plan(self) -> tuple[int, int, tuple[Any, ...]]:
        """Periods of a sweep, sites updated at once, and the tables on the device."""
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.schedule import schedule

        neighbours, K, H = self.target.kernel[1]
        present = (neighbours >= 0) & (K != 0)
        plan = schedule(np.where(present, neighbours, self._n_sites))
        host = (
            np.where(present, neighbours, 0).astype(np.uint32), np.where(present, K, 0.0),
            np.asarray(H, np.float64), *plan,
        )  # fmt: skip
        tables = tuple(cuda.to_device(np.ascontiguousarray(a)) for a in host)
        return plan.n_periods, plan.width, tables

    def _configured(self, kernel: Any, state: State, useful: int) -> Any:
        from physgen.kernels.cuda.launch import configured, parts

        n_blocks, _, width = state.x.shape
        return configured(kernel, n_blocks, (width, parts(width, useful)))


def _flat(shape: tuple[int, ...]) -> tuple[int, int]:
    return shape[0], shape[1] * shape[2]
