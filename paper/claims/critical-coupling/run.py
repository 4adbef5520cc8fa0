"""f_c by cluster chains: where the cumulant of a torus is universal, at ten pairs of lambda and L.

At each pair the bare mass is found at which U_L is the critical cumulant of the Ising class on a
square torus, by reweighting one run, and f = lambda / mu^2 follows from the tadpole equation.
Then, by weighted least squares (the ten numbers are independent),

    f(lambda, L) = f_c + a lambda + b lambda log(lambda) + c (mu L)^(-11/4) ,

the first corrections of the cutoff, and the analytic correction to U (1 / nu + 7 / 4).  The error
is that of the fit and, beside it, the largest change of f_c in three other fits: with lambda^2,
with (mu L)^(-4), and without lambda = 1.
"""

import functools
import math

import numpy as np
from scipy.optimize import brentq

from physgen import Phi4, Phi4Cluster, run
from physgen.exact.tadpole import renormalised_mass

BINDER = 0.6106901  # of the critical Ising class on a square torus: claim `constants`
# lambda, L, and m2 near the place, so that little is left to reweighting
POINTS = (
    (1.0, 16, -1.2990), (1.0, 32, -1.2768), (0.5, 24, -0.7312), (0.5, 48, -0.7235),
    (0.25, 32, -0.4099), (0.25, 64, -0.40545), (0.125, 48, -0.22569), (0.125, 64, -0.22511),
    (0.0625, 64, -0.12405), (0.0625, 96, -0.12289),
)  # fmt: skip
CHAINS, DRAWS = 64, 1800


def place(m, phi2, weight, sites, width):
    """Return the shift of m2 at which U of the draws that `weight` selects is BINDER."""

    def excess(shift):
        w = weight * np.exp(-shift / 2 * sites * (phi2 - phi2.mean()))
        return 1 - (w * m**4).sum() * w.sum() / (3 * (w * m**2).sum() ** 2) - BINDER

    return brentq(excess, -width, width, xtol=1e-12)


@functools.cache
def points():
    """Return lambda, f, its error by the jackknife over chains, and mu L, an array each."""
    found = []
    for seed, (lam, L, m2) in enumerate(POINTS, 1):
        chains = run(
            Phi4Cluster(), Phi4.from_quarter(L=L, m2=m2, lam=lam), n_chains=CHAINS,
            n_draws=DRAWS, thin=2, warmup=300, seed=seed,
        )  # fmt: skip
        m, phi2 = chains["magnetization"].values, chains["phi2"].values
        width = 5 / (L**2 * phi2.std())  # of the reweighting, in widths of S
        at = place(m, phi2, np.ones_like(m), L**2, width)
        without = [np.arange(CHAINS)[:, None] != k for k in range(CHAINS)]
        shifts = np.array([place(m, phi2, w * np.ones_like(m), L**2, width) for w in without])
        error = math.sqrt((CHAINS - 1) * shifts.var())
        f = [lam / renormalised_mass(m2 + x, lam) for x in (at, at + error, at - error)]
        found.append((lam, f[0], abs(f[1] - f[2]) / 2, L * math.sqrt(lam / f[0])))
    return [np.array(column) for column in zip(*found)]


def fitted(*more, largest=math.inf):
    """Return f_c, its error and chi^2 per degree of freedom of a fit, `more` terms included."""
    lam, f, error, size = points()
    terms = [np.ones_like(lam), lam, lam * np.log(lam), size ** (-11 / 4)]
    terms += [{"lambda^2": lam**2, "size^-4": size**-4.0}[name] for name in more]
    used = lam < largest
    A, b = (np.stack(terms, 1) / error[:, None])[used], (f / error)[used]
    covariance = np.linalg.inv(A.T @ A)
    best = covariance @ A.T @ b
    chi2 = float(((A @ best - b) ** 2).sum()) / (used.sum() - len(terms))
    return float(best[0]), math.sqrt(covariance[0, 0]), chi2


def rebuild(row):
    if row.quantity == "f":
        k = [(lam, L) for lam, L, _ in POINTS].index((row.parameters["lam"], row.parameters["L"]))
        _, f, error, _ = points()
        return float(f[k]), float(error[k])
    value, error, chi2 = fitted()
    if row.quantity == "chi_square_per_dof":
        return chi2, 0.0
    others = [fitted("lambda^2"), fitted("size^-4"), fitted(largest=0.9)]
    return value, math.hypot(error, max(abs(other - value) for other, *_ in others))
