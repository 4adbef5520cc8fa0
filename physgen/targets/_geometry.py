"""The lattice of a target from its arguments, and checks of the shapes of configurations."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.lattice.graph import Graph
from physgen.lattice.hypercubic import Hypercubic

__all__ = ["check_configurations", "lattice_of", "lattice_text"]


def lattice_of(L: Any, dim: int, lattice: Any = None) -> Any:
    """Return the lattice given by an extent, a shape or a lattice object.

    Parameters
    ----------
    L : int or tuple of int or Hypercubic or Graph or None
        Extent of a periodic lattice of `dim` dimensions, or its shape, or the lattice (`dim` is
        then ignored).
    dim : int
        Number of dimensions for an integer L.
    lattice : Hypercubic or Graph or None
        The lattice itself, instead of L.
    """
    if (L is None) == (lattice is None):
        raise InputError(f"give either L or lattice, got L={L!r} and lattice={lattice!r}")
    lattice = L if isinstance(L, Hypercubic | Graph) else lattice
    if lattice is not None:
        if not isinstance(lattice, Hypercubic | Graph):
            raise InputError(f"lattice must be a Hypercubic or a Graph, got {lattice!r}")
        return lattice
    if isinstance(L, tuple | list | np.ndarray) and np.ndim(L) > 0:
        return Hypercubic(tuple(L))
    return Hypercubic((check_positive_int("L", L),) * check_positive_int("dim", dim))


def lattice_text(lattice: Any) -> str:
    """Return the arguments that give this lattice, for the repr of a target."""
    if isinstance(lattice, Hypercubic) and lattice.is_periodic:
        if len(set(lattice.shape)) > 1 or lattice.dim == 1:
            return f"L={lattice.shape}"
        return f"L={lattice.shape[0]}" + (f", dim={lattice.dim}" if lattice.dim != 2 else "")
    return f"lattice={lattice!r}"


def check_configurations(x: Any, event_shape: tuple[int, ...]) -> None:
    """Raise unless x is an array that ends in `event_shape`."""
    if not hasattr(x, "shape"):
        raise InputError(f"configurations must be an array or a tensor, got {type(x).__name__}")
    shape = tuple(x.shape)
    if len(shape) < len(event_shape) or shape[len(shape) - len(event_shape) :] != event_shape:
        text = ", ".join(str(n) for n in event_shape)
        raise InputError(f"configurations must have shape (..., {text}), got {shape}")
