r"""Nearest neighbours: quality and diversity as two numbers, and a check for memorised data.

With :math:`r_k` the distance of a point to its k-th neighbour in its own set,

.. math::
    \mathrm{precision} &= \frac1n \#\{x : |x - y| \le r_k(y)\ \text{for some reference } y\} \\
    \mathrm{recall} &= \frac1m \#\{y : |y - x| \le r_k(x)\ \text{for some sample } x\} \\
    \mathrm{coverage} &= \frac1m \#\{y : |y - x| \le r_k(y)\ \text{for some sample } x\} .

Precision asks whether samples look like the reference, recall and coverage whether all of the
reference is reached: a model that lost a mode keeps its precision.  Equal distributions do not
give 1 either; for equal numbers the coverage is :math:`1 - 2^{-k}` or so, so the values between
two halves of the reference are quoted beside.  Use a few features: in many dimensions spheres of
neighbours say little.

*Memorisation.*  A model that repeats its training set has perfect samples.  Distances from samples
to their nearest training configuration are compared with the same distances of held-out
configurations: the share of pairs in which the sample is the closer one is 1/2 if nothing was
memorised, and towards 1 if it was (a rank test, one-sided).

References
----------
Kynkäänniemi et al., NeurIPS 2019 (precision, recall); Naeem et al., ICML 2020 (coverage); Meehan,
Chaudhuri, Dasgupta, AISTATS 2020 (copies).
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.validation.points import as_points, check_same_space

__all__ = ["Coverage", "Memorisation", "memorisation", "precision_recall"]

BLOCK = 1000  # rows of the distance matrix in memory at a time


class Coverage(NamedTuple):
    """Precision, recall and coverage, each with the value of two halves of the reference."""

    precision: float
    recall: float
    coverage: float
    null_precision: float
    null_recall: float
    null_coverage: float


class Memorisation(NamedTuple):
    """Whether samples lie closer to the training set than they should.

    Attributes
    ----------
    closer : float
        Share of pairs (sample, held-out) in which the sample is closer to the training set; 1/2
        if nothing was memorised.
    p_value : float
        One-sided, of `closer` or more by chance.
    copies : float
        Share of samples that are training configurations, number for number.
    distance, held_out_distance : float
        Median distances to the nearest training configuration.
    """

    closer: float
    p_value: float
    copies: float
    distance: float
    held_out_distance: float


def precision_recall(x: Any, reference: Any, *, k: int = 5, rng: Stream | int) -> Coverage:
    """Return precision, recall and coverage of samples x in a reference.

    Parameters
    ----------
    x, reference : arrays (n, ...), (m, ...)
        More than 4 k points each, in units in which all components matter alike.
    k : int
        Neighbours.
    rng : Stream or int
        Of the halves.

    Raises
    ------
    InputError
        If `k` is not positive, or the samples have different shapes.
    """
    check_positive_int("k", k)
    x, y = check_same_space(
        as_points("samples", x, 4 * k + 1), as_points("reference", reference, 4 * k + 1)
    )
    order = as_stream(rng).child("halves").numpy().permutation(len(y))
    half = len(y) // 2
    return Coverage(*_measures(x, y, k), *_measures(y[order[:half]], y[order[half:]], k))


def memorisation(samples: Any, training: Any, held_out: Any) -> Memorisation:
    """Compare distances to the training set: of samples, and of configurations it never held.

    Parameters
    ----------
    samples, training, held_out : arrays (n, ...), (t, ...), (h, ...)
        Independent draws: thin chains first.  The training and the held-out set must be draws of
        the same distribution, without common configurations.

    Raises
    ------
    InputError
        If shapes differ, a set has fewer than 10 points, or the held-out set has copies of the
        training set.
    """
    names = ("samples", "training", "held_out")
    x, t, h = (as_points(name, a, 10) for name, a in zip(names, (samples, training, held_out)))
    x, t = check_same_space(x, t)
    h, t = check_same_space(h, t)
    of_samples, of_held = _nearest(x, t), _nearest(h, t)
    if (of_held == 0).mean() > max(0.01, (of_samples == 0).mean()):
        raise InputError(
            "held_out must hold configurations that training does not, got "
            f"{(of_held == 0).mean():.0%} copies; split the data before the fit"
        )
    from scipy.stats import mannwhitneyu

    ranked = mannwhitneyu(of_held, of_samples, alternative="greater")
    return Memorisation(
        float(ranked.statistic) / (len(x) * len(h)),
        float(ranked.pvalue),
        float((of_samples == 0).mean()),
        math.sqrt(float(np.median(of_samples))),
        math.sqrt(float(np.median(of_held))),
    )


def _measures(x: np.ndarray, y: np.ndarray, k: int) -> tuple[float, float, float]:
    radius_x, radius_y = _kth(x, k), _kth(y, k)
    in_y = np.zeros(len(x), bool)
    in_x, reached = np.zeros(len(y), bool), np.zeros(len(y), bool)
    for i in range(0, len(x), BLOCK):
        rows = slice(i, i + BLOCK)
        squares = _squares(x[rows], y)
        near = squares <= radius_y
        in_y[rows] = near.any(axis=1)
        reached |= near.any(axis=0)
        in_x |= (squares <= radius_x[rows, None]).any(axis=0)
    return float(in_y.mean()), float(in_x.mean()), float(reached.mean())


def _kth(x: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each point to its k-th other point."""
    found = np.empty(len(x))
    for i in range(0, len(x), BLOCK):
        squares = _squares(x[i : i + BLOCK], x)
        squares[np.arange(len(squares)), i + np.arange(len(squares))] = -1  # itself comes first
        found[i : i + BLOCK] = np.partition(squares, k, axis=1)[:, k]
    return found


def _nearest(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared distance of each point of x to the nearest of y; 0 for copies alone."""
    found = np.empty(len(x))
    for i in range(0, len(x), BLOCK):
        rows = x[i : i + BLOCK]
        closest = y[np.argmin(_squares(rows, y), axis=1)]
        found[i : i + BLOCK] = ((rows - closest).astype(np.float64) ** 2).sum(axis=1)
    return found


def _squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float64), y.astype(np.float64)
    centre = y.mean(axis=0)
    x, y = x - centre, y - centre
    return np.maximum((x**2).sum(axis=1)[:, None] + (y**2).sum(axis=1) - 2 * x @ y.T, 0)
