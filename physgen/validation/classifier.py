r"""Two samples told apart by a classifier: the accuracy on points that it has not seen.

With as many points of each sample, chance is right half of the time, and no classifier of equal
distributions is better,

.. math:: a = \frac1N \sum_i \mathbb 1[\hat c(x_i) = c_i] , \qquad
          a = \tfrac12 \pm \frac{1}{2\sqrt N} \quad (p = q) , \qquad
          a \le \tfrac12 (1 + \mathrm{TV}(p, q)) .

*Folds in a row.*  Cross-validation trains every fold on points that other folds are scored by, so
its folds are not independent: at p = q its accuracy scatters 1.4 times as much as
:math:`1 / (2 \sqrt N)` (measured: logistic regression, 5 folds), and 4 % of null tests are below a
p-value of 1 %.  Here fold k is scored by a classifier that has seen folds 1..k-1 only.  The scores
are then a martingale whose variance is the binomial one, whatever the classifier, and the p-value
is right.  The first fold is only learned from.

*Correlated draws.*  Whole blocks (chains, or at least 2 tau_int draws) are kept in one fold, and
the error comes from the spread of blocks; it is the binomial error for single points.

*Scales* are fitted on the folds that the classifier learns from, never on the scored one.

A classifier sees only what it can learn from n points: on a few features that know the physics
boosted trees find what a network on raw configurations misses.

References
----------
Lopez-Paz and Oquab, "Revisiting classifier two-sample tests", ICLR 2017.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.validation.points import as_points, check_same_space

__all__ = ["C2ST", "c2st", "dealt_folds", "fitted", "make_classifier"]

CLASSIFIERS = ("gbt", "logistic", "mlp")
LEAST_PER_FOLD = 10  # points of each sample


class C2ST(NamedTuple):
    """The result of a classifier two-sample test.

    Attributes
    ----------
    accuracy, error : float
        On points that the classifier had not seen, with one standard error at p = q.
    p_value : float
        One-sided: the probability of this accuracy or a higher one at p = q.
    fold_scatter : float
        Standard deviation of the accuracy from fold to fold.
    n : int
        Points that were scored, of both samples.
    """

    accuracy: float
    error: float
    p_value: float
    fold_scatter: float
    n: int


def c2st(
    x: Any,
    y: Any,
    *,
    classifier: Any = "gbt",
    n_folds: int = 5,
    block: int | tuple[int, int] = 1,
    rng: Stream | int,
) -> C2ST:
    """Test x and y for one distribution by a classifier.

    Parameters
    ----------
    x, y : arrays (n, ...), (m, ...)
        Features or configurations.  Of the larger set, as many points as the other has are used.
    classifier : {"gbt", "logistic", "mlp"} or estimator
        Gradient-boosted trees, logistic regression, or a network with one hidden layer of 32
        units, each behind a scaler; or any classifier of scikit-learn, which is cloned.
    n_folds : int
        Folds, at least 2; the first is only learned from.
    block : int or (int, int)
        Consecutive draws that stay in one fold, of x and of y.
    rng : Stream or int

    Raises
    ------
    InputError
        If a set has fewer than 10 points or 2 blocks a fold.
    """
    x, y = check_same_space(as_points("samples", x, 2), as_points("reference", y, 2))
    check_positive_int("n_folds", n_folds, 2)
    stream = as_stream(rng).child("c2st")
    model = make_classifier(classifier, stream)
    folds = list(dealt_folds(len(x), len(y), n_folds, block, stream.child("folds"), even=True))
    points = np.concatenate([x, y])
    labels = np.repeat([1, 0], [len(x), len(y)])
    scores, block_sums, seen = [], [], folds[0].points
    for fold in folds[1:]:
        trained = fitted(model, points[seen], labels[seen])
        right = trained.predict(points[fold.points]) == labels[fold.points]
        scores.append(right)
        block_sums.append(np.bincount(fold.blocks, weights=right - 0.5))
        seen = np.concatenate([seen, fold.points])
    every = np.concatenate(scores)
    n, sums = len(every), np.concatenate(block_sums)
    error = math.sqrt(float(sums @ sums)) / n
    excess = float(every.mean()) - 0.5
    scatter = (
        float(np.std([score.mean() for score in scores], ddof=1)) if n_folds > 2 else math.nan
    )
    # Half a count: the normal tail of a number of successes.
    z = (excess - 0.5 / n) / error
    return C2ST(0.5 + excess, error, math.erfc(z / math.sqrt(2)) / 2, scatter, n)


class Fold(NamedTuple):
    """Positions among the pooled points, and the block of each, numbered from 0."""

    points: np.ndarray
    blocks: np.ndarray


def dealt_folds(
    n: int,
    m: int,
    n_folds: int,
    block: int | tuple[int, int],
    rng: Stream,
    *,
    even: bool,
) -> Iterator[Fold]:
    """Yield folds of n + m pooled points, whose blocks are dealt out at random.

    Parameters
    ----------
    n, m : int
        Points of the two samples.
    n_folds : int
    block : int or (int, int)
        Consecutive draws that stay together; draws left over at the beginning are not used.
    rng : Stream
    even : bool
        As many points of both samples in every fold; the others are not used.
    """
    lengths = (block, block) if isinstance(block, int) else block
    sides = []
    for side, (size, length) in enumerate(zip((n, m), lengths)):
        length = min(check_positive_int("block", length), size)
        points = np.arange(size - size // length * length, size) + side * n
        order = rng.child(side).numpy().permutation(size // length)
        blocks = points.reshape(-1, length)[order]
        if len(blocks) < 2 * n_folds or blocks.size < LEAST_PER_FOLD * n_folds:
            name = ("samples", "reference")[side]
            raise InputError(
                f"{name} must have at least {2 * n_folds} independent blocks of draws and "
                f"{LEAST_PER_FOLD * n_folds} points for {n_folds} folds, got {len(blocks)} blocks "
                f"of {length}; draw more, or use fewer folds"
            )
        sides.append([blocks[k::n_folds] for k in range(n_folds)])
    for first, second in zip(*sides):
        parts = [first, second]
        if even:
            least = min(first.size, second.size)
            parts = [part.ravel()[:least] for part in parts]
        numbers = [np.arange(part.size) // length for part, length in zip(parts, lengths)]
        numbers[1] = numbers[1] + numbers[0][-1] + 1
        yield Fold(np.concatenate([part.ravel() for part in parts]), np.concatenate(numbers))


def make_classifier(classifier: Any, rng: Stream) -> Any:
    """Return a classifier that has learned nothing, with its scaler; see :func:`c2st`."""
    from sklearn.base import clone
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not isinstance(classifier, str):
        if not (hasattr(classifier, "fit") and hasattr(classifier, "predict")):
            raise InputError(
                f"classifier must be one of {', '.join(CLASSIFIERS)}, or an estimator with fit "
                f"and predict, got {classifier!r}"
            )
        return clone(classifier)
    check_choice("classifier", classifier, CLASSIFIERS)
    seed = int(rng.child("classifier").philox_key()[0] % 2**31)
    if classifier == "gbt":
        from sklearn.ensemble import HistGradientBoostingClassifier

        # Small trees: what tells two almost equal samples apart is smooth, and n is small.
        settings: dict[str, Any] = {"max_leaf_nodes": 4, "early_stopping": False}
        model = HistGradientBoostingClassifier(
            max_iter=80, learning_rate=0.05, random_state=seed, **settings
        )
    elif classifier == "logistic":
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=200)
    else:
        from sklearn.neural_network import MLPClassifier

        model = MLPClassifier((32,), max_iter=100, early_stopping=True, random_state=seed)
    return make_pipeline(StandardScaler(), model)


def fitted(classifier: Any, x: np.ndarray, labels: np.ndarray) -> Any:
    """Return a copy of the classifier that has learned from x."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning

    copy: Any = clone(classifier)
    with warnings.catch_warnings():
        # A classifier that stopped early is a weaker one: its held-out score says how weak.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return copy.fit(x, labels)
