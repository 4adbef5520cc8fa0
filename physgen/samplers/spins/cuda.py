r"""Ising chains on a CUDA device: ``HeatBath(device="cuda")``, ``Metropolis(device="cuda")``.

The same chains as on the CPU, bit for bit: :class:`~physgen.samplers.spins.chains.IsingChains`
with its Philox words, its order of the sites and its layout, so a run may continue on the other
device.  Spins stay on the device; energy and magnetization are reduced there, and two numbers a
chain come to the host while the next sweeps run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import Info, State, check_layout
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.cuda_arrays import DeviceArray, copied, empty, on_device
from physgen.samplers.cuda_transfers import Transfers
from physgen.samplers.plain import first_configurations
from physgen.samplers.spins.bits import CHAINS_PER_BLOCK, pack, unpack
from physgen.samplers.spins.cuda_int8 import CudaIsingInt8
from physgen.samplers.spins.cuda_lattice import CudaIsingLattice, colours_of
from physgen.samplers.spins.lattice import strips_model
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
        check_layout(state, np.uint64, self._n_sites, _LANES)
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
            accepted = self._rates(planes, n_planes, n * n_sites, int(state.aux["n_chains"]))
        return State(_array(x, state.x.shape), state.aux), Info(accepted)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every chain."""
        return self.measuring(state)()

    def measuring(self, state: State) -> Callable[[], Mapping[str, np.ndarray]]:
        """Begin to measure; what is returned waits for the numbers and returns them."""
        if self._bonds is None:
            x = self.configurations(state)
            values = {name: o(x) for name, o in self.target.observables.items()}
            return lambda: values
        arrive = self._transfers.start(
            lambda out: self._energies(state, out), (2, int(state.aux["n_chains"]))
        )

        def measured() -> Mapping[str, np.ndarray]:
            energy, magnetization = arrive()
            return {"energy": energy, "magnetization": magnetization}

        return measured

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
    def _transfers(self) -> Transfers:
        return Transfers()

    @cached_property
    def _counted(self) -> tuple[int, tuple[Any, ...]]:
        """Digits of the largest count, and what `ising_numbers.energies` counts and looks up."""
        from physgen.kernels.cuda._numba import cuda

        counts, n = self._bonds, self._n_sites
        sites = np.arange(n)
        wanted = [(*(counts.ends // _LANES), counts.signs), (sites, None, None)]
        # The tables are the formulas of IsingChains.measure, with the same roundings.
        unequal = np.arange(counts.ends.shape[1] + 1.0)
        tables = [
            (2 * counts.J) * unequal - counts.J * counts.n_bonds,
            np.arange(n + 1.0) * (2 / n) - 1,
        ]
        if counts.h:
            wanted.append((counts.field_sites // _LANES, None, counts.field_signs))
            n_field = len(counts.field_sites)
            tables.append(-(counts.h * (2 * np.arange(n_field + 1.0) - n_field)))
        rows, starts = [], [0]
        for first, second, signs in wanted:
            size = -(-len(first) // _AT_ONCE) * _AT_ONCE
            block = np.zeros((3, size), np.uint64)
            block[:2] = n
            block[0, : len(first)] = first
            block[1, : len(first)] = n if second is None else second
            block[2, : len(first)] = 0 if signs is None else signs
            rows.append(block)
            starts.append(starts[-1] + size)
        ends = np.concatenate(rows, axis=1)
        offsets = np.cumsum([0, *(len(t) for t in tables[:-1])])
        arrays = (
            ends[0].astype(np.uint32), ends[1].astype(np.uint32), ends[2],
            np.array(starts, np.uint32), np.concatenate(tables), offsets.astype(np.uint32),
        )  # fmt: skip
        n_planes = _digits(max(len(t) for t in tables) - 1)
        return n_planes, tuple(cuda.to_device(np.ascontiguousarray(a)) for a in arrays)

    def _energies(self, state: State, out: Any) -> None:
        from physgen.kernels.cuda.ising_numbers import PARTS, energies
        from physgen.kernels.cuda.launch import configured

        n_blocks, n_sites = state.x.shape[:2]
        n_planes, counted = self._counted
        x = on_device(state.x, (n_blocks, n_sites * _LANES))
        planes = self._buffer("counts", (n_blocks, PARTS * n_planes * _LANES))
        configured(energies, n_blocks, (_LANES, PARTS))(x, *counted, planes, out)

    def _rates(self, planes: Any, n_planes: int, n: int, n_chains: int) -> Any:
        """Return the counts of all chains over n, on the device."""
        from physgen.kernels.cuda.ising_numbers import rates
        from physgen.kernels.cuda.launch import configured, parts

        out = empty((n_chains,), np.float64)
        run = configured(rates, planes.shape[0], parts(1, CHAINS_PER_BLOCK))
        run(planes, n_planes, float(n), out)
        return _array(out, (n_chains,))

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


def bind_cuda_ising(
    target: Any, rule: int, fast: bool, layout: str, large: bool
) -> CudaIsingChains | CudaIsingInt8 | CudaIsingLattice:
    """Return the chains of an Ising target on the device; `large` prefers layout "lattice".

    Raises
    ------
    InputError
        If there is no device, or the kernels cannot take the settings or the model.
    MissingDependencyError
        Without numba-cuda.
    """
    from physgen.kernels.cuda.launch import require_device

    if fast:
        raise InputError("device='cuda' runs on rng='philox' only, got rng='fast'")
    if layout == "lattice" or large:
        strips = strips_model(target, rule)
        order = strips if isinstance(strips, str) else colours_of(strips.shape)
        if not (isinstance(strips, str) or isinstance(order, str)):
            require_device()
            return CudaIsingLattice(target, strips, rule, order)
        if layout == "lattice":
            raise InputError(f"layout 'lattice' cannot take this model: {order}; use 'auto'")
    neighbours, K, H = target.kernel[1]
    model = "" if layout == "int8" else chains_model(neighbours, K, H, rule)
    if isinstance(model, str) and layout == "chains":
        raise InputError(f"layout 'chains' cannot take this model: {model}; use 'auto'")
    require_device()
    if isinstance(model, str):
        return CudaIsingInt8(target, rule)
    return CudaIsingChains(target, model, rule)
