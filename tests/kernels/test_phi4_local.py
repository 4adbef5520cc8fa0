"""One-site updates keep the conditional distribution, and are in detailed balance with it."""

import numpy as np
import pytest
from helpers.statistics import accepts, joint_p
from scipy import stats

from physgen.core.random import Stream
from physgen.kernels.cpu.field_layout import pack, unpack
from physgen.kernels.cpu.phi4_local import sweeps
from physgen.kernels.cpu.philox import split_key
from physgen.targets.phi4_decimation import draw_site

HOP, QUAD, QUART = 0.9, -0.6, 0.5
EDGES = np.linspace(-1.6, 1.8, 12)


def one_site(n, seed, n_reflections, dtype=np.float32, quart=QUART):
    """Exact draws of site 0 given site 1, before and after an update of site 0 alone."""
    rng = Stream(seed)
    there = np.full(n, 0.7)
    x = draw_site(HOP * there, QUAD, QUART, rng.child("start"))
    fields = pack(np.stack([x, there], axis=1), 64, dtype)
    neighbours = np.array([[1], [0]], np.int32)
    couplings = np.array([HOP, QUAD, quart, 0.0])
    stats_ = np.zeros((len(fields), 2, 64))
    if n_reflections:  # a width of 0: the Metropolis move that follows does nothing
        width, curvature = 0.0, 1.1
    else:
        width, curvature = 1.2, 1.0
    key = np.array(split_key(int(rng.philox_key()[0])))
    sweeps(
        (0, 1), fields, np.array([0]), neighbours, couplings, width, curvature, n_reflections,
        key, np.empty((len(fields), 0), np.uint64), 1, stats_,
    )  # fmt: skip
    after = unpack(fields, n)
    np.testing.assert_allclose(after[:, 1], 0.7, rtol=1e-6)
    moved = np.mean(np.abs(after[:, 0] - x) > 1e-6)
    assert 0.1 < moved < 0.95
    assert moved == pytest.approx(stats_.sum(axis=(0, 2))[1 if n_reflections else 0] / n, abs=0.01)
    return x, after[:, 0]


@pytest.mark.statistical
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_reflections", [0, 1])
def test_detailed_balance_of_one_site(n_reflections, dtype):
    """As many go from bin i to bin j as from j to i."""

    def p(n, seed, quart=QUART):
        before, after = one_site(n, seed, n_reflections, dtype, quart)
        flow = np.zeros((13, 13))
        np.add.at(flow, (np.digitize(before, EDGES), np.digitize(after, EDGES)), 1)
        there, back = flow[np.triu_indices(13, 1)], flow.T[np.triu_indices(13, 1)]
        seen = there + back > 20
        return joint_p(((there - back) / np.sqrt(there + back + 1e-9))[seen])

    assert accepts(p, 1 << 15)
    assert not accepts(lambda n, seed: p(n, seed, 1.3 * QUART), 1 << 15)


@pytest.mark.statistical
@pytest.mark.parametrize("n_reflections", [0, 1])
def test_exact_draws_stay_exact(n_reflections):
    def p(n, seed, quart=QUART):
        _, after = one_site(n, seed, n_reflections, quart=quart)
        again = draw_site(np.full(n, HOP * 0.7), QUAD, QUART, Stream(seed).child("other"))
        return float(stats.ks_2samp(after, again).pvalue)

    assert accepts(p, 1 << 15)
    assert not accepts(lambda n, seed: p(n, seed, 2 * QUART), 1 << 15)


def test_reflections_of_a_free_field_are_never_rejected():
    rng = np.random.default_rng(1)
    x = pack(rng.normal(size=(64, 4)), 64, np.float64)
    ring = np.array([[1, 3], [2, 0], [3, 1], [0, 2]], np.int32)
    stats_ = np.zeros((1, 2, 64))
    sweeps(
        (0, 1), x, np.arange(4), ring, np.array([1.0, 1.3, 0.0, 0.0]), 1.0, 1.3, 3,
        np.array([1, 2], np.uint64), np.empty((1, 0), np.uint64), 5, stats_,
    )  # fmt: skip
    np.testing.assert_array_equal(stats_[:, 1], 3 * 4 * 5)
    assert 0 < stats_[:, 0].mean() < 4 * 5
