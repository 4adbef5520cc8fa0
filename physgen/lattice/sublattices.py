"""Even and odd sublattices: split a configuration into both, and merge it again.

Even sites have colour 0 in ``checkerboard()``, so site 0 is even.  Both sublattices keep the order
of the sites.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.arrays import beside
from physgen.core.errors import InputError

__all__ = ["Sublattices"]


class Sublattices(ABC):
    """Sublattice methods of every bipartite lattice, which defines shape and checkerboard."""

    shape: tuple[int, ...]

    @abstractmethod
    def checkerboard(self) -> np.ndarray:
        """Return 0 or 1 for every site, different on neighbours."""

    @cached_property
    def even_sites(self) -> np.ndarray:
        """Numbers of the even sites, ascending, int64."""
        return np.flatnonzero(self.checkerboard() == 0)

    @cached_property
    def odd_sites(self) -> np.ndarray:
        """Numbers of the odd sites, ascending, int64."""
        return np.flatnonzero(self.checkerboard() == 1)

    @property
    def n_even(self) -> int:
        """Number of even sites."""
        return len(self.even_sites)

    @property
    def n_odd(self) -> int:
        """Number of odd sites."""
        return len(self.odd_sites)

    def split(self, x: Any) -> tuple[Any, Any]:
        """Return (x_even, x_odd), shapes (..., n_even) and (..., n_odd), of x (..., *shape)."""
        lead = tuple(x.shape)[: x.ndim - len(self.shape)]
        if tuple(x.shape)[len(lead) :] != self.shape:
            raise InputError(f"x must have shape (..., {_list(self.shape)}), got {tuple(x.shape)}")
        flat = x.reshape((*lead, -1))
        even, odd = (beside(sites, flat) for sites in (self.even_sites, self.odd_sites))
        return flat[..., even], flat[..., odd]

    def merge(self, x_even: Any, x_odd: Any) -> Any:
        """Return x (..., *shape) from its sublattices; the inverse of `split`."""
        xp = array_namespace(x_even, x_odd)
        if x_even.shape[-1] != self.n_even or x_odd.shape[-1] != self.n_odd:
            raise InputError(
                f"x_even and x_odd must have {self.n_even} and {self.n_odd} sites, got "
                f"{x_even.shape[-1]} and {x_odd.shape[-1]}"
            )
        both = xp.concat([x_even, x_odd], axis=-1)
        return both[..., beside(self._order, both)].reshape((*tuple(both.shape)[:-1], *self.shape))

    @cached_property
    def _order(self) -> np.ndarray:
        """Position of site x in (even, odd)."""
        return np.argsort(np.concatenate([self.even_sites, self.odd_sites]))


def _list(shape: tuple[int, ...]) -> str:
    return ", ".join(str(n) for n in shape)
