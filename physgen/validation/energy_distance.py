r"""The energy distance of two samples, with a permutation test.

.. math:: \mathcal{E} = 2 E |x - y| - E |x - x'| - E |y - y'|

in Euclidean distances; it is zero only for equal distributions.  Pairs of one point with itself
are left out, so the estimate is unbiased and may be negative.  It is the MMD^2 of the kernel
:math:`-|x - y|`, has no width to choose, and weighs the far tails more and fine structure less
than Gaussian kernels do: on 1,000 + 1,000 lattice fields whose \|m\| is 13 % off, it may say
nothing (p of some 0.05 to 0.1) where MMD^2 and z-scores of observables do.

References
----------
Székely and Rizzo, "Energy statistics", J. Stat. Plan. Inference 143, 1249 (2013).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.random import Stream, as_stream
from physgen.validation.permutation import PairTest, assignments, pair_statistics, pair_test
from physgen.validation.points import as_points, check_same_space, pooled_blocks

__all__ = ["energy_distance", "energy_distance_test"]


def energy_distance(x: Any, y: Any) -> float:
    """Return the energy distance, in units of the points; it may be negative.

    Parameters
    ----------
    x, y : arrays (n, ...), (m, ...)
        At least 2 points each.

    Raises
    ------
    InputError
        If the samples have different shapes, are not finite, or are fewer than two.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    labels = np.zeros((1, len(x) + len(y)), np.float32)
    labels[0, : len(x)] = 1
    return float(pair_statistics(_kernel(x, y), labels)[0, 0])


def energy_distance_test(
    x: Any, y: Any, *, n_permutations: int = 200, block: int = 1, rng: Stream | int
) -> PairTest:
    """Test x and y for one distribution; arguments as for `mmd2_test`.

    Raises
    ------
    InputError
        If the samples have different shapes, are not finite, or are fewer than two.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    x, y = pooled_blocks(x, y, block)
    stream = as_stream(rng).child("energy distance")
    return pair_test(
        _kernel(x, y), assignments(len(x), len(y), n_permutations, stream, block), block
    )


def _kernel(x: np.ndarray, y: np.ndarray) -> Any:
    points = np.concatenate([x, y])
    points = points - points.mean(axis=0)
    square = (points * points).sum(axis=1)

    def kernel(rows: slice, columns: slice) -> np.ndarray:
        squares = square[rows][:, None] + square[columns] - 2 * points[rows] @ points[columns].T
        return -np.sqrt(np.maximum(squares, 0))[None]

    return kernel
