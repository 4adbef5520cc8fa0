"""Swendsen-Wang chains of Ising spins on a CUDA device.

Spins are int8 (n_chains, n_sites), as the CPU has them for any graph, so a run may continue on the
other device; chains are others, from other random words (`kernels.cuda.cluster_sweeps`).
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
from physgen.samplers.cuda_arrays import DeviceArray, copied, on_device
from physgen.samplers.cuda_clusters import ClusterSweeps, bonds_of_spins, require_sites
from physgen.samplers.plain import first_configurations
from physgen.samplers.spins.clusters import Couplings
from physgen.samplers.spins.cuda_numbers import CudaNumbers

__all__ = ["CudaClusterChains", "bind_cuda_clusters"]


@final
@dataclass(frozen=True, eq=False)
class CudaClusterChains:
    """Cluster sweeps of many chains on the device.

    Parameters
    ----------
    target : Ising
    table : Couplings
    """

    target: Any
    table: Couplings
    exactness: str = "asymptotic"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return spins, int8 (n_chains, n_sites), on the device."""
        from physgen.kernels.cuda.launch import require_memory

        each = 3 * self._n_sites + self._sweeps.scratch_bytes(1)  # a state and the next one
        require_memory(n_chains * each, f"{n_chains} chains of {self._n_sites} spins")
        x = first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1)
        spins: Any = DeviceArray(on_device(x, x.shape), x.shape)
        return State(spins)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n sweeps; metrics as on the CPU."""
        check_positive_int("n", n)
        check_layout(state, np.int8, self._n_sites)
        shape = tuple(state.x.shape)
        x: Any = copied(state.x, shape)
        out = self._sweeps.run(x, 1, rng, n)
        moved: Any = DeviceArray(x, shape)
        numbers = (DeviceArray(out[k], shape[:1]) for k in range(2))
        return State(moved), Info(
            metrics=dict(zip(("n_clusters", "mean_cluster_size"), numbers, strict=True))  # type: ignore[arg-type]
        )

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return energy (total, in units of J) and magnetization (per site) of every chain."""
        return self.measuring(state)()

    def measuring(self, state: State) -> Callable[[], Mapping[str, np.ndarray]]:
        """Begin to measure; what is returned waits for the numbers and returns them."""
        check_layout(state, np.int8, self._n_sites)
        return self._numbers.start(on_device(state.x, tuple(state.x.shape)), 1, len(state.x))

    def configurations(self, state: State) -> np.ndarray:
        """Return the spins, int8 (n_chains, *event_shape)."""
        return np.asarray(state.x).reshape(-1, *self.target.event_shape)

    @property
    def _n_sites(self) -> int:
        return len(self.table.neighbours)

    @cached_property
    def _sweeps(self) -> ClusterSweeps:
        from physgen.kernels.cuda.cluster_bonds import between_spins

        return ClusterSweeps(bonds_of_spins(*self.table), between_spins, self._n_sites)

    @cached_property
    def _numbers(self) -> CudaNumbers:
        return CudaNumbers(self.target)


def bind_cuda_clusters(target: Any, table: Couplings) -> CudaClusterChains:
    """Return the chains of an Ising target on the device.

    Raises
    ------
    InputError
        If there is no device, or the lattice is too large.
    MissingDependencyError
        Without numba-cuda.
    """
    from physgen.kernels.cuda.launch import require_device

    require_sites(len(table.neighbours), "SwendsenWang")
    require_device()
    return CudaClusterChains(target, table)
