"""Figures of chains of energies that compile: Langevin, MALA and HMC steps, and a dense network.

A share is a rate over the rate of its normal deviates alone, from the same random words, so it
survives the load of a machine.  Fields: phi^4, 256 chains of 32x32, float32, Philox.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
from harness import Figure, Row, interleaved

from physgen.core.random import Stream
from physgen.kernels.cpu.normals import draw_normals
from physgen.samplers import HMC, MALA, ULA
from physgen.samplers.fields.checks import key_words
from physgen.targets import LocalAction, Phi4

L, KAPPA, LAM, N_CHAINS, N_STEPS, EPS = 32, 0.2705, 0.022, 256, 400, 0.04
PHI4 = Phi4.from_hopping(L=L, kappa=KAPPA, lam=LAM)
LOCAL = LocalAction(
    L, nearest=-2 * KAPPA, phi2=1 - 2 * LAM, phi4=LAM, diagonal=-0.01, phi6=0.001
)  # fmt: skip
SITES = N_CHAINS * L * L
DIM, HIDDEN, MLP_CHAINS = 64, 64, 512


def wide_registers() -> str:
    """Say whether the machine has AVX-512."""
    from llvmlite.binding import get_host_cpu_features

    return "yes" if get_host_cpu_features().get("avx512f") else "no"


def chains_of(sampler: Any, target: Any, n_chains: int, n_steps: int) -> Callable[[], None]:
    """Return a call that makes n steps of chains that have thermalised."""
    chains = sampler.bind(target)
    state = chains.init(Stream(1), n_chains)
    for i in range(5):
        state, info = chains.step(Stream(2).at(i), state, n_steps)

    def run() -> None:
        chains.step(Stream(3), state, n_steps)

    run.acceptance = None if info.accepted is None else float(info.accepted.mean())
    return run


def normals_of(rng: str = "philox") -> Callable[[], None]:
    """Return a call that makes the deviates of n steps alone, block by block into one buffer."""
    from numba import njit

    width = 65536 // (4 * L * L)
    key, z = key_words(Stream(3)), np.empty((1, L * L, width), np.float32)
    seed = np.arange(1, 33, dtype=np.uint64)[None] * np.uint64(0x9E3779B97F4A7C15)
    lanes = seed if rng == "fast" else np.empty((1, 0), np.uint64)
    n_blocks = N_CHAINS // width

    @njit
    def make(z: Any, key: Any, lanes: Any, n: int) -> None:
        for step in range(n):
            draw_normals(z, step, 0, key, lanes)

    return lambda: make(z, key, lanes, n_blocks * N_STEPS)


def share(sampler: Any, target: Any) -> Row:
    """The rate of a sampler's steps over the rate of their deviates."""
    run, deviates = chains_of(sampler, target, N_CHAINS, N_STEPS), normals_of()
    ours, theirs = interleaved(run, deviates, repeats=11)
    rate = N_STEPS * SITES / ours / 1e9
    detail = {"ours": f"{rate:.2f} site-updates/ns", "AVX-512": wide_registers()}
    if run.acceptance is not None:
        detail["acceptance"] = f"{run.acceptance:.2f}"
    alone = N_STEPS * SITES / theirs / 1e9
    return Row(theirs / ours, "share", "normal deviates alone", alone, theirs / ours, detail)


@cache
def compiled_langevin() -> tuple[Callable[[], None], int]:
    """ULA by torch.compile of the force written by hand, with torch's own deviates."""
    import torch

    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn((N_CHAINS, L, L), generator=generator)
    hop, quad, quart = 2 * KAPPA, 1 - 2 * LAM, LAM

    @torch.compile(dynamic=False)
    def step(x: Any, noise: Any) -> Any:
        around = sum(torch.roll(x, shift, axis) for shift in (1, -1) for axis in (1, 2))
        force = hop * around - x * (2 * quad + 4 * quart * x * x)
        return x + EPS * force + (2 * EPS) ** 0.5 * noise

    def run() -> None:
        nonlocal x
        with torch.no_grad():
            for _ in range(20):
                x = step(x, torch.randn(x.shape, generator=generator))

    return run, 20


def torchebm_call(name: str, products: bool = False) -> tuple[Callable[[], None], int] | None:
    """Chains of torchebm on the same action, with its gradients by autograd.

    The action is spelled as people spell it; with `products` its fourth power is two products.
    """
    if find_spec("torchebm") is None:
        return None
    import torch
    from torchebm.core import BaseModel
    from torchebm.samplers import HamiltonianMonteCarlo, LangevinDynamics

    torch.set_num_threads(1)
    hop, quad, quart = 2 * KAPPA, 1 - 2 * LAM, LAM

    class Action(BaseModel):
        def forward(self, x: Any) -> Any:
            x = x.reshape(-1, L, L)
            around = torch.roll(x, 1, -1) + torch.roll(x, 1, -2)
            square = x * x
            local = square * (quad + quart * square) if products else quad * x * x + quart * x**4
            return (local - hop * x * around).sum((-1, -2))

    x = torch.randn(N_CHAINS, L * L, generator=torch.Generator().manual_seed(1))
    if name == "langevin":
        sampler, n = LangevinDynamics(model=Action(), step_size=EPS), 5
    else:
        sampler, n = HamiltonianMonteCarlo(model=Action(), step_size=0.1, n_leapfrog_steps=10), 2
    return (lambda: sampler.sample(x=x.clone(), n_steps=n)), n


def langevin_ratio() -> Row:
    """ULA steps over torchebm's, or over torch.compile where torchebm is not installed."""
    ours = chains_of(ULA(step_size=EPS), PHI4, N_CHAINS, N_STEPS)
    compiled, n_compiled = compiled_langevin()
    peers = [torchebm_call("langevin"), torchebm_call("langevin", products=True)]
    us, theirs, alone, *others = interleaved(
        ours, compiled, normals_of(), *(p[0] for p in peers if p)
    )
    rate, over = N_STEPS / us, "over torch.compile of the force"
    detail = {"AVX-512": wide_registers(), over: f"{rate * theirs / n_compiled:.1f}"}
    detail["ours"] = f"{rate * SITES / 1e9:.2f} site-updates/ns"
    if not others:
        detail["torchebm"] = "not installed; over torch.compile alone"
        ratio = rate * theirs / n_compiled
        return Row(ratio, "ratio", "torch.compile, steps/s", n_compiled / theirs, ratio, detail)
    ratio, faster = (rate * t / peers[0][1] for t in others)
    detail["over torchebm with products for powers"] = f"{faster:.1f}"
    detail["limit: our normal deviates alone over torchebm"] = f"{ratio * us / alone:.1f}"
    return Row(ratio, "ratio", "torchebm 0.8.9, steps/s", rate / ratio, ratio, detail)


def hmc_torchebm_ratio() -> Row:
    """HMC trajectories of ten steps over torchebm's, which has to be installed."""
    peers = [torchebm_call("hmc"), torchebm_call("hmc", products=True)]
    if None in peers:
        return Row(float("nan"), "ratio", detail={"torchebm": "not installed"})
    ours = chains_of(HMC(step_size=0.1, n_leapfrog=10), PHI4, N_CHAINS, 100)
    us, *others = interleaved(ours, *(p[0] for p in peers), repeats=5)
    ratio, faster = (100 / us * t / peers[0][1] for t in others)
    detail = {
        "AVX-512": wide_registers(), "acceptance": f"{ours.acceptance:.2f}",
        "over torchebm with products for powers": f"{faster:.1f}",
    }  # fmt: skip
    return Row(ratio, "ratio", "torchebm 0.8.9, trajectories/s", 100 / us / ratio, ratio, detail)


@cache
def mlp_calls() -> dict[str, tuple[Callable[[], None], int]]:
    """ULA steps of a dense network by us and by torch, and the four products of a force alone."""
    import torch

    from physgen.models.energy.mlp import MlpEnergy

    torch.set_num_threads(1)
    model = MlpEnergy((DIM,), hidden=HIDDEN, layers=2, rng=1)
    W1, W2 = (w.detach() for w in model.weights)
    b1, b2 = (b.detach() for b in model.biases)
    v, eps = model.out.detach(), 0.01
    generator = torch.Generator().manual_seed(1)
    start = torch.randn((MLP_CHAINS, DIM), generator=generator)

    def deviates() -> Any:
        return torch.randn(start.shape, generator=generator)

    def hand(x: Any, noise: Any) -> Any:
        h1 = torch.tanh(x @ W1.T + b1)
        h2 = torch.tanh(h1 @ W2.T + b2)
        energy = 0.5 * (x * x).sum(1) + h2 @ v
        delta = (v * (1 - h2 * h2)) @ W2 * (1 - h1 * h1)
        return x - eps * (x + delta @ W1) + (2 * eps) ** 0.5 * noise, energy

    compiled = torch.compile(hand, dynamic=False)

    def loop(step: Callable[[Any, Any], Any]) -> Callable[[], None]:
        def run() -> None:
            x = start
            with torch.no_grad():
                for _ in range(50):
                    x = step(x, deviates())[0]

        return run

    def eager() -> None:
        x = start
        for _ in range(50):
            at = x.detach().requires_grad_(True)
            h = torch.tanh(torch.tanh(at @ W1.T + b1) @ W2.T + b2)
            energy = 0.5 * (at * at).sum(1) + h @ v
            (slope,) = torch.autograd.grad(energy.sum(), at)
            x = at.detach() - eps * slope + (2 * eps) ** 0.5 * deviates()

    a, b = W1.numpy().copy(), start.numpy().T.copy()
    c = np.empty((HIDDEN, MLP_CHAINS), np.float32)

    def products() -> None:
        for _ in range(4 * 50):
            np.matmul(a, b, out=c)

    ours = chains_of(ULA(step_size=eps), model, MLP_CHAINS, N_STEPS)
    return {
        "ours": (ours, N_STEPS), "eager": (eager, 50), "compiled": (loop(compiled), 50),
        "hand": (loop(hand), 50), "products": (products, 50),
    }  # fmt: skip


@cache
def mlp_seconds() -> dict[str, float]:
    """CPU seconds of a step of each."""
    calls = mlp_calls()
    seconds = interleaved(*(call for call, _ in calls.values()), repeats=15)
    return {name: s / n for (name, (_, n)), s in zip(calls.items(), seconds)}


def mlp_row(peer: str, name: str) -> Row:
    seconds = mlp_seconds()
    ratio = seconds[peer] / seconds["ours"]
    detail = {k: f"{1e6 * s:.0f} us a step" for k, s in seconds.items()}
    return Row(ratio, "ratio", name, 1 / seconds[peer], ratio, detail)


def mlp_gemm_ratio() -> Row:
    """A Langevin step of the network, its noise included, over its four matrix products."""
    seconds = mlp_seconds()
    ratio = seconds["ours"] / seconds["products"]
    detail = {k: f"{1e6 * s:.0f} us a step" for k, s in seconds.items()}
    return Row(ratio, "ratio", "four matrix products", 1 / seconds["products"], 1 / ratio, detail)


FIGURES = [
    Figure(
        "langevin_share", "ULA of phi^4 over its normal deviates, 256 x 32x32, float32", 0.80,
        lambda: share(ULA(step_size=EPS), PHI4),
    ),
    Figure(
        "local_action_share", "ULA of a local action with diagonal and phi^6 couplings", 0.55,
        lambda: share(ULA(step_size=EPS), LOCAL),
    ),
    Figure(
        "mala_share", "MALA of phi^4 over its normal deviates", 0.60,
        lambda: share(MALA(step_size=EPS), PHI4),
    ),
    Figure(
        "langevin_ratio", "ULA of phi^4 over torchebm (5.5 over torch.compile)", 60.0,
        langevin_ratio,
    ),
    Figure(
        "hmc_torchebm_ratio", "HMC of phi^4, ten leapfrog steps, over torchebm", 130.0,
        hmc_torchebm_ratio,
    ),
    Figure(
        "mlp_eager_ratio", "ULA of a dense energy (64 dimensions, 2 x 64) over torch, eager", 3.5,
        lambda: mlp_row("eager", "torch eager, autograd"),
    ),
    Figure(
        "mlp_compile_ratio", "the same over torch.compile of the force by hand", 2.2,
        lambda: mlp_row("compiled", "torch.compile, hand force"),
    ),
    Figure(
        "mlp_gemm_ratio", "the same in the cost of its four matrix products", 1.8,
        mlp_gemm_ratio, at_most=True,
    ),
]  # fmt: skip
