"""f_c by cluster chains: where the cumulant of a torus is universal, for ten pairs of lambda and L.

At each pair the bare mass is found at which U_L is the critical cumulant of the Ising class on a
square torus, by reweighting one run, and f = lambda / mu^2 follows from the tadpole equation.  Then

    f(lambda, L) = f_c + a lambda + b lambda log(lambda) + c (mu L)^(-11/4)

is fitted: the first corrections of the cutoff, and the analytic correction to U (1 / nu + 7 / 4).
The error has the scatter of four fits beside it: with lambda^2, and without one of three groups.
"""

import functools
import math

import numpy as np
from scipy.optimize import brentq, lsq_linear

from physgen import Phi4, Phi4Cluster, run
from physgen.exact.tadpole import renormalised_mass

BINDER = 0.6106901  # of the critical Ising class on a square torus: claim `constants`
# lambda, L, and m2 near the place, so that little is left to reweighting
POINTS = [(1.0, 16, -1.278)]
CHAINS, DRAWS = 64, 1800


def place(m, phi2, weight, L, width):
    """Return the shift of m2 at which U is BINDER, from sums over draws that `weight` selects."""

    def excess(shift):
        w = weight * np.exp(-shift / 2 * L**2 * (phi2 - phi2.mean()))
        return 1 - (w * m**4).sum() * w.sum() / (3 * (w * m**2).sum() ** 2) - BINDER

    return brentq(excess, -width, width, xtol=1e-12)


def coupling(lam, L, m2, seed, draws=DRAWS):
    """Return f, its error by the jackknife over chains, and mu."""
    chains = run(
        Phi4Cluster(), Phi4.from_quarter(L=L, m2=m2, lam=lam), n_chains=CHAINS, n_draws=draws,
        thin=2, warmup=300, seed=seed,
    )  # fmt: skip
    m, phi2 = chains["magnetization"].values, chains["phi2"].values
    width = 5 / (L**2 * phi2.std())
    ones = np.ones_like(m)
    at = place(m, phi2, ones, L, width)
    shifts = []
    for k in range(CHAINS):
        left = ones.copy()
        left[k] = 0
        shifts.append(place(m, phi2, left, L, width))
    error = math.sqrt((CHAINS - 1) / CHAINS * np.sum((shifts - np.mean(shifts)) ** 2))
    mu2 = renormalised_mass(m2 + at, lam)
    slope = (lam / renormalised_mass(m2 + at + error, lam) - lam / mu2) / error
    return lam / mu2, abs(slope) * error, math.sqrt(mu2), at, 1 / (L**2 * phi2.std())
