"""Phi^4 fields on a CUDA device: HMC, Langevin and local moves with ``device="cuda"``.

The moves of :class:`~physgen.samplers.fields.phi4.Phi4Fields`, from the same random words and in
the same layout: fields agree with the CPU's to rounding, and a run may continue on the other
device.  Fields and actions stay on the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, final

import numpy as np

from physgen.core.chains import State, check_layout
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cpu.field_layout import GPU_BLOCK, block_width, pack
from physgen.kernels.cpu.normals import padded_sites
from physgen.samplers.cuda_arrays import DeviceArray, copied, empty, on_device
from physgen.samplers.cuda_clusters import ClusterSweeps, bonds_of_fields
from physgen.samplers.fields.checks import require_finite
from physgen.samplers.fields.cuda_base import CudaFields, flat, held, key_of
from physgen.samplers.fields.phi4 import SiteMoves
from physgen.samplers.plain import first_configurations, kernel_name

__all__ = ["CudaPhi4Fields", "cuda_fields"]


@final
@dataclass(frozen=True, eq=False)
class CudaPhi4Fields(CudaFields):
    """Moves of phi^4 fields on the device, blocks of W interleaved chains at a time.

    Parameters as for :class:`~physgen.samplers.fields.cuda_base.CudaFields`.
    """

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the chains packed, with their actions."""
        from physgen.kernels.cuda.launch import require_memory

        size = np.dtype(self.dtype).itemsize
        width = block_width(n_chains, self.n_sites, size, n_bytes=GPU_BLOCK)
        n_blocks = -(-n_chains // width)
        n_bytes = 5 * n_blocks * width * padded_sites(self.n_sites, self.dtype) * size
        require_memory(n_bytes, f"{n_chains} chains of {self.n_sites} sites")
        x = first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1)
        packed = pack(x, width, self.dtype)
        state = self._state(on_device(packed, flat(packed.shape)), packed.shape, n_chains)
        require_finite(self._actions(state), None, "at the start")
        return state

    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run HMC trajectories; see `fields.Moves`."""
        from physgen.kernels.cuda import phi4_hmc, phi4_resident
        from physgen.kernels.cuda._numba import cuda

        check_layout(state, self.dtype, self.n_sites, -1)
        n_blocks, n_sites, width = shape = state.x.shape
        x = copied(state.x, flat(shape))
        action = copied(state.aux["action"], (n_blocks, width))
        stats = cuda.to_device(np.zeros((n_blocks, 4, width)))
        numbers = (*self._lattice, *self._couplings, self._constant)
        leaps = (*key_of(rng), cuda.to_device(np.asarray(steps, self.dtype)), n_leapfrog, stats)
        if w := phi4_resident.lanes(n_sites, width, self.dtype):
            run = self._resident(phi4_resident.trajectories(self.dtype, n_sites, w), shape, w)
            run(x, action, *numbers, *leaps)
        else:
            run = self._configured(phi4_hmc.trajectories(self.dtype), shape)
            run(x, action, *numbers, self._work(shape), *leaps)
        moved = DeviceArray(action, (n_blocks, width))
        aux: Any = {"action": moved, "n_chains": state.aux["n_chains"]}
        after: Any = State(held(x, shape), aux)
        n = int(state.aux["n_chains"])
        return after, stats.copy_to_host().transpose(1, 0, 2).reshape(4, -1)[:, :n]

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Make unadjusted Langevin steps; see `fields.Moves`."""
        from physgen.kernels.cuda import phi4_hmc, phi4_resident

        check_layout(state, self.dtype, self.n_sites, -1)
        shape, real = state.x.shape, np.dtype(self.dtype).type
        x = copied(state.x, flat(shape))
        h = real(np.sqrt(2 * float(step_size)))
        numbers, steps = (*self._lattice, *self._couplings), (*key_of(rng), h, h * real(0.5), n)
        if w := phi4_resident.lanes(shape[1], shape[2], self.dtype):
            run = self._resident(phi4_resident.langevin(self.dtype, shape[1], w), shape, w)
            run(x, shape[2], *numbers, *steps)
        else:
            run = self._configured(phi4_hmc.langevin(self.dtype), shape)
            run(x, *numbers, self._work(shape), *steps)
        moved = self._state(x, shape, int(state.aux["n_chains"]))
        require_finite(
            self._actions(moved), state, f"after a Langevin step of {step_size:g}; lower step_size"
        )
        return moved

    def swept(
        self, rng: Stream, state: State, order: np.ndarray, how: SiteMoves, n: int
    ) -> tuple[State, Any, Any]:
        """Return the chains after n rounds of sweeps; see `Phi4Fields.swept`."""
        from physgen.kernels.cuda.launch import configured, parts
        from physgen.kernels.cuda.phi4_local import sweeps

        check_layout(state, self.dtype, self.n_sites, -1)
        shape, n_chains = state.x.shape, int(state.aux["n_chains"])
        real = np.dtype(self.dtype).type
        x = copied(state.x, flat(shape))
        n_periods, useful, plan = self._plan(order)
        shares = [empty((n_chains,), np.float64) for _ in range(2)]
        run = configured(sweeps(self.dtype), shape[0], (shape[2], parts(shape[2], useful)))
        run(
            x, *self._lattice, *plan, n_periods, *self._couplings, real(how.width),
            real(1.0 / how.curvature), how.n_reflections, *key_of(rng), n, *shares,
        )  # fmt: skip
        accepted, reflected = (held(share, (n_chains,)) for share in shares)
        return self._state(x, shape, n_chains), accepted, reflected

    def flipped(self, rng: Stream, state: State) -> tuple[State, Any]:
        """Return the chains after every cluster of signs has been flipped with probability 1/2.

        And, for each chain, the mean number of sites of the cluster of a site.
        """
        check_layout(state, self.dtype, self.n_sites, -1)
        shape, n_chains = state.x.shape, int(state.aux["n_chains"])
        x = copied(state.x, flat(shape))
        sizes = self._clusters.run(x, shape[2], rng, 1)[1]
        return self._state(x, shape, n_chains), held(sizes[:n_chains], (n_chains,))

    def _plan(self, order: np.ndarray) -> tuple[int, int, tuple[Any, ...]]:
        """Periods of a sweep in this order, sites updated at once, and the schedule."""
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.schedule import schedule

        kept = self._scratch.get("plan")
        if kept is None or not np.array_equal(kept[0], order):
            n = self.n_sites
            place = np.full(n + 1, n)  # of each site in the order; the last entry is for index -1
            place[order] = np.arange(n)
            plan = schedule(place[self.neighbours[order]])
            host = order[plan.order].astype(np.uint32), plan.starts, plan.late
            on = tuple(cuda.to_device(np.ascontiguousarray(a)) for a in host)
            kept = self._scratch["plan"] = order, (plan.n_periods, plan.width, on)
        return kept[1]

    @cached_property
    def _clusters(self) -> ClusterSweeps:
        from physgen.kernels.cuda.cluster_bonds import between_fields

        bonds = bonds_of_fields(self.neighbours, float(self.couplings[0]))
        return ClusterSweeps(bonds, between_fields, self.n_sites)

    def _configured(self, kernel: Any, shape: tuple[int, ...]) -> Any:
        from physgen.kernels.cuda.launch import configured, parts

        return configured(kernel, shape[0], (shape[2], parts(shape[2], shape[1])))

    def _resident(self, kernel: Any, shape: tuple[int, ...], w: int) -> Any:
        """Return the kernel with a block of threads for every w chains."""
        from physgen.kernels.cuda.launch import configured, parts

        return configured(kernel, shape[0] * (shape[2] // w), (w, parts(w, shape[1])))

    def _work(self, shape: tuple[int, ...]) -> Any:
        wanted = (3, shape[0], padded_sites(shape[1], self.dtype) * shape[2])
        kept = self._scratch.get("work")
        if kept is None or kept.shape != wanted:
            kept = self._scratch["work"] = empty(wanted, self.dtype)
        return kept

    def _state(self, x: Any, shape: tuple[int, ...], n_chains: int) -> State:
        from physgen.kernels.cuda.phi4_hmc import actions

        action = empty((shape[0], shape[2]), np.float64)
        self._configured(actions, shape)(
            x, *self._lattice, *self._couplings, self._constant, action
        )
        aux: Any = {
            "action": DeviceArray(action, (shape[0], shape[2])),
            "n_chains": np.array(n_chains),
        }
        return State(held(x, shape), aux)

    def _moments(self, state: State) -> Any:
        """Return the means over sites of phi and phi^2, (2, n_chains)."""
        from physgen.kernels.cuda.phi4_hmc import sums

        shape = state.x.shape
        out = empty((shape[0], 2, shape[2]), np.float64)
        self._configured(sums, shape)(on_device(state.x, flat(shape)), shape[1], out)
        n = int(state.aux["n_chains"])
        return out.copy_to_host().transpose(1, 0, 2).reshape(2, -1)[:, :n] / shape[1]


def cuda_fields(target: Any, sampler: str, dtype: str) -> CudaPhi4Fields:
    """Return the fields of a target on the device.

    Raises
    ------
    InputError
        If the target has no kernel, or there is no device.
    MissingDependencyError
        Without numba-cuda.
    """
    from physgen.kernels.cuda.launch import require_device

    if kernel_name(target) != "phi4":
        raise InputError(
            f"{sampler} on device='cuda' needs a phi^4 or free field, got {target!r}; use "
            "device='cpu'"
        )
    require_device()
    return CudaPhi4Fields(target, dtype)
