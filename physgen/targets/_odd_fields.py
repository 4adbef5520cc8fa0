"""The field of the even neighbours at the odd sites."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.lattice.sums import gather_sum, gathered

__all__ = ["OddFields"]


class OddFields:
    """The map x_even -> sum over even neighbours x of weight_yx x_even_x, at every odd site y.

    Parameters
    ----------
    lattice : Hypercubic or Graph
        A bipartite lattice; InputError with the reason otherwise.
    weights : ndarray, shape (n_sites, z)
        Weight of every entry of ``lattice.neighbours``.
    """

    def __init__(self, lattice: Any, weights: np.ndarray) -> None:
        odd, even = lattice.odd_sites, lattice.even_sites
        position = np.full(lattice.n_sites + 1, -1)  # the last entry stands for "no neighbour"
        position[even] = np.arange(len(even))
        self.n_even = len(even)
        self.columns = gathered(position[lattice.neighbours[odd]], weights[odd])

    def __call__(self, x_even: Any) -> Any:
        """Return the fields, shape (..., n_odd)."""
        if x_even.ndim == 0 or x_even.shape[-1] != self.n_even:
            raise InputError(
                f"x_even must have shape (..., {self.n_even}), got {tuple(x_even.shape)}; "
                "lattice.split(x) gives it"
            )
        return gather_sum(x_even, self.columns)
