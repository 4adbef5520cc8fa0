"""Vectors as values: each operation lane by lane, at any place of an array."""

import numpy as np
import pytest
from numba import njit

from physgen.kernels.cpu.lanes import add_wide, lanes_of, load, select, store, zeros

_U = np.uint64


@njit
def combined(x, y, keep, out, sums, a, i):
    """Out = keep ? y : x a - (y + 0.5) at the items of one vector; their sum into float64."""
    j = _U(i)
    p, q = load(x, j), load(y, j)
    r = select(keep, _U(0), p * a - (0.5 + q) + zeros(x), q)
    store(out, j, r)
    add_wide(sums, _U(0), r)
    return lanes_of(x)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("i", [0, 3])
def test_lanes(dtype, i):
    n = 64 // np.dtype(dtype).itemsize
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, n + 8)).astype(dtype)
    keep = rng.integers(0, 2, n).astype(dtype)
    out, sums = np.full(n + 8, 7, dtype), np.ones(n)
    assert combined(x, y, keep, out, sums, dtype(2.5), i) == n
    here = slice(i, i + n)
    wanted = np.where(keep == 0, x[here] * dtype(2.5) - (dtype(0.5) + y[here]), y[here])
    np.testing.assert_allclose(out[here], wanted, rtol=1e-6 if dtype == np.float32 else 1e-14)
    np.testing.assert_array_equal(np.delete(out, np.arange(i, i + n)), 7)
    np.testing.assert_array_equal(sums, 1 + out[here].astype(float))


def test_what_is_not_a_number_is_left_where_it_is_not_chosen():
    x, y = np.full(16, np.nan, np.float32), np.ones(16, np.float32)
    out, sums = np.zeros(16, np.float32), np.zeros(16)
    combined(x, y, np.ones(16, np.float32), out, sums, np.float32(1), 0)
    np.testing.assert_array_equal(out, 1)
