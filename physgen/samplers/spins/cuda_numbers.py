"""Energy and magnetization of int8 spins on a CUDA device, on their way to the host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from physgen.samplers.cuda_transfers import Transfers

__all__ = ["CudaNumbers"]

_ALONE = 32  # threads for a chain that lies on its own: one of them adds up what all have found


class CudaNumbers:
    """Sums over the bonds and sites of one Ising model.

    Parameters
    ----------
    target : Ising
    """

    def __init__(self, target: Any) -> None:
        from physgen.kernels.cuda._numba import cuda

        ends = np.asarray(target.lattice.bonds, np.uint32).reshape(-1, 2)
        numbers = target.bond_couplings, target.site_fields
        arrays = (*ends.T, *(np.array(a, np.float64) for a in numbers))
        self._bonds = tuple(cuda.to_device(np.ascontiguousarray(a)) for a in arrays)
        self._transfers, self._n_sites = Transfers(), target.n_sites

    def start(self, x: Any, width: int, n_chains: int) -> Callable[[], Mapping[str, np.ndarray]]:
        """Begin to measure; what is returned waits for the numbers and returns them.

        Parameters
        ----------
        x : device array (n_blocks, n_sites * width)
            `width` chains lie interleaved.
        width, n_chains : int
        """
        from physgen.kernels.cuda.ising_scalar import numbers
        from physgen.kernels.cuda.launch import configured, parts

        useful = self._n_sites if width > 1 else min(_ALONE, self._n_sites)
        run = configured(numbers, x.shape[0], (width, parts(width, useful)))
        arrive = self._transfers.start(lambda out: run(x, *self._bonds, out), (2, n_chains))

        def measured() -> Mapping[str, np.ndarray]:
            energy, magnetization = arrive()
            return {"energy": energy, "magnetization": magnetization}

        return measured
