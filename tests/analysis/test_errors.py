"""Coverage: the pulls of every error bar have unit variance."""

import math

import numpy as np
import pytest
from helpers.chains import ar1
from helpers.statistics import accepts, unit_variance_p
from scipy import stats

from physgen.analysis import gamma_method, jackknife, mean_estimate
from physgen.core.errors import InputError
from physgen.observables.moments import (
    binder,
    chi_abs,
    second_moment_correlation_length,
    specific_heat,
    susceptibility,
)

RHO, SHIFT, V, L = 0.7, 0.8, 16, 4
SHAPES = {"one chain": (1, 6000), "few": (8, 800), "many": (100, 60)}


def pull_p(estimate, exact, shape, dof=None):
    """p-value that (value - exact) / error has unit variance over n seeds.

    With `dof`, the pull is a t-variate of so many degrees of freedom, and made normal first.
    """

    def p_value(n, seed):
        pulls = []
        for s in range(n):
            e = estimate(ar1(RHO, *shape, seed=[seed, s]))
            pulls.append((e[0] - exact) / e[1])
        if dof is not None:
            pulls = stats.norm.ppf(stats.t.cdf(pulls, dof))
        return unit_variance_p(np.array(pulls))

    return p_value


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("shape", "method"),
    [(SHAPES[name], method) for name in SHAPES for method in ("binning", "gamma", "auto")]
    # A single chain has no spread.
    + [(SHAPES[name], "chains") for name in ("few", "many")],
)
def test_coverage_of_a_mean(shape, method):
    few = method == "chains" and shape[0] < 64  # their spread is known to 1/sqrt(2 n_chains) only
    dof = shape[0] - 1 if few else None
    assert accepts(pull_p(lambda x: mean_estimate(x, method=method), 0.0, shape, dof), 150)


@pytest.mark.statistical
def test_naive_error_is_rejected():
    """Saboteur: correlated draws taken for independent ones."""

    def naive(x):
        return x.mean(), x.std() / math.sqrt(x.size)

    assert not accepts(pull_p(naive, 0.0, SHAPES["many"]), 150)


@pytest.mark.statistical
def test_shared_noise_is_rejected():
    """Saboteur: chains that share random numbers differ less than their mean is wrong."""

    def p_value(n, seed, shared):
        pulls = []
        for s in range(n):
            own, common = (ar1(RHO, k, 60, seed=[seed, s, k]) for k in (100, 1))
            e = mean_estimate(math.sqrt(1 - shared) * own + math.sqrt(shared) * common)
            pulls.append(e.value / e.error)
        return unit_variance_p(np.array(pulls))

    assert accepts(lambda n, seed: p_value(n, seed, 0.0), 150)
    assert not accepts(lambda n, seed: p_value(n, seed, 0.1), 150)


def second_mode(x):
    """Normals of variance 1/4 that share a part with x, as modes of an interacting field do."""
    noise = np.random.default_rng(int(1e9 * abs(x[0, 0]))).standard_normal(x.shape)
    return 0.5 * (0.6 * x + 0.8 * noise)


# m = x + SHIFT with unit normal x; moments of m, of |m| at SHIFT = 0, and of E = m^2.
M2, M4 = 1 + SHIFT**2, 3 + 6 * SHIFT**2 + SHIFT**4
DERIVED = {
    "binder": (binder, lambda m: (m**2, m**4), binder(M2, M4)),
    "susceptibility": (
        lambda m, m2: susceptibility(m, m2, V),
        lambda m: (m, m**2),
        V * 1.0,
    ),
    "chi_abs": (
        lambda a, m2: chi_abs(a, m2, V),
        lambda m: (np.abs(m - SHIFT), (m - SHIFT) ** 2),
        V * (1 - 2 / math.pi),
    ),
    "specific_heat": (
        lambda e, e2: specific_heat(e, e2, 0.4, V),
        lambda m: (m**2, m**4),
        0.16 * (M4 - M2**2) / V,
    ),
    "correlation_length": (
        lambda S0, S: second_moment_correlation_length(S0, S, L),
        lambda m: ((m - SHIFT) ** 2, second_mode(m - SHIFT) ** 2),
        second_moment_correlation_length(1.0, 0.25, L),
    ),
}


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(8, 4000), (100, 400)], ids=["few", "many"])
@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("estimator", [jackknife, gamma_method])
def test_coverage_of_derived_quantities(estimator, name, shape):
    function, moments, exact = DERIVED[name]
    p_value = pull_p(lambda x: estimator(function, *moments(x + SHIFT)), exact, shape)
    assert accepts(p_value, 60)


@pytest.mark.slow
@pytest.mark.statistical
def test_jackknife_that_holds_m2_fixed_is_rejected():
    """Saboteur: <m^4> resampled, <m^2> not."""

    def p_value(n, seed, fixed):
        pulls = []
        for s in range(n):
            m = ar1(RHO, 100, 400, seed=[seed, s]) + SHIFT
            m2 = np.full(m.shape, np.mean(m**2)) if fixed else m**2
            e = jackknife(binder, m2, m**4)
            pulls.append((e.value - binder(M2, M4)) / e.error)
        return unit_variance_p(np.array(pulls))

    assert accepts(lambda n, seed: p_value(n, seed, False), 60)
    assert not accepts(lambda n, seed: p_value(n, seed, True), 60)


def test_jackknife_of_a_mean_is_the_mean():
    x = ar1(0.5, 80, 30, seed=1)
    a, b = jackknife(lambda m: m, x), mean_estimate(x)
    assert a.value == pytest.approx(b.value, abs=1e-14)
    assert a.error == pytest.approx(b.error, rel=1e-12)
    assert (a.method, b.method) == ("chains", "chains")


def test_jackknife_takes_the_bias_of_a_variance_out():
    """Of <x^2> - <x>^2, with one draw a block, it makes the unbiased variance."""
    x = ar1(0.0, 1, 10, seed=1)
    found = jackknife(lambda a, b: b - a**2, x, x**2, n_blocks=10)
    assert found.value == pytest.approx(x.var(ddof=1), rel=1e-12)


def test_methods_agree_and_cross_check():
    x = ar1(0.8, 8, 20_000, seed=5)
    errors = [mean_estimate(x, method=m).error for m in ("chains", "binning", "gamma")]
    np.testing.assert_allclose(errors, np.sqrt(9 / x.size), rtol=0.5)
    assert errors[1] == pytest.approx(errors[2], rel=0.15)


def test_too_little_to_know_an_error():
    assert math.isnan(mean_estimate([1.0]).error)
    assert math.isnan(mean_estimate(np.zeros((1, 5)) + 1, method="chains").error)
    assert math.isnan(jackknife(lambda m: m, [2.0]).error)
    assert mean_estimate(np.full((3, 22), 2.0)).error == 0.0


def test_a_time_that_is_not_positive_is_no_time():
    """Of alternating draws, and by chance of few: then they count as independent."""
    two = np.tile([1.0, -1.0], 50)
    assert mean_estimate(two, method="gamma").error == pytest.approx(0.1, rel=0.02)
    g = np.random.default_rng(1)
    for _ in range(200):
        x = g.choice([-1.0, 1.0], 30)
        assert mean_estimate(x).error > 0 or np.ptp(x) == 0


def test_bad_input():
    with pytest.raises(InputError, match="method must be one of"):
        mean_estimate([1.0, 2.0], method="bootstrap")
    with pytest.raises(InputError, match="one shape"):
        jackknife(lambda a, b: a, np.zeros((2, 3)), np.zeros((2, 4)))
    with pytest.raises(InputError, match="n_blocks must be an integer >= 2, got 1"):
        jackknife(lambda a: a, np.zeros((2, 3)), n_blocks=1)


FEW = np.random.default_rng(3).standard_normal((63, 2))


@pytest.mark.parametrize("shape", [(63, 1), (5, 1), (2, 1)])
def test_chains_of_one_draw_have_the_error_of_their_spread(shape):
    x = FEW[: shape[0], : shape[1]]
    found = mean_estimate(x)
    assert found.method == "chains"
    assert found.error == pytest.approx(x.std(ddof=1) / math.sqrt(len(x)))


def test_no_error_is_said_to_be_zero_for_want_of_numbers():
    for shape in ((1, 1), (1, 3), (3, 1), (2, 2), (63, 1)):
        same = np.full(shape, 0.25)
        assert math.isnan(mean_estimate(same).error)
        assert math.isnan(jackknife(binder, same, same).error)
    three = np.array([[0.5, -0.5, 0.5]])
    assert math.isnan(jackknife(lambda a, m2: chi_abs(a, m2, V), abs(three), three**2).error)
    # A long series that never changes is known to be constant.
    assert mean_estimate(np.full((1, 64), 0.25)).error == 0
    assert mean_estimate(np.full((64, 1), 0.25)).error == 0


def test_the_pulls_of_one_draw_a_chain_have_unit_variance():
    r = np.random.default_rng(7)

    def pulls(chains, estimate):
        found = [estimate(r.standard_normal((chains, 1))) for _ in range(400)]
        return np.array([e.value / e.error for e in found])

    exact = np.random.default_rng(8).standard_t(29, 400)
    assert stats.ks_2samp(pulls(30, mean_estimate), exact).pvalue > 1e-3
    # Saboteur: the error of a single number.
    wrong = pulls(30, lambda x: mean_estimate(x)._replace(error=float(x.std())))
    assert stats.ks_2samp(wrong, exact).pvalue < 1e-3
