"""f-divergences from samples, exact sums and variational bounds."""

import math

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST, normal_p, unit_variance_p, within

from physgen.analysis.f_generators import GENERATORS, generator
from physgen.core.errors import InputError
from physgen.validation import (
    exact_f_divergence,
    f_bound,
    f_bound_of_log_ratios,
    f_divergence,
    log_ratios,
)

P, Q = np.array([0.36, 0.48, 0.16]), np.array([1, 1, 1]) / 3


def test_exact_values_by_hand():
    assert exact_f_divergence("kl", P, Q) == pytest.approx(0.085300, abs=1e-6)
    assert exact_f_divergence("kl", Q, P) == pytest.approx(0.097455, abs=1e-6)
    assert exact_f_divergence("reverse-kl", P, Q) == pytest.approx(0.097455, abs=1e-6)
    assert exact_f_divergence("tv", P, Q) == pytest.approx(np.abs(P - Q).sum() / 2)
    assert exact_f_divergence("pearson", P, Q) == pytest.approx(((P - Q) ** 2 / Q).sum())
    fidelity = np.sqrt(P * Q).sum()
    assert exact_f_divergence("squared-hellinger", P, Q) == pytest.approx(2 - 2 * fidelity)
    mean = (P + Q) / 2
    js = ((P * np.log(P / mean)).sum() + (Q * np.log(Q / mean)).sum()) / 2
    assert exact_f_divergence("js", P, Q) == pytest.approx(js)


def test_disjoint_supports():
    p, q = np.array([0.5, 0.5, 0.0]), np.array([0.0, 0.0, 1.0])
    assert exact_f_divergence("js", p, q) == pytest.approx(math.log(2))
    assert exact_f_divergence("tv", p, q) == pytest.approx(1)
    assert exact_f_divergence("squared-hellinger", p, q) == pytest.approx(2)
    assert exact_f_divergence("kl", p, q) == math.inf
    assert exact_f_divergence("reverse-kl", p, q) == math.inf
    assert exact_f_divergence("pearson", p, [0.5, 0.25, 0.25]) == pytest.approx(0.5)
    assert exact_f_divergence("kl", p, [0.5, 0.25, 0.25]) == pytest.approx(math.log(2) / 2)


@pytest.mark.statistical
@pytest.mark.parametrize("name", list(GENERATORS))
def test_both_sides_agree_with_the_sum(name):
    exact, pulls = exact_f_divergence(name, P, Q), {"p": [], "q": []}
    g = np.random.default_rng(1)
    for _ in range(80):
        for side, law in (("p", P), ("q", Q)):
            x = g.choice(3, size=500, p=law)
            found = f_divergence(name, np.log(P[x]), np.log(Q[x]), sampled_from=side)
            pulls[side].append((found.value - exact) / found.error)
    for values in pulls.values():
        assert normal_p(np.mean(values) * math.sqrt(80)) > ALPHA_FIRST
        assert unit_variance_p(values) > ALPHA_FIRST
    # Saboteur: p and q exchanged.
    if name in ("kl", "reverse-kl", "pearson"):
        x = g.choice(3, size=100_000, p=P)
        swapped = f_divergence(name, np.log(Q[x]), np.log(P[x]), sampled_from="q")
        assert not within(swapped.value, exact, swapped.error, largest=1)


@pytest.mark.statistical
@pytest.mark.parametrize("name", list(GENERATORS))
def test_the_bound_is_tight_at_the_slope_and_lower_elsewhere(name):
    """Two normals at a distance of 1/2, sums over a fine grid as samples."""
    g = np.random.default_rng(2)
    x, y = g.standard_normal(40_000), 0.5 + g.standard_normal(40_000)
    at_x, at_y = (0.125 - 0.5 * a for a in (x, y))
    grid = np.linspace(-9, 9, 20_001)
    p, q = (np.exp(-((grid - a) ** 2) / 2) for a in (0, 0.5))
    exact = exact_f_divergence(name, p / p.sum(), q / q.sum())
    tight = f_bound_of_log_ratios(name, at_x, at_y)
    assert within(tight.value, exact, tight.error, largest=0.02)
    for wrong in (0.3, 1.7):
        loose = f_bound_of_log_ratios(name, wrong * at_x, wrong * at_y)
        assert loose.value < exact + 4 * loose.error
    flipped = f_bound_of_log_ratios(name, -at_x, -at_y)
    assert flipped.value < 0


@pytest.mark.statistical
def test_bounds_from_a_classifier_that_saw_neither_set():
    g = np.random.default_rng(3)
    x, y = g.standard_normal((4000, 2)), g.standard_normal((4000, 2)) + np.array([0.8, 0.0])
    at_x, at_y = log_ratios(x, y, classifier="logistic", rng=1)
    for name, exact in (("kl", 0.32), ("squared-hellinger", 2 - 2 * math.exp(-0.08))):
        found = f_bound_of_log_ratios(name, at_x, at_y)
        assert exact - 0.05 < found.value < exact + 4 * found.error


def test_bad_input():
    t = np.zeros(10)
    for name, top in (("reverse-kl", 0.0), ("squared-hellinger", 1.0), ("js", math.log(2) / 2)):
        with pytest.raises(InputError, match="the domain of its conjugate"):
            f_bound(name, t, t + top)
    f_bound("tv", t, t + 0.5)
    with pytest.raises(InputError, match=r"at most 0\.5"):
        f_bound("tv", t, t + 0.6)
    with pytest.raises(InputError, match="sum 1 each"):
        exact_f_divergence("kl", [0.5, 0.4], [0.5, 0.5])
    with pytest.raises(InputError, match="one length"):
        f_divergence("kl", t, t[:3], sampled_from="p")
    with pytest.raises(InputError, match="were the arguments exchanged"):
        f_divergence("kl", t - np.inf, t, sampled_from="p")
    with pytest.raises(InputError, match="NaN"):
        f_divergence("kl", t * np.nan, t, sampled_from="p")
    with pytest.raises(InputError, match="sampled_from"):
        f_divergence("kl", t, t, sampled_from="r")
    assert f_divergence("kl", t, t - np.inf, sampled_from="p").value == math.inf
    assert generator("tv").upper == 0.5
