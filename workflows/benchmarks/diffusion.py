"""Benchmarks of diffusion models: effective shares, log Z, the cost of a step.

python workflows/benchmarks/diffusion.py --fast | --train | --only KEY ... [--json FILE]

An effective share (ESS) is the smaller of the reverse one, of 8,192 draws or more, and the forward
one, of 2,048 configurations that were not trained on; 0 where log Z contradicts an independent
one.  Of two seeds the worse counts.  Models learn from 10,240 configurations of cluster chains.
Budgets are CPU seconds of training on one thread; what is solved before and after comes on top, and
the CPU seconds in the details hold all of it.
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from diffusion_corrected import accepted, corrected, super_resolved
from harness import Figure, Row, interleaved, main

from physgen import (
    EquivariantCNF,
    FreeField,
    Hypercubic,
    Phi4,
    Phi4Cluster,
    ReverseKL,
    fit,
    importance,
    run,
)
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models import Decimated, for_target
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.networks import network_of
from physgen.models.diffusion.processes import OU, process_of
from physgen.models.diffusion.samplers import diffused, times
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers import unpack_configurations
from physgen.training import DenoisingDiffusion

SOURCES = [
    "analysis/weights.py", "core/random.py", "lattice/orbits.py", "lattice/partition.py",
    "models/base.py", "models/configurations.py", "models/decimated.py", "models/geometry.py",
    "models/choice.py", "models/runge_kutta.py", "models/embedded_runge_kutta.py",
    "models/diffusion", "models/flows", "samplers/importance_sampling.py",
    "samplers/weighing.py", "targets/even.py", "targets/given.py", "targets/phi4.py",
    "targets/phi4_decimation.py", "training/conditional_diffusion.py",
    "training/denoising_diffusion.py", "training/fitting.py", "training/loop.py",
    "training/noise_weightings.py",
    "training/noised_data.py", "training/output_filters.py",
]  # fmt: skip
SEEDS = (1, 2)
PUBLISHED = "0.45-0.62, 1.1 h"
LAM = 0.022
CHAINS = {"n_chains": 512, "n_draws": 100}  # that corrected observables are compared with
# log Z of the equivariant flow, two seeds: at 8 x 8 and 16 x 16, kappa = 0.27.
FLOW = {8: (46.0106, 0.0006), 16: (182.0155, 0.0006)}
torch.set_num_threads(1)


def phi4(shape: Any, kappa: float) -> Phi4:
    return Phi4.from_hopping(shape, kappa=kappa, lam=LAM)


@cache
def configurations(shape: Any, kappa: float) -> tuple[np.ndarray, np.ndarray]:
    """10,240 configurations to learn from, and 2,048 of other chains."""
    found = []
    for n_chains, n_draws, seed in ((512, 20, 31), (128, 16, 32)):
        how = {"n_chains": n_chains, "n_draws": n_draws, "thin": 10, "seed": seed, "quiet": True}
        ds = run(Phi4Cluster(), phi4(shape, kappa), keep="configurations", **how)
        x = unpack_configurations(ds).transpose("draw", "chain", ...).values
        found.append(x.reshape(-1, *x.shape[2:]))
    return found[0], found[1]


@cache
def weighed(shape: Any, kappa: float, budget: str, n: int) -> tuple[list[Any], dict[str, Any]]:
    """Return what `importance` finds for each seed, and the details of a row."""
    target, (x, held_out) = phi4(shape, kappa), configurations(shape, kappa)
    found, seconds = [], []
    for seed in SEEDS:
        model, start = ScoreModel.for_target(target, rng=seed), time.process_time()
        fit(model, DenoisingDiffusion(target, x), rng=seed, budget=budget)
        seconds.append(time.process_time() - start)
        found.append(importance(model, target, n, seed, samples=held_out))
    detail = {
        "reverse": ", ".join(f"{float(d.ess_reverse):.4f}" for d in found),
        "forward": ", ".join(f"{float(d.ess_forward):.4f}" for d in found),
        "log Z": ", ".join(f"{float(d.log_z):.4f}({float(d.log_z_error):.4f})" for d in found),
        "k-hat": ", ".join(f"{float(d.k_hat):.2f}" for d in found),
        "steps": ", ".join(f"{float(d.discretisation):+.1e}" for d in found),
        "draws": f"{n:,}",
        "CPU s of training": ", ".join(f"{s:.0f}" for s in seconds),
    }
    return found, detail


def share(shape: Any, kappa: float, budget: str, n: int = 16_384) -> Row:
    found, detail = weighed(shape, kappa, budget, n)
    return Row(min(float(d.ess_share) for d in found), "ESS", detail=detail)


def acceptance(
    shape: Any, kappa: float, published: str, train: Callable[[Any, int], Any], n: int = 8192
) -> Row:
    """Rate at which draws in a row are accepted by independence Metropolis."""
    target, rates, shares, seconds = phi4(shape, kappa), [], [], []
    for seed in SEEDS:
        start = time.process_time()
        model = train(target, seed)
        seconds.append(time.process_time() - start)
        found = importance(model, target, n, seed, keep="draws")
        log_w = found["log_weight"].values.ravel()
        rates.append(accepted(log_w, seed))
        log_z = f"{float(found.log_z):.4f}({float(found.log_z_error):.4f})"
        shares.append(f"{float(found.ess_reverse):.3f}, log Z {log_z}")
    detail = {
        "seeds": ", ".join(f"{r:.3f}" for r in rates),
        "reverse ESS": "; ".join(shares),
        "CPU s of training": ", ".join(f"{s:.0f}" for s in seconds),
        "published": published,
    }
    return Row(min(rates), "acceptance", detail=detail)


def denoised(target: Any, seed: int) -> Any:
    """A score model of a 64 x 8 lattice; the cluster chains are not counted."""
    x, _ = configurations(target.event_shape, 0.27)
    model = ScoreModel.for_target(target, rng=seed)
    return fit(model, DenoisingDiffusion(target, x), rng=seed, budget="8min").model


def flow(target: Any, seed: int) -> Any:
    """The equivariant flow, trained on the action alone."""
    model = EquivariantCNF.for_target(target, rng=seed)
    return fit(model, ReverseKL(target), rng=seed, budget="8min").model


@cache
def small_lattices(kappa: float, seed: int) -> tuple[Any, float]:
    """A score model of 16 x 16, begun on 8 x 8, and the CPU seconds of its training."""
    start, q = time.process_time(), None
    for L, budget in ((8, "5s"), (16, "40s")):
        target = phi4(L, kappa)
        x, _ = configurations(L, kappa)
        if q is None:
            q = ScoreModel.for_target(target, rng=seed)
        else:
            q = for_target(target, begin_from=q)
        fit(q, DenoisingDiffusion(target, x, locality=1e-6), rng=seed, budget=budget)
    return q, time.process_time() - start


def transfer(kappa: float, steps: int = 6, n: int = 4096) -> Row:
    """Trained on 8 x 8 and 16 x 16 alone, drawn at 32 x 32 with 7 evaluations a step."""
    target, (_, held_out) = phi4(32, kappa), configurations(32, kappa)
    found, seconds = [], []
    for seed in SEEDS:
        small, spent = small_lattices(kappa, seed)
        moved = for_target(target, begin_from=small)
        model = Decimated(moved.even.as_density(steps), target)
        # A miss is a figure, too: weights are judged however few count.
        found.append(importance(model, target, n, seed, samples=held_out, ess_floor=1.0))
        seconds.append(spent)
    detail = {
        "reverse": ", ".join(f"{float(d.ess_reverse):.4f}" for d in found),
        "forward": ", ".join(f"{float(d.ess_forward):.4f}" for d in found),
        "log Z": ", ".join(f"{float(d.log_z):.4f}({float(d.log_z_error):.4f})" for d in found),
        "k-hat": ", ".join(f"{float(d.k_hat):.2f}" for d in found),
        "evaluations": 7 * steps,
        "steps": ", ".join(f"{float(d.discretisation):+.1e}" for d in found),
        "draws": f"{n:,}",
        "CPU s of training": ", ".join(f"{s:.0f}" for s in seconds),
        "published": "2,000 evaluations, not corrected, biased zero mode",
    }
    return Row(min(float(d.ess_share) for d in found), "ESS", detail=detail)


def probe_ratio() -> Row:
    """Coloured probes against the full trace: a local network on 16 x 16, 16 fields, float32."""
    filters = Filters(Hypercubic((16, 16)))
    net = network_of("local", filters, 16, 5, True, 1)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        net.out.normal_(generator=generator)
    y, ones = torch.randn(16, 256, generator=generator), torch.ones(1, 256)
    w = torch.full((1, 5), 0.2)
    coloured, full = (net.fields(w, ones, ones, how)[0] for how in ("coloured", "full"))
    with torch.no_grad():
        a, b = coloured.both(y)[1], full.both(y)[1]
        ours, theirs = interleaved(lambda: coloured.both(y), lambda: full.both(y))
    error = float((a - b).abs().max() / b.abs().max())
    detail = {
        "largest error": f"{error:.1e}",
        "probes": net.colours.n_colours,
        "coloured": f"{1e3 * ours:.0f} ms",
        "full": f"{1e3 * theirs:.0f} ms",
    }
    ratio = theirs / ours if error <= 1e-5 else 0.0
    return Row(ratio, "x", "the full trace", 1e3 * theirs, ratio, detail)


def free_field() -> Row:
    """L = 32, m2 = 0.01: the exact score, Heun, 50 steps from T = 5; closed form, no draws.

    The sampler is linear, so the variance of every mode is known, and so are the weights of the
    density of its map: ESS = prod C^(1/2) (2 v - C)^(1/2) / v.
    """
    c = np.sort(1 / FreeField(L=32, m2=0.01).spectrum.ravel())
    spectrum = torch.tensor(c)

    def share(process: Any, spacing: str = "geometric") -> float:
        grid = times(process, 50, spacing)
        start = torch.tensor(process.variance(grid[0], c)).sqrt()[None]

        def score(x: torch.Tensor, t: float) -> torch.Tensor:
            return -x / torch.tensor(process.variance(t, c))

        v = diffused(process, score, start, grid, "heun")[0] ** 2
        log_share = 0.5 * torch.log(spectrum * (2 * v - spectrum)) - torch.log(v)
        return float(torch.nan_to_num(log_share, nan=-np.inf).sum().exp())

    others = {
        f"clock {p}": f"{share(process_of(p)):.4f}" for p in ("vp", "cosine", "linear", "edm")
    }
    detail = {"ou, uniform grid": f"{share(OU(), 'uniform'):.3f}"} | others
    return Row(share(OU(end=5.0)), "ESS", detail=detail)


def overhead() -> Row:
    """Milliseconds a step, 64 x 1 x 32 x 32, with a network that returns zeros."""
    x, zero = torch.randn(64, 1, 32, 32), torch.zeros(64, 1, 32, 32)
    process, n = OU(), 100
    grid = times(process, n)

    def null(x: torch.Tensor, t: float) -> torch.Tensor:
        return zero

    def plain() -> None:
        y, h = x.clone(), 0.01
        for _ in range(n):
            y = y + h * (y + zero)

    heun, euler, torch_euler = interleaved(
        lambda: diffused(process, null, x, grid, "heun"),
        lambda: diffused(process, null, x, grid, "euler"),
        plain,
    )
    detail = {"euler": f"{1e3 * euler / n:.4f} ms", "published": "0.25 to 2.3 ms"}
    peer = 1e3 * torch_euler / n
    return Row(1e3 * heun / n, "ms", "a loop of Euler steps", peer, torch_euler / heun, detail)


def log_z() -> Row:
    """The largest pull of log Z at 4 x 4 (quadrature), 8 x 8 and 16 x 16 (flows)."""
    pulls = {}
    for L, budget in ((4, "5s"), (8, "5s"), (16, "40s")):
        found, _ = weighed(L, 0.27, budget, 16_384)
        exact, error = (phi4_torus(phi4(4, 0.27))["log_z"], 0.0) if L == 4 else FLOW[L]
        for seed, d in zip(SEEDS, found, strict=True):
            sigma = np.hypot(float(d.log_z_error), error)
            pulls[f"L = {L}, seed {seed}"] = (float(d.log_z) - exact) / sigma
    detail = {k: f"{v:+.2f}" for k, v in pulls.items()}
    return Row(max(map(abs, pulls.values())), "sigma", detail=detail)


def corrected_pull(L: int, kappa: float, budget: str, n: int) -> Row:
    """Two seeds, the worse one: the joint deviate of |m|, chi_abs, U_L and S/V from chains."""
    return worst([corrected(phi4(L, kappa), budget, n, seed, CHAINS) for seed in SEEDS])


def superres() -> Row:
    """The same of 16 x 16 fields made from 2 x 2 blocks."""
    target, budgets = phi4(16, 0.27), ("10s", "40s")
    return worst([super_resolved(target, budgets, 40_960, seed, CHAINS) for seed in SEEDS])


def worst(found: list[Any]) -> Row:
    """Return the row of (deviate, largest error over its bound, details) of every seed."""
    detail = {
        f"seed {seed}, {k}": v
        for seed, (*_, about) in zip(SEEDS, found, strict=True)
        for k, v in about.items()
    }
    excess = max(e for _, e, _ in found)
    if excess > 1:
        raise RuntimeError(f"errors must be at most 1 %, got {excess:.2f} of that: {detail}")
    return Row(max(d for d, *_ in found), "sigma", detail=detail)


def figure(key: str, what: str, goal: float, *case: Any) -> Figure:
    return Figure(key, what, goal, lambda: share(*case), slow=True)


FIGURES = [
    Figure("ess_free_L32", "free field, L = 32, m2 = 0.01, exact score, 100 evaluations: ESS",
           0.98, free_field),
    figure("ess_phi4_L8_k021", "phi^4 8 x 8, kappa = 0.21, 5 s", 0.99, 8, 0.21, "5s"),
    figure("ess_phi4_L8_k027", "phi^4 8 x 8, kappa = 0.27, 5 s", 0.95, 8, 0.27, "5s"),
    figure("ess_phi4_L16_k021", "phi^4 16 x 16, kappa = 0.21, 30 s", 0.99, 16, 0.21, "30s"),
    figure("ess_phi4_L16_k026", "phi^4 16 x 16, kappa = 0.26, 30 s", 0.95, 16, 0.26, "30s"),
    figure("ess_phi4_L16_k027", "phi^4 16 x 16, kappa = 0.27, 40 s; the reverse-KL flow has 0.981",
           0.85, 16, 0.27, "40s"),
    figure("ess_phi4_L32_k026", "phi^4 32 x 32, kappa = 0.26, 12 min", 0.5, 32, 0.26, "12min",
           8192),
    Figure("transfer_L32", "phi^4 32 x 32, kappa = 0.26, trained on L = 8 and 16 alone: ESS", 0.3,
           lambda: transfer(0.26), slow=True),
    Figure("sps_64x8_flow", "phi^4 64 x 8, kappa = 0.27, 8 min of reverse KL: independence "
           "Metropolis", 0.92, lambda: acceptance((64, 8), 0.27, PUBLISHED, flow), slow=True),
    Figure("sps_64x8_diffusion", "phi^4 64 x 8, kappa = 0.27, 8 min: independence Metropolis",
           0.75, lambda: acceptance((64, 8), 0.27, PUBLISHED, denoised), slow=True),
    Figure("probe_ratio", "coloured probes against the full trace, 16 x 16, error <= 1e-5", 6.0,
           probe_ratio),
    Figure("corrected_pull_L16_k027", "16 x 16, kappa = 0.27: |m|, chi_abs, U_L, S/V against "
           "chains, 40 s", 3.0, lambda: corrected_pull(16, 0.27, "40s", 40_960),
           slow=True, at_most=True),
    Figure("corrected_pull_L32_k021", "the same at 32 x 32, kappa = 0.21, 1 min", 3.0,
           lambda: corrected_pull(32, 0.21, "60s", 40_960), slow=True, at_most=True),
    Figure("corrected_pull_L32_k026", "the same at 32 x 32, kappa = 0.26, 7 min", 3.0,
           lambda: corrected_pull(32, 0.26, "7min", 65_536), slow=True, at_most=True),
    Figure("superres_chi2", "16 x 16 from its 2 x 2 blocks, kappa = 0.27, 50 s: |m|, chi_abs, "
           "U_L, S/V against chains", 3.0, superres, slow=True, at_most=True),
    Figure("logz_pull", "log Z at 4 x 4, 8 x 8, 16 x 16, kappa = 0.27: largest pull", 3.0, log_z,
           slow=True, at_most=True),
    Figure("overhead_ms", "one step of Heun with a null network, 64 x 32 x 32", 0.1, overhead,
           at_most=True),
]  # fmt: skip
PACKAGES = ["physgen", "numpy", "torch"]

if __name__ == "__main__":
    main("diffusion", FIGURES, PACKAGES, SOURCES)
