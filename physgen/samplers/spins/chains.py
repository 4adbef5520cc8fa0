r"""Ising chains 512 at a time: layout "chains", bit = chain.

The state holds spins as :mod:`physgen.samplers.spins.bits` packs them.  Every chain has its own
random numbers: chains are independent, and error bars from their spread are correct.

A call of ``step(rng, state, n)`` is a pure function of its arguments, and with Philox (not in the
fast mode) the first k of its sweeps are those of ``step(rng, state, k)``.  Two calls need two
streams: with one stream for both, the second repeats the random numbers of the first.
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
from physgen.samplers.spins.bits import CHAINS_PER_BLOCK, empty_words, pack, unpack
from physgen.samplers.spins.model import BondCounts, ChainsModel, bond_counts

__all__ = ["IsingChains"]

_NO_EDGES = np.zeros((0, 4), dtype=np.int64)


@final
@dataclass(frozen=True, eq=False)
class IsingChains:
    """Bit-sliced local updates of many chains; made by `HeatBath` and `Metropolis`.

    Parameters
    ----------
    target : Ising
    model : ChainsModel
        The target's arrays.
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    fast : bool
        xoshiro256++ lanes instead of Philox.
    """

    target: Any
    model: ChainsModel
    rule: int
    fast: bool
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` chains; they need not fill the last block."""
        spins = first_configurations(self.target, rng, n_chains, start)
        return State(pack(spins.reshape(n_chains, -1)), {"n_chains": np.array(n_chains)})

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.ising_sweeps import sweeps
        from physgen.kernels.cpu.philox import key_schedule

        check_positive_int("n", n)
        self._check(state)
        n_blocks, n_sites = state.x.shape[:2]
        x, out = np.ascontiguousarray(state.x), empty_words(state.x.shape)
        run = sweeps(*self.model.variant, self.rule, int(self.fast))
        schedule = key_schedule(rng.philox_key()[0])
        flipped = np.zeros((n_blocks, CHAINS_PER_BLOCK), dtype=np.int64)
        edges = np.zeros(n_sites + 1, dtype=np.int64)
        model = self.model

        def work(first: int, stride: int) -> None:
            run(
                x.reshape(n_blocks, -1), out.reshape(n_blocks, -1), model.rows, model.signs,
                model.kinds, *model.tables, edges, _NO_EDGES, schedule, first, stride, n, flipped,
            )  # fmt: skip

        over_blocks(work, n_blocks, seconds=5e-8 * n_blocks * n_sites * n)
        accepted = None
        if self.rule > 0:
            n_chains = int(state.aux["n_chains"])
            accepted = flipped.reshape(-1)[:n_chains] / (n * n_sites)
        return State(out, state.aux), Info(accepted)

    def _check(self, state: State) -> None:
        check_layout(state, np.uint64, len(self.model.kinds), CHAINS_PER_BLOCK // 64)

    @cached_property
    def _counts(self) -> BondCounts | None:
        return bond_counts(self.target) if hasattr(self.target, "bond_couplings") else None

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every chain."""
        from physgen.kernels.cpu.ising_counts import count_pairs, count_up

        self._check(state)
        counts, n_chains = self._counts, int(state.aux["n_chains"])
        if counts is None:
            x = self.configurations(state)
            return {name: o(x) for name, o in self.target.observables.items()}
        n_blocks, n_sites = state.x.shape[:2]
        unequal, up, along = np.zeros((3, n_blocks, CHAINS_PER_BLOCK), dtype=np.int64)
        x = np.ascontiguousarray(state.x).reshape(n_blocks, -1)
        every = 8 * np.arange(n_sites)

        def work(first: int, stride: int) -> None:
            count_pairs(x, counts.ends, counts.signs, first, stride, unequal)
            count_up(x, every, None, first, stride, up)
            if counts.h:
                count_up(x, counts.field_sites, counts.field_signs, first, stride, along)

        over_blocks(work, n_blocks, seconds=5e-9 * n_blocks * n_sites)
        unequal, up, along = (c.reshape(-1)[:n_chains].astype(float) for c in (unequal, up, along))
        energy = (2 * counts.J) * unequal - counts.J * counts.n_bonds
        if counts.h:
            energy -= counts.h * (2 * along - len(counts.field_sites))
        up *= 2 / n_sites
        up -= 1
        return {"energy": energy, "magnetization": up}

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        spins = unpack(state.x, int(state.aux["n_chains"]))
        return spins.reshape(-1, *self.target.event_shape)
