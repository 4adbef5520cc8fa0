"""The kernel of matrix product states: values against Born, slopes against differences."""

import numpy as np
import pytest

from physgen.core.random import Stream
from physgen.kernels.cpu.matrix_product import LANES, log_weights
from physgen.quantum import MPS, Born, povm

N = 2 * LANES
NONE = np.zeros((0, 1, 1, 1))


def tensors(L, chi, kraus=1, parity=False, seed=1):
    """Random padded tensors, with bond dimensions and how many of their indices are even."""
    draw = Stream(seed).numpy().standard_normal
    bonds = np.array([1] + [chi] * (L - 1) + [1])
    even = (bonds + 1) // 2 if parity else bonds
    A = np.zeros((L, chi, 2 * kraus, chi))
    for i in range(L):
        A[i, : bonds[i], :, : bonds[i + 1]] = draw((bonds[i], 2 * kraus, bonds[i + 1]))
        if parity:
            left, right = (np.arange(chi) >= even[i + k] for k in (0, 1))
            for f in range(2 * kraus):
                A[i, :, f] *= (left[:, None] ^ right[None, :]) == (f % 2 == 1)
    return A, bonds, even


def call(A, bonds, even, parity, frame, x, weights, gradient, limit=np.inf, lost=None):
    logs = np.empty(len(x))
    kind = A.dtype
    log_weights(
        A,
        bonds,
        even,
        parity,
        np.ones((1, 1), kind),
        frame.pauli_coefficients.astype(kind),
        x.T.astype(np.int64),
        weights.astype(kind),
        logs,
        gradient,
        limit,
        np.empty(len(x), np.bool_) if lost is None else lost,
    )
    return logs


CASES = [
    (5, 3, 1, False),
    (6, 6, 1, True),
    (5, 5, 1, True),  # an odd bond: the parities differ in number
    (4, 3, 2, False),
    (4, 4, 4, True),
]


@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "tetrahedral"])
@pytest.mark.parametrize(("L", "chi", "kraus", "parity"), CASES)
def test_gradient_is_the_slope(L, chi, kraus, parity, name):
    frame, (A, bonds, even) = povm(name), tensors(L, chi, kraus, parity)
    generator = Stream(3).numpy()
    x = generator.integers(0, frame.K, (N, L))
    weights, direction = generator.standard_normal(N), generator.standard_normal(A.shape)
    direction *= A != 0
    gradient = np.zeros_like(A)
    logs = call(A, bonds, even, parity, frame, x, weights, gradient)
    without = call(A, bonds, even, parity, frame, x, weights, NONE)
    np.testing.assert_allclose(logs, without, atol=1e-12)
    assert np.all(gradient[A == 0] == 0)
    h = 1e-6
    up, down = (
        weights @ call(A + s * direction, bonds, even, parity, frame, x, weights, NONE)
        for s in (h, -h)
    )
    slope = (gradient * direction).sum()
    assert slope == pytest.approx((up - down) / (2 * h), rel=2e-6, abs=1e-6)
    # Saboteur: the gradient of other weights is not the slope.
    other = np.zeros_like(A)
    call(A, bonds, even, parity, frame, x, weights + 0.1, other)
    assert (other * direction).sum() != pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("name", ["pauli-4", "tetrahedral"])
def test_weights_are_those_of_the_born_rule(name):
    frame, (A, bonds, even) = povm(name), tensors(7, 5)
    x = Stream(2).numpy().integers(0, frame.K, (N, 7))
    state = MPS([A[i, : bonds[i], :, : bonds[i + 1]] for i in range(7)])
    expected = Born(state, frame).log_prob(x) + 2 * np.log(state.norm())
    found = call(A, bonds, even, False, frame, x, np.zeros(N), NONE)
    np.testing.assert_allclose(found, expected, atol=1e-11)
    single = call(
        A.astype(np.float32), bonds, even, False, frame, x, np.zeros(N), NONE.astype(np.float32)
    )
    np.testing.assert_allclose(single, expected, atol=2e-4)


def test_what_a_state_excludes_has_no_probability():
    """|000> never gives the outcome of <1|; the slope stays finite."""
    frame, A = povm("computational"), np.zeros((3, 1, 2, 1))
    A[:, 0, 0] = 1.0
    bonds = np.ones(4, dtype=np.int64)
    x = np.zeros((N, 3), dtype=np.int64)
    x[0, 1] = 1
    logs = call(A, bonds, bonds, False, frame, x, np.zeros(N), NONE)
    assert logs[0] == -np.inf
    np.testing.assert_allclose(logs[1:], 0.0, atol=1e-15)
    gradient = np.zeros_like(A)
    finite = call(A, bonds, bonds, False, frame, x, np.ones(N), gradient)
    assert np.isfinite(finite).all()
    assert np.isfinite(gradient).all()


def walled(leak, L=8, rotated=True):
    """A GHZ state, but for leaks, whose bonds are turned; and the log weight of 0...01...1."""
    A = np.zeros((L, 2, 2, 2))
    A[:, 0, 0, 0] = A[:, 1, 1, 1] = 1.0
    A[:, 1, 0, 1] = A[:, 0, 1, 0] = leak
    turns = np.array([[[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]] for t in range(1, L)])
    for i in range(L - 1):  # without this, all terms are positive and nothing can cancel
        A[i] = np.einsum("asb,bc->asc", A[i], turns[i])
        A[i + 1] = np.einsum("ac,asb->csb", turns[i], A[i + 1])
    first, last = A[0].sum(axis=0), A[-1].sum(axis=2)
    A[0], A[-1] = 0, 0
    A[0, 0], A[-1, :, :, 0] = first, last
    bonds = np.array([1] + [2] * (L - 1) + [1])
    return A, bonds, 2 * np.log(2 * leak ** (L // 2))


def halves(L=8):
    """Shots 0...0, and one of zeros left and ones right; in the first of two blocks."""
    x = np.zeros((N, L), np.int64)
    x[3, L // 2 :] = 1
    return x


def test_shots_that_cancel_are_reported_and_their_block_adds_no_slope():
    """Kappa is about 1 / (4 leak^L): v = (1, leak^(L/2)), and w is its mirror image."""
    leak, frame, x = 0.1, povm("computational"), halves()
    A, bonds, weight = walled(leak)
    kappa = (1 + leak**8) ** 2 / (4 * leak**8)
    whole = np.zeros_like(A)
    logs = call(A, bonds, bonds, False, frame, x, np.ones(N), whole)
    assert logs[3] == pytest.approx(weight, abs=1e-6)  # kappa 2.5e7 in float64
    other, second = np.zeros_like(A), np.ones(N)
    second[:LANES] = 0.0
    call(A, bonds, bonds, False, frame, x, second, other)
    for factor, expected in ((0.9, other), (1.1, whole)):
        gradient, lost = np.zeros_like(A), np.empty(N, np.bool_)
        call(A, bonds, bonds, False, frame, x, np.ones(N), gradient, factor * kappa, lost)
        assert list(np.flatnonzero(lost)) == ([3] if factor < 1 else [])
        np.testing.assert_allclose(gradient, expected, atol=1e-12)
    assert abs(whole - other).max() > 1


def test_a_shot_below_rounding_stays_finite():
    """kappa = 2.5e31: R is noise of either sign, whose quotients would overflow in the end."""
    frame, L = povm("computational"), 32
    A, bonds, _ = walled(0.1, L)
    for kind in (np.float32, np.float64):
        gradient, lost = np.zeros_like(A, dtype=kind), np.empty(N, np.bool_)
        logs = call(
            A.astype(kind), bonds, bonds, False, frame, halves(L), np.ones(N), gradient, 1e5, lost
        )
        assert np.isfinite(logs).all()
        assert np.isfinite(gradient).all()
        assert list(np.flatnonzero(lost)) == [3]
