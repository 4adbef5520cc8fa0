"""Figures of partition functions and mixing: log Z against exact sums, tempering round trips.

Restricted Boltzmann machines are trained on the Ising model 8x8 from cluster draws, by persistent
contrastive divergence.  Every figure trains its own, and counts the training apart.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from harness import Figure, Row

import physgen.training as training
from physgen.models.energy.rbm import RBM
from physgen.samplers import (
    BlockGibbs,
    SwendsenWang,
    TrajectoryTempering,
    log_z_sandwich,
    run,
    unpack_configurations,
)
from physgen.targets import Ising

L = 8
SEEDS = (1, 2)
LAST_SHARE = 3.0  # errors within which <m> has to be


def trained(beta: float, n_hidden: int, n_epochs: int, seed: int) -> tuple[Any, Any]:
    """Return a machine of spins without biases, and the snapshots of its training."""
    target = Ising(L=L, beta=beta)
    drawn = run(
        SwendsenWang(), target, n_chains=200, n_draws=50, thin=5, warmup=100, seed=seed,
        keep="configurations", quiet=True,
    )  # fmt: skip
    x = np.asarray(unpack_configurations(drawn)).reshape(-1, L, L)
    model = RBM.for_target(target, n_hidden=n_hidden, rng=seed)
    objective = training.PersistentContrastiveDivergence((target, x), k=5, n_chains=500)
    settings = training.FitSettings(
        n_epochs=n_epochs, batch_size=500, learning_rate=5e-3, beta2=0.999, ema_decay=0.98
    )
    trajectory = training.Trajectory()
    training.fit(model, objective, settings, rng=seed, on_average=trajectory)
    return model, trajectory


def rbm_logz_error() -> Row:
    """Worst |log Z - exact sum| of two seeds, at the transition and in the ordered phase."""
    errors, seconds, closed, widths, spent = [], 0.0, [], [], []
    for beta in (0.44, 0.6):
        begun = time.process_time()
        model, _ = trained(beta, 20, 15, seed=1)
        spent.append(time.process_time() - begun)
        exact = model.log_z_exact()
        for seed in SEEDS:
            begun = time.process_time()
            ds = log_z_sandwich(model, tolerance=0.005, n_chains=2048, seed=seed)
            seconds += time.process_time() - begun
            errors.append(abs(ds["log_z"].item() - exact))
            widths.append(ds["log_z_error"].item())
            closed.append(bool(ds["closes"]))
    value = max(errors) if all(closed) else float("inf")
    detail = {
        "machine": "8x8 spins, 20 hidden, trained at beta = 0.44 and 0.6",
        "mean |error|": f"{np.mean(errors):.4f}",
        "stated error": f"{np.mean(widths):.4f}",
        "sandwiches closed": f"{sum(closed)} of {len(closed)}",
        "CPU s each": f"{seconds / len(errors):.1f}",
        "training CPU s": f"{np.mean(spent):.1f}",
        "peer, recorded": "rbms 0.5.0 with 500 chains: 0.028 at 100 and 0.003 at 1,000 "
        "temperatures, one standard deviation, one direction",
    }
    return Row(value, "nat", detail=detail)


def rbm_roundtrips() -> Row:
    """Round trips a CPU-minute of 16 chains of replicas, choosing the ladder included."""
    model, trajectory = trained(0.6, 64, 15, seed=1)
    begun = time.process_time()
    found = trajectory.followed(model, BlockGibbs(), n_chains=256, rng=1)
    choosing = time.process_time() - begun
    tempering = TrajectoryTempering(BlockGibbs(), found.models, labels=found.labels)
    up = np.ones((16, L, L), np.int8)  # all in one mode
    how = {"n_chains": 16, "warmup": 500, "seed": 1, "quiet": True, "start": up}
    begun = time.process_time()
    ds = run(tempering, model, n_draws=2000, **how)
    sampling = time.process_time() - begun
    trips = int(ds["round_trips"].sum())
    m = ds["magnetization"].isel({"checkpoint": -1}).mean("draw").values
    error = float(m.std(ddof=1) / np.sqrt(len(m)))
    plain = run(BlockGibbs(), model, n_draws=2000, **how)["magnetization"].mean("draw").values
    agrees = abs(m.mean()) <= LAST_SHARE * error
    value = 60 * trips / (choosing + sampling) if agrees else 0.0
    detail = {
        "replicas": len(found.models),
        "exchange rates": ", ".join(f"{r:.2f}" for r in ds["swap_rate"].mean("chain").values),
        "<m> from all up": f"{m.mean():.3f} +- {error:.3f}",
        "plain block Gibbs": f"{plain.mean():.3f} after as many sweeps",
        "choosing the ladder, CPU s": f"{choosing:.1f}",
        "sampling, CPU s": f"{sampling:.1f}",
        "peer": "rbms 0.5.0: its tempering is reported broken",
    }
    return Row(value, "1/min", detail=detail)


FIGURES = [
    Figure(
        "rbm_logz_error",
        "largest distance of log Z by annealing both ways from the exact sum, all sandwiches "
        "closed",
        0.01,
        rbm_logz_error,
        slow=True,
        at_most=True,
    ),
    Figure(
        "rbm_roundtrips",
        "round trips a CPU-minute along the training of a machine for Ising 8x8 at beta = 0.6; 0 "
        "if <m> is not within 3 errors of 0",
        10.0,
        rbm_roundtrips,
        slow=True,
    ),
]
