"""Corrected observables of a score model beside Markov chains: their joint chi-square.

Both sides are functions of means, so both have covariances by the jackknife: over 256 groups of
draws, and over chains.  The chi-square of the differences of |m|, chi_abs, U_L and S/V has four
degrees of freedom and becomes a normal deviate z of the same two-sided p-value.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from physgen import Configurations, Phi4, Phi4Cluster, Stream, fit, importance, run
from physgen.lattice import Partition
from physgen.models import Composed, ConditionalScore, ScoreModel
from physgen.samplers import unpack_configurations
from physgen.samplers.weighing import Weighing
from physgen.targets import Given
from physgen.training import ConditionalDiffusion, DenoisingDiffusion

__all__ = ["NAMES", "accepted", "corrected", "joint", "quantities", "super_resolved"]

NAMES = ("|m|", "chi_abs", "U_L", "S/V")
GROUPS = 256
Numbers = tuple[np.ndarray, np.ndarray]  # values (4,), covariance (4, 4)


def quantities(ds: Any, n_sites: int, log_weight: Any = None) -> Numbers:
    """Return |m|, chi_abs, U_L, S/V and their covariance, of a series (chain, draw)."""
    m, S = (
        np.asarray(ds[k].transpose("chain", "draw").values) for k in ("magnetization", "action")
    )
    w = np.ones_like(m) if log_weight is None else np.exp(log_weight - np.max(log_weight))
    parts = [w * part for part in (np.ones_like(m), np.abs(m), m**2, m**4, S)]
    if log_weight is not None:  # draws are independent: any groups will do
        parts = [part.reshape(GROUPS, -1) for part in parts]
    sums = np.stack([part.sum(1) for part in parts], 1)  # (groups, 5)
    left = sums.sum(0) - sums  # without one group
    found = _functions(left, n_sites)
    spread = found - found.mean(0)
    covariance = (len(sums) - 1) / len(sums) * spread.T @ spread
    return _functions(sums.sum(0)[None], n_sites)[0], covariance


def _functions(sums: np.ndarray, n_sites: int) -> np.ndarray:
    one, a, m2, m4, S = (sums / sums[:, :1]).T
    del one
    return np.stack([a, n_sites * (m2 - a**2), 1 - m4 / (3 * m2**2), S / n_sites], 1)


def joint(ours: Numbers, theirs: Numbers) -> float:
    """Return the normal deviate of the chi-square of all differences."""
    d, covariance = ours[0] - theirs[0], ours[1] + theirs[1]
    chi2 = float(d @ np.linalg.solve(covariance, d))
    return float(stats.norm.isf(0.5 * stats.chi2.sf(chi2, len(d))))


def corrected(
    target: Phi4, budget: str, n: int, seed: int, chains: Mapping[str, int]
) -> tuple[float, float, dict[str, str]]:
    """Return the normal deviate, the largest error over its bound, and the details.

    Parameters
    ----------
    target : Phi4
    budget : str
        Of the fit.
    n : int
        Draws, a multiple of 256.
    seed : int
    chains : mapping
        n_chains and n_draws of the Markov chains that are compared with.

    Returns
    -------
    deviate : float
    excess : float
        The largest error in units of its bound: 1 % of the value, or 0.01 of a U_L near 0.
    detail : dict
    """
    start = time.process_time()
    x, held_out = _configurations(target, 512, 20, 31), _configurations(target, 128, 16, 32)
    model = ScoreModel.for_target(target, rng=seed, n_steps=4)
    fit(model, DenoisingDiffusion(target, x), rng=seed, budget=budget)
    trained = time.process_time()
    draws = importance(model, target, n, seed, samples=held_out, keep="draws")
    minutes = (trained - start) / 60, (time.process_time() - trained) / 60
    return _beside_chains(target, draws, chains, minutes)


def super_resolved(
    target: Phi4, budgets: tuple[str, str], n: int, seed: int, chains: Mapping[str, int]
) -> tuple[float, float, dict[str, str]]:
    """Return the same of fields from 2 x 2 blocks: a model of blocks, and one of the rest.

    The model of block fields knows their configurations alone, no action; weights are those of
    whole fields.
    """
    start = time.process_time()
    x, held_out = _configurations(target, 512, 20, 31), _configurations(target, 128, 16, 32)
    blocks = Partition.of_blocks(target.event_shape)
    v = Configurations(
        blocks.split(x)[0].reshape(-1, *blocks.known_shape),
        boundary="periodic",
        symmetries=("translations", "point_group", "z2"),
    )
    coarse = ScoreModel.for_target(v, rng=seed, n_steps=4)
    fit(coarse, DenoisingDiffusion(v), rng=seed, budget=budgets[0])
    fine = ConditionalScore.for_target(target, blocks, rng=seed)
    fit(fine, ConditionalDiffusion(target, x), rng=seed, budget=budgets[1])
    trained = time.process_time()
    draws = importance(Composed(coarse, fine), target, n, seed, samples=held_out, keep="draws")
    minutes = (trained - start) / 60, (time.process_time() - trained) / 60
    given = []
    for known in blocks.split(held_out[:: len(held_out) // 8])[0]:
        log_w = Weighing.of(fine.given(known), Given(target, blocks, known)).draw(
            512, Stream(seed)
        )
        given.append(accepted(log_w[1], seed))
    deviate, excess, detail = _beside_chains(target, draws, chains, minutes)
    whole = accepted(draws["log_weight"].values.ravel(), seed)
    detail["acceptance of whole fields"] = f"{whole:.3f}"
    detail["given the blocks of 8 configurations"] = f"{min(given):.3f} to {max(given):.3f}"
    return deviate, excess, detail


def accepted(log_w: np.ndarray, seed: int) -> float:
    """Return the rate at which independence Metropolis accepts draws in a row."""
    u, now, count = np.log(np.random.default_rng(seed).random(len(log_w))), log_w[0], 0
    for k in range(1, len(log_w)):
        if u[k] < log_w[k] - now:
            now, count = log_w[k], count + 1
    return count / (len(log_w) - 1)


def _beside_chains(
    target: Phi4, draws: Any, chains: Mapping[str, int], minutes: tuple[float, float]
) -> tuple[float, float, dict[str, str]]:
    """Return the deviate of weighed draws from fresh chains, their errors, and the details."""
    sites = math.prod(target.event_shape)
    reference = run(Phi4Cluster(), target, thin=10, seed=33, quiet=True, **chains)
    ours = quantities(draws, sites, draws["log_weight"].transpose("chain", "draw").values)
    raw = quantities(draws, sites, np.zeros(draws["log_weight"].shape))
    theirs = quantities(reference, sites)
    errors = np.sqrt(np.diag(ours[1]))
    near_zero = 0.01 * (np.abs(ours[0][2]) < 0.2) * (np.array(NAMES) == "U_L")
    excess = float(np.max(errors / np.maximum(0.01 * np.abs(ours[0]), near_zero)))
    deviate = joint(ours, theirs)
    detail = {
        "deviate": f"{deviate:.2f}",
        "of draws that are not weighed": f"{joint(raw, theirs):.1f}",
        "largest error over its bound": f"{excess:.2f}",
    }
    for k, name in enumerate(NAMES):
        detail[name] = f"{_printed(ours, k)}, chains {_printed(theirs, k)}, raw {_printed(raw, k)}"
    detail |= {
        "ESS both ways": f"{float(draws.ess_reverse):.3f}, {float(draws.ess_forward):.3f}",
        "log Z": f"{float(draws.log_z):.4f}({float(draws.log_z_error):.4f})",
        "draws": f"{draws['log_weight'].size:,}",
        "CPU min": f"{minutes[0]:.1f} chains and fit, {minutes[1]:.1f} draws",
    }
    return deviate, excess, detail


def _configurations(target: Phi4, n_chains: int, n_draws: int, seed: int) -> np.ndarray:
    how = {"n_chains": n_chains, "n_draws": n_draws, "thin": 10, "seed": seed, "quiet": True}
    ds = run(Phi4Cluster(), target, keep="configurations", **how)
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values
    return x.reshape(-1, *x.shape[2:])


def _printed(numbers: Numbers, k: int) -> str:
    return f"{numbers[0][k]:.5g}({math.sqrt(numbers[1][k, k]):.2g})"
