r"""Packing of Ising spins: bit = chain.

Spins are uint64 of shape (n_blocks, n_sites, 8); spin +1 is a set bit, and

.. math:: \text{chain} = 512\,\text{block} + 64\,\text{lane} + \text{bit} .

The last block is padded with unused chains.
"""

from __future__ import annotations

import numpy as np

__all__ = ["CHAINS_PER_BLOCK", "empty_words", "n_blocks", "pack", "unpack"]

CHAINS_PER_BLOCK = 512


def n_blocks(n_chains: int) -> int:
    """Return the number of blocks that hold this many chains."""
    return -(-n_chains // CHAINS_PER_BLOCK)


def empty_words(shape: tuple[int, ...]) -> np.ndarray:
    """Return uninitialised uint64 words that start on a cache line."""
    n = int(np.prod(shape))
    buffer = np.empty(n + 8, dtype=np.uint64)
    offset = -(buffer.ctypes.data >> 3) & 7
    return buffer[offset : offset + n].reshape(shape)


def pack(spins: np.ndarray) -> np.ndarray:
    """Return the words of int8 spins (n_chains, n_sites); padding repeats spin -1."""
    n_chains, n_sites = spins.shape
    up = np.zeros((n_sites, n_blocks(n_chains) * CHAINS_PER_BLOCK), dtype=bool)
    up[:, :n_chains] = spins.T > 0
    words = np.packbits(up, axis=1, bitorder="little").view("<u8").astype(np.uint64)
    out = empty_words((words.shape[1] // 8, n_sites, 8))
    out[:] = words.reshape(n_sites, -1, 8).swapaxes(0, 1)
    return out


def unpack(x: np.ndarray, n_chains: int) -> np.ndarray:
    """Return the int8 spins, shape (n_chains, n_sites), of words (n_blocks, n_sites, 8)."""
    words = np.ascontiguousarray(x.swapaxes(0, 1)).reshape(x.shape[1], -1)
    up = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    spins = up.view(np.int8)[:, :n_chains]
    return np.ascontiguousarray((2 * spins - 1).T)
