r"""Divergences of two samples from a calibrated classifier, on points that it has not seen.

With as many points of p (samples) as of q (reference), the best classifier gives the probability
:math:`D = p / (p + q)` to p, so its logit is the log ratio of the densities,

.. math::
    \ell(x) &= \log \frac{D}{1 - D} = \log \frac{p(x)}{q(x)} \\
    D(p\|q) &= E_p\, \ell , \qquad D(q\|p) = -E_q\, \ell , \qquad
    F_c = E_q\, e^{\ell/2} = E_p\, e^{-\ell/2} \\
    \mathrm{JS} &\ge \log 2 + \tfrac12 \big( E_p \log D + E_q \log (1 - D) \big)

in nats.  The last line is a lower bound for any D that has not seen the points; the others are as
right as the classifier is.  Unequal numbers of points only shift the logit.

*Calibration.*  Classifiers exaggerate.  Each one is fitted on three quarters of the folds it may
see; on the last quarter :math:`\ell \to a \ell + b` is fitted by logistic regression (Platt).
:math:`E_q e^\ell = 1` is a check: ``normalisation`` far from 1 means that the ratio is wrong.

Errors are those of the means, with the ratio given; what the classifier has not learned is not in
them.  A training discriminator (of a GAN) must never be used here: it has seen the points.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.validation.classifier import Fold, dealt_folds, fitted, make_classifier
from physgen.validation.divergences import Estimate
from physgen.validation.points import as_points, check_same_space

__all__ = ["RatioDivergences", "log_ratios", "ratio_divergences"]

CALIBRATION = 4  # one part in so many of what a classifier may see calibrates it


class RatioDivergences(NamedTuple):
    """Divergences of samples (p) and reference (q) from a density ratio, in nats.

    Attributes
    ----------
    kl_samples_reference, kl_reference_samples : Estimate
        D(p||q) and D(q||p).
    js_bound : Estimate
        A lower bound of the Jensen-Shannon divergence, at most log 2 = 0.693.
    fidelity : Estimate
        Classical fidelity F_c, the Bhattacharyya coefficient.
    normalisation : Estimate
        E_q[p/q]; 1 if the ratio is right.
    """

    kl_samples_reference: Estimate
    kl_reference_samples: Estimate
    js_bound: Estimate
    fidelity: Estimate
    normalisation: Estimate


def ratio_divergences(
    x: Any,
    y: Any,
    *,
    classifier: Any = "best",
    n_folds: int = 5,
    block: int | tuple[int, int] = 1,
    rng: Stream | int,
) -> RatioDivergences:
    """Return divergences of samples x and reference y; parameters as for :func:`log_ratios`."""
    lengths = (block, block) if isinstance(block, int) else block
    at_x, at_y = log_ratios(x, y, classifier=classifier, n_folds=n_folds, block=block, rng=rng)

    def mean(of_x: np.ndarray | None, of_y: np.ndarray | None) -> Estimate:
        """Return the sum of the means over both samples."""
        given = [(v, length) for v, length in zip((of_x, of_y), lengths) if v is not None]
        parts = [_block_mean(v, length) for v, length in given]
        return Estimate(sum(p[0] for p in parts), float(np.hypot.reduce([p[1] for p in parts])))

    return RatioDivergences(
        kl_samples_reference=mean(at_x, None),
        kl_reference_samples=mean(None, -at_y),
        js_bound=mean(np.log(2) - np.logaddexp(0, -at_x) / 2, -np.logaddexp(0, at_y) / 2),
        fidelity=mean(np.exp(-at_x / 2) / 2, np.exp(at_y / 2) / 2),
        normalisation=mean(None, np.exp(at_y)),
    )


def log_ratios(
    x: Any,
    y: Any,
    *,
    classifier: Any = "best",
    n_folds: int = 5,
    block: int | tuple[int, int] = 1,
    rng: Stream | int,
) -> tuple[np.ndarray, np.ndarray]:
    """Return log p/q at the points of x ~ p and of y ~ q, each by a classifier that saw neither.

    Parameters
    ----------
    x, y : arrays (n, ...), (m, ...)
        Features or configurations.
    classifier : {"best", "gbt", "logistic", "mlp"} or estimator
        As for :func:`~physgen.validation.c2st`; "best" takes, fold by fold, logistic regression
        or boosted trees, whichever the calibration part prefers.
    n_folds : int
        At least 2.
    block : int or (int, int)
        Consecutive draws that stay in one fold; draws left over at the beginning are dropped.
    rng : Stream or int

    Returns
    -------
    tuple of ndarray
        float64, in the order of the points.

    Raises
    ------
    InputError
        If the samples have different shapes, are not finite, or there are too few folds.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    check_positive_int("n_folds", n_folds, 2)
    stream = as_stream(rng).child("density ratio")
    names = ["logistic", "gbt"] if isinstance(classifier, str) and classifier == "best" else None
    models = [make_classifier(each, stream) for each in (names or [classifier])]
    n = len(x)
    points = np.concatenate([x, y])
    labels = np.repeat([1, 0], [n, len(y)])
    found = np.full(len(points), np.nan)
    lengths = (block, block) if isinstance(block, int) else block
    blocks = min(len(side) // max(1, length) for side, length in zip((x, y), lengths))
    deals = max(min(CALIBRATION * n_folds, blocks // 2, min(n, len(y)) // 10), n_folds + 1)
    small = list(dealt_folds(n, len(y), deals, block, stream.child("folds"), even=False))
    for k in range(n_folds):
        scored = _joined(small[k::n_folds])
        rest = [part for i, part in enumerate(small) if i % n_folds != k]
        cut = max(1, len(rest) // CALIBRATION)
        turned = k * cut % len(rest)  # another part each time: errors of the slopes average
        rest = rest[turned:] + rest[:turned]
        calibrate_on, fit_on = _joined(rest[:cut]), _joined(rest[cut:])
        best = None
        for model in models:
            trained = fitted(model, points[fit_on], labels[fit_on])
            a, b, loss = _calibrated(_logit(trained, points[calibrate_on]), labels[calibrate_on])
            if best is None or loss < best[0]:
                best = loss, trained, a, b
        if best is not None:
            _, trained, a, b = best
            # Calibration includes the log ratio of the numbers of points that it has seen.
            prior = np.log(labels[calibrate_on].sum() / (labels[calibrate_on] == 0).sum())
            found[scored] = a * _logit(trained, points[scored]) + b - prior
    used = np.isfinite(found)
    return found[:n][used[:n]], found[n:][used[n:]]


def _joined(folds: list[Fold]) -> np.ndarray:
    return np.concatenate([fold.points for fold in folds])


def _logit(classifier: Any, x: np.ndarray) -> np.ndarray:
    if hasattr(classifier, "decision_function"):
        return np.asarray(classifier.decision_function(x), dtype=np.float64)
    p = np.asarray(classifier.predict_proba(x)[:, 1], dtype=np.float64)
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p / (1 - p))


def _calibrated(logit: np.ndarray, labels: np.ndarray) -> tuple[float, float, float]:
    """Return a and b of the best D = sigma(a l + b) on these labels, and its loss a point.

    Newton's method; a weak prior of variance 100 keeps separable labels finite.
    """
    scale = max(float(np.std(logit)), 1e-12)
    design = np.stack([logit / scale, np.ones_like(logit)], axis=1)
    w = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(design @ w, -500, 500)))
        slope = design.T @ (p - labels) + w / 100
        curvature = (design * (p * (1 - p))[:, None]).T @ design + np.eye(2) / 100
        step = np.linalg.solve(curvature, slope)
        w = w - step * min(1.0, 3.0 / max(float(np.abs(step).max()), 1e-300))
        if np.abs(step).max() < 1e-10:
            break
    t = design @ w
    loss = float(np.mean(np.logaddexp(0, np.where(labels == 1, -t, t))))
    return float(w[0]) / scale, float(w[1]), loss


def _block_mean(values: np.ndarray, length: int) -> tuple[float, float]:
    """Return the mean over a sample and its error, from blocks of draws."""
    blocks = values[len(values) % length :].reshape(-1, length)
    means = blocks.mean(axis=1)
    return float(values.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))
