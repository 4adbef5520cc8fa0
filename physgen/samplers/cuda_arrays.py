"""Arrays of a State that stay on the CUDA device from step to step."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, final

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["DeviceArray", "TensorArray", "copied", "empty", "on_device"]


class _Held(NDArrayOperatorsMixin, ABC):
    """Data on the device; NumPy functions work on a copy on the host.

    Parameters
    ----------
    data : device array or tensor
        Contiguous, of any shape with as many items; it must not change any more.
    shape : tuple of int
        The shape that NumPy sees.
    """

    __slots__ = ("data", "shape")

    def __init__(self, data: Any, shape: tuple[int, ...]) -> None:
        self.data, self.shape = data, shape

    @property
    @abstractmethod
    def dtype(self) -> np.dtype:
        """Type of the items."""

    @abstractmethod
    def _copy(self) -> np.ndarray:
        """Return the items on the host, in any shape."""

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        host = self._copy().reshape(self.shape)
        return host if dtype is None else host.astype(dtype, copy=False)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        host = [np.asarray(i) if isinstance(i, _Held) else i for i in inputs]
        return getattr(ufunc, method)(*host, **kwargs)

    def __getitem__(self, index: Any) -> np.ndarray:
        return np.asarray(self)[index]

    def __getattr__(self, name: str) -> Any:
        # Not the protocols that expose memory: the memory of the copy would be gone.
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(np.asarray(self), name)

    def __reduce__(self) -> tuple[Any, ...]:
        return np.array, (np.asarray(self),)


@final
class DeviceArray(_Held):
    """An array of numba on the device."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype:
        """Type of the items."""
        return np.dtype(self.data.dtype)

    def _copy(self) -> np.ndarray:
        return np.array(self.data.copy_to_host())


@final
class TensorArray(_Held):
    """A tensor of torch, on any device."""

    __slots__ = ()

    @property
    def dtype(self) -> np.dtype:
        """Type of the items."""
        return np.dtype(str(self.data.dtype).removeprefix("torch."))

    def _copy(self) -> np.ndarray:
        # A tensor on the CPU shares its memory with the array: NumPy may write into the copy.
        return np.array(self.data.cpu().numpy())


def on_device(x: Any, shape: tuple[int, ...]) -> Any:
    """Return `x`, a DeviceArray or an array on the host, on the device and in this shape."""
    from physgen.kernels.cuda._numba import cuda

    if isinstance(x, DeviceArray):
        return x.data if x.data.shape == shape else x.data.reshape(shape)
    return cuda.to_device(np.ascontiguousarray(x).reshape(shape))


def copied(x: Any, shape: tuple[int, ...]) -> Any:
    """Return a copy of `x` on the device that may be changed."""
    from physgen.kernels.cuda.launch import streams

    source = on_device(x, shape)
    if not isinstance(x, DeviceArray):
        return source
    out = empty(shape, source.dtype)
    out.copy_to_device(source, stream=streams().work)
    return out


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an uninitialised array on the device, of at least one item."""
    from physgen.kernels.cuda._numba import cuda

    whole = shape if math.prod(shape) else tuple(max(1, n) for n in shape)
    return cuda.device_array(whole, np.dtype(dtype))
