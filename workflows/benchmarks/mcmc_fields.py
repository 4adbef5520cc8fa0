"""Figures of scalar fields: normal deviates, leapfrog, HMC and Langevin steps.

One lattice and one action for all: phi^4 at L = 16, S = sum 1/2 (d phi)^2 + m2/2 phi^2 + lam phi^4.
A site-step is force, kick and drift of one site.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from harness import Figure, Row, interleaved

from physgen.core.random import Stream
from physgen.kernels.cpu.field_hmc import leapfrog
from physgen.kernels.cpu.normals import draw_normals
from physgen.samplers.fields.checks import key_words
from physgen.samplers.fields.phi4 import Phi4Fields
from physgen.samplers.hmc import HMC
from physgen.samplers.ula import ULA
from physgen.targets.phi4 import Phi4

L, M2, LAM = 16, 1.0, 0.1
N_CHAINS, N_LEAPFROG, STEP = 1024, 10, 0.1
TARGET = Phi4.from_halved(L=L, m2=M2, lam=LAM)
SITES = N_CHAINS * L * L
LIMIT = (
    "about 11 vector operations on two ports for 16 float32 sites: 2.9 site-steps a cycle; a few "
    "steps go round together, so most fields stay in the first-level cache"
)


def normal_f32() -> Row:
    """Deviates a nanosecond into one block, in fast mode; Philox and float64 beside it."""
    rates, key = {}, key_words(Stream(1))
    for dtype in (np.float32, np.float64):
        z = np.empty((1, 256, 64), dtype)
        for rng in ("fast", "philox"):
            lanes = Phi4Fields(TARGET, rng=rng).lanes(Stream(1), 1)

            def draw(z=z, lanes=lanes) -> None:
                for step in range(300):
                    draw_normals(z, step, 0, key, lanes)

            rates[f"{np.dtype(dtype).name} {rng}"] = 300 * z.size / interleaved(draw)[0] / 1e9
    generator, out = np.random.Generator(np.random.SFC64(1)), np.empty(1 << 20, np.float32)
    seconds = interleaved(lambda: generator.standard_normal(dtype=np.float32, out=out))[0]
    numpy = out.size / seconds / 1e9
    value = rates.pop("float32 fast")
    detail = {name: f"{rate:.2f}/ns" for name, rate in rates.items()}
    return Row(value, "1/ns", "numpy SFC64 float32", numpy, value / numpy, detail)


def moving(dtype: str) -> tuple[Callable[[], None], int]:
    """Our leapfrog of many chains, and the site-steps of a call."""
    fields, n_steps = Phi4Fields(TARGET, dtype), 50
    state = fields.init(Stream(1), N_CHAINS)
    x, momenta = state.x, np.random.default_rng(1).normal(size=state.x.shape).astype(dtype)

    def run() -> None:
        leapfrog((0, 1), x, momenta, *fields.arrays, 0.01, n_steps)

    return run, n_steps * SITES


def phi4_leapfrog(dtype: str) -> Row:
    run, n = moving(dtype)
    seconds = interleaved(run, repeats=11)[0]
    detail = {"chains": N_CHAINS, "limit": LIMIT}
    return Row(n / seconds / 1e9, "site-steps/ns", detail=detail)


def torch_leapfrog(n_chains: int, chains_last: bool) -> tuple[Callable[[], None], int]:
    """torch.compile of ten leapfrog steps on rolled tensors, float32."""
    import torch

    torch.set_num_threads(1)
    shape = (L, L, n_chains) if chains_last else (n_chains, L, L)
    axes = (0, 1) if chains_last else (1, 2)
    generator = torch.Generator().manual_seed(1)
    x, p = (torch.randn(shape, generator=generator) for _ in range(2))

    def force(x: Any) -> Any:
        around = sum(torch.roll(x, shift, axis) for shift in (1, -1) for axis in axes)
        return around - x * ((4 + M2) + 4 * LAM * x * x)

    @torch.compile(dynamic=False)
    def step(x: Any, p: Any) -> tuple[Any, Any]:
        p = p + 0.01 * force(x)
        return x + 0.01 * p, p

    def run() -> None:
        nonlocal x, p
        with torch.no_grad():
            for _ in range(40):
                x, p = step(x, p)

    return run, 40 * x.numel()


def phi4_compile_ratio() -> Row:
    """Leapfrog steps against torch.compile in its best layout and batch."""
    cases = {f"{n} chains, {'last' if last else 'first'} axis": (n, last)
             for n in (64, 256, 1024) for last in (False, True)}  # fmt: skip
    ours, n = moving("float32")
    peers = {name: torch_leapfrog(*case) for name, case in cases.items()}
    us, *them = interleaved(ours, *(run for run, _ in peers.values()))
    rates = {name: count / t / 1e9 for (name, (_, count)), t in zip(peers.items(), them)}
    best = max(rates, key=lambda name: rates[name])
    ratio = n / us / 1e9 / rates[best]
    detail = {"ours": f"{n / us / 1e9:.2f} site-steps/ns", "its best case": best}
    return Row(ratio, "ratio", "torch.compile", rates[best], ratio, detail)


@cache
def blackjax_hmc(n_chains: int, n_trajectories: int) -> Callable[[], None]:
    """HMC of blackjax, vmapped over chains and scanned over trajectories, in one jit."""
    import blackjax
    import jax
    import jax.numpy as jnp

    def log_density(x: Any) -> Any:
        kinetic = sum(0.5 * jnp.sum((jnp.roll(x, -1, axis) - x) ** 2) for axis in (0, 1))
        return -kinetic - jnp.sum(0.5 * M2 * x**2 + LAM * x**4)

    def flat(x: Any) -> Any:
        return log_density(x.reshape(L, L))

    hmc = blackjax.hmc(flat, STEP, jnp.ones(L * L), N_LEAPFROG)

    @jax.jit
    def advance(key: Any, state: Any) -> tuple[Any, Any]:
        def one(state: Any, key: Any) -> tuple[Any, Any]:
            state, info = jax.vmap(hmc.step)(jax.random.split(key, n_chains), state)
            return state, info.acceptance_rate.mean()

        return jax.lax.scan(one, state, jax.random.split(key, n_trajectories))

    x = jnp.asarray(np.random.default_rng(1).normal(size=(n_chains, L * L)), jnp.float32)
    state, key = jax.vmap(hmc.init)(x), jax.random.key(1)

    def run() -> None:
        nonlocal state, key
        key, here = jax.random.split(key)
        state, accepted = advance(here, state)
        run.phi2 = float(jnp.mean(state.position**2))
        run.accepted = float(accepted.mean())

    return run


def hmc_blackjax_ratio() -> Row:
    """Whole trajectories: momenta, ten leapfrog steps, energies, acceptance; float32."""
    settings = {"n_leapfrog": N_LEAPFROG, "step_size": STEP, "jitter": 0.0, "dtype": "float32"}
    n, rates, phi2 = 10, {}, {}
    calls, counts = {}, {}
    for rng in ("philox", "fast"):
        chains = HMC(rng=rng, **settings).bind(TARGET)
        state = chains.init(Stream(1), N_CHAINS)
        box = {"state": state, "i": 0}

        def run(chains=chains, box=box) -> None:
            box["state"], box["info"] = chains.step(Stream(2).at(box["i"]), box["state"], n)
            box["i"] += 1

        calls[rng], counts[rng] = run, n * N_LEAPFROG * SITES
        phi2[rng] = lambda chains=chains, box=box: (
            chains.measure(box["state"])["phi2"].mean(),
            box["info"].accepted.mean(),
        )
    for n_chains in (64, 256, 1024):
        name = f"blackjax, {n_chains} chains"
        calls[name] = blackjax_hmc(n_chains, 2)
        counts[name] = 2 * N_LEAPFROG * n_chains * L * L
        phi2[name] = lambda run=calls[name]: (run.phi2, run.accepted)
    for name, call in calls.items():  # to equilibrium: both must then accept the same share
        for _ in range(40 // (n if "blackjax" not in name else 2)):
            call()
    seconds = interleaved(*calls.values())
    rates = {name: counts[name] / t / 1e9 for name, t in zip(calls, seconds)}
    best = max((name for name in rates if "blackjax" in name), key=lambda name: rates[name])
    ratio = rates["philox"] / rates[best]
    detail = {
        name: f"{rate:.3f} site-steps/ns, acceptance {phi2[name]()[1]:.3f}"
        for name, rate in rates.items()
    }
    return Row(ratio, "ratio", best, rates[best], ratio, detail)


def ula_f32() -> Row:
    """Noise, force and update in one call, in fast mode."""
    rates = {}
    for rng in ("fast", "philox"):
        chains = ULA(step_size=0.01, rng=rng).bind(TARGET)
        state = chains.init(Stream(1), N_CHAINS)

        def run(chains=chains, state=state) -> None:
            chains.step(Stream(2), state, 50)

        rates[rng] = 50 * SITES / interleaved(run)[0] / 1e9
    detail = {"with Philox": f"{rates['philox']:.2f} site-updates/ns"}
    return Row(rates["fast"], "site-updates/ns", detail=detail)


FIGURES = [
    Figure("normal_f32", "normal deviates, float32, fast mode", 1.2, normal_f32, stretch=2.0),
    Figure(
        "phi4_leapfrog_f32", "phi^4 leapfrog, L=16, float32", 3.0,
        lambda: phi4_leapfrog("float32"), stretch=4.5,
    ),
    Figure(
        "phi4_leapfrog_f64", "phi^4 leapfrog, L=16, float64", 1.5,
        lambda: phi4_leapfrog("float64"), stretch=2.5,
    ),
    Figure(
        "phi4_compile_ratio", "leapfrog, float32, against torch.compile", 2.0,
        phi4_compile_ratio, stretch=3.0,
    ),
    Figure(
        "hmc_blackjax_ratio", "HMC trajectories of ten steps against blackjax, float32", 15.0,
        hmc_blackjax_ratio, stretch=20.0,
    ),
    Figure("ula_f32", "ULA steps, L=16, float32, fast mode", 0.8, ula_f32, stretch=1.2),
]  # fmt: skip
