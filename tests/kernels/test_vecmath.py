import numpy as np
from numba import njit

from physgen.kernels.cpu import vecmath


@njit
def _apply(x, out_exp2, out_sigmoid, out_tanh):
    for i in range(x.size):
        out_exp2[i] = vecmath.exp2(x[i])
        out_sigmoid[i] = vecmath.sigmoid(x[i])
        out_tanh[i] = vecmath.tanh(x[i])


def test_functions_agree_with_float64():
    x = np.linspace(-100, 100, 200_001, dtype=np.float32)
    exp2, sigmoid, tanh = (np.empty_like(x) for _ in range(3))
    _apply(x, exp2, sigmoid, tanh)
    exact = np.exp2(x.astype(np.float64))
    assert abs(exp2 / exact - 1).max() < 2e-7
    assert abs(sigmoid - 1 / (1 + np.exp(-x.astype(np.float64)))).max() < 2e-7
    assert abs(tanh - np.tanh(x.astype(np.float64))).max() < 3e-7


def test_saturation_is_finite():
    x = np.array([-3e38, -1e4, 1e4, 3e38], dtype=np.float32)
    exp2, sigmoid, tanh = (np.empty_like(x) for _ in range(3))
    _apply(x, exp2, sigmoid, tanh)
    np.testing.assert_allclose(sigmoid, [0, 0, 1, 1], atol=1e-17)
    np.testing.assert_array_equal(tanh, [-1, -1, 1, 1])


def test_two_to_the_zero_is_one():
    # Clusters of fields rely on it: a bond that cannot be occupied never joins a site twice.
    zeros, one = np.array([0.0, -0.0], np.float32), np.empty(2, np.float32)
    _apply(zeros, one, np.empty(2, np.float32), np.empty(2, np.float32))
    np.testing.assert_array_equal(one, 1)
