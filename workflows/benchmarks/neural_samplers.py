"""Benchmarks of neural samplers: effective share, log Z and rates, beside the tutorial design.

python workflows/benchmarks/neural_samplers.py --fast | --train | --only KEY ... [--json FILE]

An effective share (ESS) is the smaller of the reverse one, of 16,384 draws or more, and the forward
one, of Markov chain configurations; 0 where log Z contradicts an independent one.  Of two seeds the
worse counts.  Budgets are CPU seconds of training on one thread.
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from harness import Figure, Row, interleaved, main
from scipy.stats import chi2
from tutorial_flow import TutorialFlow
from tutorial_flow import train as train_tutorial

from physgen import (
    HMC,
    Ising,
    Phi4,
    Phi4Cluster,
    Stream,
    SwendsenWang,
    estimates,
    fit,
    importance,
    run,
    smc,
)
from physgen.analysis import weights
from physgen.exact import kaufman
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models.autoregressive.coloured import ColouredNet
from physgen.models.decimated import Decimated
from physgen.models.flows.continuous import EquivariantCNF
from physgen.samplers import unpack_configurations
from physgen.training import ReverseKL, recipe

SOURCES = [
    "analysis/weights.py", "core/random.py", "lattice/orbits.py", "lattice/orderings.py",
    "models/base.py", "models/configurations.py", "models/decimated.py", "models/geometry.py",
    "models/runge_kutta.py", "models/flows/continuous.py", "models/flows/gaussian.py",
    "models/flows/velocity.py",
    "models/autoregressive/coloured.py", "samplers/importance_sampling.py", "samplers/weighing.py",
    "targets/even.py", "targets/ising.py", "targets/phi4.py", "targets/phi4_decimation.py",
    "training/fitting.py", "training/reverse_kl.py",
]  # fmt: skip
SEEDS = (1, 2)
KC = float(np.log(1 + np.sqrt(2)) / 2)
torch.set_num_threads(1)


def unhalved(L: int, lam: float, m2: float = -4.0) -> Phi4:
    return Phi4.from_unhalved(L=L, m2=m2, lam=lam)


@cache
def configurations(kind: str, L: int, *couplings: float) -> np.ndarray:
    """4,096 configurations of a target from Markov chains, 64 of them."""
    target = TARGETS[kind](L, *couplings)
    sampler = SwendsenWang() if kind == "ising" else Phi4Cluster()
    how = {"n_chains": 64, "n_draws": 64, "thin": 10, "seed": 77, "quiet": True}
    ds = run(sampler, target, keep="configurations", **how)
    return unpack_configurations(ds).values.reshape(-1, L, L)


TARGETS: dict[str, Callable[..., Any]] = {
    "unhalved": unhalved,
    "hopping": lambda L, kappa, lam: Phi4.from_hopping(L=L, kappa=kappa, lam=lam),
    "ising": lambda L, beta: Ising(L=L, beta=beta),
}


def trained_flow(target: Phi4, budget: str, seed: int, start: Any = None, **settings: Any) -> Any:
    model = start or EquivariantCNF.for_target(target, rng=seed)
    how = replace(recipe("equivariant-cnf"), **settings)
    fit(model, ReverseKL(target, rng=seed), how, rng=seed, budget=budget)
    return model


def trained_net(target: Ising, budget: str, seed: int, **settings: Any) -> Any:
    model = ColouredNet.for_target(target, rng=seed)
    how = replace(recipe("coloured-net"), **settings)
    objective = ReverseKL(target, anneal=0.3, draws_per_epoch=25_600, rng=seed)
    fit(model, objective, how, rng=seed, budget=budget)
    return model


def shares(kind: str, L: int, *couplings: float, n: int, train: Callable[[Any, int], Any],
           log_z: Any = None) -> tuple[list[Any], dict[str, Any]]:  # fmt: skip
    """Return what `importance` finds for each seed, and the details of a row."""
    target = TARGETS[kind](L, *couplings)
    x = configurations(kind, L, *couplings)
    found, seconds = [], []
    for seed in SEEDS:
        start = time.process_time()
        model = train(target, seed)
        seconds.append(time.process_time() - start)
        found.append(importance(model, target, n, seed, samples=x, log_z=log_z))
    detail = {
        "reverse": ", ".join(f"{float(d.ess_reverse):.4f}" for d in found),
        "forward": ", ".join(f"{float(d.ess_forward):.4f}" for d in found),
        "log Z": ", ".join(f"{float(d.log_z):.4f}({float(d.log_z_error):.4f})" for d in found),
        "k-hat": ", ".join(f"{float(d.k_hat):.2f}" for d in found),
        "draws": f"{n:,}",
        "CPU s of training": ", ".join(f"{s:.0f}" for s in seconds),
    }
    return found, detail


def flow_share(kind: str, L: int, *couplings: float, budget: str, n: int = 16_384,
               **settings: Any) -> Row:  # fmt: skip
    found, detail = shares(
        kind, L, *couplings, n=n,
        train=lambda target, seed: trained_flow(target, budget, seed, **settings),
    )  # fmt: skip
    return Row(min(float(d.ess_share) for d in found), "ESS", detail=detail)


def against_tutorial(seconds: int) -> Row:
    """8 x 8, m2 = -4, lam = 8; the tutorial design is trained as long, in the same run."""
    row = flow_share("unhalved", 8, 8.0, budget=f"{seconds}s")
    peers, target = [], unhalved(8, 8.0)
    for seed in SEEDS:
        flow, steps = train_tutorial(target, 8, seconds, seed)
        with torch.no_grad():
            parts = [flow.draw(1024, torch.Generator().manual_seed(k)) for k in range(16)]
            log_w = torch.cat([-target.action(x) - log_q for x, log_q in parts])
        peers.append((weights.ess(log_w), steps))
    peer = max(share for share, _ in peers)  # its better seed
    row.detail["tutorial"] = ", ".join(
        f"{share:.4f} after {steps} steps" for share, steps in peers
    )
    return Row(row.value, "ESS", "tutorial design", peer, row.value / peer, row.detail)


@cache
def log_z_L8() -> tuple[Any, Any, Any]:
    """The flow of five minutes at 8 x 8, another seed of one minute, and SMC."""
    target = unhalved(8, 8.0)
    flow = importance(trained_flow(target, "120s", 11), target, 400_000, 11)
    other = importance(trained_flow(target, "60s", 12), target, 400_000, 12)
    return flow, other, smc(target, n_particles=2048, n_islands=64, seed=13)


def log_z_L8_row(what: str) -> Row:
    flow, other, chain = log_z_L8()
    value, error = float(flow.log_z), float(flow.log_z_error)
    a = np.array([float(other.log_z), float(chain.log_z)])
    e = np.array([float(other.log_z_error), float(chain.log_z_error)])
    mean, sigma = np.sum(a / e**2) / np.sum(1 / e**2), np.sum(1 / e**2) ** -0.5
    detail = {
        "flow, 2 min": f"{value:.5f}({error:.5f}), ESS {float(flow.ess_share):.4f}",
        "another flow": f"{a[0]:.5f}({e[0]:.5f})",
        "SMC": f"{a[1]:.5f}({e[1]:.5f})",
        "draws": "400,000",
    }
    if what == "error":
        return Row(error, "", detail=detail)
    return Row(float(abs(value - mean) / np.hypot(error, sigma)), "sigma", detail=detail)


def log_z_L4() -> Row:
    pulls, detail = [], {}
    cases = [("unhalved", (8.0,)), ("unhalved", (6.975,)), ("hopping", (0.2705, 0.022)),
             ("hopping", (0.3, 0.022))]  # fmt: skip
    for kind, couplings in cases:
        target = TARGETS[kind](4, *couplings)
        exact = float(phi4_torus(target)["log_z"])
        for seed in SEEDS:
            found = importance(trained_flow(target, "10s", seed), target, 400_000, seed)
            value, error = float(found.log_z), float(found.log_z_error)
            pulls.append(abs(value - exact) / error)
            detail[f"{target!r}, seed {seed}"] = f"{value:.5f}({error:.5f}), exact {exact:.6f}"
    return Row(float(max(pulls)), "sigma", detail=detail)


def broken() -> Row:
    """14 x 14 deep in the broken phase: the share of each sign, log Z against SMC."""
    target = unhalved(14, 5.1, m2=-4.75)
    chain = smc(target, n_particles=512, n_islands=16, seed=21)
    reference = float(chain.log_z), float(chain.log_z_error)
    pulls, detail = [], {"SMC": f"{reference[0]:.4f}({reference[1]:.4f})"}
    for seed in SEEDS:
        model = trained_flow(target, "60s", seed)
        found = importance(model, target, 65_536, seed, log_z=reference)
        x = model.sample(4096, Stream(seed))
        up = float((x.mean((1, 2)) > 0).double().mean())
        value, error = float(found.log_z), float(found.log_z_error)
        pulls.append(abs(value - reference[0]) / np.hypot(error, reference[1]))
        detail[f"seed {seed}"] = (
            f"{value:.4f}({error:.4f}), ESS {float(found.ess_share):.3f}, positive mode {up:.3f}"
        )
    return Row(float(max(pulls)), "sigma", detail=detail)


def by_transfer(L: int, lam: float, smaller: list[tuple[int, float, str]], budget: str) -> Row:
    """Train on smaller lattices first, and hand the kernels on."""

    def train(target: Phi4, seed: int) -> Any:
        model = None
        for size, coupling, seconds in [*smaller, (L, lam, budget)]:
            now = target if size == L else unhalved(size, coupling)
            start = model and Decimated(model.even.transferred((size, size)), now)
            batch = 64 if size > 20 else 128
            model = trained_flow(now, seconds, seed, start, batch_size=batch)
        return model

    found, detail = shares("unhalved", L, lam, n=16_384, train=train)
    detail["trained before on"] = ", ".join(f"L = {s} ({t})" for s, _, t in smaller)
    return Row(min(float(d.ess_share) for d in found), "ESS", detail=detail)


@cache
def ising(L: int, beta: float, budget: str, n: int) -> tuple[list[Any], dict[str, Any]]:
    exact = kaufman.log_z(beta, (L, L))
    found, detail = shares(
        "ising", L, beta, n=n, train=lambda target, seed: trained_net(target, budget, seed),
        log_z=(float(exact), 0.0),
    )  # fmt: skip
    off = [float(d.log_z) / float(exact) - 1 for d in found]
    detail["relative error of log Z"] = ", ".join(f"{x:+.1e}" for x in off)
    detail["joint chi-square p of F, U, S"] = ", ".join(
        f"{joint_p(d, L, beta):.2f}" for d in found
    )
    return found, detail


def joint_p(found: Any, L: int, beta: float) -> float:
    """P of F and U (S is beta (U - F): nothing new) against Kaufman's, as if independent."""
    exact = float(kaufman.log_z(beta, (L, L))), float(kaufman.energy_per_site(beta, (L, L)))
    u = found.sel(quantity="energy_per_site")
    z = (float(found.log_z) - exact[0]) / float(found.log_z_error)
    z_u = (float(u.value) - exact[1]) / float(u.error)
    return float(chi2.sf(z * z + z_u * z_u, 2))


def ising_row(L: int, beta: float, budget: str, n: int) -> Row:
    found, detail = ising(L, beta, budget, n)
    return Row(min(float(d.ess_share) for d in found), "ESS", detail=dict(detail))


def ising8(what: str) -> Row:
    worst, detail = [], {}
    for beta in (0.3, KC, 0.6):
        found, details = ising(8, beta, "30s", 10**6)
        exact = float(kaufman.log_z(beta, (8, 8)))
        for d in found:
            off = abs(float(d.log_z) / exact - 1)
            worst.append(float(d.ess_share) if what == "ess" else off)
        detail[f"beta = {beta:.4g}"] = (
            f"forward {details['forward']}; {details['relative error of log Z']}"
        )
    pick = min if what == "ess" else max
    return Row(pick(worst), "ESS" if what == "ess" else "relative", detail=detail)


def rate() -> Row:
    """Draws a second with log q at 8 x 8, both in float32, 1,024 at once."""
    model = EquivariantCNF.for_target(unhalved(8, 8.0), rng=1)
    peer, generator = TutorialFlow(8, 1, dtype=torch.float32), torch.Generator()

    def ours() -> None:
        model.even.sample_and_log_prob(1024, 1)

    def theirs() -> None:
        with torch.no_grad():
            peer.draw(1024, generator)

    mine, other = (1024 / s for s in interleaved(ours, theirs))
    detail = {"ours": f"even sites, {model.even.fine_steps} Runge-Kutta steps"}
    return Row(mine / other, "ratio", "tutorial design, draws/s", other, mine / other,
               detail | {"draws/s": f"{mine:.0f}"})  # fmt: skip


def draw_cost(L: int, lam: float, budget: str) -> Row:
    """CPU ms an independent draw: the flow's share of its draws, and HMC's by tau_int.

    Without the independent check of log Z, which chains do not have and which costs the same
    seconds for any number of draws.
    """
    target = unhalved(L, lam)
    start = time.process_time()
    model = trained_flow(target, budget, 31)
    training = time.process_time() - start
    start = time.process_time()
    found = importance(model, target, 16_384, 31, forward_check=False)
    flow = 1e3 * (time.process_time() - start) / (16_384 * float(found.ess_share))
    costs = {}
    for name, sampler in (("HMC", HMC()), ("clusters", Phi4Cluster())):
        start = time.process_time()
        table = run(sampler, target, n_chains=64, n_draws=500, seed=31, quiet=True)
        spent = 1e3 * (time.process_time() - start)
        ess = float(estimates(table).sel(quantity="susceptibility").ess)
        costs[name] = spent / ess
    best = min(costs.values())
    detail = {f"{k}, ms a draw": f"{v:.4f}" for k, v in costs.items()}
    detail["training"] = f"{training:.0f} CPU s: {1e3 * training / 1e5:.2f} ms more at 1e5 draws"
    return Row(flow, "ms", "the faster Markov chain", best, best / flow, detail)


LADDER = {6: 6.975, 8: 6.008, 12: 5.276, 14: 5.113, 20: 4.807, 32: 4.572}
FIGURES = [
    Figure("flow_rate_ratio", "draws with log q a CPU s, 8 x 8, float32, over the tutorial's", 4,
           rate),
    Figure("ess_phi4_L8_30s", "phi^4 8 x 8, m2 = -4, lam = 8: ESS after 30 s", 0.95,
           lambda: against_tutorial(30), slow=True),
    Figure("ess_phi4_L8_60s", "the same after 60 s", 0.98, lambda: against_tutorial(60), slow=True),
    Figure("logz_phi4_L4_pull", "phi^4 4 x 4, four couplings, two seeds: the largest pull of log Z "
           "against quadrature", 3, log_z_L4, slow=True, at_most=True),
    *(Figure(f"ess_ladder_L{L}", f"phi^4 {L} x {L}, m2 = -4, lam = {LADDER[L]}: ESS after {b}",
             goal, lambda L=L, b=b: flow_share("unhalved", L, LADDER[L], budget=b), slow=True)
      for L, goal, b in ((6, 0.95, "30s"), (8, 0.95, "30s"), (12, 0.95, "60s"), (14, 0.9, "60s"))),
    Figure("ess_critical_L16", "phi^4 16 x 16, hopping, kappa = 0.27, lam = 0.022: ESS after 120 s",
           0.95, lambda: flow_share("hopping", 16, 0.27, 0.022, budget="120s"), slow=True),
    Figure("ising16_ess_03", "Ising 16 x 16, beta = 0.3: ESS after 50 s", 0.95,
           lambda: ising_row(16, 0.3, "50s", 100_000), slow=True),
    Figure("ising16_ess_kc", "Ising 16 x 16, beta_c: ESS after 80 s", 0.95,
           lambda: ising_row(16, KC, "80s", 100_000), slow=True),
    Figure("ising16_ess_06", "Ising 16 x 16, beta = 0.6: ESS after 110 s", 0.5,
           lambda: ising_row(16, 0.6, "110s", 100_000), slow=True),
    Figure("ising8_f_error", "Ising 8 x 8, beta = 0.3, beta_c, 0.6, 30 s each: the largest relative "
           "error of log Z at 10^6 draws", 5e-5, lambda: ising8("error"), slow=True, at_most=True),
    Figure("ising8_ess", "the same: the smallest ESS", 0.9, lambda: ising8("ess"), slow=True),
    Figure("broken_logz_pull", "phi^4 14 x 14, m2 = -4.75, lam = 5.1, 60 s: pull of log Z against "
           "SMC", 3, broken, slow=True, at_most=True),
    Figure("logz_phi4_L8_pull", "phi^4 8 x 8 after 2 min: pull of log Z against another flow and "
           "SMC", 3, lambda: log_z_L8_row("pull"), slow=True, at_most=True),
    Figure("logz_phi4_L8_error", "the same: its error", 5e-4, lambda: log_z_L8_row("error"),
           slow=True, at_most=True),
    Figure("ising32_ess_kc", "Ising 32 x 32, beta_c: ESS after 230 s", 0.4,
           lambda: ising_row(32, KC, "230s", 65_536), slow=True),
    *(Figure(f"draw_cost_L{L}", f"CPU ms an independent draw, phi^4 {L} x {L} of the ladder", 1e9,
             lambda L=L, b=b: draw_cost(L, LADDER[L], b), slow=True, at_most=True)
      for L, b in ((8, "30s"), (14, "120s"), (20, "300s"))),
    Figure("ess_L20", "phi^4 20 x 20, lam = 4.807: ESS after 9 min, by transfer", 0.9,
           lambda: by_transfer(20, LADDER[20], [(12, LADDER[12], "60s")], "480s"), slow=True),
    Figure("ess_L32", "phi^4 32 x 32, lam = 4.572: ESS after 14 min, by transfer", 0.66,
           lambda: by_transfer(32, LADDER[32], [(12, LADDER[12], "60s"), (20, LADDER[20], "150s")],
                               "600s"), slow=True),
]  # fmt: skip

if __name__ == "__main__":
    main("neural_samplers", FIGURES, ["physgen", "numpy", "torch"], SOURCES)
