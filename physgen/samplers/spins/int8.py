"""Ising chains as int8, for couplings that the bit-sliced kernels do not take.

The state holds spins as int8 of shape (n_blocks, n_sites, 64): chain = 64 block + position, the
last block padded.  :mod:`physgen.samplers.spins.chains` describes ``step``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.random import Stream
from physgen.samplers._threads import over_blocks
from physgen.samplers.plain import first_configurations

__all__ = ["IsingInt8"]

_WIDTH = 64


@final
@dataclass(frozen=True, eq=False)
class IsingInt8:
    """Local updates of int8 spins with any couplings; made by `HeatBath` and `Metropolis`.

    Parameters
    ----------
    target : Ising
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    fast : bool
        xoshiro256++ lanes instead of Philox.
    """

    target: Any
    rule: int
    fast: bool
    exactness: str = "asymptotic"

    @cached_property
    def _arrays(self) -> tuple[np.ndarray, ...]:
        neighbours, K, H = self.target.kernel[1]
        odd = ((0, 0), (0, neighbours.shape[1] % 2))  # the kernel takes neighbours in pairs
        present = neighbours >= 0
        return (
            np.pad(np.where(present, neighbours, 0).astype(np.int64), odd),
            np.pad(np.where(present, K, 0.0), odd),
            np.ascontiguousarray(H, dtype=np.float64),
        )

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` chains; they need not fill the last block."""
        spins = first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1)
        n_blocks = -(-n_chains // _WIDTH)
        x = np.ones((n_blocks * _WIDTH, spins.shape[1]), dtype=np.int8)
        x[:n_chains] = spins
        x = np.ascontiguousarray(x.reshape(n_blocks, _WIDTH, -1).swapaxes(1, 2))
        return State(x, {"n_chains": np.array(n_chains)})

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.ising_scalar import sweeps
        from physgen.kernels.cpu.philox import key_schedule

        check_positive_int("n", n)
        check_layout(state, np.int8, self.target.n_sites, _WIDTH)
        x = np.ascontiguousarray(state.x)
        out, (n_blocks, n_sites) = np.empty_like(x), x.shape[:2]
        run = sweeps(self.rule, int(self.fast))
        schedule = key_schedule(rng.philox_key()[0])
        flipped = np.zeros((n_blocks, _WIDTH), dtype=np.int64)

        def work(first: int, stride: int) -> None:
            run(x, out, *self._arrays, schedule, first, stride, n, flipped)

        over_blocks(work, n_blocks, seconds=1e-7 * n_blocks * n_sites * n)
        accepted = None
        if self.rule > 0:
            n_chains = int(state.aux["n_chains"])
            accepted = flipped.reshape(-1)[:n_chains] / (n * n_sites)
        return State(out, state.aux), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the target's default observables of every chain."""
        x = self.configurations(state)
        return {name: np.asarray(o(x)) for name, o in self.target.observables.items()}

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        spins = state.x.swapaxes(1, 2).reshape(-1, state.x.shape[1])
        return spins[: int(state.aux["n_chains"])].reshape(-1, *self.target.event_shape)
