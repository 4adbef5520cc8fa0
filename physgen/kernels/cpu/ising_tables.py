r"""Thresholds of the bit-sliced Ising kernels.

For every kind of site (degree d, reduced field H) and number n of neighbours up, local field
:math:`b = K(2n - d) + H`, the excitation probability

.. math:: P = \frac{1}{1 + e^{2|b|}} \;(\text{heat bath}), \qquad
          P = e^{-2|b|} \;(\text{Metropolis}) ;

at :math:`b = 0` Metropolis uses 1/2, or 1 if ties are accepted.  P is split into 8 bits and a
remainder (see :mod:`physgen.kernels.cpu.ising_logic` and
:mod:`physgen.kernels.cpu.ising_events`).

NumPy alone: a sampler is bound, and its settings are checked, before Numba is loaded.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

__all__ = [
    "BITS",
    "CHUNK",
    "HEAT_BATH",
    "METROPOLIS",
    "METROPOLIS_ACCEPT_TIES",
    "Tables",
    "excitation",
    "n_classes",
    "poisson_table",
    "tables",
]

HEAT_BATH, METROPOLIS, METROPOLIS_ACCEPT_TIES = 0, 1, 2
BITS = 8
CHUNK = 64  # sites
MAX_POINTS = 127  # lambda <= 2^-7: P(N > 127) < 1e-36
_ALL = np.uint64(2**64 - 1)


class Tables(NamedTuple):
    """Thresholds that the kernel compares with random bits.

    Attributes
    ----------
    masks : uint64 array (n_kinds, n_classes, 11)
        8 digits of t, lowest first, the complement, the favoured spin, a tie; all or no bits set.
    kept : uint64 array (n_kinds, n_classes)
        Share of the rare events kept by each class, in units of 2^-52.
    poisson : uint64 array (128,)
        Distribution of the number of rare events of 64 sites.
    """

    masks: np.ndarray
    kept: np.ndarray
    poisson: np.ndarray


def n_classes(z: int, symmetric: bool) -> int:
    """Return how many thresholds a site needs: without a field n and z - n share a threshold."""
    return (z + 1) // 2 if symmetric else z + 1


def excitation(b: np.ndarray, tie: np.ndarray, rule: int) -> tuple[np.ndarray, np.ndarray]:
    """Return P(e) and 1 - P(e), each without cancellation; `tie` marks b = 0."""
    weight = np.exp(-2 * np.abs(b))
    if rule == HEAT_BATH:
        return weight / (1 + weight), 1 / (1 + weight)
    at_tie = 1.0 if rule == METROPOLIS_ACCEPT_TIES else 0.5
    other = -np.expm1(-2 * np.abs(b))
    return np.where(tie, at_tie, weight), np.where(tie, 1 - at_tie, other)


def poisson_table(mean: float) -> np.ndarray:
    r"""Return :math:`2^{64} P(N \le n)` for n = 0, ..., 127 as uint64."""
    n = np.arange(1, MAX_POINTS + 1)
    logs = np.concatenate(([0.0], np.cumsum(np.log(mean / n)))) - mean if mean > 0 else None
    terms = np.exp(logs) if logs is not None else np.eye(1, MAX_POINTS + 1)[0]
    scaled = [min(int(c * 2.0**64), 2**64 - 1) for c in np.cumsum(terms)]
    return np.array(scaled, dtype=np.uint64)


def tables(
    degrees: np.ndarray, K: float, fields: np.ndarray, z: int, symmetric: bool, rule: int
) -> Tables:
    """Return the tables of all kinds of sites.

    Parameters
    ----------
    degrees, fields : array (n_kinds,)
        Number of neighbours and reduced field H of each kind.
    K : float
        Magnitude of the reduced coupling, >= 0.
    z : int
        Largest degree.
    symmetric : bool
        Whether every kind has degree z and no field, so that n and z - n share a class.
    rule : int
        `HEAT_BATH`, `METROPOLIS` or `METROPOLIS_ACCEPT_TIES`.
    """
    n = np.arange(n_classes(z, symmetric))
    d, H = np.asarray(degrees)[:, None], np.asarray(fields, dtype=float)[:, None]
    b = K * (2 * n - d) + H
    # A field below 1e-12 of the largest possible one is rounding noise.
    tie = np.abs(b) <= 1e-12 * (K * d + np.abs(H))
    p, other = excitation(b, tie, rule)
    complement = p > 0.5
    p = np.minimum(p, other)
    t = np.floor(p * 2**BITS).astype(np.int64)
    epsilon = (p - t / 2**BITS) / (1 - t / 2**BITS)
    mu = -np.log1p(-epsilon)
    rate = float(mu.max())
    digits = (t[..., None] >> np.arange(BITS)) & 1
    flags = np.stack([complement, (b > 0) & ~tie, tie & (rule != HEAT_BATH)], axis=-1)
    flags = np.concatenate([digits == 1, flags], axis=-1)
    share = mu / rate if rate > 0 else np.zeros_like(mu)
    return Tables(
        np.ascontiguousarray(np.where(flags, _ALL, np.uint64(0))),
        np.round(share * 2.0**52).astype(np.uint64),
        poisson_table(rate * CHUNK * 64),
    )
