"""Large phi^4 lattices on a CUDA device, all of which works on each of them.

The moves of :class:`~physgen.samplers.fields.cuda.CudaPhi4Fields`, from the same random words, by
the kernels of `kernels.cuda.phi4_spread`.  A lattice lies on its own: W = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from physgen.core.chains import State, check_layout
from physgen.core.random import Stream
from physgen.kernels.cpu.normals import padded_sites
from physgen.samplers.cuda_arrays import copied, empty, on_device
from physgen.samplers.fields.checks import require_finite
from physgen.samplers.fields.cuda import CudaPhi4Fields, cuda_fields
from physgen.samplers.fields.cuda_base import CudaFields, flat, held, key_of
from physgen.samplers.plain import first_configurations

__all__ = ["CudaPhi4Lattices", "cuda_moves"]


@final
@dataclass(frozen=True, eq=False)
class CudaPhi4Lattices(CudaFields):
    """Trajectories and Langevin steps of large lattices.

    Parameters as for :class:`~physgen.samplers.fields.cuda_base.CudaFields`.
    """

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the lattices, one after the other, with their actions."""
        from physgen.kernels.cuda.launch import require_memory

        size = np.dtype(self.dtype).itemsize
        n_bytes = 5 * n_chains * padded_sites(self.n_sites, self.dtype) * size
        require_memory(n_bytes, f"{n_chains} chains of {self.n_sites} sites")
        x = first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1)
        x = np.ascontiguousarray(x, self.dtype)
        state = self._state(on_device(x, x.shape))
        require_finite(self._actions(state), None, "at the start")
        return state

    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run HMC trajectories; see `fields.Moves`."""
        from physgen.kernels.cuda import phi4_spread as spread
        from physgen.kernels.cuda._numba import cuda
        from physgen.kernels.cuda.launch import configured

        check_layout(state, self.dtype, self.n_sites, 1)
        real, (k0, k1) = np.dtype(self.dtype).type, key_of(rng)
        x = copied(state.x, flat(state.x.shape))
        n = len(x)
        action = copied(state.aux["action"], (n, 1))
        stats = cuda.to_device(np.zeros((n, 4, 1)))
        pi, one, two = self._buffers(n)
        first, last = self._shares(n, "first"), self._shares(n)
        taken = empty((n,), np.int32)
        numbers = (*self._lattice, *self._couplings)
        momenta, sums, leap, energies, take = (
            self._configured(kernel, n)
            for kernel in (
                spread.momenta(self.dtype), spread.sums, spread.leap, spread.energies,
                spread.take,
            )
        )  # fmt: skip
        settle = configured(spread.settle, n, self._n_threads)
        for t, eps in enumerate(np.asarray(steps, self.dtype)):
            half, step = eps * real(0.5), np.uint32(t)
            momenta(pi, k0, k1, step)
            sums(pi, self.n_sites, first)
            leap(x, pi, one, *numbers, half, eps)
            for _ in range(n_leapfrog - 1):
                leap(one, pi, two, *numbers, eps, eps)
                one, two = two, one
            energies(one, pi, *numbers, half, last)
            settle(first, last, self._constant, k0, k1, step, action, stats, taken)
            take(one, taken, x)
        aux: Any = {"action": held(action, (n, 1)), "n_chains": state.aux["n_chains"]}
        return State(held(x, state.x.shape), aux), stats.copy_to_host()[:, :, 0].T

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Make unadjusted Langevin steps; see `fields.Moves`."""
        from physgen.kernels.cuda import phi4_spread as spread

        check_layout(state, self.dtype, self.n_sites, 1)
        real, (k0, k1) = np.dtype(self.dtype).type, key_of(rng)
        h = real(np.sqrt(2 * float(step_size)))
        x = copied(state.x, flat(state.x.shape))
        pi, other, _ = self._buffers(len(x))
        momenta = self._configured(spread.momenta(self.dtype), len(x))
        leap = self._configured(spread.leap, len(x))
        phi = x
        for t in range(n):
            momenta(pi, k0, k1, np.uint32(t))
            leap(phi, pi, other, *self._lattice, *self._couplings, h * real(0.5), h)
            phi, other = other, phi
        moved = self._state(x if phi is x else copied(held(phi, phi.shape), phi.shape))
        require_finite(
            self._actions(moved), state, f"after a Langevin step of {step_size:g}; lower step_size"
        )
        return moved

    @property
    def _n_threads(self) -> int:
        from physgen.kernels.cuda.launch import parts

        return parts(1, self.n_sites)

    def _configured(self, kernel: Any, n_lattices: int) -> Any:
        from physgen.kernels.cuda.launch import configured

        n_blocks = self._shares(n_lattices).shape[2]
        return configured(kernel, (n_blocks, n_lattices), self._n_threads)

    def _shares(self, n_lattices: int, name: str = "last") -> Any:
        """Return where blocks of threads write their sums, (2, n_lattices, B)."""
        from physgen.kernels.cuda.phi4_spread import n_blocks

        return self._kept(name, (2, n_lattices, n_blocks(self.n_sites, self._n_threads)))

    def _buffers(self, n_lattices: int) -> tuple[Any, Any, Any]:
        """Return momenta, of padded sites, and two fields."""
        padded = padded_sites(self.n_sites, self.dtype)
        pi = self._kept("momenta", (n_lattices, padded), self.dtype)
        one, two = (
            self._kept(name, (n_lattices, self.n_sites), self.dtype) for name in ("one", "two")
        )
        return pi, one, two

    def _kept(self, name: str, shape: tuple[int, ...], dtype: Any = np.float64) -> Any:
        """Return scratch on the device; one of each name is kept."""
        kept = self._scratch.get(name)
        if kept is None or kept.shape != shape:
            kept = self._scratch[name] = empty(shape, dtype)
        return kept

    def _state(self, x: Any) -> State:
        """Return the state of fields (n_lattices, n_sites)."""
        from physgen.kernels.cuda.phi4_spread import energies

        n, shares = len(x), self._shares(len(x))
        zero = self._couplings[3]
        self._configured(energies, n)(x, x, *self._lattice, *self._couplings, zero, shares)
        action = shares.copy_to_host()[0].sum(axis=1) + self._constant
        aux: Any = {"action": held(on_device(action, (n, 1)), (n, 1)), "n_chains": np.array(n)}
        return State(held(x, (*x.shape, 1)), aux)

    def _moments(self, state: State) -> Any:
        """Return the means over sites of phi and phi^2, (2, n_chains)."""
        from physgen.kernels.cuda.phi4_spread import sums

        x = on_device(state.x, flat(state.x.shape))
        shares = self._shares(len(x))
        self._configured(sums, len(x))(x, self.n_sites, shares)
        return shares.copy_to_host().sum(axis=2) / self.n_sites


def cuda_moves(target: Any, sampler: str, dtype: str) -> CudaPhi4Fields | CudaPhi4Lattices:
    """Return the fields of a target on the device; see `cuda_fields` for what is raised."""
    from physgen.kernels.cuda.phi4_spread import LEAST_SITES

    fields = cuda_fields(target, sampler, dtype)
    large = fields.n_sites >= LEAST_SITES
    return CudaPhi4Lattices(target, dtype) if large else fields
