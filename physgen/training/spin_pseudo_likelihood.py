r"""Pseudo-likelihood of spins: conditional probabilities that suit the data best.

Every spin enters S with power one, :math:`S = s_x \sum_a g_a f_{a,x} +` the terms without x, so

.. math:: p(s_x \mid \text{all others}) = \sigma\Big( -2 \sum_a g_a z_{a,x} \Big), \quad
          z_{a,x} = s_x f_{a,x}, \qquad
          \mathcal L(g) = -\sum_x \log p(s_x \mid \text{all others})

(Besag 1975): a logistic regression, convex in g, which needs no log Z and is consistent.
Features of local terms are small integers.  The data are therefore a table of how often each
vector z occurs, Newton's iteration runs on that table, and the jackknife on the tables of the
blocks.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.targets.local_terms import LocalTerms
from physgen.training.linear_fit import (
    LinearFit,
    Relations,
    blocks_of,
    covariance_of,
    least_errors,
)

__all__ = ["solve_spins", "spin_losses"]

_NUMBERS = 2**16  # spins that are worked on at a time
_STEPS = 60  # of Newton's iteration, which takes about five
_CLOSE = 1e-7  # drop of the loss of a spin from where whole steps converge
_LARGEST = 2**24  # vectors z that the terms could have
_TABLE = 2**22  # numbers in the tables of the blocks that are worked on at a time


class Table(NamedTuple):
    """Spins as positions in a table of the vectors z that occur.

    Attributes
    ----------
    z : ndarray of float, shape (n_vectors, n_terms)
    position : ndarray of int, shape (n, n_sites)
    sums : ndarray, shape (n, n_terms)
        The sums O_a of every configuration.
    """

    z: np.ndarray
    position: np.ndarray
    sums: np.ndarray


def solve_spins(
    local: LocalTerms, x: np.ndarray, relations: Relations, n_blocks: int | None = None
) -> LinearFit:
    """Return the couplings of largest pseudo-likelihood, with errors and bounds.

    Parameters
    ----------
    local : LocalTerms
        Of spins.
    x : ndarray, shape (n_chains, n_draws, *shape)
    relations : Relations
    n_blocks : int, optional
        As in :func:`~physgen.training.solve_pseudo_likelihood`.

    Raises
    ------
    InputError
        If the data do not determine a coupling, or a coupling has no finite optimum (named).
    """
    lead = x.shape[:2]
    table = _tabulated(local, x.reshape(-1, *local.lattice.shape))
    M, n_vectors = relations.matrix, len(table.z)
    counts = np.bincount(table.position.reshape(-1), minlength=n_vectors).astype(np.float64)
    relations.check_determined(M.T @ (table.z.T * counts @ table.z) @ M, local.names)
    _check_not_separated(table.z, relations, local.names)
    theta = _newton(table.z, counts, relations)
    # Estimating functions of each configuration: their tau_int sets the blocks.
    slope = 2 * (table.z @ M) * _sigmoid(2 * table.z @ relations.couplings(theta))[:, None]
    each = [column[table.position].sum(axis=1) for column in slope.T]
    blocks = blocks_of(np.stack(each, axis=-1).reshape(*lead, -1), n_blocks)
    of_blocks = _block_counts(table, blocks, lead)
    without = _without_each(table.z, of_blocks, relations, theta)
    cov = M @ covariance_of(without, blocks.inflation) @ M.T
    bounds = least_errors(table.sums.reshape(*lead, -1), relations, n_blocks)
    g = relations.couplings(theta)
    return LinearFit(local.names, g, np.sqrt(np.diag(cov)), bounds, cov, len(of_blocks))


def spin_losses(local: LocalTerms, couplings: Any, x: np.ndarray) -> np.ndarray:
    """Return -log p(s_x | all others) of spins (n, *shape), shape (n, n_sites), in nats."""
    n, V = len(x), local.lattice.n_sites
    found, size = np.empty((n, V)), max(1, _NUMBERS // V)
    for i in range(0, n, size):
        s = x[i : i + size].astype(np.float64)
        odds = 2 * s * local.weighted_slope(s, np.asarray(couplings, np.float64))
        found[i : i + size] = np.logaddexp(0.0, odds).reshape(len(s), -1)
    return found


def _tabulated(local: LocalTerms, x: np.ndarray) -> Table:
    """Return spins (n, *shape) as positions in a table; z are integers between known limits."""
    limits = [_limit(local, name) for name in local.names]
    bases = [2 * m + 1 for m in limits]
    strides = np.append(np.cumprod(bases[::-1])[::-1][1:], 1)
    n, V = len(x), local.lattice.n_sites
    if math.prod(bases) > _LARGEST:
        raise InputError(
            f"vectors of features must be at most {_LARGEST}, got {math.prod(bases)} for "
            f"{', '.join(local.names)} in {local.lattice.dim} dimensions; leave a term out"
        )
    position, sums = np.empty((n, V), np.int32), np.empty((n, len(limits)))
    size = max(1, _NUMBERS // V)
    for i in range(0, n, size):
        s = x[i : i + size].astype(np.float32)
        code = np.zeros(s.shape, np.int64)
        for a, slope in enumerate(local.slopes(s)):
            z = s * slope
            sums[i : i + size, a] = z.reshape(len(s), -1).sum(axis=1, dtype=np.float64)
            code += (z.astype(np.int64) + limits[a]) * strides[a]
        position[i : i + size] = code.reshape(len(s), -1)
    sums /= local.degrees
    present = np.bincount(position.reshape(-1)) > 0
    codes = np.flatnonzero(present)
    position = (np.cumsum(present, dtype=np.int32) - np.int32(1))[position]
    z = np.stack([codes // stride % base for stride, base in zip(strides, bases)], axis=1)
    return Table((z - limits).astype(np.float64), position, sums)


def _limit(local: LocalTerms, name: str) -> int:
    """Return the largest value of |z_a|."""
    if name == "field":
        return 1
    return len(local.offsets["nearest" if name == "nearest" else "diagonal"])


def _check_not_separated(z: np.ndarray, relations: Relations, names: tuple[str, ...]) -> None:
    """Raise InputError if the loss falls for ever along some direction of the couplings.

    It does along d if z.d <= 0 for all vectors that occur and < 0 for some: a linear program.
    """
    from scipy.optimize import linprog

    rows = z @ relations.matrix
    rows = rows[np.any(rows != 0, axis=1)]
    rows = rows / np.abs(rows).max()
    found = linprog(rows.sum(axis=0), A_ub=rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    if not found.success or found.fun > -1e-7:
        return
    direction = relations.matrix @ found.x
    size = np.abs(direction)
    grow = [f"{name} ({'up' if d > 0 else 'down'})" for name, d in zip(names, direction)
            if abs(d) > 1e-6 * size.max()]  # fmt: skip
    raise InputError(
        "pseudo-likelihood must have a finite optimum, but the loss falls without end along "
        f"{', '.join(grow)}: every spin of these configurations is as its neighbours say; fix "
        "that coupling, leave the term out, or give configurations with more disorder"
    )


def _sigmoid(v: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -v))


def _newton(z: np.ndarray, counts: np.ndarray, relations: Relations) -> np.ndarray:
    """Return theta of the minimum of sum_c n_c log(1 + exp(2 z_c.g)), damped Newton."""
    M, theta = relations.matrix, np.zeros(relations.matrix.shape[1])

    def loss(theta: np.ndarray) -> float:
        return float(counts @ np.logaddexp(0.0, 2 * z @ relations.couplings(theta)))

    value = loss(theta)
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(z @ M, counts, 2 * z @ relations.couplings(theta))
        step = np.linalg.solve(hessian, gradient)
        drop = float(gradient @ step)
        if drop <= _CLOSE * counts.sum():
            break
        size = 1.0
        while (new := loss(theta - size * step)) > value - 1e-4 * size * drop:
            size /= 2
        theta, value = theta - size * step, new
    else:
        raise InputError(
            f"pseudo-likelihood must converge in {_STEPS} steps of Newton's iteration, got a "
            f"gradient of {np.abs(gradient).max():.2g}; the configurations are nearly ordered: "
            "give more of them"
        )
    for _ in range(3):  # from here on every step doubles the digits
        gradient, hessian = _derivatives(z @ M, counts, 2 * z @ relations.couplings(theta))
        theta = theta - np.linalg.solve(hessian, gradient)
    return theta


def _derivatives(
    rows: np.ndarray, counts: np.ndarray, odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient (..., p) and Hessian (..., p, p) in theta, for counts (..., n_vectors)."""
    p = _sigmoid(odds)
    gradient = (counts * p) @ (2 * rows)
    products = (4 * rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    hessian = (counts * p * (1 - p)) @ products
    return gradient, hessian.reshape(*gradient.shape, rows.shape[1])


def _block_counts(table: Table, blocks: Any, lead: tuple[int, int]) -> np.ndarray:
    """Return the counts of every block, shape (n_blocks, n_vectors)."""
    position = table.position.reshape(*lead, -1)
    used = position[:, lead[1] - blocks.per_chain * blocks.length :]
    rows = used.reshape(-1, blocks.length * used.shape[-1])
    n = len(table.z)
    return np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)


def _without_each(
    z: np.ndarray, of_blocks: np.ndarray, relations: Relations, theta: np.ndarray
) -> np.ndarray:
    """Return theta without each block: two steps of Newton's iteration from the whole."""
    rows, total = z @ relations.matrix, of_blocks.sum(axis=0)
    if len(of_blocks) < 2:
        return theta[None]
    found = []
    size = max(1, _TABLE // len(z))
    for i in range(0, len(of_blocks), size):
        left = total - of_blocks[i : i + size]
        now = np.broadcast_to(theta, (len(left), len(theta)))
        for _ in range(2):
            gradient, hessian = _derivatives(rows, left, 2 * relations.couplings(now) @ z.T)
            now = now - np.linalg.solve(hessian, gradient[..., None])[..., 0]
        found.append(now)
    return np.concatenate(found)
