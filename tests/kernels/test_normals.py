"""Normal deviates: they are Box and Muller's of the Philox words, and they are normal."""

import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p, joint_p, normal_p
from numpy.polynomial.hermite_e import hermeval
from scipy import special, stats

from physgen.core.random import Stream
from physgen.kernels.cpu.normals import draw_normals, padded_sites, uniforms
from physgen.kernels.cpu.philox import split_key, words

LAW = stats.norm()


def deviates(shape, dtype=np.float32, fast=False, seed=1, step=0):
    """Deviates z[block, site, chain] of one call."""
    blocks = shape[0]
    key = int(Stream(seed).philox_key()[0])
    state = np.stack([w for c in (0, 1) for w in words(key, 0, 0, np.arange(8 * blocks), c + 7)])
    lanes = state.reshape(4, blocks, 8).transpose(1, 0, 2).reshape(blocks, 32)
    lanes = np.ascontiguousarray(lanes if fast else lanes[:, :0])
    z = np.empty(shape, dtype)
    draw_normals(z, step, 0, np.array(split_key(key)), lanes)
    return z


def box_muller(radius, angle, bits, octant_bits):
    """Both deviates in float64, from a uniform radius and an angle word, by its bits."""
    t = (angle >> np.uint64(3)).astype(float)
    theta = np.pi / 4 * (t + (0.5 if octant_bits == 29 else 0.0)) / 2.0**octant_bits
    r = np.sqrt(-2 * np.log(radius))
    swap = (angle & np.uint64(1)) > 0
    first, second = (
        np.where(swap, np.sin(theta), np.cos(theta)),
        np.where(swap, np.cos(theta), np.sin(theta)),
    )
    signs = [1 - 2.0 * ((angle >> np.uint64(k)) & np.uint64(1)) for k in (1, 2)]
    return r * first * signs[0], r * second * signs[1]


def test_float32_deviates_are_those_of_the_words():
    z = deviates((2, 8, 16), seed=3, step=5).transpose(1, 0, 2).reshape(8, 32)
    key = int(Stream(3).philox_key()[0])
    low = np.uint64(0xFFFFFFFF)
    for q in range(2):
        a, b = words(key, q, 5, np.arange(32), 0)
        halves = [a & low, a >> np.uint64(32), b & low, b >> np.uint64(32)]
        for i in range(2):
            u = (halves[2 * i].astype(float) + 0.5) / 2.0**32
            one, two = box_muller(u, halves[2 * i + 1], 32, 29)
            np.testing.assert_allclose(z[4 * i + q], one, rtol=1e-6, atol=1e-6)
            np.testing.assert_allclose(z[4 * i + 2 + q], two, rtol=1e-6, atol=1e-6)


def test_float64_deviates_are_those_of_the_words():
    z = deviates((1, 6, 16), np.float64, seed=4, step=1)[0]
    key = int(Stream(4).philox_key()[0])
    for q in range(3):
        a, b = words(key, q, 1, np.arange(16), 0)
        u = ((a >> np.uint64(11)).astype(float) + 0.5) / 2.0**53
        one, two = box_muller(u, b, 64, 61)
        np.testing.assert_allclose(z[q], one, rtol=3e-15, atol=1e-15)
        np.testing.assert_allclose(z[3 + q], two, rtol=3e-15, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_blocks_make_no_difference(dtype):
    narrow, wide = deviates((4, 12, 16), dtype), deviates((1, 12, 64), dtype)
    np.testing.assert_array_equal(narrow.transpose(1, 0, 2).reshape(12, 64), wide[0])


def test_padding():
    assert [padded_sites(n, np.float32) for n in (1, 4, 5, 9)] == [4, 4, 8, 12]
    assert [padded_sites(n, np.float64) for n in (1, 4, 5, 9)] == [2, 4, 6, 10]


def hermite_p(z):
    """Means of He_1 .. He_6 are uncorrelated, with variance k!: moments to the sixth order."""
    z = z.ravel().astype(float)
    pulls = [
        np.sum(hermeval(z, np.eye(7)[k])) / np.sqrt(z.size * special.factorial(k))
        for k in range(1, 7)
    ]
    return joint_p(np.array(pulls))


def tails_p(z):
    edges = np.array([3.0, 3.5, 4.0, 4.5, 5.0])
    above = 2 * LAW.sf(edges)
    beyond = np.array([np.sum(np.abs(z) > e) for e in edges])
    counts = np.append(z.size - beyond[0], -np.diff(np.append(beyond, 0)))
    return chi_square_p(counts, np.append(1 - above[0], -np.diff(np.append(above, 0))))


def ks_p(z):
    return float(stats.kstest(z.ravel()[: 1 << 18].astype(float), LAW.cdf).pvalue)


def pairs_p(z):
    """No correlation between deviates of one call, of neighbouring chains, or of squares."""
    z = z.astype(float)
    rows = z.shape[1] // 4
    pairs = [(z[:, :rows], z[:, rows : 2 * rows]), (z[..., 1:], z[..., :-1])]
    pairs += [(a**2 - 1, b**2 - 1) for a, b in pairs]
    scale = [1.0, 1.0, 2.0, 2.0]
    return joint_p(
        np.array([np.sum(a * b) / s / np.sqrt(a.size) for (a, b), s in zip(pairs, scale)])
    )


CASES = [(np.float32, False), (np.float32, True), (np.float64, False), (np.float64, True)]


@pytest.mark.statistical
@pytest.mark.parametrize(("dtype", "fast"), CASES)
@pytest.mark.parametrize("p", [hermite_p, tails_p, ks_p, pairs_p])
def test_deviates_are_normal(p, dtype, fast):
    assert accepts(lambda n, seed: p(deviates((n, 256, 64), dtype, fast, seed)), 16)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("p", "sabotage"),
    [
        (hermite_p, lambda z: z * 1.02),
        (hermite_p, lambda z: np.where(np.abs(z) > 3.2, 0, z)),
        (tails_p, lambda z: np.clip(z, -3.6, 3.6)),
        (ks_p, lambda z: z + 0.02),
        (pairs_p, lambda z: np.repeat(z[..., ::2], 2, axis=-1)),
        (pairs_p, lambda z: np.concatenate([z[:, :64], z[:, :64], z[:, 128:]], axis=1)),
    ],
)
def test_the_tests_see_what_is_not_normal(p, sabotage):
    assert not accepts(lambda n, seed: p(sabotage(deviates((n, 256, 64), seed=seed))), 16)


@pytest.mark.statistical
def test_uniform_deviates():
    def p(n, seed):
        u = np.empty(n)
        key = split_key(int(Stream(seed).philox_key()[0]))
        uniforms(*np.array([2**32 - 1, 0, 0, 1], np.uint64), *key, u)
        assert np.all((u > 0) & (u < 1))
        return min(ks_uniform(u), normal_p((u.mean() - 0.5) * np.sqrt(12 * n)))

    def ks_uniform(u):
        return float(stats.kstest(u, "uniform").pvalue)

    assert accepts(p, 20_000)
