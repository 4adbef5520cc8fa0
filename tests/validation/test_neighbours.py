"""Precision, recall and copies, on sets where they are known."""

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST
from scipy import stats

from physgen.core.errors import InputError
from physgen.validation import memorisation, precision_recall


def normals(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def by_loops(x, y, k):
    """The definitions, point by point."""
    d = np.linalg.norm(x[:, None] - y, axis=-1)

    def radius(a):
        return np.sort(np.linalg.norm(a[:, None] - a, axis=-1), axis=1)[:, k]

    rx, ry = radius(x), radius(y)
    return ((d <= ry).any(1).mean(), (d <= rx[:, None]).any(0).mean(), (d <= ry).any(0).mean())


def test_values_are_those_of_the_definitions():
    x, y = normals(1, 60, 2) + 0.7, normals(2, 50, 2)
    found = precision_recall(x, y, k=3, rng=1)
    assert found[:3] == pytest.approx(by_loops(x, y, 3), abs=1e-12)


@pytest.mark.statistical
def test_a_lost_mode_keeps_its_precision_and_loses_recall():
    modes = np.repeat([-3.0, 3.0], 300)[:, None]
    y = modes + 0.5 * normals(3, 600, 2)
    x = 3 + 0.5 * normals(4, 600, 2)
    lost = precision_recall(x, y, rng=1)
    assert lost.precision > 0.9
    assert lost.recall < 0.6
    assert lost.coverage < 0.6
    both = precision_recall(modes + 0.5 * normals(5, 600, 2), y, rng=1)
    assert min(both[:3]) > 0.9
    assert both.coverage == pytest.approx(1 - 2**-5, abs=0.03)
    assert both.null_coverage == pytest.approx(both.coverage, abs=0.05)
    wide = precision_recall(y + 1.5 * normals(6, 600, 2), y, rng=1)
    assert wide.precision < 0.6
    assert wide.recall > 0.9


@pytest.mark.statistical
def test_a_memoriser_is_caught_and_an_honest_model_is_not():
    p = []
    for seed in range(60):
        g = np.random.default_rng(seed)
        training, held_out, honest = (g.standard_normal((80, 4)) for _ in range(3))
        p.append(memorisation(honest, training, held_out).p_value)
    assert stats.kstest(p, "uniform").pvalue > ALPHA_FIRST
    g = np.random.default_rng(1)
    training, held_out = g.standard_normal((300, 16)), g.standard_normal((200, 16))
    near = training[g.integers(300, size=200)] + 0.1 * g.standard_normal((200, 16))
    found = memorisation(near, training, held_out)
    assert found.p_value < 1e-10
    assert found.closer > 0.95
    assert found.copies == 0
    assert found.distance < found.held_out_distance / 3
    copied = memorisation(training[:150], training, held_out)
    assert (copied.copies, copied.closer, copied.distance) == (1, 1, 0)


def test_bad_input():
    x = normals(1, 50, 2)
    with pytest.raises(InputError, match="at least 21 points"):
        precision_recall(x[:20], x, rng=1)
    with pytest.raises(InputError, match="configurations that training does not, got 100% copies"):
        memorisation(normals(2, 50, 2), x, x[:20])
    with pytest.raises(InputError, match="2 and 3 components"):
        memorisation(x, normals(2, 50, 3), x)
