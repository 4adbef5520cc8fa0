r"""The site tensors of a matrix product state, from as few parameters as its symmetries leave.

*Profile.*  ``free``: a tensor of its own for every site.  ``smooth``: tensors that depend only on
the distance to the edges,

.. math:: A_i = C_0 + \sum_\ell e^{-i/\ell}\, C_\ell + \sum_\ell e^{-(L-1-i)/\ell}\, C'_\ell,
          \qquad \ell = 1,\ 2.5,\ 6,\ 15, \dots \le L/3,

one set of C for each site of a unit cell: a long chain then has no more parameters than a short
one, and shots of all sites determine each of them.

*Reflection.*  Only the left half has tensors; the right half is its mirror image,
:math:`A_{L-1-i} = A_i^T`, with a symmetric matrix on the bond in the middle (a symmetric tensor on
the site, if L is odd).

*Parity.*  Under :math:`P = \prod_i X_i = \pm 1` (or :math:`\prod_i Z_i`) bonds carry a parity; in
the eigenbasis of the conserved Pauli matrix, s = 0 connects bonds of equal and s = 1 of opposite
parity, and all other elements are zero.

*Complex* tensors are real ones of twice the bond, [[Re, -Im], [Im, Re]], as in
:mod:`physgen.quantum.born`.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from physgen.core.random import Stream
from physgen.models.matrix_product.likelihood import Bonds

__all__ = ["SiteTensors"]

LENGTHS = (1.0, 2.5, 6.0, 15.0, 40.0, 100.0)
# Noise of the first weights about a product state: for shared tensors, and for one site's.
NOISE_SMOOTH, NOISE_FREE = 0.05, 0.2
SLOPE_NOISE = 0.3  # of terms that depend on the distance to an edge, relative to the above


class SiteTensors(nn.Module):
    """Parameters, and the padded tensors (L, chi, 2 kraus, chi) that they mean.

    Arguments are those of :class:`~physgen.models.matrix_product.model.MatrixProduct`, checked;
    `parity` is the eigenvalue of P, or None, and `spin` is in the basis of s.

    Attributes
    ----------
    sizes : int array (L + 1,)
        Bond dimensions.
    bonds : Bonds
        The same for the kernel: doubled where the tensors are complex.
    """

    mask: torch.Tensor
    middle_mask: torch.Tensor
    edge_mask: torch.Tensor
    features: torch.Tensor

    def __init__(
        self,
        L: int,
        bond: int,
        kraus: int,
        *,
        smooth: bool,
        cell: int,
        reflection: bool,
        parity: int | None,
        complex_valued: bool,
        spin: tuple[float, float],
        rng: Stream,
    ) -> None:
        super().__init__()
        self.L, self.smooth, self.cell = L, smooth, cell
        self.reflection, self.complex_valued = reflection, complex_valued
        own = (L + 1) // 2 if reflection else L
        self.sizes, even = _bonds(L, bond, kraus, smooth, parity)
        self.bonds = _for_kernel(self.sizes, even, parity is not None, complex_valued)
        parts, width = 1 + complex_valued, int(self.sizes.max())
        features = _features(L, own, reflection) if smooth else torch.zeros(own, 0)
        self.register_buffer("features", features, persistent=False)
        self._register_masks(even, own, kraus, parity)
        generator = rng.child("weights").torch()
        rows = (cell, features.shape[1]) if smooth else (own,)
        noise = NOISE_SMOOTH if smooth else NOISE_FREE
        weights = torch.randn(parts, *rows, width, 2 * kraus, width, generator=generator) * noise
        if smooth:
            weights[:, :, 1:] *= SLOPE_NOISE
            product = [weights[0, c, 0] for c in range(cell)]
            odd = [(int(even[L // 2]),) * 2] * cell
        else:
            product, odd = list(weights[0]), list(pairwise(even[: own + 1]))
        for tensor, (left, right) in zip(product, odd):
            _add_product(tensor, spin, left, right, parity is not None)
        self.weights = nn.Parameter(weights)
        edges = torch.randn(parts, 1 if reflection else 2, width, generator=generator) * noise
        edges[0, :, 0] += 1.0
        middle = torch.randn(parts, width, width, generator=generator) * noise
        middle[0] += torch.eye(width)
        self.edges = nn.Parameter(edges) if smooth else None
        self.middle = nn.Parameter(middle) if reflection and L % 2 == 0 else None

    def _register_masks(self, even: np.ndarray, own: int, kraus: int, parity: int | None) -> None:
        """Set which elements of tensors, edges and the matrix in the middle may differ from 0."""
        sizes, bulk = self.sizes, self.smooth
        index = np.arange(int(sizes.max()))
        inside = index < sizes[:, None]
        odd = index >= even[:, None]
        if bulk:  # the outer bonds appear when the edges have been multiplied on
            inside[:] = True
            odd[:] = index >= even[len(even) // 2]
        same = odd[:, :, None] == odd[:, None, :]  # [bond, a, b] within one bond, for the middle
        h = self.L // 2
        middle = inside[h][:, None] & inside[h][None, :] & (same[h] | (parity is None))
        self.register_buffer("middle_mask", torch.from_numpy(middle).float(), persistent=False)
        mask = (inside[:own, :, None] & inside[1 : own + 1, None, :])[:, :, None, :]
        if parity is not None:
            joined = odd[:own, :, None] ^ odd[1 : own + 1, None, :]
            mask = mask & np.stack([~joined, joined] * kraus, axis=2)
        mask = np.broadcast_to(mask, (own, index.size, 2 * kraus, index.size)).copy()
        self.register_buffer("mask", torch.from_numpy(mask).float(), persistent=False)
        ends = np.ones((2, index.size), dtype=bool)
        if parity is not None and bulk:
            ends = np.stack([~odd[h], odd[h] if parity < 0 else ~odd[h]])
        self.register_buffer("edge_mask", torch.from_numpy(ends).float(), persistent=False)

    def forward(self, dtype: torch.dtype = torch.float32) -> torch.Tensor:
        """Return the tensors [i, a, 2k + s, b], differentiable in the parameters."""
        A = self._own(dtype) * self.mask
        if self.edges is not None:
            edges = _number(self.edges, dtype) * self.edge_mask[: self.edges.shape[1]]
            A = self._with_edges(A, edges)
        if self.reflection:
            A = self._mirrored(A, dtype)
        return _embedded(A) if self.complex_valued else A

    def _own(self, dtype: torch.dtype) -> torch.Tensor:
        """Return the tensors of the sites that are not mirror images."""
        weights = _number(self.weights, dtype)
        if not self.smooth:
            return weights
        site = torch.arange(len(self.features))
        by_cell = torch.einsum("if,cfasb->icasb", self.features.to(weights.dtype), weights)
        return by_cell[site, site % self.cell]

    def _with_edges(self, A: torch.Tensor, edges: torch.Tensor) -> torch.Tensor:
        """Multiply the outer bonds by vectors, which leaves them one index."""
        first = torch.zeros_like(A[0])
        first[0] = torch.einsum("a,asb->sb", edges[0], A[0])
        A = torch.cat([first[None], A[1:]])
        if self.reflection:
            return A
        last = torch.zeros_like(A[-1])
        last[:, :, 0] = torch.einsum("asb,b->as", A[-1], edges[1])
        return torch.cat([A[:-1], last[None]])

    def _mirrored(self, A: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """Append the mirror image of the left half."""
        h = self.L // 2
        right = A[:h].flip(0).transpose(1, 3)
        if self.middle is None:
            centre = (A[h:] + A[h:].transpose(1, 3)) / 2
            return torch.cat([A[:h], centre, right])
        middle = _number(self.middle, dtype) * self.middle_mask
        inner = torch.einsum("asb,bc->asc", A[h - 1], (middle + middle.T) / 2)
        return torch.cat([A[: h - 1], inner[None], right])


def _add_product(
    tensor: torch.Tensor, spin: tuple[float, float], left: int, right: int, parity: bool
) -> None:
    """Add the product state `spin` to a tensor [a, 2k + s, b], through the first bond indices.

    With a parity it is the nearest eigenstate of the conserved Pauli matrix; that with s = 1 leads
    from the first even index to the first odd one, number `right`, and back.
    """
    if not parity:
        tensor[0, :2, 0] += torch.tensor(spin)
    elif abs(spin[0]) >= abs(spin[1]):
        tensor[0, 0, 0] += 1.0  # and no second channel: it is a trap for the fit
    else:
        for a, b in ((0, right), (left, 0)):
            if max(a, b) < len(tensor):
                tensor[a, 1, b] += 1.0


def _number(parts: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the real, or real and imaginary, parts as one tensor."""
    parts = parts.to(dtype)
    return parts[0] if len(parts) == 1 else torch.complex(parts[0], parts[1])


def _embedded(A: torch.Tensor) -> torch.Tensor:
    """Return [[Re, -Im], [Im, Re]], both parts of a bond index side by side."""
    rows = torch.stack([torch.stack([A.real, -A.imag], -1), torch.stack([A.imag, A.real], -1)], 2)
    L, chi, _, F, _, _ = rows.shape  # [i, a, part, s, b, part]
    return rows.reshape(L, 2 * chi, F, 2 * chi)


def _bonds(
    L: int, bond: int, kraus: int, smooth: bool, parity: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the bond dimensions, and how many indices of each are even."""
    i = np.arange(L + 1, dtype=float)
    rank = (2.0 * kraus) ** np.minimum(np.minimum(i, L - i), 60.0)
    sizes = np.minimum(rank, bond).astype(np.int64)
    if smooth:
        sizes[1:-1] = bond
    even = (sizes + 1) // 2 if parity is not None else sizes.copy()
    if parity == -1:
        even[-1] = 0
    return sizes, even


def _for_kernel(sizes: np.ndarray, even: np.ndarray, flips: bool, complex_valued: bool) -> Bonds:
    if not complex_valued:
        return Bonds(sizes, even, flips, np.ones((1, 1)))
    # R = S + K of the vector (1, i) / sqrt 2.
    return Bonds(2 * sizes, 2 * even, flips, np.array([[0.5, 0.5], [-0.5, 0.5]]))


def _features(L: int, own: int, reflection: bool) -> torch.Tensor:
    """Return 1 and e^(-d / l) for the distances d to the edges, (own, n_features)."""
    i = torch.arange(own, dtype=torch.float64)
    lengths = [ell for ell in LENGTHS if ell <= L / 3] or [LENGTHS[0]]
    distances = [i] if reflection else [i, L - 1 - i]
    columns = [torch.exp(-d / ell) for d in distances for ell in lengths]
    return torch.stack([torch.ones_like(i), *columns], dim=1).float()
