"""Units of Boltzmann machines: frequencies against their laws, words against Philox."""

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST, accepts, chi_square_p, joint_p, normal_p

from physgen.core.random import Stream
from physgen.kernels.cpu.philox import words
from physgen.kernels.cpu.rbm import BINARY, GAUSSIAN, SPIN, draw_units, gibbs
from physgen.samplers.fields.checks import key_words

NONE = np.empty(0, np.uint64)
MODES = ("philox", "fast")


def lanes_of(mode, seed):
    if mode == "philox":
        return NONE
    return np.concatenate([w for c in (0, 1) for w in words(seed, 0, 0, np.arange(8), c)])


def drawn(x, code, seed, mode="philox", *, bias=None, scale=None, width=64, step=0):
    """Return units (n_rows, width) of inputs x (n_rows,), the same for all chains."""
    rows = np.repeat(np.asarray(x, np.float32)[:, None], width, 1)
    bias = np.zeros(len(rows), np.float32) if bias is None else np.asarray(bias, np.float32)
    scale = np.ones(len(rows), np.float32) if scale is None else np.asarray(scale, np.float32)
    key, lanes = key_words(Stream(seed)), lanes_of(mode, seed)
    draw_units(rows, bias, scale, code, step, 0, 0, key, lanes)
    return rows


INPUTS = np.array([-4.0, -1.0, -0.3, 0.0, 0.2, 0.9, 2.0, 4.5, 0.5, -0.5, 1.5])


@pytest.mark.statistical
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("code", "slope", "low"), [(SPIN, 2, -1), (BINARY, 1, 0)])
def test_frequencies_of_two_values(mode, code, slope, low):
    def p_value(beta):
        def test(n, seed):
            bias = 0.1 * np.arange(11)
            found = drawn(beta * INPUTS, code, seed, mode, bias=beta * bias, width=n)
            assert set(np.unique(found)) == {low, 1}
            p = 1 / (1 + np.exp(-slope * (INPUTS + bias)))
            return joint_p(((found == 1).mean(1) - p) / np.sqrt(p * (1 - p) / n))

        return test

    assert accepts(p_value(1.0), 2**15)
    assert not accepts(p_value(0.95), 2**15)  # saboteur: temperature off by 5 %


def test_rare_values_have_their_probability():
    """p = 2e-6 on either side: 24 bits of a uniform alone would be a few per cent off."""
    x, n = np.array([6.5, -6.5]), 2**18
    hits = np.zeros(2)
    for step in range(24):
        found = drawn(np.repeat(x, 4), SPIN, 3, width=n, step=step).reshape(2, 4, n)
        hits += [(found[0] == -1).sum(), (found[1] == 1).sum()]
    expected = 24 * 4 * n / (1 + np.exp(13.0))
    assert all(normal_p((h - expected) / np.sqrt(expected)) > ALPHA_FIRST for h in hits)
    huge = drawn([3e4, -3e4, 1e30, -1e30], SPIN, 1)
    np.testing.assert_array_equal(huge, np.repeat([[1], [-1], [1], [-1]], 64, 1))


@pytest.mark.statistical
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("K", [3, 6])
def test_frequencies_of_outcomes(mode, K):
    logits = np.random.default_rng(1).standard_normal((5, K))
    logits[2] += 500.0  # a common shift changes nothing, and overflows nothing
    logits[4, 1] = -400.0
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)

    def p_value(beta):
        def test(n, seed):
            bias = np.full(5 * K, 0.25)
            found = drawn(beta * logits.ravel(), K, seed, mode, bias=bias, width=n)
            one = found.reshape(5, K, n)
            np.testing.assert_array_equal(one.sum(1), 1)
            counts = one.sum(2)
            return min(5 * min(chi_square_p(c, q) for c, q in zip(counts, p, strict=True)), 1)

        return test

    assert accepts(p_value(1.0), 2**15)
    assert not accepts(p_value(0.95), 2**15)


@pytest.mark.statistical
@pytest.mark.parametrize("mode", MODES)
def test_gaussian_units(mode):
    x, scale = np.array([0.5, -1.0, 2.0, 0.0, 0.3]), np.array([1.0, 0.5, 2.0, 0.1, 1.5])
    n = 2**14
    z = drawn(x, GAUSSIAN, 5, mode, bias=[0.1] * 5, scale=scale, width=n)
    pulls = (z - (scale**2 * (x + 0.1))[:, None]) / scale[:, None]
    assert joint_p(pulls.mean(1) * np.sqrt(n)) > ALPHA_FIRST
    assert joint_p((np.square(pulls).mean(1) - 1) * np.sqrt(n / 2)) > ALPHA_FIRST


def test_words_depend_on_unit_chain_and_sweep_alone():
    """Word r of call q is the word of unit r Q + q; each unit of a block has its own."""
    n, width = 11, 32
    found = drawn(np.zeros(n), BINARY, 9, width=width, step=7)
    low, high = words(
        int(Stream(9).philox_key()[0]), np.arange(3)[:, None], 7, np.arange(width), 0
    )
    halves = [low & 0xFFFFFFFF, low >> 32, high & 0xFFFFFFFF, high >> 32]
    u = np.concatenate([h.reshape(3, width) for h in halves])[:n].astype(np.float64) * 2.0**-32
    np.testing.assert_array_equal(found, u < 0.5)
    wide = drawn(np.zeros(n), BINARY, 9, width=4 * width, step=7)
    np.testing.assert_array_equal(wide[:, :width], found)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("code", [SPIN, GAUSSIAN, 3])
def test_units_and_chains_are_independent(mode, code):
    """No pair of units shares words: correlations over chains and over units are noise."""
    n = 70 if code != 3 else 23
    x = drawn(np.zeros(n * (code if code == 3 else 1)), code, 11, mode, width=2048)
    x = x if code != 3 else x[::3]
    c = np.corrcoef(x)[np.triu_indices(n, 1)] * np.sqrt(2048)
    assert np.abs(c).max() < 5.5
    assert np.mean(c**2) == pytest.approx(1, abs=0.12)
    across = np.corrcoef(x[:, :200].T)[np.triu_indices(200, 1)] * np.sqrt(n)
    assert np.abs(across).max() < 6


def test_a_sweep_is_two_half_sweeps():
    draw = np.random.default_rng(1)
    W = draw.standard_normal((9, 5)).astype(np.float32)
    a, b, scale = (draw.standard_normal(k).astype(np.float32) for k in (9, 5, 9))
    v = np.where(draw.random((9, 32)) < 0.5, -1, 1).astype(np.float32)
    key, ones = key_words(Stream(1)), np.ones(9, np.float32)
    h = np.ascontiguousarray(W.T) @ v
    draw_units(h, b, ones[:5], BINARY, 0, 0, 64, key, NONE)
    w = W @ h
    draw_units(w, a, ones, SPIN, 0, 1, 64, key, NONE)
    last = gibbs(
        W, np.ascontiguousarray(W.T), a, b, v, 1, key, visible=SPIN, hidden=BINARY, scale=scale,
        lanes=NONE, chain0=64,
    )  # fmt: skip
    np.testing.assert_array_equal(last, h)
    np.testing.assert_array_equal(v, w)
