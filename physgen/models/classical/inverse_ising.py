r"""The inverse Ising problem: couplings of all pairs from means and pair correlations.

The law of largest entropy with the means and pair correlations of the data is

.. math:: p(s) \propto \exp\Big(\sum_{i<j} J_{ij} s_i s_j + \sum_i h_i s_i\Big) .

==================  ==========================================================================
exact               Newton steps of the likelihood with sums over all 2^n states, n <= 12
pseudo-likelihood   :math:`\sum_i \log p(s_i | \text{others})`, a logistic regression a site
                    (Besag 1975), whose two values of a coupling are averaged; consistent
mean-field          :math:`J_{ij} = -(C^{-1})_{ij}`, :math:`h_i = \operatorname{artanh} m_i -
                    \sum_j J_{ij} m_j`, for weak couplings (Kappen and Rodriguez 1998)
tap                 the next order, :math:`(C^{-1})_{ij} = -J_{ij} - 2 J_{ij}^2 m_i m_j`
==================  ==========================================================================

with the connected correlations C (Nguyen, Zecchina and Berg, Adv. Phys. 66, 197 (2017)).  Larger
systems learn the likelihood by chains: family "boltzmann-machine".
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.models.energy.boltzmann import BoltzmannMachine
from physgen.targets.configurations import Configurations

__all__ = ["METHODS", "inverse_ising"]

METHODS = ("exact", "pseudo-likelihood", "mean-field", "tap")
_MAX_EXACT = 12  # sites: 4,096 states and 78 parameters
_STEPS = 200
_CLOSE = 1e-10  # slope of a log likelihood a configuration
_LARGEST = 20.0  # of a coupling: e^-40 of a spin is never seen
_FLAT = 1e-8  # eigenvalue of the curvature, over the largest, where the optimum is at infinity


def inverse_ising(data: Any, method: str = "pseudo-likelihood", *, even: bool = False) -> Any:
    """Return the Boltzmann machine with the couplings that data of spins have.

    Parameters
    ----------
    data : Configurations or array (n, *event_shape)
        Spins -1 and +1.
    method : {"exact", "pseudo-likelihood", "mean-field", "tap"}
    even : bool
        No fields: s and -s count alike.

    Returns
    -------
    BoltzmannMachine
        An energy: chains run on it, and ``log_z_exact()`` makes it a density (``Normalised``).

    Raises
    ------
    InputError
        If the data are no spins, do not determine the couplings (a spin that never turned, two
        that are always equal), or are too many for sums over all states.
    """
    check_choice("method", method, METHODS)
    x = data.flat if isinstance(data, Configurations) else to_numpy(data)
    if x.ndim < 2 or len(x) < 2 or not np.isin(x, (-1, 1)).all():
        raise InputError(
            f"data must hold spins -1 and +1, shape (n, ...), got {x.dtype} {x.shape}; outcomes "
            "0 and 1 are spins 1 - 2 x"
        )
    model = BoltzmannMachine(x.shape[1:], even=even)
    s = x.reshape(len(x), -1).astype(np.float64)
    if even:
        s = np.concatenate([s, -s])
    mean, C = s.mean(0), np.cov(s.T, bias=True)
    if (stuck := np.flatnonzero(np.abs(mean) == 1)).size:
        raise InputError(
            f"a coupling needs spins that turn, got spin {stuck[0]} always the same; leave it "
            "out, or give more configurations"
        )
    eigenvalues = np.linalg.eigvalsh(C)
    if not eigenvalues[0] > 1e-12 * eigenvalues[-1]:
        raise InputError(
            "couplings need correlations of full rank, got spins that determine each other; give "
            "more configurations, or leave one of them out"
        )
    solve = {"exact": _exact, "pseudo-likelihood": _pseudo}.get(method)
    J, h = solve(s, even) if solve else _expanded(mean, C, method)
    first, second = np.triu_indices(len(J), 1)
    if not (np.isfinite(J).all() and np.abs(J).max() < _LARGEST):
        raise InputError(
            f"couplings must be finite, got {np.abs(J).max():.3g}: some pattern of spins was "
            "never seen; give more configurations"
        )
    with torch.no_grad():
        model.pairs.copy_(torch.from_numpy(J[first, second]))
        if not even:
            model.h.copy_(torch.from_numpy(h))
    return model


def _expanded(m: np.ndarray, C: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray]:
    """Return J and h of mean field, or of TAP."""
    inverse = np.linalg.inv(C)
    J = -inverse
    if method == "tap":
        mm = np.outer(m, m)
        root = 1 - 8 * mm * inverse
        off = ~np.eye(len(m), dtype=bool)
        if (root[off] < 0).any():
            raise InputError(
                "the equation of TAP has no real solution for these correlations; take "
                "'pseudo-likelihood'"
            )
        # The root that is -inverse for small m, without a division by m m.
        J = -2 * inverse / (1 + np.sqrt(np.maximum(root, 0)))
    np.fill_diagonal(J, 0)
    h = np.arctanh(m) - J @ m
    if method == "tap":
        h = h + m * (J**2 @ (1 - m**2))
    return J, h


def _newton(features: np.ndarray, target: np.ndarray, moments: Any) -> np.ndarray:
    """Return theta with moments(theta)[0] = target; moments give means and covariances."""
    theta = np.zeros(features.shape[-1])
    for _ in range(_STEPS):
        mean, covariance = moments(theta)
        slope = target - mean
        if np.abs(slope).max() < _CLOSE:
            stiff = np.linalg.eigvalsh(covariance)
            if stiff[0] < _FLAT * stiff[-1]:
                break
            return theta
        step = np.linalg.solve(covariance + 1e-14 * np.eye(len(theta)), slope)
        theta = theta + step / max(1.0, np.abs(step).max())  # far from the solution, one at most
        if np.abs(theta).max() > _LARGEST:
            break
    raise InputError(
        "the couplings have no finite optimum: some pattern of spins was never seen; give more "
        "configurations"
    )


def _exact(s: np.ndarray, even: bool) -> tuple[np.ndarray, np.ndarray]:
    n = s.shape[1]
    if n > _MAX_EXACT:
        raise InputError(
            f"'exact' sums over the states of at most {_MAX_EXACT} spins, got {n}; take "
            "'pseudo-likelihood', or train a 'boltzmann-machine'"
        )
    first, second = np.triu_indices(n, 1)

    def features(spins: np.ndarray) -> np.ndarray:
        pairs = spins[:, first] * spins[:, second]
        return pairs if even else np.concatenate([pairs, spins], axis=1)

    states = features(np.array(list(itertools.product((-1.0, 1.0), repeat=n))))

    def moments(theta: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        log_p = states @ theta
        p = np.exp(log_p - log_p.max())
        p /= p.sum()
        mean = p @ states
        return mean, (states * p[:, None]).T @ states - np.outer(mean, mean)

    theta = _newton(states, features(s).mean(0), moments)
    J = np.zeros((n, n))
    J[first, second] = theta[: len(first)]
    return J + J.T, np.zeros(n) if even else theta[len(first) :]


def _pseudo(s: np.ndarray, even: bool) -> tuple[np.ndarray, np.ndarray]:
    n = s.shape[1]
    J, h = np.zeros((n, n)), np.zeros(n)
    for i in range(n):
        others = np.delete(s, i, axis=1)
        seen = others if even else np.concatenate([others, np.ones((len(s), 1))], axis=1)

        def moments(theta: np.ndarray, seen: np.ndarray = seen) -> tuple[np.ndarray, np.ndarray]:
            up = np.tanh(seen @ theta)
            return seen.T @ up / len(s), (seen * (1 - up**2)[:, None]).T @ seen / len(s)

        theta = _newton(seen, seen.T @ s[:, i] / len(s), moments)
        J[i, np.arange(n) != i] = theta[: n - 1]
        h[i] = 0.0 if even else theta[-1]
    return 0.5 * (J + J.T), h
