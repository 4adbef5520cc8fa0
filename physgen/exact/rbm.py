r"""Partition functions of restricted Boltzmann machines by summing over their smaller layer.

.. math:: Z = \sum_h e^{b \cdot h} \prod_i z_i\big(a_i + (W h)_i\big)
            = \sum_v e^{a \cdot v} \prod_j z_j\big(b_j + (v W)_j\big)

with the sum of one unit over its values, given its input x,

.. math:: z(x) = 2 \cosh x, \quad 1 + e^x, \quad \sum_k e^{x_k}, \quad
          \sqrt{2\pi}\, s\, e^{s^2 x^2 / 2}

for a spin, a unit 0 or 1, an outcome, and a Gaussian unit of width s.  The layer that is summed
has at most :math:`2^{22}` states.  Where both layers are Gaussian,

.. math:: \log Z = \tfrac12 c^T A^{-1} c - \tfrac12 \log\det A + \tfrac{n}2 \log 2\pi , \qquad
          A = \begin{pmatrix} \mathrm{diag}(s^{-2}) & -W \\ -W^T & 1 \end{pmatrix} , \quad
          c = (a, b) ,

if A is positive definite.  A positive determinant is not enough.
"""

from __future__ import annotations

import math

import numpy as np

from physgen.core.errors import InputError, UnboundedTargetError
from physgen.kernels.cpu.rbm import BINARY, GAUSSIAN, SPIN, n_sites_of

__all__ = ["MAX_UNITS", "log_z", "log_z_independent", "require_normalizable"]

MAX_UNITS = 22  # of two values that are summed over
_BLOCK = 2**21  # numbers held at once


def log_z(
    W: np.ndarray,
    a: np.ndarray,
    b: np.ndarray,
    scale: np.ndarray,
    visible: int,
    hidden: int,
) -> float:
    """Return log Z, exact up to rounding.

    Parameters
    ----------
    W : array (n_rows, n_hidden)
        K rows for each visible outcome.
    a, b : arrays (n_rows,), (n_hidden,)
    scale : array (n_rows,)
        Widths of Gaussian visible units; hidden ones have width 1.
    visible, hidden : int
        Codes of the units (:mod:`physgen.kernels.cpu.rbm`).

    Raises
    ------
    InputError
        If neither layer has at most 2^22 states.
    UnboundedTargetError
        If both layers are Gaussian and the weight cannot be normalised.
    """
    W, a, b, scale = (np.asarray(each, np.float64) for each in (W, a, b, scale))
    require_normalizable(W, scale, visible, hidden)
    if visible == GAUSSIAN and hidden == GAUSSIAN:
        return _gaussian(W, a, b, scale)
    ones = np.ones(len(b))
    sides = [
        (_states(len(b), hidden), (W.T, b, hidden, a, visible, scale)),
        (_states(n_sites_of(len(a), visible), visible), (W, a, visible, b, hidden, ones)),
    ]
    n_states, side = min(sides, key=lambda each: each[0])
    if n_states > 2**MAX_UNITS:
        raise InputError(
            f"log Z is summed over a layer of at most 2^{MAX_UNITS} states, got "
            f"{n_sites_of(len(a), visible)} visible and {len(b)} hidden units; estimate it by "
            "annealed importance sampling"
        )
    return _summed(int(n_states), *side)


def log_z_independent(
    a: np.ndarray, b: np.ndarray, scale: np.ndarray, visible: int, hidden: int
) -> float:
    """Return log Z of the same machine without weights, W = 0, of any size."""
    a, b, scale = (np.asarray(each, np.float64) for each in (a, b, scale))
    own = _log_sums(a[None], visible, scale) + _log_sums(b[None], hidden, np.ones(len(b)))
    return float(own[0])


def require_normalizable(W: np.ndarray, scale: np.ndarray, visible: int, hidden: int) -> None:
    """Raise UnboundedTargetError if both layers are Gaussian and e^-E grows in some direction.

    e^-E can be integrated if all singular values of diag(scale) W are below 1.
    """
    if not (visible == GAUSSIAN and hidden == GAUSSIAN):
        return
    scaled = np.asarray(scale, np.float64)[:, None] * np.asarray(W, np.float64)
    largest = float(np.linalg.norm(scaled, 2))
    if not largest < 1:
        raise UnboundedTargetError(
            "the weights of Gaussian visible and hidden units must have singular values below 1 "
            f"in units of the visible width, got {largest:.6g}: e^-S cannot be normalised; lower "
            "the weights, or take hidden units 'spin'"
        )


def _states(n: int, code: int) -> float:
    """Return how many states a layer of n units has."""
    if code == GAUSSIAN:
        return math.inf
    return float(max(code, 2)) ** n if n * math.log2(max(code, 2)) < 64 else math.inf


def _summed(
    n_states: int,
    W: np.ndarray,
    bias: np.ndarray,
    code: int,
    other_bias: np.ndarray,
    other_code: int,
    scale: np.ndarray,
) -> float:
    """Return log Z by a sum over the states of the layer of the rows of W."""
    at_once = max(1, _BLOCK // max(W.shape))
    parts: list[float] = []
    for start in range(0, n_states, at_once):
        s = _rows(np.arange(start, min(start + at_once, n_states)), len(bias), code)
        logs = s @ bias + _log_sums(s @ W + other_bias, other_code, scale)
        parts.append(float(np.logaddexp.reduce(logs)))
    return float(np.logaddexp.reduce(parts))


def _rows(index: np.ndarray, n_rows: int, code: int) -> np.ndarray:
    """Return the states with these numbers as rows of units, float64 (len(index), n_rows)."""
    K, n = max(code, 2), n_sites_of(n_rows, code)
    digits = index[:, None] // K ** np.arange(n)[None] % K
    if code == SPIN:
        return 2.0 * digits - 1.0
    if code == BINARY:
        return digits.astype(np.float64)
    return (digits[:, :, None] == np.arange(K)).astype(np.float64).reshape(len(index), -1)


def _log_sums(x: np.ndarray, code: int, scale: np.ndarray) -> np.ndarray:
    """Return the sum over units of log z (n,) of inputs (n, n_rows)."""
    if code == GAUSSIAN:
        constant = float(np.log(scale).sum()) + 0.5 * len(scale) * math.log(2 * math.pi)
        return 0.5 * np.square(scale * x).sum(1) + constant
    if code == SPIN:
        size = np.abs(x)
        return (size + np.log(1 + np.exp(-2 * size))).sum(1)
    if code == BINARY:
        return (np.maximum(x, 0) + np.log(1 + np.exp(-np.abs(x)))).sum(1)
    x = x.reshape(len(x), -1, code)
    most = x.max(2)
    return (most + np.log(np.exp(x - most[:, :, None]).sum(2))).sum(1)


def _gaussian(W: np.ndarray, a: np.ndarray, b: np.ndarray, scale: np.ndarray) -> float:
    c = np.concatenate([a, b])
    A = np.block([[np.diag(scale**-2.0), -W], [-W.T, np.eye(len(b))]])
    low = np.linalg.cholesky(A)
    half = np.linalg.solve(low, c)
    log_det = 2 * float(np.log(np.diag(low)).sum())
    return 0.5 * float(half @ half) - 0.5 * log_det + 0.5 * len(c) * math.log(2 * math.pi)
