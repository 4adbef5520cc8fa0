"""What Ising spins and phi^4 fields share when a CUDA device flips their clusters."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers.cuda_arrays import empty

__all__ = ["Bonds", "ClusterSweeps", "bonds_of_fields", "bonds_of_spins", "require_sites"]


class Bonds(NamedTuple):
    """The bonds of a lattice, each once; see `kernels.cuda.cluster_sweeps`.

    Attributes
    ----------
    first, second, kinds : uint32 arrays (n_bonds,)
    strengths, signs : arrays (n_kinds,)
    """

    first: np.ndarray
    second: np.ndarray
    kinds: np.ndarray
    strengths: np.ndarray
    signs: np.ndarray


def bonds_of_spins(neighbours: np.ndarray, K: np.ndarray, H: np.ndarray) -> Bonds:
    """Return the bonds of S = -sum_b K_b s s' - sum_i H_i s_i; fields are bonds to the ghost.

    Parameters
    ----------
    neighbours : int array (n_sites, z)
        -1 where absent.
    K, H : arrays (n_sites or 1, z), (n_sites or 1,)
    """
    from physgen.samplers.spins.clusters import thresholds

    ends = _each_once(neighbours)
    strength = np.broadcast_to(K, neighbours.shape)[ends]
    H = np.broadcast_to(H, len(neighbours))
    (held,) = np.nonzero(H)
    first = np.concatenate([ends[0], held]) + 1
    second = np.concatenate([neighbours[ends] + 1, np.zeros_like(held)])
    couplings, kinds = np.unique(np.concatenate([strength, H[held]]), return_inverse=True)
    signs = np.sign(couplings).astype(np.int8)
    return _bonds(first, second, kinds, thresholds(couplings), signs)


def bonds_of_fields(neighbours: np.ndarray, hop: float) -> Bonds:
    """Return the bonds between the signs of fields; `neighbours` as for spins."""
    ends = _each_once(neighbours)
    kinds = np.zeros(len(ends[0]), int)
    strengths, signs = np.array([2 * hop], np.float32), np.ones(1, np.int8)
    return _bonds(ends[0] + 1, neighbours[ends] + 1, kinds, strengths, signs)


def require_sites(n_sites: int, sampler: str) -> None:
    """Raise :class:`InputError` if a lattice is too large for the labels of its clusters."""
    from physgen.kernels.cuda.cluster_sweeps import MOST_SITES

    if n_sites > MOST_SITES:
        raise InputError(
            f"{sampler} on device='cuda' takes lattices of at most {MOST_SITES} sites, got "
            f"{n_sites}; use device='cpu'"
        )


class ClusterSweeps:
    """Launches of the sweeps of one lattice.

    Parameters
    ----------
    bonds : Bonds
    occupied : device function
        Of `kernels.cuda.cluster_bonds`.
    n_sites : int
    """

    def __init__(self, bonds: Bonds, occupied: Any, n_sites: int) -> None:
        from physgen.kernels.cuda._numba import cuda

        self._tables = tuple(cuda.to_device(np.ascontiguousarray(a)) for a in bonds)
        self._n_bonds, self._occupied, self._n_sites = len(bonds.first), occupied, n_sites
        self._scratch: Any = None

    def scratch_bytes(self, width: int) -> int:
        """Return the bytes in memory of the labels of a chain, 0 where they are not there."""
        from physgen.kernels.cuda.cluster_sweeps import lanes, scratch_words

        return 0 if lanes(self._n_sites, width) else 4 * scratch_words(self._n_sites)

    def run(self, x: Any, width: int, rng: Stream, n: int) -> Any:
        """Sweep x, an array on the device, n times in place.

        Parameters
        ----------
        x : device array (n_blocks, n_sites * width)
        width : int
            Chains that lie interleaved.
        rng : Stream
        n : int

        Returns
        -------
        device array (2, n_blocks * width), float64
            Mean number of clusters, and mean size of the cluster of a site in the last sweep.
        """
        from physgen.kernels.cpu.philox import split_key
        from physgen.kernels.cuda.cluster_sweeps import lanes, scratch_words, sweeps
        from physgen.kernels.cuda.launch import configured, parts

        w = lanes(self._n_sites, width)
        shared, w = w > 0, w or width
        n_blocks = len(x) * (width // w)
        wanted = (1, 1) if shared else (n_blocks, w * scratch_words(self._n_sites))
        if self._scratch is None or self._scratch.shape != wanted:
            self._scratch = empty(wanted, np.uint32)
        k0, k1 = (np.uint32(k) for k in split_key(rng.philox_key()[0]))
        out = empty((2, len(x) * width), np.float64)
        threads = w, parts(w, max(self._n_sites, self._n_bonds))
        kernel = sweeps(self._occupied, self._n_sites, w, shared)
        ghost = np.dtype(x.dtype).type(1)
        configured(kernel, n_blocks, threads)(
            x, ghost, *self._tables, self._scratch, k0, k1, n, out
        )
        return out


def _each_once(neighbours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the entries of a table that are its bonds: each bond is in two rows."""
    sites, columns = np.nonzero(neighbours > np.arange(len(neighbours))[:, None])
    return sites, columns


def _bonds(
    first: np.ndarray, second: np.ndarray, kinds: np.ndarray, strengths: Any, signs: Any
) -> Bonds:
    if not len(first):  # an array on the device has an item at least: a bond of site 0 to itself
        first = second = np.ones(1)
        kinds, strengths, signs = np.zeros(1), np.zeros(1, np.uint64), np.zeros(1, np.int8)
    i, j, kind = (a.astype(np.uint32) for a in (first, second, kinds))
    return Bonds(i, j, kind, strengths, signs)
