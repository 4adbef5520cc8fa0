import numpy as np
import pytest
import torch
from helpers.statistics import accepts, joint_p, normal_p, unit_variance_p, within

from physgen import models
from physgen.core.errors import InputError
from physgen.core.random import as_stream
from physgen.validation import (
    classical_fidelity,
    enumerate_outcomes,
    exact_divergences,
    relative_entropy,
    validate,
)


@pytest.fixture(scope="module")
def pair():
    target, model = (
        models.GRU(3, 4, hidden=6, layers=1, rng=1),
        models.GRU(3, 4, hidden=6, layers=1, rng=2),
    )
    with torch.no_grad():  # far enough from uniform for the two directions of KL to differ
        for parameter in target.parameters():
            parameter.mul_(2.0)
    return model, target


def test_exact_values_by_hand():
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.25, 0.5])
    result = exact_divergences(Table(q), Table(p))
    assert result.fidelity == pytest.approx(0.25 + 2 * np.sqrt(0.125))
    assert result.kl_forward == pytest.approx(0.25 * np.log(2))
    assert result.kl_reverse == pytest.approx(0.25 * np.log(2))
    assert result.entropy == pytest.approx(1.5 * np.log(2))


@pytest.mark.statistical
def test_estimates_agree_with_enumeration_and_errors_cover(pair):
    model, target = pair
    exact = exact_divergences(model, target)
    assert exact.norm_model == pytest.approx(1, abs=1e-6)
    seeds, n = 60, 1500
    pulls = {"target": [], "model": [], "kl_forward": [], "kl_reverse": []}
    for seed in range(seeds):
        found = validate(model, target, n, rng=seed)
        for source in ("target", "model"):
            difference = found.fidelity.sel(sampled_from=source) - exact.fidelity
            pulls[source].append(float(difference / found.fidelity_error.sel(sampled_from=source)))
        for name in ("kl_forward", "kl_reverse"):
            pulls[name].append(float((found[name] - exact[name]) / found[f"{name}_error"]))
    for values in pulls.values():
        assert normal_p(np.mean(values) * np.sqrt(seeds)) > 1e-3
        assert unit_variance_p(values) > 1e-3
    # Saboteur: error bars half as large are rejected.
    assert unit_variance_p(2 * np.array(pulls["kl_forward"])) < 1e-3


@pytest.mark.statistical
def test_fidelity_error_is_known_in_advance(pair):
    model, target = pair
    found = validate(model, target, 20_000, rng=1)
    fidelity = float(exact_divergences(model, target).fidelity)
    predicted = np.sqrt((1 - fidelity**2) / 20_000)
    assert found.fidelity_error.values == pytest.approx(predicted, rel=0.1)


@pytest.mark.statistical
def test_saboteur_formulas_are_rejected(pair):
    """The misprinted estimators of lecture notes: no logarithm, and no weight in F_c."""
    model, target = pair
    exact = exact_divergences(model, target)

    def p_value(n, seed, estimator):
        x = target.sample(n, seed).numpy()
        log_p, log_q = target.log_prob(x), model.log_prob(x)
        return normal_p(estimator(log_p, log_q))

    def right(log_p, log_q):
        found = relative_entropy(log_p, log_q)
        return (found.value - float(exact.kl_forward)) / found.error

    def no_logarithm(log_p, log_q):
        terms = np.exp(log_p) - np.exp(log_q)
        return (terms.mean() - float(exact.kl_forward)) / (terms.std() / np.sqrt(len(terms)))

    def swapped(log_p, log_q):
        found = relative_entropy(log_q, log_p)
        return (found.value - float(exact.kl_forward)) / found.error

    assert accepts(lambda n, s: p_value(n, s, right), 20_000)
    assert not accepts(lambda n, s: p_value(n, s, no_logarithm), 20_000)
    assert not accepts(lambda n, s: p_value(n, s, swapped), 20_000)


def test_blocks_of_samples_are_independent(pair, monkeypatch):
    monkeypatch.setattr("physgen.validation.density_comparison.BLOCK", 100)
    found = validate(*pair, 400, rng=1)
    log_p = found.log_prob_target.values.reshape(4, 100)
    assert not np.array_equal(log_p[0], log_p[1])


def test_identical_densities(pair):
    found = validate(pair[1], pair[1], 500, rng=1)
    np.testing.assert_allclose(found.fidelity, 1, atol=1e-12)
    assert abs(float(found.kl_forward)) < 1e-12


def test_a_likelihood_above_the_entropy_is_an_alarm(pair, recwarn):
    """A log-likelihood that is 0.3 nat too good, as of a sum that is not 1."""
    model, target = pair

    class TooGood:
        event_shape, support = target.event_shape, target.support
        sample = staticmethod(target.sample)

        @staticmethod
        def log_prob(x):
            return target.log_prob(x) + 0.3

    with pytest.warns(UserWarning, match=r"D\(target\|\|model\) = -0\.3.* no divergence is neg"):
        found = validate(TooGood, target, 400, rng=1)
    assert "not normalised" in found.attrs["warnings"]
    for honest in (model, target):
        assert validate(honest, target, 400, rng=1).attrs["warnings"] == ""
    assert not [w for w in recwarn if "no divergence" in str(w.message)]


class Table:
    """A density of one site with given probabilities."""

    event_shape = (1,)

    def __init__(self, probabilities):
        self.p = np.asarray(probabilities, dtype=float)
        self.support = type("S", (), {"K": len(self.p)})

    def log_prob(self, x):
        with np.errstate(divide="ignore"):
            return np.log(self.p)[np.asarray(x)[..., 0].astype(int)]

    def sample(self, n, rng):
        rng = as_stream(rng).child("table").numpy()
        return rng.choice(len(self.p), size=(n, 1), p=self.p).astype(np.uint8)


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("p", "q"),
    [
        ([0.5, 0.4, 0.1], [0.56, 0.44, 0.0]),  # the model misses a tenth of the target
        ([0.5, 0.4, 0.1], [0.56, 0.44 - 1e-9, 1e-9]),  # or as good as misses it
        ([0.5, 0.5, 0.0], [0.5, 0.45, 0.05]),  # the model puts mass where the target has none
    ],
)
def test_supports_that_differ(p, q):
    """The estimates stay right where the control variate would be biased, and the alarm rings."""
    target, model = Table(p), Table(q)
    exact, found = exact_divergences(model, target), validate(model, target, 40_000, rng=2)
    for name in ("fidelity", "kl_forward", "kl_reverse"):
        for k in range(2 if name == "fidelity" else 1):
            value, error = found[name].values.flat[k], found[f"{name}_error"].values.flat[k]
            if np.isfinite(exact[name]) and np.isfinite(value) and error < 0.01:
                assert within(value, exact[name], error, largest=0.01, rounding=1e-12), name
    assert np.isinf(exact.kl_forward) == np.isinf(found.kl_forward)
    assert np.isinf(exact.kl_reverse) == np.isinf(found.kl_reverse)
    covered = found.covered_mass.values - 1 + 4 * found.covered_mass_error.values
    assert covered.min() < 0
    # Saboteur: the terms that are right for equal supports are far off here.
    log_p, log_q = target.log_prob(found_x(model)), model.log_prob(found_x(model))
    if np.isfinite(exact.kl_reverse):
        biased = np.mean(np.expm1(log_p - log_q) - (log_p - log_q))
        assert abs(biased - float(exact.kl_reverse)) > 0.05


def found_x(density):
    return density.sample(1000, 1)


@pytest.mark.statistical
def test_kl_errors_cover_where_rare_outcomes_are_overrated():
    """A tenth of the model is flat, so outcomes of tiny probability are far too likely in it."""
    p = np.exp(2.5 * np.random.default_rng(1).standard_normal(256))
    target, model = Table(p / p.sum()), Table(0.9 * p / p.sum() + 0.1 / 256)
    exact = float(exact_divergences(model, target).kl_forward)
    pulls, biased = [], []
    for seed in range(100):
        x = target.sample(500, seed)
        log_p, log_q = target.log_prob(x), model.log_prob(x)
        found = relative_entropy(log_p, log_q)
        pulls.append((found.value - exact) / found.error)
        terms = np.expm1(log_q - log_p) - (log_q - log_p)
        biased.append((terms.mean() - exact) / (terms.std() / np.sqrt(500)))
    assert normal_p(np.mean(pulls) * 10) > 1e-3
    assert unit_variance_p(pulls) > 1e-3
    # Saboteur: with the control variate Q/P - 1 the errors do not cover.
    assert joint_p(biased) < 1e-3


def test_missed_support_is_infinite_and_seen_from_the_target():
    log_p, log_q = np.log([0.5, 0.5, 0.5]), np.array([0.0, -np.inf, 0.0])
    assert relative_entropy(log_p, log_q).value == np.inf
    assert classical_fidelity(log_p, log_q).value == pytest.approx(2 / 3 * np.sqrt(2))


@pytest.mark.parametrize(
    ("log_p", "log_q", "message"),
    [
        ([0.0, np.nan], [0.0, 0.0], "NaN"),
        ([0.0, -np.inf], [0.0, 0.0], "exchanged"),
        ([0.0], [0.0], "length >= 2"),
        ([0.0, 0.0], [0.0, 0.0, 0.0], "length >= 2"),
    ],
)
def test_bad_log_probabilities(log_p, log_q, message):
    with pytest.raises(InputError, match=message):
        relative_entropy(np.array(log_p), np.array(log_q))


def test_different_outcomes_are_refused(pair):
    with pytest.raises(InputError, match="share shape and outcomes"):
        validate(pair[0], models.GRU(4, 4), 100, rng=1)
    with pytest.raises(InputError, match="enumeration needs"):
        enumerate_outcomes(models.GRU(9, 4))
