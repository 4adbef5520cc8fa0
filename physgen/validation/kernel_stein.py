r"""The kernel Stein discrepancy: the largest violation of a Stein identity in a ball of functions.

With the score :math:`s = F = -\partial S` and the inverse multiquadric kernel
:math:`k(x, y) = (1 + |x - y|^2 / \ell^2)^{-1/2}`,

.. math::
    \mathrm{KSD}^2 &= \frac1{n^2} \sum_{ij} u(x_i, x_j) \\
    u(x, y) &= s_x \cdot s_y\, k + s_x \cdot \nabla_y k + s_y \cdot \nabla_x k
               + \nabla_x \cdot \nabla_y k ,

which needs no normalisation and no reference sample.  :math:`\ell^2` is the median squared
distance of the samples.

*p-value.*  The wild bootstrap multiplies u by signs :math:`w_i w_j`.  For independent draws the
signs are; along a chain they follow a Markov chain that keeps its sign for about `block` draws.

*Power* falls with the number of components: 256 sites drown the drift of one slow mode.  Project
samples and forces on the modes in question first (:func:`~physgen.validation.stein.low_modes`), or
look at the identities one by one.  It is blind to what they are blind to.

References
----------
Liu, Lee, Jordan, ICML 2016; Chwialkowski, Strathmann, Gretton, ICML 2016 (test and bootstrap);
Gorham and Mackey, ICML 2017 (the kernel).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.validation.mmd import median_width
from physgen.validation.permutation import BLOCK, PairTest, permutation_p
from physgen.validation.points import as_points

__all__ = ["kernel_stein", "stein_kernel"]

MOST = 5000  # points; the cost is quadratic


def kernel_stein(
    x: Any, force: Any, *, n_bootstrap: int = 300, block: int = 1, rng: Stream | int
) -> PairTest:
    """Test whether samples with these forces are draws of the target.

    Parameters
    ----------
    x, force : arrays (n, ...)
        Samples, in the order of their chains, and -dS/dx at them; or projections of both on the
        same directions of unit length.  At least 20 samples.
    n_bootstrap : int
        The smallest p-value is 1 / (1 + n_bootstrap).
    block : int
        Draws for which a sign is kept, about 2 tau_int.
    rng : Stream or int

    Returns
    -------
    PairTest
        The value is KSD^2, in units of 1 / x^2.

    Raises
    ------
    InputError
        If samples and forces have different shapes, or there are too many.
    """
    x, s = as_points("samples", x, 20).astype(np.float64), as_points("force", force, 20)
    if x.shape != s.shape:
        raise InputError(f"samples and forces must have one shape, got {x.shape} and {s.shape}")
    n = len(x)
    if n > MOST:
        raise InputError(f"kernel_stein takes at most {MOST} samples, got {n}; thin them")
    check_positive_int("n_bootstrap", n_bootstrap)
    square = median_width(x) / 2
    signs = _signs(n, n_bootstrap, check_positive_int("block", block), as_stream(rng))
    x = x - x.mean(axis=0)
    blocks = [slice(i, min(i + BLOCK, n)) for i in range(0, n, BLOCK)]
    sums = np.zeros_like(signs)
    for rows in blocks:
        for columns in blocks:
            sums[rows] += (
                stein_kernel(x[rows], s[rows], x[columns], s[columns], square) @ (signs[columns])
            )
    values = np.einsum("ir,ir->r", signs, sums) / n**2
    null = values[1:]
    p = permutation_p(values)
    return PairTest(float(values[0]), p, float(null.mean()), float(null.std()), n_bootstrap, block)


def stein_kernel(
    x: np.ndarray, sx: np.ndarray, y: np.ndarray, sy: np.ndarray, square: float
) -> np.ndarray:
    """Return u of all pairs, (n, m); `square` is l^2, rows of sx and sy are scores."""
    d = x.shape[1]
    r2 = np.maximum((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T, 0) / square
    crossed = (sx * x).sum(axis=1)[:, None] + (sy * y).sum(axis=1) - sx @ y.T - x @ sy.T
    k = 1 / np.sqrt(1 + r2)
    return sx @ sy.T * k + (crossed + d) * k**3 / square - 3 * r2 * k**5 / square


def _signs(n: int, n_bootstrap: int, block: int, rng: Stream) -> np.ndarray:
    """Return signs (n, 1 + n_bootstrap), all +1 in the first column, Markov chains in the others.

    A chain flips with the probability a at which its correlation (1 - 2a)^t falls to 1/e in
    `block` draws; single draws have independent signs.
    """
    flip = 0.5 if block == 1 else (1 - np.exp(-1 / block)) / 2
    generator = rng.child("kernel stein").numpy()
    flips = generator.random((n, n_bootstrap)) < flip
    flips[0] = generator.random(n_bootstrap) < 0.5
    signs = np.ones((n, n_bootstrap + 1))
    signs[:, 1:] = 1 - 2.0 * (np.cumsum(flips, axis=0) % 2)
    return signs
