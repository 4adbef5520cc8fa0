r"""A field in two parts: numbers that are known, and the rest.

The rows of two matrices are one orthonormal basis of all sites,

.. math:: v = P_v \phi , \qquad h = P_h \phi , \qquad \phi = P_v^T v + P_h^T h ,

so :math:`d\phi = dv \, dh`: densities of the parts multiply without a Jacobian.  Of blocks of b
sites along each of d axes, v is the *block field*, the sum of a block over :math:`b^{d/2}` (its
mean times :math:`b^{d/2}`), and h the other waves (discrete cosines) in each block.  Of sites, v
and h are the fields there.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError

__all__ = ["Partition"]


@final
@dataclass(frozen=True, eq=False)
class Partition:
    """The known and the hidden part of fields; made by :meth:`of_blocks` or :meth:`of_sites`.

    Attributes
    ----------
    shape : tuple of int
        Extents of the lattice, of n sites.
    known_shape : tuple of int
        In which v is an array; extents of the lattice of blocks.
    known, hidden : ndarray (n_known, n), (n_hidden, n)
        P_v and P_h.
    """

    shape: tuple[int, ...]
    known_shape: tuple[int, ...]
    known: np.ndarray
    hidden: np.ndarray

    @classmethod
    def of_blocks(cls, shape: Any, size: int = 2) -> Partition:
        """Return the partition into block fields and what varies within the blocks.

        Parameters
        ----------
        shape : sequence of int
            Extents of the lattice, multiples of `size`.
        size : int
            Extent of a block, >= 2.

        Raises
        ------
        InputError
            If blocks do not fill the lattice.
        """
        shape = tuple(check_positive_int("each extent", n) for n in shape)
        b = check_positive_int("size", size, 2)
        if any(n % b for n in shape):
            raise InputError(f"blocks of {b} must fill the lattice, got shape {shape}")
        k, x = np.meshgrid(np.arange(b), np.arange(b), indexing="ij")
        waves = np.cos(np.pi * k * (x + 0.5) / b) * np.sqrt(np.where(k == 0, 1, 2) / b)
        axes = [np.kron(np.eye(n // b), waves) for n in shape]  # row: block, wave
        rows = axes[0]
        for axis in axes[1:]:
            rows = np.kron(rows, axis)
        wave = np.array(list(itertools.product(*[np.arange(n) % b for n in shape])))
        constant = (wave == 0).all(1)
        coarse = tuple(n // b for n in shape)
        return cls(shape, coarse, rows[constant], rows[~constant])

    @classmethod
    def of_sites(cls, known: Any) -> Partition:
        """Return the partition of sites.

        Parameters
        ----------
        known : array of bool, shape of the lattice
            True where the field is known; at least one site of each kind.

        Raises
        ------
        InputError
            If it is no mask, or nothing is known, or nothing hidden.
        """
        mask = np.asarray(known)
        if mask.dtype != np.bool_ or mask.all() or not mask.any():
            what = "all alike" if mask.dtype == np.bool_ else f"dtype {mask.dtype}"
            raise InputError(
                f"known must be an array of bool with True and False in it, got {what}"
            )
        rows, flat = np.eye(mask.size), mask.ravel()
        return cls(mask.shape, (int(flat.sum()),), rows[flat], rows[~flat])

    @property
    def n_known(self) -> int:
        """Numbers that are known."""
        return len(self.known)

    @property
    def n_hidden(self) -> int:
        """Numbers that are not."""
        return len(self.hidden)

    def split(self, x: Any) -> tuple[Any, Any]:
        """Return v (..., n_known) and h (..., n_hidden) of fields (..., *shape), in float64.

        Raises
        ------
        InputError
            If the fields have another shape.
        """
        a, dim = to_numpy(x), len(self.shape)
        if a.ndim < dim or a.shape[a.ndim - dim :] != self.shape:
            raise InputError(f"fields must have shape (..., {self.shape}), got {a.shape}")
        flat = a.reshape(*a.shape[: a.ndim - dim], math.prod(self.shape))
        return like(flat @ self.known.T, x), like(flat @ self.hidden.T, x)

    def merge(self, v: Any, h: Any) -> Any:
        """Return fields (..., *shape), in float64, of v (..., n_known) and h (..., n_hidden).

        Leading axes of length 1 are repeated.
        """
        flat = to_numpy(v) @ self.known + to_numpy(h) @ self.hidden
        return like(flat.reshape(*flat.shape[:-1], *self.shape), h)
