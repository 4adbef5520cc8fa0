"""Classifier tests and density ratios against normals whose divergences are known."""

import math

import numpy as np
import pytest
from helpers.statistics import ALPHA_FIRST, unit_variance_p, within
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.validation import c2st, log_ratios, ratio_divergences
from physgen.validation.classifier import dealt_folds, fitted, make_classifier


def normals(seed, *shape):
    return np.random.default_rng(seed).standard_normal(shape)


def alarms(p, n, level):
    """p-value that a test rejects a true hypothesis as rarely as its level says."""
    found = int(sum(p(seed) <= level for seed in range(n)))
    return stats.binomtest(found, n, level, alternative="greater").pvalue


def logistic(seed):
    x, y = normals(seed, 100, 3), normals(10_000 + seed, 100, 3)
    return c2st(x, y, classifier="logistic", rng=seed)


def cross_validated(seed):
    """The z-score that the literature writes down: cross-validation, binomial error."""
    x = np.concatenate([normals(seed, 100, 3), normals(10_000 + seed, 100, 3)])
    labels = np.repeat([0, 1], 100)
    order = np.random.default_rng(seed).permutation(200)
    accuracy = cross_val_score(LogisticRegression(), x[order], labels[order], cv=5).mean()
    return (accuracy - 0.5) * 2 * math.sqrt(200)


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_are_as_stated():
    assert alarms(lambda seed: logistic(seed).p_value, 300, 0.01) > ALPHA_FIRST
    assert alarms(lambda seed: logistic(seed).p_value, 300, 0.1) > ALPHA_FIRST

    def trees(seed):
        x, y = normals(seed, 100, 3), normals(10_000 + seed, 100, 3)
        return c2st(x, y, n_folds=3, rng=seed).p_value

    assert alarms(trees, 300, 0.01) > ALPHA_FIRST


@pytest.mark.slow
@pytest.mark.statistical
def test_folds_in_a_row_have_the_binomial_error_and_cross_validation_has_not():
    found = [logistic(seed) for seed in range(80)]
    assert unit_variance_p([(each.accuracy - 0.5) / each.error for each in found]) > ALPHA_FIRST
    # Saboteur: folds of cross-validation are not independent.
    assert unit_variance_p([cross_validated(seed) for seed in range(80)]) < ALPHA_FIRST


@pytest.mark.statistical
@pytest.mark.parametrize("classifier", ["gbt", "logistic", "mlp", LogisticRegression()])
def test_the_accuracy_of_two_normals_is_the_best_one(classifier):
    """For N(0, 1) and N(1, 1) the best accuracy is Phi(1/2) = 0.691."""
    n = 4000
    found = c2st(
        normals(1, n, 2), normals(2, n, 2) + np.array([1.0, 0.0]), classifier=classifier, rng=1
    )
    best = stats.norm.cdf(0.5)
    assert found.n == 2 * n * 4 / 5
    assert found.error == pytest.approx(0.5 / math.sqrt(found.n))
    assert best - 0.02 < found.accuracy < best + 4 * found.error
    assert found.p_value < 1e-50
    assert 0 < found.fold_scatter < 0.03


class Recorder(ClassifierMixin, BaseEstimator):
    """A classifier that guesses, and remembers what it was given."""

    trained: list = []

    def fit(self, x, labels):
        self.classes_ = np.unique(labels)
        Recorder.trained.append((x.copy(), labels.copy()))
        return self

    def predict(self, x):
        return np.zeros(len(x), int)


def test_a_fold_is_scored_by_what_never_saw_it():
    Recorder.trained = []
    x, y = np.arange(100.0)[:, None], 1000 + np.arange(100.0)[:, None]
    found = c2st(x, y, classifier=Recorder(), n_folds=5, block=4, rng=1)
    assert (found.accuracy, found.n) == (0.5, 160)
    folds = list(dealt_folds(100, 100, 5, 4, Stream(1).child("c2st", "folds"), even=True))
    assert [len(each) for each, _ in Recorder.trained] == [40, 80, 120, 160]
    points = np.concatenate([x, y])
    for k, (seen, labels) in enumerate(Recorder.trained):
        assert labels.mean() == 0.5
        assert not set(seen.ravel()) & set(points[folds[k + 1].points].ravel())
        assert set(seen.ravel()) == {v for f in folds[: k + 1] for v in points[f.points].ravel()}
    for fold in folds:  # whole blocks of four draws
        assert (np.unique(fold.points // 4, return_counts=True)[1] == 4).all()
        assert (np.bincount(fold.blocks) == 4).all()


def test_scales_come_from_what_is_learned_from_alone():
    pipeline = make_classifier("logistic", Stream(1))
    x, labels = normals(3, 60, 2), np.repeat([0, 1], 30)
    shifted = x.copy()
    shifted[40:] += 1e6  # a scored fold somewhere else
    scales = [fitted(pipeline, each[:40], labels[:40])[0].mean_ for each in (x, shifted)]
    np.testing.assert_array_equal(scales[0], scales[1])
    # Saboteur: a scaler fitted on all data is moved.
    assert abs(StandardScaler().fit(shifted).mean_ - scales[0]).min() > 1e5
    assert isinstance(pipeline, type(make_pipeline(StandardScaler())))


def chains(seed, n_chains, n_draws, tau):
    """Chains that hardly move: every draw repeats the last one with probability 1 - 1/tau."""
    g = np.random.default_rng(seed)
    fresh = g.standard_normal((n_chains, n_draws, 2))
    kept = g.random((n_chains, n_draws)) > 1 / tau
    for i in range(1, n_draws):
        fresh[kept[:, i], i] = fresh[kept[:, i], i - 1]
    return fresh.reshape(-1, 2)


@pytest.mark.statistical
def test_chains_are_kept_whole():
    def p(seed, block):
        x, y = chains(seed, 20, 20, 20), chains(1000 + seed, 20, 20, 20)
        return c2st(x, y, classifier="logistic", n_folds=4, block=block, rng=seed).p_value

    assert alarms(lambda seed: p(seed, 20), 40, 0.05) > ALPHA_FIRST
    # Saboteur: draws of one chain in several folds.
    assert alarms(lambda seed: p(seed, 1), 40, 0.05) < ALPHA_FIRST


@pytest.mark.statistical
@pytest.mark.parametrize("numbers", [(8000, 8000), (9000, 5000)])
def test_ratios_of_normals(numbers):
    """N(0, 1) and N(1/2, 1) in two components: KL = 1/4, F_c = e^{-1/16}."""
    n, m = numbers
    x, y = normals(5, n, 2), 0.5 + normals(6, m, 2)
    at_x, at_y = log_ratios(x, y, classifier="logistic", rng=1)
    exact = 0.25 - x.sum(axis=1) / 2
    assert np.abs(at_x - exact).mean() < 0.08
    assert (len(at_x), len(at_y)) == (n, m)
    found = ratio_divergences(x, y, classifier="logistic", rng=1)
    js = _js_of_normals(math.sqrt(0.5))
    for estimate, value, largest in (
        (found.kl_samples_reference, 0.25, 0.02),
        (found.kl_reference_samples, 0.25, 0.02),
        (found.fidelity, math.exp(-1 / 16), 0.006),
        (found.normalisation, 1.0, 0.02),
        (found.js_bound, js, 0.006),
    ):
        # What two fitted couplings do not know moves them by as much as the mean's own error.
        assert within(estimate.value, value, 2 * estimate.error, largest=2 * largest)
    assert found.js_bound.value < js + 4 * found.js_bound.error
    # Saboteur: without the shift for unequal numbers the two divergences part.
    if n != m:
        assert abs(found.kl_samples_reference.value + math.log(n / m) - 0.25) > 0.3


def _js_of_normals(distance):
    z = np.linspace(-12, 12, 40_001)
    p, q = stats.norm.pdf(z), stats.norm.pdf(z - distance)
    mean = (p + q) / 2
    return float(np.trapezoid(p * np.log(p / mean) + q * np.log(q / mean), z) / 2)


def test_exaggeration_is_calibrated_away():
    """Boosted trees of many leaves are far too sure; the calibrated ratio is not."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    x, y = normals(7, 2000, 2), 0.5 + normals(8, 2000, 2)
    sure = HistGradientBoostingClassifier(
        max_iter=150, max_leaf_nodes=60, early_stopping=False, min_samples_leaf=2, random_state=1
    )
    found = ratio_divergences(x, y, classifier=sure, n_folds=2, rng=1)
    assert found.js_bound.value > -0.01
    assert found.kl_samples_reference.value < 0.35
    # Saboteur: the bare logits claim far more.
    half = fitted(sure, np.concatenate([x[:1000], y[:1000]]), np.repeat([1, 0], 1000))
    bare = half.decision_function(x[1000:])
    bound = (
        np.log(2)
        - (
            np.logaddexp(0, -bare).mean()
            + np.logaddexp(0, half.decision_function(y[1000:])).mean()
        )
        / 2
    )
    assert bound < -0.1


def test_separable_samples_stay_finite():
    found = ratio_divergences(normals(1, 200, 1), 100 + normals(2, 200, 1), rng=1)
    assert np.isfinite([e.value for e in found]).all()
    assert found.js_bound.value == pytest.approx(math.log(2), abs=0.05)


def test_bad_input():
    x = normals(1, 40, 2)
    with pytest.raises(InputError, match="50 points for 5 folds, got 40 blocks of 1"):
        c2st(x, x, rng=1)
    with pytest.raises(InputError, match="did you mean 'logistic'"):
        c2st(normals(1, 60, 2), normals(2, 60, 2), classifier="logistics", rng=1)
    with pytest.raises(InputError, match="an estimator with fit and predict"):
        c2st(normals(1, 60, 2), normals(2, 60, 2), classifier=3, rng=1)
    with pytest.raises(InputError, match="n_folds"):
        c2st(normals(1, 60, 2), normals(2, 60, 2), n_folds=1, rng=1)
