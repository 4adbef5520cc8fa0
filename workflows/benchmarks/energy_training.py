"""Rows of `energy.py`: energies learned by steps, of phi^4 near criticality and of the 4x4 Ising model."""

from __future__ import annotations

import functools
import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from harness import Figure, Row
from scipy import stats

from physgen import training
from physgen.core.random import Stream
from physgen.models import ConvolutionalEnergy
from physgen.samplers import Phi4Cluster, run, unpack_configurations
from physgen.targets import Configurations, Ising, Phi4
from physgen.training import FitSettings, MomentMatching, ScoreMatching, fit
from physgen.training.from_data import as_input
from physgen.training.negative_phase import Spectrum, hmc

L, KAPPA, LAM = 16, 0.27, 0.022
SEEDS = (0, 1)
SECONDS = 30
MATCHING = {"rounds": 2, "n_chains": 256, "n_updates": 60}
CHAINS, BURN_IN, KEPT = 256, 20, 120  # of the measurement on the model
STEPS, STEP = 5, 0.2  # of trajectories under the true action, unit masses
LIMIT_P = 1e-3


@functools.cache
def target() -> Any:
    """Return phi^4 on 16 x 16 sites in its critical region."""
    return Phi4.from_hopping(L=L, kappa=KAPPA, lam=LAM)


@functools.cache
def configurations(seed: int) -> np.ndarray:
    """Return 10,000 draws of the cluster algorithm in the order of the draws, (n, L, L)."""
    draws = run(
        Phi4Cluster(), target(), n_chains=500, n_draws=20, thin=20, seed=seed,
        keep="configurations",
    )  # fmt: skip
    x = unpack_configurations(draws).transpose("draw", "chain", ...).values
    return x.reshape(-1, L, L).astype(np.float32)


@functools.cache
def reference() -> np.ndarray:
    """Return <phi^2> and chi_abs of 100,000 draws of the cluster algorithm."""
    draws = run(Phi4Cluster(), target(), n_chains=1000, n_draws=100, thin=5, seed=9)
    return moments(draws["phi2"].values, draws["magnetization"].values)


def moments(phi2: np.ndarray, m: np.ndarray) -> np.ndarray:
    """Return <phi^2> and chi_abs = V (<m^2> - <|m|>^2)."""
    return np.array([phi2.mean(), L * L * ((m**2).mean() - np.abs(m).mean() ** 2)])


@functools.cache
def learned(seed: int, seconds: float = SECONDS) -> tuple[Any, dict[str, Any]]:
    """Return an energy after score matching and moment matching, and what was told.

    The action is not known to it, only 10,000 configurations and their symmetries.
    """
    same = ["translations", "point_group", "z2"]
    data = Configurations(configurations(1), boundary="periodic", symmetries=same)
    model = ConvolutionalEnergy.for_target(data, rng=seed)
    first = fit(model, ScoreMatching(data), budget=f"{seconds}s", rng=seed)
    start = time.process_time()
    metrics = MomentMatching(data, **MATCHING).solve(model, Stream(seed)).metrics
    told = {"updates": int(first.history.attrs["n_steps"])}
    told |= {k: round(v, 4) for k, v in metrics.items() if not k.endswith("_error")}
    return model, told | {"matching CPU s": round(time.process_time() - start, 1)}


def on_the_model(model: Any, seed: int) -> tuple[np.ndarray, np.ndarray, float]:
    """Return <phi^2>, chi_abs of chains of the model, their errors, and the acceptance.

    Chains begin at configurations that nothing was trained on.
    """
    x = as_input(model, torch.from_numpy(configurations(2)[:CHAINS]))
    spectrum, stream = Spectrum.of(x, target().lattice, even=True), Stream(seed).child("chains")
    phi2, m, accepted = [], [], []
    for t in range(BURN_IN + KEPT):
        x, acceptance, _ = hmc(model.forward, x, 1, stream.at(t), 0.3, spectrum, 5)
        if t >= BURN_IN:
            y = x.double()
            phi2.append((y * y).mean((1, 2)).numpy())
            m.append(y.mean((1, 2)).numpy())
            accepted.append(acceptance)
    phi2, m = np.array(phi2), np.array(m)
    left = [moments(np.delete(phi2, i, 1), np.delete(m, i, 1)) for i in range(CHAINS)]
    error = np.sqrt((CHAINS - 1) * np.var(left, axis=0))
    return moments(phi2, m), error, float(np.mean(accepted))


def driven(model: Any, x: np.ndarray, n: int, rng: Stream) -> tuple[np.ndarray, float]:
    """Return x after n trajectories driven by the model and accepted by the true action.

    Leapfrog steps are reversible and keep the volume whatever the force, so
    min(1, exp(H - H')) with the true S in H leaves e^{-S} invariant.
    """
    draw, accepted = rng.numpy(), 0.0
    S = target().action(x)
    for _ in range(n):
        z = draw.standard_normal(x.shape)
        H, y = S + 0.5 * (z * z).sum((1, 2)), x
        force = model.force(y)
        for _ in range(STEPS):
            z = z + 0.5 * STEP * force
            y = y + STEP * z
            force = model.force(y)
            z = z + 0.5 * STEP * force
        S_new = target().action(y)
        p = np.exp(np.minimum(H - S_new - 0.5 * (z * z).sum((1, 2)), 0))
        ok = draw.random(len(x)) < p
        x, S = np.where(ok[:, None, None], y, x), np.where(ok, S_new, S)
        accepted += float(p.mean()) / n
    return x, accepted


def alike(x: np.ndarray, y: np.ndarray, bins: int = 20) -> float:
    """Return the smaller p-value of chi-squares of the histograms of |m| and of mean phi^2, twice."""
    found = []
    for feature in (lambda z: np.abs(z.mean((1, 2))), lambda z: (z * z).mean((1, 2))):
        a, b = feature(x), feature(y)
        edges = np.quantile(np.concatenate([a, b]), np.linspace(0, 1, bins + 1))
        table = np.stack([np.histogram(each, edges)[0] for each in (a, b)])
        found.append(float(stats.chi2_contingency(table).pvalue))
    return min(1.0, 2 * min(found))


def ebm_phi4_raw_error() -> Row:
    """The largest relative error of <phi^2> and chi_abs, of two seeds."""
    worst, detail = 0.0, dict[str, Any]()
    for seed in SEEDS:
        model, told = learned(seed)
        found, error, acceptance = on_the_model(model, seed)
        off = found / reference() - 1
        worst = max(worst, float(np.abs(off).max()))
        detail[f"seed {seed}: phi2, chi_abs off by"] = _percent(off, error / reference())
        detail[f"seed {seed}: acceptance of HMC on the model"] = round(acceptance, 2)
        detail[f"seed {seed}"] = told
        if acceptance < 0.1:
            worst = math.inf  # frozen chains print the moments of the data
    return Row(worst, "relative", detail=detail)


def ebm_phi4_acceptance() -> Row:
    """The lowest acceptance of two seeds; 0 if a corrected chain leaves the true law."""
    values, detail = [], dict[str, Any]()
    for seed in SEEDS:
        model, _ = learned(seed)
        x = configurations(2)[:5000].astype(np.float64)
        y, acceptance = driven(model, x, 10, Stream(seed).child("driven"))
        p = alike(y, configurations(2)[5000:].astype(np.float64))
        values.append(acceptance if p > LIMIT_P else 0.0)
        detail[f"seed {seed}"] = f"acceptance {acceptance:.3f}, corrected chains p = {p:.2g}"
    return Row(min(values), "acceptance", detail=detail)


# --- 4x4 Ising --------------------------------------------------------------------------------

RBM_SECONDS, N_DATA, HIDDEN = 120, 400_000, 16


def rbm_ising4_kl(seconds: float = RBM_SECONDS) -> Row:
    """Exact KL(p || model) of an RBM on the 4x4 Ising model at Kc, the worse of two seeds."""
    from physgen.models import RBM

    beta = 0.5 * math.log(1 + math.sqrt(2))
    ising, bits = Ising(4, beta), np.arange(2**16)[:, None] >> np.arange(16)
    states = (2 * (bits & 1) - 1).astype(np.int8).reshape(-1, 4, 4)
    log_p = -ising.action(states)
    log_p -= np.logaddexp.reduce(log_p)
    pick = Stream(1).numpy().choice(len(states), N_DATA, p=np.exp(log_p))
    same = ["translations", "point_group", "z2"]
    data = Configurations(states[pick], boundary="periodic", symmetries=same)
    settings = FitSettings(
        batch_size=1000, learning_rate=1e-2, clip_norm=None, ema_decay=0.999, n_epochs=1
    )
    found, detail = [], dict[str, Any]()
    for seed in SEEDS:
        model = RBM((4, 4), "periodic", n_hidden=HIDDEN, even=True, rng=seed)
        objective = training.PersistentContrastiveDivergence(data, 10, 1000, 0.002)
        result = fit(
            model, objective, replace(settings, n_epochs=None, budget=f"{seconds}s"), rng=seed
        )
        log_q = -model.action(states)
        log_q -= np.logaddexp.reduce(log_q)
        found.append(float((np.exp(log_p) * (log_p - log_q)).sum()))
        detail[f"seed {seed}"] = (
            f"KL {found[-1]:.2e}, {result.history.attrs['n_steps']} updates, "
            f"tau {model.trained_by['tau']:.3g} of k = 10, {result.cpu_seconds:.0f} CPU s"
        )
    return Row(max(found), "nat", detail=detail)


def _percent(values: np.ndarray, errors: np.ndarray) -> str:
    return ", ".join(f"{100 * v:+.1f}({100 * e:.1f}) %" for v, e in zip(values, errors))


FIGURES = [
    Figure(
        "ebm_phi4_raw_error",
        "convolutional energy, phi^4 16x16 kappa = 0.27, 10,000 configurations: largest relative "
        "error of <phi^2> and chi_abs of the model itself, of two seeds",
        0.05,
        ebm_phi4_raw_error,
        slow=True,
        at_most=True,
    ),
    Figure(
        "ebm_phi4_acceptance",
        "the same energy: acceptance of trajectories that it drives and the true action corrects "
        "(corrected chi-square p > 1e-3), the lower of two seeds",
        0.75,
        ebm_phi4_acceptance,
        slow=True,
    ),
    Figure(
        "rbm_ising4_kl",
        "RBM of 16 hidden units, 4x4 Ising model at Kc, 2 CPU-min: exact KL, the worse of two seeds",
        1e-3,
        rbm_ising4_kl,
        slow=True,
        at_most=True,
        stretch=3.3e-4,
    ),
]
