r"""The maximum-likelihood state of a product POVM.

.. math:: \ell(\rho) = \sum_j f_j \log p_j, \quad p_j = \mathrm{Tr} \Big[ \rho \bigotimes_i
          M_{a_{ji}} \Big], \qquad R(\rho) = \nabla \ell = \sum_j \frac{f_j}{p_j}
          \bigotimes_i M_{a_{ji}}

is concave, with its maximum where :math:`R \rho = \rho` and :math:`R \le 1`.  Since
:math:`\mathrm{Tr} R \rho = 1`, every state is within

.. math:: \ell_\mathrm{max} - \ell(\rho) \le \lambda_\mathrm{max}(R) - 1

of the maximum (nats a shot).  This certificate is the stopping criterion.  The ascent is the
accelerated projected gradient of [1]_: a step along R from an extrapolated matrix, projection on
the nearest state, and a restart of the momentum if it points downhill.

If settings were chosen, the likelihood is conditional on the settings.  It differs from the above
by a constant, because the probability of a setting is the same in every state.  The counts then
enter unchanged, :math:`f_j = n_j / n`, whatever the share of each setting.

References
----------
.. [1] Shang, Zhang and Ng, "Superfast maximum-likelihood reconstruction for quantum tomography",
       Phys. Rev. A 95, 062336 (2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.linalg import eigh

from physgen.core.checks import check_positive, check_positive_int
from physgen.quantum.data import MeasurementData
from physgen.quantum.tomography.frequencies import Counts, count
from physgen.quantum.tomography.pauli_basis import from_pauli, to_pauli
from physgen.quantum.tomography.projection import nearest_state
from physgen.quantum.tomography.reconstruction import Reconstruction
from physgen.quantum.tomography.strings import StringSums

__all__ = ["Ascent", "ascend", "maximum_likelihood"]

_CHECK_EVERY = 10  # iterations between evaluations of the certificate; each costs half of one
_GROWTH = 1.3  # growth of the step after each success: it follows the curvature both ways
_KEEP = 0.05  # share of its probability that a seen string must keep in an extrapolation
_LEAST_SHARE = 1e-3
_ROUNDING = 1e-14  # rounding of the log-likelihood: a smaller rise is noise


def maximum_likelihood(
    data: MeasurementData | Counts, *, tolerance: float = 0.1, max_iterations: int = 5000
) -> Reconstruction:
    """Return the state that makes the shots most likely.

    Parameters
    ----------
    data : MeasurementData or Counts
        In an informationally complete POVM; if settings were chosen, all must be present.
    tolerance : float
        Certified bound on the distance to the maximum of the log-likelihood of all shots, in
        nats.  A parameter one standard error from its best value costs 0.5.
    max_iterations : int
        After which it stops, with a warning, >= 1.

    Returns
    -------
    Reconstruction
        ``details``: ``log_likelihood`` (nats a shot), ``gap`` = lambda_max(R) - 1, ``converged``
        (0 or 1: whether n gap <= tolerance) and ``iterations``.

    Raises
    ------
    InputError
        If the tolerance or the number of iterations is not positive.
    """
    check_positive("tolerance", tolerance)
    check_positive_int("max_iterations", max_iterations)
    counts = count(data)
    seen = counts.counts > 0  # other strings may become impossible
    sums = StringSums(counts.strings[seen], counts.povm.pauli_coefficients)
    found = ascend(counts.counts[seen], sums, tolerance / counts.n, max_iterations)
    details = {
        "log_likelihood": found.log_likelihood,
        "gap": found.gap,
        "converged": int(found.gap * counts.n <= tolerance),
        "iterations": found.iterations,
    }
    return Reconstruction(found.rho, "maximum likelihood", counts.n, counts.povm.name, details)


class Ascent(NamedTuple):
    """Result of an ascent: the state, log-likelihood and gap in nats a shot, iterations."""

    rho: np.ndarray
    log_likelihood: float
    gap: float
    iterations: int


def ascend(
    counts: np.ndarray,
    sums: StringSums,
    gap: float,
    max_iterations: int,
    start: np.ndarray | None = None,
) -> Ascent:
    """Climb until lambda_max(R) - 1 <= gap.

    Parameters
    ----------
    counts : ndarray, shape (m,)
        Shots of each string; any scale.
    sums : StringSums
        With the Pauli coefficients of the POVM elements as factors.
    gap : float
    max_iterations : int
    start : ndarray, shape (d, d), optional
        A state in which every seen string is possible; by default the mixed state.
    """
    L, f = sums.L, counts / counts.sum()
    d = 2**L
    rho = np.eye(d) / d if start is None else start
    r = to_pauli(rho)
    at = _Point(r, sums.strings(r), f)
    ahead, momentum, step = at, 1.0, 1.0 / d
    missing, iteration = np.inf, 0
    while iteration < max_iterations and missing > gap:
        iteration += 1
        gradient = d * sums.pauli(f / ahead.p)  # Tr(R P)
        new, step = _climb(ahead, gradient, step, sums, f)
        if new.log_likelihood < at.log_likelihood and ahead is not at:
            ahead, momentum = at, 1.0  # the momentum has overshot the maximum
            continue
        uphill = (new.r - ahead.r) @ (new.r - at.r) >= 0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2 if uphill else 1.0
        ahead = _ahead(at, new, (momentum - 1) / following if uphill else 0.0, f)
        at, momentum, step = new, following, _GROWTH * step
        if iteration % _CHECK_EVERY == 0:
            missing = _gap(at, sums, f)
    if iteration % _CHECK_EVERY:
        missing = _gap(at, sums, f)
    return Ascent(from_pauli(at.r), at.log_likelihood, missing, iteration)


class _Point:
    """A matrix: its Pauli expectation values, string probabilities and log-likelihood."""

    def __init__(self, r: np.ndarray, p: np.ndarray, f: np.ndarray) -> None:
        self.r, self.p = r, p
        self.log_likelihood = float(f @ np.log(p)) if p.min() > 0 else -np.inf


def _climb(
    ahead: _Point, gradient: np.ndarray, step: float, sums: StringSums, f: np.ndarray
) -> tuple[_Point, float]:
    """Return the state one step up, and the step, halved until the quadratic model bounds l."""
    d = 2**sums.L
    while True:
        r = to_pauli(nearest_state(from_pauli(ahead.r + step * gradient)))
        new = _Point(r, sums.strings(r), f)
        move = r - ahead.r
        promised = (gradient @ move - move @ move / (2 * step)) / d
        allowed = _ROUNDING * abs(ahead.log_likelihood)
        if new.log_likelihood >= ahead.log_likelihood + promised - allowed:
            return new, step
        step /= 2


def _ahead(at: _Point, new: _Point, share: float, f: np.ndarray) -> _Point:
    """Return new + share (new - at), less far where a string would become nearly impossible."""
    while share > _LEAST_SHARE:
        p = new.p + share * (new.p - at.p)
        if np.all(p > _KEEP * new.p):
            return _Point(new.r + share * (new.r - at.r), p, f)
        share /= 2
    return new


def _gap(at: _Point, sums: StringSums, f: np.ndarray) -> float:
    """Return lambda_max(R) - 1."""
    d = 2**sums.L
    R = from_pauli(d * sums.pauli(f / at.p))
    return float(eigh(R, eigvals_only=True, subset_by_index=[d - 1, d - 1])[0] - 1)
