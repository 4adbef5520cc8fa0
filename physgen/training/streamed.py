r"""Shots that a fit reads from a file larger than memory.

:class:`StreamedShots` stands in for :class:`~physgen.training.samples.Samples`.  The file is cut
into blocks of about 1 MiB; an epoch visits the blocks in random order, as many at a time as half
the buffer holds, and permutes their shots.  The order is a function of the given stream, and a
block is read again when it is not in the buffer, so a fit can resume bit for bit without stored
state.

The same share of random shots is held out of every block, since a file may be ordered by time or
by setting.  Held-out shots are kept in memory.
"""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum.shots import ShotFile
from physgen.training.samples import Batch, Groups, held_out_count, mean_one

__all__ = ["BUFFER_BYTES", "StreamedShots"]

BUFFER_BYTES = 256 << 20
BLOCK_BYTES = 1 << 20


class StreamedShots:
    """Shots of a file, read block by block.

    Parameters
    ----------
    shots : ShotFile
    weights : ndarray or None, shape (n,)
        Scaled as in Samples; in memory, 8 bytes per shot.
    validation_fraction : float
    rng : Stream
        Chooses the shots that are held out.
    buffer_bytes : int
        Largest size of the blocks that are kept.
    """

    def __init__(
        self,
        shots: ShotFile,
        weights: np.ndarray | None,
        validation_fraction: float,
        rng: Stream,
        buffer_bytes: int = BUFFER_BYTES,
    ) -> None:
        check_positive_int("buffer_bytes", buffer_bytes)
        n, L = shots.shape
        held_out_count(n, validation_fraction)  # refuses too few shots
        self._shots, self._rng, self._fraction = shots, rng, validation_fraction
        whole = max(1, BLOCK_BYTES // L)
        chunk = min(shots.chunk_rows, whole)
        self._rows = min(n, whole // chunk * chunk)  # of a block
        self._group = max(1, buffer_bytes // 2 // (self._rows * L))  # blocks mixed together
        n_blocks = -(-n // self._rows)
        kept = [self._block_size(b) - self._block_held_out(b) for b in range(n_blocks)]
        self._starts = np.concatenate([[0], np.cumsum(kept)])  # positions where blocks begin
        self._buffer: OrderedDict[int, np.ndarray] = OrderedDict()
        held_out = [self._held_out_rows(b) for b in range(n_blocks)]
        rows = np.concatenate(held_out)
        # Block by block, so that only one is in memory.
        taken = [self._read(b)[r - b * self._rows] for b, r in enumerate(held_out) if r.size]
        self.validation = torch.from_numpy(np.concatenate([*taken, np.empty((0, L), np.uint8)]))
        self._weights = self.validation_weights = None
        if weights is not None:
            self.validation_weights = mean_one(weights[rows])
            self._weights = mean_one(np.delete(weights, rows))

    @property
    def train(self) -> StreamedShots:
        """These shots, indexed like an array; only what is read of them is in memory."""
        return self

    @property
    def n_train(self) -> int:
        """Number of shots that are trained on."""
        return int(self._starts[-1])

    @property
    def n_validation(self) -> int:
        """Number of shots that are held out."""
        return len(self.validation)

    @property
    def shape(self) -> tuple[int, int]:
        """(n_train, L)."""
        return self.n_train, self._shots.shape[1]

    def __len__(self) -> int:
        return self.n_train

    def __getitem__(self, rows: Any) -> torch.Tensor:
        """Return the strings at a slice or an array of positions, (B, L) uint8."""
        index = np.arange(*rows.indices(len(self))) if isinstance(rows, slice) else rows
        return torch.from_numpy(self._strings(np.asarray(index)))

    def resampled(self, rng: Stream, groups: Groups | None = None) -> StreamedShots:
        """Return the shots with weights of a Poisson bootstrap: each counts 0, 1, 2, ... times.

        Rows of a file cannot be drawn at random; for many shots both bootstraps agree.  The number
        of shots per setting then fluctuates, so `groups` are refused.
        """
        if groups is not None:
            raise InputError(
                "shots of chosen settings must be in memory to be resampled, got a file that is "
                "streamed; leave out stream, or refits"
            )
        new = copy.copy(self)
        new._buffer = OrderedDict()
        drawn = rng.numpy().poisson(1.0, self.n_train).astype(np.float64)
        new._weights = mean_one(drawn if self._weights is None else drawn * self._weights)
        return new

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of an epoch in training order: groups of blocks, each permuted."""
        generator = stream.numpy()
        blocks = generator.permutation(len(self._starts) - 1)
        order = np.empty(self.n_train, np.int32 if self.n_train < 1 << 31 else np.int64)
        done = 0
        for start in range(0, len(blocks), self._group):
            group = blocks[start : start + self._group]
            here = np.concatenate([np.arange(*self._starts[b : b + 2]) for b in group])
            order[done : done + len(here)] = generator.permutation(here)
            done += len(here)
        return order

    def batch(self, index: np.ndarray, rng: Stream, device: Any = "cpu") -> Batch:
        """Return the strings at these positions on `device`, with their weights if any."""
        del rng
        x = torch.from_numpy(self._strings(index)).to(device)
        if self._weights is None:
            return Batch(x)
        return Batch(x, torch.from_numpy(self._weights[index].astype(np.float32)).to(device))

    def _strings(self, index: np.ndarray) -> np.ndarray:
        out = np.empty((len(index), self._shots.shape[1]), np.uint8)
        block = np.searchsorted(self._starts, index, side="right") - 1
        for b in np.unique(block):
            here = block == b
            out[here] = self._block(int(b))[index[here] - self._starts[b]]
        return out

    def _block(self, b: int) -> np.ndarray:
        """Return the training shots of a block, from the buffer or the file."""
        if b in self._buffer:
            self._buffer.move_to_end(b)
            return self._buffer[b]
        while len(self._buffer) >= 2 * self._group:  # a batch may need two groups
            self._buffer.popitem(last=False)
        held_out = self._held_out_rows(b) - b * self._rows
        self._buffer[b] = np.delete(self._read(b), held_out, axis=0)
        return self._buffer[b]

    def _read(self, b: int) -> np.ndarray:
        start = b * self._rows
        return self._shots[start : start + self._block_size(b)]

    def _block_size(self, b: int) -> int:
        return min(self._rows, len(self._shots) - b * self._rows)

    def _block_held_out(self, b: int) -> int:
        size = self._block_size(b)
        count = round(self._fraction * size)
        if b == 0 and self._fraction > 0 and count == 0:
            return 1
        return min(count, size - 1) if b == 0 else count  # something is left to train on

    def _held_out_rows(self, b: int) -> np.ndarray:
        """Return the rows of the file that are held out of a block, ascending."""
        order = self._rng.at(b).numpy().permutation(self._block_size(b))
        return b * self._rows + np.sort(order[: self._block_held_out(b)])
