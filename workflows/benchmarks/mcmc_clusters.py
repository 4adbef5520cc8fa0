"""Figures of cluster algorithms, against mcising (Rust), and of sequential Monte Carlo."""

from __future__ import annotations

import math
import time

import numpy as np
from harness import Figure, Row, interleaved
from mcising import IsingSimulation

from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.samplers.sequential import smc
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

KC = math.log(1 + math.sqrt(2)) / 2
SIZES = (32, 64, 128, 256, 512)


def sw_ratio() -> Row:
    """Swendsen-Wang sweeps of one chain at Kc, the worst size; both energies against Kaufman."""
    ratios, detail = {}, {}
    for L in SIZES:
        n = max(2_000_000 // L**2, 8)
        chains = SwendsenWang().bind(Ising(L=L, beta=KC))
        state, _ = chains.step(Stream(1), chains.init(Stream(1), 1, "cold"), 4 * n)
        peer = IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1, "swendsen_wang", "square")
        peer.set_spins(np.ones((L, L), np.int8))
        peer.sweep(4 * n, temperature=1 / KC)
        energies: list[list[float]] = [[], []]

        def ours(L=L, n=n, chains=chains, energies=energies) -> None:
            nonlocal state
            state, _ = chains.step(Stream(2).at(len(energies[0])), state, n)
            energies[0].append(chains.measure(state)["energy"][0] / L**2)

        def theirs(n=n, peer=peer, energies=energies) -> None:
            peer.sweep(n, temperature=1 / KC)
            energies[1].append(peer.energy())

        us, them = interleaved(ours, theirs)
        ratios[L] = them / us
        detail[f"L={L}"] = f"{1e9 * us / n / L**2:.2f} against {1e9 * them / n / L**2:.1f} ns/site"
    worst = min(ratios, key=lambda L: ratios[L])
    detail["energy pulls at L=32, ours and theirs"] = "{:.1f}, {:.1f}".format(*_pulls())
    detail["limit"] = (
        "about 3 ns/site by estimate: 0.43 joins a site at one mispredicted branch each (2 ns), half "
        "a run a site to flip (0.5 ns), 16 random words for 128 bonds (0.5 ns, measured)"
    )
    return Row(ratios[worst], "ratio", "mcising SW", None, ratios[worst], detail)


def _pulls() -> tuple[float, float]:
    """Both codes at L=32 against the exact energy, 40 chains of 300 sweeps."""
    L, exact = 32, float(energy_per_site(KC, (32, 32)))
    chains = SwendsenWang().bind(Ising(L=L, beta=KC))
    state, _ = chains.step(Stream(3), chains.init(Stream(3), 40, "cold"), 60)
    mean = np.zeros((2, 40))
    peers = [IsingSimulation(L, 1.0, 0, 0, 0, s, "swendsen_wang", "square") for s in range(40)]
    for peer in peers:
        peer.sweep(60, temperature=1 / KC)
    for i in range(100):
        state, _ = chains.step(Stream(4).at(i), state, 3)
        mean[0] += chains.measure(state)["energy"] / L**2 / 100
        for k, peer in enumerate(peers):
            peer.sweep(3, temperature=1 / KC)
            mean[1, k] += peer.energy() / 100
    ours, theirs = (mean.mean(1) - exact) / (mean.std(1, ddof=1) / math.sqrt(40))
    return float(ours), float(theirs)


def wolff_ratio() -> Row:
    """Wolff clusters of one chain at Kc: spins flipped a second, the worst size."""
    ratios, detail = {}, {}
    for L in (32, 128, 512):
        n = max(8_000_000 // L**2, 200)  # sizes of single clusters differ by much
        chains = Wolff(n_clusters=n).bind(Ising(L=L, beta=KC))
        state, _ = chains.step(Stream(1), chains.init(Stream(1), 1, "cold"), 4)
        peer = IsingSimulation(L, 1.0, 0.0, 0.0, 0.0, 1, "wolff", "square")
        peer.set_spins(np.ones((L, L), np.int8))
        peer.sweep(4 * n, temperature=1 / KC)
        sites = np.zeros((2, 2))

        def ours(n=n, chains=chains, sites=sites) -> None:
            nonlocal state
            state, info = chains.step(Stream(2).at(int(sites[0, 0])), state)
            sites[0] += n * info.metrics["cluster_size"][0], 1

        def theirs(n=n, peer=peer, sites=sites) -> None:
            sites[1] += peer.sweep(n, temperature=1 / KC)[0], 1

        us, them = interleaved(ours, theirs)
        us, them = us * sites[0, 1] / sites[0, 0], them * sites[1, 1] / sites[1, 0]
        us, them = float(us), float(them)
        ratios[L] = them / us
        detail[f"L={L}"] = f"{1e9 * us:.1f} against {1e9 * them:.1f} ns/flipped spin"
    worst = min(ratios, key=lambda L: ratios[L])
    return Row(ratios[worst], "ratio", "mcising Wolff", None, ratios[worst], detail)


def smc_log_z() -> Row:
    """Worst error of log Z at ten CPU seconds, phi^4 on 4x4 sites; pulls against quadrature."""
    cases = {
        "m2=-4 lam=8": (Phi4.from_unhalved(4, m2=-4.0, lam=8.0), 2.405138962),
        "m2=-4 lam=6.975": (Phi4.from_unhalved(4, m2=-4.0, lam=6.975), 3.218328923),
        "kappa=0.2705 lam=0.022": (Phi4.from_hopping(4, kappa=0.2705, lam=0.022), 12.1540),
    }
    smc(cases["m2=-4 lam=8"][0], n_particles=16, seed=1)
    detail, errors = {}, []
    for name, (target, exact) in cases.items():
        start = time.process_time()
        ds = smc(target, n_particles=8192, n_islands=64, seed=1)
        seconds = time.process_time() - start
        value, error = ds["log_z"].item(), ds["log_z_error"].item()
        errors.append(error * math.sqrt(seconds / 10))
        detail[name] = (
            f"{value:.4f} +- {error:.4f} in {seconds:.1f} s, pull {(value - exact) / error:.1f}"
        )
    return Row(max(errors), "error of log Z at 10 CPU s", detail=detail)


FIGURES = [
    Figure("sw_ratio", "Swendsen-Wang, L=32-512 at Kc, worst size", 1.5, sw_ratio),
    Figure("smc_log_z", "SMC, phi^4 4x4, worst of three couplings", 2e-3, smc_log_z, at_most=True),
    Figure("wolff_ratio", "Wolff, L=32-512 at Kc, worst size", 1.0, wolff_ratio),
]
