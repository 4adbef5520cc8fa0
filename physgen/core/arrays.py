"""The array rule: NumPy or torch in, the same kind out, on the same device.

Packages that compute with NumPy convert at their public functions.  A torch tensor can only reach
a function if the caller has already imported torch, so nothing here ever imports it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["like", "to_numpy"]


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
