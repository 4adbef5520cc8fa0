"""Numbers on their way from the device to the host, while the device goes on working.

Kernels run in one stream of the device, copies to the host in another one; an event tells the
copies when the numbers are there.  Memory on the host is page-locked: without that a copy waits
for the kernels, and runs at a tenth of the speed of the bus.  Such memory is slow to get and hurts
when there is much of it, so a few buffers are used again and again, each as soon as nobody reads
its last numbers any more.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from physgen.samplers.cuda_arrays import empty

__all__ = ["Transfers"]

_MOST = 4  # buffers of one shape that readers may hold; later numbers are copied for their reader


class _Buffer(NamedTuple):
    device: Any
    host: np.ndarray
    filled: Any  # event: kernels have written the numbers
    there: Any  # event: the numbers have reached the host


class _Lease:
    """What the arrays of a reader are views of; it lives as long as they do."""

    def __init__(self, host: np.ndarray) -> None:
        self.__array_interface__ = host.__array_interface__


class Transfers:
    """Float64 arrays that kernels fill and the host reads later; of one device."""

    def __init__(self) -> None:
        self._free: dict[tuple[int, ...], list[_Buffer]] = {}
        self._made: dict[tuple[int, ...], int] = {}

    def start(self, fill: Callable[[Any], None], shape: tuple[int, ...]) -> Callable[[], Any]:
        """Launch what writes an array, and its copy to the host.

        Parameters
        ----------
        fill : callable
            Takes the array on the device and launches kernels that write it.
        shape : tuple of int

        Returns
        -------
        callable
            Waits for the numbers and returns them, float64 of this shape.  To be called once.
        """
        from physgen.kernels.cuda.launch import streams

        work, home = streams()
        buffer = self._buffer(shape)
        buffer.there.wait(work)  # a reader may have left while its numbers were on their way
        fill(buffer.device)
        buffer.filled.record(work)
        buffer.filled.wait(home)
        buffer.device.copy_to_host(buffer.host, stream=home)
        buffer.there.record(home)
        lease = _Lease(buffer.host)
        weakref.finalize(lease, self._free[shape].append, buffer).atexit = False
        few = self._made[shape] <= _MOST

        def arrive() -> np.ndarray:
            buffer.there.synchronize()
            numbers = np.asarray(lease)
            return numbers if few else numbers.copy()

        return arrive

    def _buffer(self, shape: tuple[int, ...]) -> _Buffer:
        from physgen.kernels.cuda._numba import cuda

        free = self._free.setdefault(shape, [])
        if free:
            return free.pop()
        self._made[shape] = self._made.get(shape, 0) + 1
        host = cuda.pinned_array(shape, np.float64)
        return _Buffer(empty(shape, np.float64), host, cuda.event(), cuda.event())
