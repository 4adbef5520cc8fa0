r"""What a generator may lose without any loss telling: a mode, its spread, or variety.

=================  =========================================================  ====================
name               what is compared with the data                             alarm
=================  =========================================================  ====================
a mode is missing  shares of m > 0 and of m < 0                               below 1/4 of theirs
too little spread  the variance of a site, and of m                           below 1/2
duplicates         median distance of a draw to the nearest other one         below 1/2
=================  =========================================================  ====================

Where the law is even the shares of the data are 1/2, whatever few chains have seen.  The alarms
are for losses of a large part: small biases are for tests of samples.
"""

from __future__ import annotations

import math

import numpy as np

from physgen.core.errors import InputError

__all__ = ["collapsed"]

MODE, SPREAD, NEAR = 0.25, 0.5, 0.5
NEIGHBOURS = 1000  # configurations among which the nearest is looked for
FEW = 100


def collapsed(draws: np.ndarray, data: np.ndarray, *, even: bool = False) -> list[str]:
    """Return what the draws have lost of the data, one line each; nothing if nothing is seen.

    Parameters
    ----------
    draws, data : array (n, *event_shape), (n', *event_shape)
        At least 100 draws.
    even : bool
        The law of the data is even.

    Raises
    ------
    InputError
        If the shapes differ, or there are too few draws.
    """
    y, x = (np.asarray(a, dtype=np.float64).reshape(len(a), -1) for a in (draws, data))
    if y.shape[1:] != x.shape[1:] or len(y) < FEW or len(x) < 2:
        raise InputError(
            f"draws must be at least {FEW} configurations like the data, got shapes "
            f"{np.shape(draws)} and {np.shape(data)}"
        )
    return [*_modes(y, x, even), *_spread(y, x, even), *_copies(y, x)]


def _modes(y: np.ndarray, x: np.ndarray, even: bool) -> list[str]:
    found = []
    for sign, word in ((1, ">"), (-1, "<")):
        share = 0.5 if even else float((sign * x.mean(1) > 0).mean())
        seen = float((sign * y.mean(1) > 0).mean())
        if share > 0.05 and seen < MODE * share:
            found.append(
                f"collapsed: a mode is missing, m {word} 0 in {seen:.2g} of the draws and in "
                f"{share:.2g} of the data; train longer, or take odd = true where the law is even"
            )
    return found


def _spread(y: np.ndarray, x: np.ndarray, even: bool) -> list[str]:
    def spreads(a: np.ndarray) -> dict[str, float]:
        m = a.mean(1)
        if even:
            return {"a site": float((a * a).mean()), "m": float((m * m).mean())}
        return {"a site": float(a.var(0).mean()), "m": float(m.var())}

    ours, theirs = spreads(y), spreads(x)
    return [
        f"collapsed: too little spread, the variance of {name} is {ours[name]:.3g} in the draws "
        f"and {value:.3g} in the data; train longer, or raise the weight of the moments"
        for name, value in theirs.items()
        if ours[name] < SPREAD * value
    ]


def _copies(y: np.ndarray, x: np.ndarray) -> list[str]:
    n = min(len(y), len(x), NEIGHBOURS)
    ours, theirs = (_nearest(_spaced(a, n)) for a in (y, x))
    if math.isfinite(theirs) and ours < NEAR * theirs:
        return [
            f"collapsed: duplicates, half of {n} draws have another one within {ours:.3g}, and "
            f"half of the data within {theirs:.3g}; train longer, or take more latent variables"
        ]
    return []


def _spaced(a: np.ndarray, n: int) -> np.ndarray:
    """Return n rows, evenly spaced: neighbours of a chain are alike."""
    return a[np.linspace(0, len(a) - 1, n).astype(np.int64)]


def _nearest(a: np.ndarray) -> float:
    """Return the median over rows of the distance to the nearest other row."""
    squares = (a * a).sum(1)
    distances = squares[:, None] + squares - 2 * a @ a.T
    np.fill_diagonal(distances, math.inf)
    return float(np.sqrt(np.median(distances.min(1).clip(0))))
