"""The array rule: NumPy or torch in, the same kind out, on the same device.

Packages that compute with NumPy convert at their public functions.  A torch tensor can only reach
a function if the caller has already imported torch, so nothing here ever imports it.

**Functions of a user** never see the narrow types that physgen keeps spins and outcomes in (int8
and uint8, which einsum, ``@`` and tensordot add up modulo 256): spins come as float64, outcomes,
which are labels and index tables, as int64.  What the functions return has to be real.
"""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from physgen.core.checks import is_list_or_tuple
from physgen.core.errors import InputError

__all__ = ["beside", "like", "real_numbers", "to_numpy", "wide"]

_WIDE = {"spins": "float64", "outcomes": "int64"}
_KEPT: dict[tuple[int, Any] | None, Any] = {}  # tables on devices, by id and device


def to_numpy(x: Any) -> np.ndarray:
    """Return `x` (array, sequence or torch tensor on any device) as a NumPy array."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    return np.asarray(x)


def like(result: np.ndarray, x: Any) -> Any:
    """Return the NumPy array `result` as the kind of array that `x` is, on its device."""
    if not hasattr(x, "detach"):
        return result
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(result))  # pyright: ignore[reportUnknownMemberType]
    return tensor.to(x.device)


def beside(table: np.ndarray, x: Any) -> Any:
    """Return a table as the kind of array that `x` is, on its device, where it is kept.

    A copy from the host makes a device wait, and cannot be part of a CUDA graph.  A table is never
    written to once it has been here, and is kept as long as it lives: one that is made anew at
    each call is copied at each call.
    """
    if not hasattr(x, "detach"):
        return table
    import torch

    key = None if x.is_cpu else (id(table), x.device)
    if key in _KEPT:
        return _KEPT[key]
    # torch shares memory only with what it may write
    shared: Any = table if table.flags.writeable else table.copy()
    tensor = torch.from_numpy(shared)  # pyright: ignore[reportUnknownMemberType]
    if key is None:
        return tensor
    _KEPT[key] = tensor.to(x.device)
    weakref.finalize(table, _KEPT.pop, key, None)
    return _KEPT[key]


def wide(x: Any, kind: str) -> Any:
    """Return a copy of configurations x of one kind of support, in a type for users' functions.

    Parameters
    ----------
    x : ndarray or tensor
    kind : {"spins", "outcomes", "reals"}
        Spins become float64, outcomes int64; real fields keep their type.  The copy may be
        overwritten.
    """
    if hasattr(x, "detach"):
        import torch

        return x.to(getattr(torch, _WIDE[kind]), copy=True) if kind in _WIDE else x.clone()
    return np.array(x, dtype=_WIDE.get(kind))


def real_numbers(name: str, value: Any) -> Any:
    """Return what a user's function gave as real numbers of its kind; complex zeros are dropped.

    Parameters
    ----------
    name : str
        What the values are, for messages: "action", "observable 'c'".
    value : array_like or tensor

    Raises
    ------
    InputError
        If a value has an imaginary part, or is no number.
    """
    if hasattr(value, "detach"):
        if value.is_complex():
            _refuse_imaginary(name, to_numpy(value.imag))
            return value.real
        return value
    if is_list_or_tuple(value) and any(hasattr(v, "detach") for v in value):
        raise InputError(
            f"{name} must be one array or tensor, got a {type(value).__name__} of tensors; join "
            "them with torch.stack, and name library='torch'"
        )
    array: Any = np.asarray(value)
    if array.dtype.kind == "c":
        _refuse_imaginary(name, np.imag(array))
        return np.real(array)
    if array.dtype.kind not in "biuf":
        raise InputError(f"{name} must be real numbers, got {array.dtype} values")
    return array


def _refuse_imaginary(name: str, parts: np.ndarray) -> None:
    if np.any(parts != 0):  # NaN too
        largest = parts.ravel()[np.argmax(np.abs(parts.ravel()))]
        raise InputError(
            f"{name} must be real, got complex numbers with imaginary parts up to {largest:.3g}; "
            "return the real part, or two quantities"
        )
