"""Figures of local Ising updates, against mcising (Rust).

A flip is one attempted update of one spin.  Where sizes are compared the worst one counts.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import numpy as np
from harness import Figure, Row, interleaved
from mcising import IsingSimulation
from numba import config, njit, types

from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.exact.onsager import energy_per_site as infinite_energy
from physgen.kernels.cpu import philox, simd, xoshiro
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.targets.ising import Ising

KC = math.log(1 + math.sqrt(2)) / 2
SIZES = (16, 32, 64)
CHAINS = 4096
# Vector instructions of the loop over sites for 512 flips, counted in the assembly of this source.
INSTRUCTIONS = {"philox": 230, "fast": 103}


# --- what the machine can do ----------------------------------------------------------------


@simd.intrinsic
def _majorities(typingctx, buffer):
    """192 independent-enough three-input logic instructions on twelve registers."""

    def codegen(context, builder, signature, args):
        base = simd.pointer(context, builder, signature.args[0], args[0])
        index = [types.intp(8 * i) for i in range(12)]
        index = [context.get_constant(types.intp, int(i)) for i in index]
        for part in simd.parts():
            v = [simd.load(builder, base, i, part) for i in index]
            for _ in range(16):
                for i in range(12):
                    v[i] = v[i].majority(v[(i + 1) % 12], v[(i + 2) % 12])
            for i, value in zip(index, v, strict=True):
                simd.store(builder, base, i, part, value)
        return context.get_dummy_value()

    return types.void(buffer), codegen


@njit
def _logic(buffer, n):
    for _ in range(n):
        _majorities(buffer)


@njit
def _philox_words(buffer, schedule, n):
    zero = np.uint64(0)
    for i in range(n):
        philox.draw8(buffer, 64 * (i & 1), schedule, np.uint64(i), zero, zero, zero)


@njit
def _xoshiro_words(buffer, state, n):
    for i in range(n):
        xoshiro.draw8(state, 0, buffer, 64 * (i & 1))


def machine_limits() -> dict[str, float]:
    """Vector instructions and random bits a nanosecond on this machine, now."""
    buffer = np.random.default_rng(1).integers(0, 2**64, 128, dtype=np.uint64)
    state, schedule = buffer[:32].copy(), philox.key_schedule(1)
    n = 50_000
    seconds = interleaved(
        lambda: _logic(buffer, n),
        lambda: _philox_words(buffer, schedule, n),
        lambda: _xoshiro_words(buffer, state, n),
    )
    amounts = {"instructions": 192, "philox": 4096, "fast": 4096}
    return {name: a * n / s / 1e9 for (name, a), s in zip(amounts.items(), seconds, strict=True)}


# --- rates ----------------------------------------------------------------------------------


def sweeper(sampler, L: int, n_chains: int, n: int) -> Callable[[], None]:
    """A call that does n sweeps of chains that go on from call to call."""
    chains = sampler.bind(Ising(L=L, beta=KC))
    state, calls = chains.init(Stream(1), n_chains, "cold"), 0

    def call() -> None:
        nonlocal state, calls
        calls += 1
        state, _ = chains.step(Stream(2).at(calls), state, n)

    return call


def rate(rng: str) -> Row:
    """Flips a nanosecond of 4096 chains at Kc, heat bath; Metropolis in the detail."""
    limits, detail, values = machine_limits(), {}, []
    for L in SIZES:
        n = max(200_000_000 // (L**2 * CHAINS), 1)
        samplers = (HeatBath(rng=rng), Metropolis(rng=rng), Metropolis(rng=rng, ties="accept"))
        seconds = interleaved(*(sweeper(s, L, CHAINS, n) for s in samplers))
        rates = [L**2 * CHAINS * n / s / 1e9 for s in seconds]
        values.append(rates[0])
        detail[f"L={L}: heat bath, Metropolis, same with ties accepted"] = ", ".join(
            f"{r:.1f}" for r in rates
        )
    most = 512 * limits["instructions"] / INSTRUCTIONS[rng]
    detail["limit"] = (
        f"{most:.0f} flips/ns: {INSTRUCTIONS[rng]} 512-bit instructions for 512 flips, "
        f"{limits['instructions']:.1f} a ns measured; random words alone {limits[rng]:.0f} bits/ns "
        f"at 8 bits a flip: {limits[rng] / 8:.0f} flips/ns"
    )
    detail["share of the limit"] = f"{min(values) / most:.2f}"
    return Row(min(values), "flips/ns", detail=detail)


def peer_at(L: int, K: float) -> IsingSimulation:
    peer = IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1, "metropolis", "square")
    peer.set_spins(np.ones((L, L), np.int8))
    peer.sweep(200, temperature=1 / K)
    return peer


def ratio() -> Row:
    """Metropolis with ties accepted, as the peer does: time for one flip, aggregate."""
    ratios, detail = {}, {}
    for L in SIZES:
        n_ours, n_peer = max(200_000_000 // (L**2 * CHAINS), 1), 4_000_000 // L**2
        peer = peer_at(L, KC)
        ours = sweeper(Metropolis(rng="fast", ties="accept"), L, CHAINS, n_ours)
        us, them = interleaved(ours, lambda p=peer, n=n_peer: p.sweep(n, temperature=1 / KC))
        us, them = us / (L**2 * CHAINS * n_ours), them / (L**2 * n_peer)
        ratios[L] = them / us
        detail[f"L={L}"] = f"{1e-9 / us:.1f} against {1e-9 / them:.3f} flips/ns"
    worst = min(ratios, key=lambda L: ratios[L])
    detail["energy pulls at L=16, K=0.4, ours and theirs"] = "{:.1f}, {:.1f}".format(*_pulls())
    detail["one chain alone"] = "costs as much as 512: the gain is aggregate"
    return Row(ratios[worst], "ratio", "mcising Metropolis", None, ratios[worst], detail)


def _pulls() -> tuple[float, float]:
    """Both codes at L=16, K=0.4 against Kaufman, errors by independent chains."""
    L, K = 16, 0.4
    exact = float(energy_per_site(K, (L, L)))
    chains = Metropolis(rng="fast", ties="accept").bind(Ising(L=L, beta=K))
    state, _ = chains.step(Stream(3), chains.init(Stream(3), CHAINS, "cold"), 500)
    ours = chains.measure(state)["energy"] / L**2
    theirs = np.zeros(32)
    for k in range(32):
        peer = IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, k, "metropolis", "square")
        peer.sweep(500, temperature=1 / K)
        series = peer.production_sweeps(200, 10, temperature=1 / K, store_configs=False)
        theirs[k] = np.mean(series["energies"])
    return tuple(  # type: ignore[return-value]
        float((e.mean() - exact) / (e.std(ddof=1) / math.sqrt(len(e)))) for e in (ours, theirs)
    )


def large_ratio() -> Row:
    """One lattice, Metropolis with ties accepted; K = 0.4, where L = 1024 is infinite."""
    ratios, detail, K = {}, {}, 0.4
    for L in (1024, 2048):
        n_ours, n_peer = 400_000_000 // L**2, max(4_000_000 // L**2, 1)
        chains = Metropolis(rng="fast", ties="accept").bind(Ising(L=L, beta=K))
        state, _ = chains.step(Stream(1), chains.init(Stream(1), 1, "cold"), 300)
        peer = peer_at(L, K)
        energies: list[float] = []

        def ours(chains=chains, n=n_ours, L=L, energies=energies) -> None:
            nonlocal state
            state, _ = chains.step(Stream(2).at(len(energies)), state, n)
            energies.append(chains.measure(state)["energy"][0] / L**2)

        us, them = interleaved(ours, lambda p=peer, n=n_peer: p.sweep(n, temperature=1 / K))
        us, them = us / (L**2 * n_ours), them / (L**2 * n_peer)
        ratios[L] = them / us
        exact = float(infinite_energy(K))
        detail[f"L={L}"] = f"{1e-9 / us:.1f} against {1e-9 / them:.3f} flips/ns"
        detail[f"L={L}, energies - Onsager"] = (
            f"{np.mean(energies) - exact:+.1e}, {peer.energy() - exact:+.1e}"
        )
    worst = min(ratios, key=lambda L: ratios[L])
    return Row(ratios[worst], "ratio", "mcising Metropolis", None, ratios[worst], detail)


def thread_scaling() -> Row:
    """Wall time of 8192 chains on one thread over that on two."""
    sampler, before = HeatBath(), config.NUMBA_NUM_THREADS
    call = sweeper(sampler, 32, 8192, 60)
    wall: dict[int, list[float]] = {1: [], 2: []}
    try:
        for _ in range(9):
            for n_threads, seconds in wall.items():
                config.NUMBA_NUM_THREADS = n_threads
                start = time.perf_counter()
                call()
                seconds.append(time.perf_counter() - start)
    finally:
        config.NUMBA_NUM_THREADS = before
    one, two = (statistics.median(seconds) for seconds in wall.values())
    best = min(wall[1]) / min(wall[2])
    detail = {"best of nine each": f"{best:.2f}", "L": 32, "chains": 8192}
    return Row(one / two, "ratio", detail=detail)


def measure_overhead() -> Row:
    """Energy and magnetization of 4096 chains after every sweep, over the sweep; Philox."""
    shares, detail = [], {}
    for rng in ("philox", "fast"):
        for L in SIZES:
            chains = HeatBath(rng=rng).bind(Ising(L=L, beta=KC))
            state, n = chains.init(Stream(1), CHAINS), 20_000 // L**2 + 5

            def sweep(chains=chains, n=n) -> None:
                nonlocal state
                for i in range(n):
                    state, _ = chains.step(Stream(2).at(i), state)

            def measure(chains=chains, n=n, state=state) -> None:
                for _ in range(n):
                    chains.measure(state)

            sweeping, measuring = interleaved(sweep, measure, repeats=11)
            detail[f"{rng}, L={L}"] = f"{measuring / sweeping:.2f}"
            if rng == "philox":
                shares.append(measuring / sweeping)
    return Row(max(shares), "share", detail=detail)


FIGURES = [
    Figure("ising_philox", "Ising heat bath, L=16-64, Philox", 7, lambda: rate("philox")),
    Figure(
        "ising_fast", "Ising heat bath, L=16-64, fast mode", 12, lambda: rate("fast"), stretch=20
    ),
    Figure("ising_ratio", "Ising Metropolis, L=16-64, aggregate", 60, ratio, stretch=100),
    Figure("ising_large_ratio", "One Ising lattice, L=1024, 2048", 50, large_ratio, stretch=80),
    Figure("thread_scaling", "Two threads over one, wall time", 1.8, thread_scaling),
    Figure(
        "measure_overhead", "Measuring every sweep, share of it", 0.3, measure_overhead,
        at_most=True,
    ),
]  # fmt: skip
