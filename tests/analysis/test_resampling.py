import numpy as np
import pytest
from helpers.statistics import accepts
from scipy.stats import binomtest

from physgen.analysis import bootstrap, weights
from physgen.core.errors import InputError

N = 400


def draws(seed, spread=0.8):
    """Draws of a unit Gaussian for a target of log Z = 0 with mean `spread`, and their weights."""
    x = np.random.default_rng([seed, 5]).normal(size=N)
    return x, spread * x - spread**2 / 2


def test_errors_are_those_of_the_delta_method_where_there_are_many_draws():
    x = np.random.default_rng(1).normal(size=20_000)
    log_w = 0.4 * x - 0.08
    value, error, low, high = bootstrap(log_w, rng=1)
    assert (value, error) == (
        pytest.approx(weights.log_z(log_w)[0], abs=1e-12),
        pytest.approx(weights.log_z(log_w)[1], rel=0.12),
    )
    assert high - low == pytest.approx(2 * error, rel=0.2)
    w = np.exp(log_w) / np.exp(log_w).mean()
    mean = bootstrap(log_w, x, rng=1)
    delta = np.std(w * (x - mean.value)) / np.sqrt(len(x))
    assert mean.error == pytest.approx(delta, rel=0.12)
    # Of a function of averages, the error is that of the whole.
    spread = bootstrap(log_w, x, x**2, function=lambda m, s: s - m * m, rng=1)
    assert spread.value == pytest.approx(1, abs=4 * spread.error)
    assert bootstrap(log_w + 700, rng=1).value == pytest.approx(value + 700)
    assert bootstrap(log_w, x, rng=1) == mean


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_cover_and_those_of_equal_weights_do_not():
    def p_value(n, seed, weigh=True):
        inside = 0
        for k in range(n):
            x, log_w = draws(seed * 10_000 + k)
            found = bootstrap(log_w if weigh else 0 * log_w, x, n_resamples=200, rng=k)
            inside += found.low < 0.8 < found.high
        return binomtest(inside, n, 0.68).pvalue

    assert accepts(p_value, 150)
    assert not accepts(lambda n, s: p_value(n, s, weigh=False), 150)  # Saboteur: no weights


def test_an_interval_is_not_symmetric_where_few_draws_carry_the_weight():
    def below_over_above(spread):
        found = bootstrap(draws(3, spread)[1], n_resamples=4000, rng=1)
        return (found.value - found.low) / (found.high - found.value)

    assert 20 < N * weights.ess(draws(3, spread=1.5)[1]) < 40
    assert below_over_above(1.5) > 1.12
    assert below_over_above(0.2) == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize(
    ("arguments", "options", "says"),
    [
        (([0.0, 1.0], [1.0]), {}, r"series must hold 2 numbers, got \[1\]"),
        (([0.0, 1.0], [1.0, 2.0], [1.0, 2.0]), {}, "function must be given for 2 series"),
        (([0.0, np.nan],), {}, "got nan at draw 1"),
        (([0.0, 1.0],), {"level": 1.0}, r"level must be in \(0, 1\), got 1.0"),
        (([0.0, 1.0],), {"n_resamples": 1}, "n_resamples must be an integer >= 2, got 1"),
        (([0.0, 1.0],), {}, r"at least 20 effective draws, got 1\.6.* of 2; train"),
    ],
)
def test_bad_input(arguments, options, says):
    with pytest.raises(InputError, match=says):
        bootstrap(*arguments, **options)
