r"""Ising chains on a CUDA device: ``HeatBath(device="cuda")``, ``Metropolis(device="cuda")``.

The same chains as on the CPU, bit for bit: :class:`~physgen.samplers.spins.chains.IsingChains`
with its Philox words, its order of the sites and its layout, so a run may continue on the other
device.  Spins stay on the device; a step returns one number per chain.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.cuda_arrays import DeviceArray, copied, empty, on_device
from physgen.samplers.plain import first_configurations
from physgen.samplers.spins.bits import CHAINS_PER_BLOCK, pack, unpack
from physgen.samplers.spins.model import ChainsModel, bond_counts, chains_model

__all__ = ["CudaIsingChains", "bind_cuda_ising"]

_LANES, _AT_ONCE = 8, 7  # words of a block; words that are counted together


@final
@dataclass(frozen=True, eq=False)
class CudaIsingChains:
    """Bit-sliced local updates of many chains on the device.

    Parameters
    ----------
    target : Ising
    model : ChainsModel
        The target's arrays.
    rule : int
        0 heat bath, 1 Metropolis, 2 Metropolis that accepts every tie.
    """

    target: Any
    model: ChainsModel
    rule: int
    exactness: str = "asymptotic"
    _scratch: dict[Any, Any] = field(default_factory=dict, repr=False)

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return a first state of `n_chains` chains; they need not fill the last block."""
        from physgen.kernels.cuda.launch import require_memory

        n_blocks = -(-n_chains // CHAINS_PER_BLOCK)
        words = 3 * self._n_sites * _LANES + self._n_events  # a state, the next one, measurements
        require_memory(8 * n_blocks * words, f"{n_chains} chains of {self._n_sites} spins")
        spins = first_configurations(self.target, rng, n_chains, start)
        x: Any = pack(spins.reshape(n_chains, -1))
        on = on_device(x, (x.shape[0], x.shape[1] * _LANES))
        return State(_array(on, x.shape), {"n_chains": np.array(n_chains)})

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the state after `n` sweeps, and the acceptance rate of Metropolis."""
        from physgen.kernels.cpu.philox import split_key
        from physgen.kernels.cuda.ising_sweeps import sweeps
        from physgen.kernels.cuda.launch import configured

        check_positive_int("n", n)
        n_blocks, n_sites = state.x.shape[:2]
        x = copied(state.x, (n_blocks, n_sites * _LANES))
        k0, k1 = (np.uint32(k) for k in split_key(rng.philox_key()[0]))
        n_periods, threads, tables = self._plan
        n_planes = _digits(n * n_sites) if self.rule else 1
        planes = self._buffer("planes", (n_blocks, threads * n_planes * _LANES))
        events = self._buffer("events", (n_blocks, self._n_events))
        run = configured(sweeps(*self.model.variant, self.rule), n_blocks, (_LANES, threads))
        run(x, *tables, n_periods, events, planes, k0, k1, n)
        accepted = None
        if self.rule:
            n_chains = int(state.aux["n_chains"])
            accepted = self._counts(planes, n_planes)[:n_chains] / (n * n_sites)
        return State(_array(x, state.x.shape), state.aux), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every chain."""
        counts, n_chains = self._bonds, int(state.aux["n_chains"])
        if counts is None:
            x = self.configurations(state)
            return {name: o(x) for name, o in self.target.observables.items()}
        unequal, up, along = (
            self._tally(state, *rows)[:n_chains] if rows[0].size else np.zeros(n_chains)
            for rows in self._tallies
        )
        n_sites = self._n_sites
        energy = (2 * counts.J) * unequal - counts.J * counts.n_bonds
        energy -= counts.h * (2.0 * along - len(counts.field_sites))
        return {"energy": energy, "magnetization": up * (2 / n_sites) - 1}

    def configurations(self, state: State) -> np.ndarray:
        """Return int8 spins, shape (n_chains, *event_shape)."""
        spins = unpack(np.asarray(state.x), int(state.aux["n_chains"]))
        return spins.reshape(-1, *self.target.event_shape)

    @property
    def _n_sites(self) -> int:
        return len(self.model.kinds)

    @property
    def _n_events(self) -> int:
        """Words of rare events for each block: see `ising_sweeps`."""
        n_classes = self.model.tables.kept.shape[1]
        return self._schedule.n_periods * self._n_sites * n_classes * _LANES

    @cached_property
    def _rows(self) -> np.ndarray:
        return (self.model.rows // _LANES).astype(np.uint32)

    @cached_property
    def _schedule(self) -> Any:
        from physgen.kernels.cuda.schedule import schedule

        return schedule(self._rows)

    @cached_property
    def _plan(self) -> tuple[int, int, tuple[Any, ...]]:
        """Periods of a sweep, threads for each word, and the tables on the device."""
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.ising_logic import class_codes
        from physgen.kernels.cuda.launch import parts

        model, schedule = self.model, self._schedule
        host = (
            self._rows, model.signs, model.kinds.astype(np.uint32),
            class_codes(model.tables.masks), model.tables.kept, model.tables.poisson, *schedule,
        )  # fmt: skip
        tables = tuple(cuda.to_device(np.ascontiguousarray(a)) for a in host)
        return schedule.n_periods, parts(_LANES, schedule.width), tables

    @cached_property
    def _bonds(self) -> Any:
        return bond_counts(self.target) if hasattr(self.target, "bond_couplings") else None

    @cached_property
    def _tallies(self) -> tuple[Any, ...]:
        """What `counting.tally` counts: unequal bonds, spins up, spins along the field."""
        from physgen.kernels.cuda._numba import cuda

        counts, n = self._bonds, self._n_sites
        no_field = np.zeros(0, dtype=np.int64)
        wanted = (
            (*(counts.ends // _LANES), counts.signs),
            (np.arange(n), None, None),
            (counts.field_sites // _LANES if counts.h else no_field, None, counts.field_signs),
        )
        out = []
        for first, second, signs in wanted:
            rows = np.full((2, -(-len(first) // _AT_ONCE) * _AT_ONCE), n, dtype=np.uint32)
            rows[0, : len(first)] = first
            rows[1, : len(first)] = n if second is None else second
            masks = np.zeros(rows.shape[1], dtype=np.uint64)
            masks[: len(first)] = 0 if signs is None else signs
            arrays = (rows[0], rows[1], masks)
            on = (
                tuple(cuda.to_device(np.ascontiguousarray(a)) for a in arrays)
                if len(first)
                else arrays
            )
            out.append(on)
        return tuple(out)

    def _tally(self, state: State, first: Any, second: Any, signs: Any) -> np.ndarray:
        from physgen.kernels.cuda.counting import PARTS, tally
        from physgen.kernels.cuda.launch import configured

        n_blocks, n_sites = state.x.shape[:2]
        n_planes = _digits(first.size)
        x = on_device(state.x, (n_blocks, n_sites * _LANES))
        planes = self._buffer("tally", (n_blocks, PARTS * n_planes * _LANES))
        configured(tally, n_blocks, (_LANES, PARTS))(x, first, second, signs, planes)
        return self._counts(planes, n_planes)

    def _counts(self, planes: Any, n_planes: int) -> np.ndarray:
        """Return the counts of all chains, int64."""
        from physgen.kernels.cuda.counting import flush
        from physgen.kernels.cuda.launch import configured, parts

        shape = (planes.shape[0], CHAINS_PER_BLOCK)
        out = self._buffer("counts", shape, np.int64)
        configured(flush, shape[0], parts(1, shape[1]))(planes, n_planes, out)
        return out.copy_to_host().reshape(-1)

    def _buffer(self, name: str, shape: tuple[int, ...], dtype: Any = np.uint64) -> Any:
        """Return scratch on the device; one of each name is kept."""
        kept = self._scratch.get(name)
        if kept is None or kept.shape != shape:
            kept = self._scratch[name] = empty(shape, dtype)
        return kept


def _digits(most: int) -> int:
    """Return the binary digits of a count; three at least, which is what seven words take."""
    return max(3, int(most).bit_length())


def _array(data: Any, shape: tuple[int, ...]) -> Any:
    return DeviceArray(data, tuple(shape))


def bind_cuda_ising(target: Any, rule: int, fast: bool, layout: str) -> CudaIsingChains:
    """Return the chains of an Ising target on the device.

    Raises
    ------
    InputError
        If there is no device, or the kernel cannot take the settings or the model.
    MissingDependencyError
        Without numba-cuda.
    """
    from physgen.kernels.cuda.launch import require_device

    if fast:
        raise InputError("device='cuda' runs on rng='philox' only, got rng='fast'")
    if layout not in ("auto", "chains"):
        raise InputError(f"device='cuda' runs layout='chains' only, got layout={layout!r}")
    neighbours, K, H = target.kernel[1]
    model = chains_model(neighbours, K, H, rule)
    if isinstance(model, str):
        raise InputError(f"device='cuda' cannot take this model: {model}; use device='cpu'")
    require_device()
    return CudaIsingChains(target, model, rule)
