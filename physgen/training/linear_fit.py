r"""Couplings that solve linear or convex equations: their relations, errors and best errors.

Couplings may obey linear relations, with fewer free parameters :math:`\theta`,

.. math:: g = M \theta + c .

**Errors** come from the jackknife over blocks of the draws,

.. math:: \mathrm{cov}(\theta) = \frac{B-1}{B} \sum_i (\theta_{(i)} - \bar\theta)
          (\theta_{(i)} - \bar\theta)^T ,

with blocks that are chains, or parts of chains whose length follows from tau_int of the estimating
functions (:func:`physgen.analysis.errors.choose_blocks`).

**Bounds** are the errors of maximum likelihood on the same draws, which matches the means of
:math:`T = M^T O`.  To leading order it has the covariance

.. math:: C^{-1} \, \mathrm{cov}(\bar T) \, C^{-1}, \qquad C = \mathrm{cov}(T) .

Of n independent draws :math:`\mathrm{cov}(\bar T) = C / n`, and this is the Cramér-Rao bound
:math:`(n C)^{-1}`.  Of correlated draws, :math:`\mathrm{cov}(\bar T)` is estimated from blocks, as
the error of any mean is: along each direction of couplings the draws count as their own
:math:`n_\mathrm{eff} = n / 2 \tau_\mathrm{int}`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.analysis.errors import Blocks, choose_blocks
from physgen.analysis.format import format_estimate
from physgen.core.checks import check_choice, check_finite
from physgen.core.errors import InputError

__all__ = ["LinearFit", "Relations", "block_sums", "blocks_of", "covariance_of", "least_errors"]

_LEAST = 4  # blocks: of two or three nothing can be said
_DEGENERATE = 1e-11  # eigenvalue of a correlation matrix that is rounding


@dataclass(frozen=True)
class LinearFit:
    """Couplings of one fit.

    Attributes
    ----------
    terms : tuple of str
    couplings, errors, bounds : ndarray, shape (n_terms,)
        `errors` and `bounds` are standard errors, of this fit and of maximum likelihood on the
        same draws; 0 for couplings that were held fixed, NaN where there are too few draws.
    covariance : ndarray, shape (n_terms, n_terms)
    n_blocks : int
        Blocks of the jackknife.
    """

    terms: tuple[str, ...]
    couplings: np.ndarray
    errors: np.ndarray
    bounds: np.ndarray
    covariance: np.ndarray
    n_blocks: int

    def __repr__(self) -> str:
        listed = (
            f"{name} = {format_estimate(g, e)}"
            for name, g, e in zip(self.terms, self.couplings, self.errors)
        )
        return f"LinearFit({', '.join(listed)}; {self.n_blocks} blocks)"


class Relations:
    """Linear relations g = M theta + c between couplings.

    Parameters
    ----------
    matrix : array_like, shape (n_terms, n_free)
        M, of full column rank.
    offset : array_like, shape (n_terms,)
        c.

    Raises
    ------
    InputError
        If the shapes do not fit, a number is not finite, or columns are dependent.

    Examples
    --------
    In the hopping convention of phi^4, nearest = -2 kappa, phi2 = 1 - 2 lam, phi4 = lam:

    >>> hopping = Relations([[-2, 0], [0, -2], [0, 1]], [0, 1, 0])
    """

    def __init__(self, matrix: Any, offset: Any) -> None:
        M, c = np.array(matrix, dtype=np.float64), np.array(offset, dtype=np.float64)
        if M.ndim != 2 or c.shape != M.shape[:1] or M.size == 0:
            raise InputError(
                f"relations need a matrix (n_terms, n_free) and an offset (n_terms,), got shapes "
                f"{M.shape} and {c.shape}"
            )
        if not (np.isfinite(M).all() and np.isfinite(c).all()):
            raise InputError("relations must be finite numbers, got NaN or infinity")
        if np.linalg.matrix_rank(M) < M.shape[1]:
            raise InputError(
                f"the columns of the matrix of relations must be independent, got rank "
                f"{np.linalg.matrix_rank(M)} of {M.shape[1]}; leave a free parameter out"
            )
        self.matrix, self.offset = M, c

    @classmethod
    def fixing(cls, terms: Iterable[str], **known: float) -> Relations:
        """Return the relations that hold some couplings at known values.

        Parameters
        ----------
        terms : sequence of str
            All terms, in the order of the model.
        **known : float
            Couplings by name.
        """
        names = tuple(terms)
        for name in known:
            check_choice("each fixed coupling", name, names)
        free = [a for a, name in enumerate(names) if name not in known]
        if not free:
            raise InputError("at least one coupling must be free, got all of them fixed")
        offset = [check_finite(name, known.get(name, 0.0)) for name in names]
        return cls(np.eye(len(names))[:, free], offset)

    @classmethod
    def of(cls, relations: Relations | None, terms: tuple[str, ...]) -> Relations:
        """Return given relations after a check, or those under which all couplings are free."""
        if relations is None:
            return cls.fixing(terms)
        if len(relations.offset) != len(terms):
            raise InputError(
                f"relations must have a row for each of {', '.join(terms)}, got "
                f"{len(relations.offset)}"
            )
        return relations

    def couplings(self, theta: np.ndarray) -> np.ndarray:
        """Return g (..., n_terms) of free parameters (..., n_free)."""
        return theta @ self.matrix.T + self.offset

    def check_determined(self, A: np.ndarray, terms: tuple[str, ...]) -> None:
        """Raise InputError where a matrix of normal equations (n_free, n_free) is singular.

        The message names the couplings that the data do not tell apart.
        """
        scale = np.sqrt(np.abs(np.diag(A)))
        silent = scale <= 1e-12 * scale.max(initial=0.0)
        if not silent.any():
            values, vectors = np.linalg.eigh(A / np.outer(scale, scale))
            if values[0] > _DEGENERATE:
                return
            direction = self.matrix @ (vectors[:, 0] / scale)
            size = np.abs(direction) * self._sizes(scale)
        else:
            size = np.abs(self.matrix @ silent.astype(float))
        names = [name for name, s in zip(terms, size) if s > 0.05 * size.max()]
        what = f"{names[0]}" if len(names) == 1 else f"{', '.join(names)} apart"
        raise InputError(
            f"the configurations must determine every coupling, but do not tell {what}; fix "
            f"{names[-1]} at a known value, leave the term out, or give configurations that vary "
            "more"
        )

    def _sizes(self, scale: np.ndarray) -> np.ndarray:
        """Return how much each term moves the equations, for comparing couplings."""
        return np.abs(self.matrix) @ scale


def blocks_of(series: np.ndarray, n_blocks: int | None = None) -> Blocks:
    """Return blocks for series (n_chains, n_draws, k), long against the slowest of them."""
    each = [series[..., j] for j in range(series.shape[-1])]
    return choose_blocks(each, n_blocks=n_blocks)


def block_sums(blocks: Blocks, x: np.ndarray) -> np.ndarray:
    """Return sums over blocks of x (n_chains, n_draws, ...), shape (n_blocks, ...)."""
    used = x[:, x.shape[1] - blocks.per_chain * blocks.length :]
    return used.reshape(-1, blocks.length, *x.shape[2:]).sum(axis=1)


def covariance_of(without: np.ndarray, inflation: float) -> np.ndarray:
    """Return the jackknife's covariance of estimates without one block each, (n_blocks, p).

    NaN with fewer than 4 blocks.
    """
    n, p = without.shape
    if n < _LEAST:
        return np.full((p, p), math.nan)
    d = without - without.mean(axis=0)
    return inflation**2 * (n - 1) / n * (d.T @ d)


def least_errors(
    sums: np.ndarray, relations: Relations, n_blocks: int | None = None
) -> np.ndarray:
    """Return the errors of maximum likelihood on the same draws, shape (n_terms,).

    Parameters
    ----------
    sums : ndarray, shape (n_chains, n_draws, n_terms)
        The sums O_a of every draw.
    relations : Relations
    n_blocks : int, optional
        As in :func:`blocks_of`.
    """
    M = relations.matrix
    T = sums @ M
    flat = T.reshape(-1, T.shape[-1])
    C = np.atleast_2d(np.cov(flat.T))
    blocks = blocks_of(T, n_blocks)
    means = block_sums(blocks, T) / blocks.length
    scale = np.sqrt(np.diag(C))
    if len(means) < _LEAST or not (scale > 0).all():
        return np.full(len(M), math.nan)
    if np.linalg.eigvalsh(C / np.outer(scale, scale))[0] <= _DEGENERATE:
        return np.full(len(M), math.nan)
    of_mean = blocks.inflation**2 * np.atleast_2d(np.cov(means.T)) / len(means)
    inverse = np.linalg.inv(C)
    cov = M @ inverse @ of_mean @ inverse @ M.T
    return np.sqrt(np.maximum(np.diag(cov), 0.0))
