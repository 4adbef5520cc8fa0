"""Checks for a CUDA device, and the number of threads of a launch.

Without a device the environment variable ``NUMBA_ENABLE_CUDASIM=1``, set before numba is first
imported, runs the kernels in numba's simulator, for tests: a CUDA thread is a Python thread.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from physgen.core.errors import InputError, MissingDependencyError

__all__ = [
    "Streams",
    "configured",
    "n_devices",
    "on_device_number",
    "parts",
    "require_device",
    "require_memory",
    "streams",
]

# Threads of a block: with 64-80 registers a thread, three blocks share a multiprocessor (65536
# registers) and hide one another's waits at barriers; two of 512 threads would not fit.
_MOST_THREADS = 256
_MOST_SIMULATED = 32
_REMEDY = "pip install 'physgen[cuda]'"


class Streams(NamedTuple):
    """Queues of a device: what is in one runs in order, beside what is in the other.

    Attributes
    ----------
    work
        Kernels, and copies between arrays on the device.
    home
        Copies to the host.
    """

    work: Any
    home: Any


_STREAMS: dict[Any, Streams] = {}  # of the context of each device
_FILTERS = threading.Lock()  # filters of warnings are those of all threads


def n_devices() -> int:
    """Return the number of CUDA devices; `require_device` says whether there is any."""
    from physgen.kernels.cuda._numba import cuda

    return len(cuda.gpus)


@contextmanager
def on_device_number(device: int) -> Iterator[None]:
    """Make a device the current one of this thread: arrays, streams and kernels are there."""
    from physgen.kernels.cuda._numba import cuda

    with cuda.gpus[device]:
        yield


def require_device() -> None:
    """Raise an error that names the missing part, unless CUDA kernels can run.

    Raises
    ------
    MissingDependencyError
        Without ``numba.cuda`` or its compiler libraries.
    InputError
        Without a device or its driver.
    """
    try:
        from numba import cuda
    except ImportError as error:
        raise MissingDependencyError(
            f"device='cuda' needs the package numba-cuda, which is not installed; {_REMEDY}"
        ) from error
    if cuda.is_available():
        return
    reason = cuda.cuda_error()
    if reason is None:
        raise MissingDependencyError(
            "device='cuda' needs the libraries that compile for CUDA, found a driver without "
            f"them; {_REMEDY}"
        )
    text = next((line for line in str(reason).splitlines() if line.strip()), "none answers")
    raise InputError(
        f"device must name one that is there, got 'cuda' ({text.strip().rstrip('.:')}); use "
        f"device='cpu', or on a machine with an NVIDIA GPU and its driver {_REMEDY}"
    )


def parts(lanes: int, useful: int) -> int:
    """Return S: how many threads share the sites of a chain, in blocks of (lanes, S) threads.

    Parameters
    ----------
    lanes : int
        Threads along the chains.
    useful : int
        Number of sites that can be updated at once; more threads would idle.
    """
    from physgen.kernels.cuda._numba import SIMULATED

    most = _MOST_SIMULATED if SIMULATED else _MOST_THREADS
    return max(1, min(useful, most // lanes))


def streams() -> Streams:
    """Return the streams of the current device.

    Whatever names no stream (a copy of a whole array, say) waits for both, and they for it.
    """
    from physgen.kernels.cuda._numba import cuda

    context = cuda.current_context()
    if context not in _STREAMS:
        _STREAMS[context] = Streams(cuda.stream(), cuda.stream())
    return _STREAMS[context]


def configured(
    kernel: Any, n_blocks: tuple[int, ...] | int, threads: tuple[int, ...] | int
) -> Any:
    """Return the kernel with its launch configuration, in the stream for work."""
    from numba.core.errors import NumbaPerformanceWarning

    with _FILTERS, warnings.catch_warnings():
        # The user chooses the number of chains: no advice on small grids.
        warnings.simplefilter("ignore", NumbaPerformanceWarning)
        return kernel[n_blocks, threads, streams().work]


def require_memory(n_bytes: int, what: str) -> None:
    """Raise :class:`InputError` if the device has fewer than `n_bytes` free."""
    from physgen.kernels.cuda._numba import cuda

    free = cuda.current_context().get_memory_info().free
    if n_bytes > free:
        raise InputError(
            f"chains must fit in the memory of the device: {what} need {n_bytes / 1e9:.3g} GB, "
            f"{free / 1e9:.3g} GB are free; take fewer chains"
        )
