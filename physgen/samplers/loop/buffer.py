"""Draws on their way into arrays of shape (n_chains, n_draws, ...).

A draw is a row, but the arrays store columns: writing them one by one, 4096 chains would cost a
quarter of a heat-bath sweep.  So rows are gathered in tiles that fit in the cache.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

__all__ = ["Buffer"]

_TILE = 32  # draws


class Buffer:
    """Collects draws.

    Parameters
    ----------
    size : int or None
        Number of draws; if it is unknown, the arrays grow by doubling.
    """

    def __init__(self, size: int | None = None) -> None:
        self._size, self.n = size, 0
        self._tiles: dict[str, np.ndarray] = {}
        self._arrays: dict[str, np.ndarray] = {}

    def add(self, values: Mapping[str, np.ndarray]) -> None:
        """Take one draw: arrays of shape (n_chains, ...)."""
        row = self.n % _TILE
        for name, value in values.items():
            tile = self._tiles.get(name)
            if tile is None:
                tile = self._tiles[name] = np.empty((_TILE, *value.shape), dtype=value.dtype)
            tile[row] = value
        self.n += 1
        if self.n % _TILE == 0:
            self._flush(_TILE)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all draws so far, contiguous, shape (n_chains, n_draws, ...) each."""
        if self.n % _TILE:
            self._flush(self.n % _TILE)
        return {k: np.ascontiguousarray(a[:, : self.n]) for k, a in self._arrays.items()}

    def _flush(self, n_rows: int) -> None:
        first = self.n - n_rows
        for name, tile in self._tiles.items():
            array = self._arrays.get(name)
            if array is None:
                shape = (tile.shape[1], self._size or 2 * _TILE, *tile.shape[2:])
                array = self._arrays[name] = np.empty(shape, dtype=tile.dtype)
            elif self.n > array.shape[1]:
                array = np.concatenate([array, np.empty_like(array)], axis=1)
                self._arrays[name] = array
            array[:, first : self.n] = np.swapaxes(tile[:n_rows], 0, 1)
