"""Rows of `energy.py`: kappa and lambda of phi^4, learned from configurations in closed form."""

from __future__ import annotations

import functools
import math
import time
from typing import Any

import numpy as np
from harness import Figure, Row

from physgen.models import LocalActionEnergy
from physgen.samplers import Phi4Cluster, run, unpack_configurations
from physgen.targets import Phi4
from physgen.training import Relations, solve_score_matching

L, KAPPA, LAM = 16, 0.26, 0.022
TRUE = np.array([KAPPA, LAM])
HOPPING = Relations([[-2, 0], [0, -2], [0, 1]], [0, 1, 0])  # g of (kappa, lam)
DATA_SETS, CHAINS_EACH = 100, 20
LIMITS = {"pull": 3.0, "CPU s": 1.0}


@functools.cache
def configurations(n_chains: int, n_draws: int, seed: int) -> np.ndarray:
    """Return draws of the cluster algorithm, (n_chains, n_draws, L, L)."""
    target = Phi4.from_hopping(L, kappa=KAPPA, lam=LAM)
    draws = run(
        Phi4Cluster(), target, n_chains=n_chains, n_draws=n_draws, seed=seed,
        keep="configurations",
    )  # fmt: skip
    return unpack_configurations(draws).transpose("chain", "draw", ...).values


def fitted(x: np.ndarray, weight: str = "optimal") -> tuple[np.ndarray, ...]:
    """Return kappa and lam, their errors, and their bounds, each (2,)."""
    model = LocalActionEnergy((L, L))
    fit = solve_score_matching(model, x, relations=HOPPING, weight=weight)
    of = np.array([-0.5, 1.0])  # kappa = -nearest / 2, lam = phi4
    take = [0, 2]
    return fit.couplings[take] * of, fit.errors[take] / [2, 1], fit.bounds[take] / [2, 1]


def cramer_rao(x: np.ndarray) -> np.ndarray:
    """Return the bound of as many independent configurations, (2,)."""
    sums = LocalActionEnergy((L, L)).local.values(x.reshape(-1, L, L)) @ HOPPING.matrix
    return np.sqrt(np.diag(np.linalg.inv(len(sums) * np.cov(sums.T))))


def coupling_bound_ratio() -> Row:
    """The larger ratio of kappa and lam; infinite if a pull or the CPU time is over its limit.

    The bound counts correlated draws as what they are worth, as maximum likelihood would.
    """
    x = configurations(500, 20, seed=3)
    value, error, bound = fitted(x)  # imports what it needs
    seconds = []
    for _ in range(5):
        start = time.process_time()
        fitted(x)
        seconds.append(time.process_time() - start)
    pulls, cpu = (value - TRUE) / error, float(np.median(seconds))
    ratio, strict = error / bound, error / cramer_rao(x)
    ok = np.abs(pulls).max() <= LIMITS["pull"] and cpu <= LIMITS["CPU s"]
    detail: dict[str, Any] = {
        "kappa, lam": _listed(value, 6),
        "errors": _listed(error, 6),
        "pulls": _listed(pulls, 2),
        "kappa, lam over the bound": _listed(ratio, 2),
        "over the bound of 10,000 independent draws": _listed(strict, 2),
        "there maximum likelihood has": _listed(bound / cramer_rao(x), 2),
        "CPU s": round(cpu, 3),
    }
    _, plain, _ = fitted(x, "plain")
    detail["plain score matching"] = _listed(plain / bound, 2)
    return Row(float(ratio.max()) if ok else math.inf, "of the bound", detail=detail)


def coupling_coverage() -> Row:
    """Distance from 0.68 of the share of 68 % intervals that hold kappa, or lam."""
    x = configurations(DATA_SETS * CHAINS_EACH, 25, seed=5)
    sets = x.reshape(DATA_SETS, CHAINS_EACH, 25, L, L)
    pulls = np.array([(v - TRUE) / e for v, e, _ in map(fitted, sets)])
    shares = (np.abs(pulls) < 1).mean(axis=0)
    worst = float(shares[np.argmax(np.abs(shares - 0.68))])
    detail = {
        "coverage of kappa, lam": _listed(shares, 2),
        "variance of pulls": _listed((pulls**2).mean(axis=0), 2),
        "data sets": f"{DATA_SETS} of {CHAINS_EACH} chains x 25 draws",
    }
    return Row(abs(worst - 0.68), "from 0.68", detail=detail)


def _listed(values: np.ndarray, digits: int) -> str:
    return ", ".join(f"{v:.{digits}f}" for v in values)


FIGURES = [
    Figure(
        "coupling_bound_ratio",
        "kappa and lam of phi^4 16x16 from 10,000 configurations: error over Cramer-Rao, the "
        "larger one (pulls <= 3, closed form in <= 1 CPU s)",
        1.3,
        coupling_bound_ratio,
        slow=True,
        at_most=True,
    ),
    Figure(
        "coupling_coverage",
        "100 data sets: share of 68 % intervals that hold the true kappa and lam, 0.60 to 0.76: "
        "distance from 0.68",
        0.08,
        coupling_coverage,
        slow=True,
        at_most=True,
    ),
]
