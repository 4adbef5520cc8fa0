"""Figures of the CUDA kernels, on the device of this machine: wall time, rooflines beside them.

python workflows/benchmarks/gpu.py [--only KEY ...] [--json FILE]

A call of `step` is timed as a user makes it, launches and copies included, until the device is
idle; medians of seven.  Rooflines are for the memory bandwidth that copying a large array shows on
this device, and for that of its data sheet where we know it.
"""

from __future__ import annotations

import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from harness import Figure, Row, main

from physgen.core.errors import InputError, PhysgenError
from physgen.core.random import Stream
from physgen.exact import exact_values
from physgen.exact.kaufman import energy_per_site
from physgen.kernels.cuda._numba import SIMULATED, cuda
from physgen.kernels.cuda.launch import require_device
from physgen.models.energy.rbm import RBM
from physgen.samplers.block_gibbs import BlockGibbs
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.phi4_cluster import Phi4Cluster
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.ula import ULA
from physgen.targets import FreeField, Ising, Phi4

KC = math.log(1 + math.sqrt(2)) / 2
# Enough blocks (of 512 chains of spins, of 16-32 chains of fields) to fill 132 multiprocessors.
N_SPIN_CHAINS, N_FIELD_CHAINS = 2**20, 2**16
PHI4 = Phi4.from_halved(L=16, m2=-0.5, lam=0.3)
# Own value, one neighbour that no other site has fetched, and the value written.
SPIN_BYTES, STEP_BYTES = 24 / 64, 20
DATA_SHEET = {"H100": 3.35, "H200": 4.8}  # TB/s


def seconds(call: Callable[[], Any], repeats: int = 7) -> float:
    """Return the median wall time of a call, the device idle before and after."""
    call()
    times = []
    for _ in range(repeats):
        cuda.synchronize()
        start = time.perf_counter()
        call()
        cuda.synchronize()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


@cache
def bandwidth() -> float:
    """Return TB/s of a copy within the device, reads and writes counted."""
    n = 2**31
    source, out = (cuda.device_array(n // 8, np.float64) for _ in range(2))
    return 2 * n / seconds(lambda: out.copy_to_device(source)) / 1e12


def beside(n_bytes: float) -> dict[str, Any]:
    """Return the device and its rooflines for a figure that needs `n_bytes` a unit."""
    name = cuda.get_current_device().name
    name = name.decode() if isinstance(name, bytes) else str(name)
    stated = {f"roofline at {v} TB/s": v for card, v in DATA_SHEET.items() if card in name}
    rooflines = {"memory roofline": bandwidth(), **stated}
    return {
        "device": name,
        "copy bandwidth": f"{bandwidth():.2f} TB/s",
        **{text: f"{1e3 * v / n_bytes:,.0f} a ns" for text, v in rooflines.items()},
    }


def ising(sampler: Any) -> Row:
    """Flips a ns at Kc, the worst size, and the energy at L=16 against Kaufman."""
    rates, detail = {}, {}
    for L in (16, 32, 64):
        chains = sampler.bind(Ising(L=L, beta=KC))
        n_chains, n = N_SPIN_CHAINS * 16 // L, 100
        state = chains.init(Stream(1), n_chains, "cold")

        def call(chains=chains, state=state, n=n) -> None:
            chains.step(Stream(2), state, n)

        rates[L] = n_chains * L**2 * n / seconds(call) / 1e9
        detail[f"L={L}, {n_chains} chains"] = f"{rates[L]:.0f} flips/ns"
        if L == 16:
            for i in range(80):
                state, _ = chains.step(Stream(3).at(i), state, n)
            e = chains.measure(state)["energy"] / L**2
            error = e.std(ddof=1) / math.sqrt(n_chains)
            pull = (e.mean() - float(energy_per_site(KC, (L, L)))) / error
            detail["energy pull after 8000 sweeps"] = f"{pull:.1f}"
    return Row(min(rates.values()), "flips/ns", detail=detail | beside(SPIN_BYTES))


def glass() -> Row:
    """Flips a ns of a spin glass with normal couplings, L = 16."""
    couplings = np.random.default_rng(1).normal(size=2 * 16**2)
    chains = HeatBath(device="cuda").bind(Ising(L=16, beta=1.0, J=couplings))
    state, n = chains.init(Stream(1), N_FIELD_CHAINS), 100
    rate = N_FIELD_CHAINS * 256 * n / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, n))
    return Row(rate, "flips/ns", detail={"chains": N_FIELD_CHAINS} | beside(2))


def lattice() -> Row:
    """Flips a ns of one lattice of 16384 x 16384, and its energy against Kaufman at beta = 0.4."""
    chains: Any = HeatBath(device="cuda", layout="lattice").bind(Ising(L=2**14, beta=KC))
    state = chains.init(Stream(1), 1, "cold")
    rate = 2**28 * 20 / 1e9 / seconds(lambda: chains.step(Stream(2), state, 20))
    small: Any = HeatBath(device="cuda", layout="lattice").bind(Ising(L=256, beta=0.4))
    spins, n = small.init(Stream(3), 256), 400
    for i in range(4):
        spins, _ = small.step(Stream(4).at(i), spins, n)
    e = small.measure(spins)["energy"] / 256**2
    pull = e.mean() - float(energy_per_site(0.4, (256, 256)))
    pull /= e.std(ddof=1) / math.sqrt(len(e))
    detail = {"sites": "16384 x 16384", "pull of the energy, 256 of 256 x 256": f"{pull:.1f}"}
    return Row(rate, "flips/ns", detail=detail | beside(40 / 64))


def measure_overhead() -> Row:
    """What a measurement adds to a draw of 20 sweeps, as `run` makes draws: numbers one late."""
    chains: Any = HeatBath(device="cuda").bind(Ising(L=16, beta=KC))
    start, n_draws, n = chains.init(Stream(1), N_SPIN_CHAINS, "cold"), 20, 20

    def draws(measured: bool) -> None:
        state, waiting = start, None
        for i in range(n_draws):
            state, _ = chains.step(Stream(2).at(i), state, n)
            coming = chains.measuring(state) if measured else None
            if waiting is not None:
                waiting()
            waiting = coming
        if waiting is not None:
            waiting()

    plain, measuring = (seconds(lambda m=m: draws(m)) / n_draws for m in (False, True))
    sweep, alone = plain / n, seconds(lambda: chains.measure(start))
    detail = {
        "sweep": f"{1e3 * sweep:.3f} ms",
        "added to a draw": f"{1e3 * (measuring - plain):.3f} ms",
        "one measurement on its own": f"{1e3 * alone:.3f} ms",
        "limit": "16 bytes a chain over the bus",
    }
    return Row((measuring - plain) / sweep, "of a sweep", detail=detail | beside(SPIN_BYTES))


def leapfrog(dtype: str) -> Row:
    """Site-steps a ns of long trajectories, momenta and acceptance included."""
    n_leapfrog, n_sites, size = 100, 256, np.dtype(dtype).itemsize
    sampler = HMC(device="cuda", dtype=dtype, n_leapfrog=n_leapfrog, step_size=0.02)
    chains = sampler.bind(PHI4)
    state = chains.init(Stream(1), N_FIELD_CHAINS)
    rate = N_FIELD_CHAINS * n_sites * n_leapfrog * 4 / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, 4))
    _, info = chains.step(Stream(2), state, 4)
    accepted = info.metrics["acceptance_probability"].mean()
    detail = {"chains": N_FIELD_CHAINS, "acceptance": f"{accepted:.3f}"}
    return Row(rate, "site-steps/ns", detail=detail | beside(STEP_BYTES * size / 4))


def large_leapfrog() -> Row:
    """Site-steps a ns of trajectories of one lattice of 4096 x 4096."""
    L, n_leapfrog = 4096, 100
    sampler = HMC(device="cuda", n_leapfrog=n_leapfrog, step_size=0.002)
    chains = sampler.bind(Phi4.from_halved(L=L, m2=-0.5, lam=0.3))
    state = chains.init(Stream(1), 1)
    rate = L**2 * n_leapfrog / 1e9 / seconds(lambda: chains.step(Stream(2), state))
    return Row(rate, "site-steps/ns", detail={"sites": f"{L} x {L}"} | beside(16))


def ula() -> Row:
    chains = ULA(device="cuda", step_size=0.01).bind(PHI4)
    state = chains.init(Stream(1), N_FIELD_CHAINS)
    rate = N_FIELD_CHAINS * 256 * 100 / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, 100))
    return Row(rate, "site-updates/ns", detail={"chains": N_FIELD_CHAINS} | beside(STEP_BYTES))


def local() -> Row:
    """Site-updates a ns of Metropolis sweeps, and <phi^2> of free fields against the exact one."""
    chains = Metropolis(device="cuda").bind(PHI4)
    state, n = chains.init(Stream(1), N_FIELD_CHAINS), 100
    rate = N_FIELD_CHAINS * 256 * n / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, n))
    free: Any = Metropolis(device="cuda").bind(FreeField((8, 8), 1.0))
    fields = free.init(Stream(3), N_FIELD_CHAINS)
    for i in range(20):
        fields, _ = free.step(Stream(4).at(i), fields, n)
    found = free.measure(fields)["phi2"]
    error = found.std(ddof=1) / math.sqrt(N_FIELD_CHAINS)
    pull = (found.mean() - float(exact_values(free.target)["phi2"])) / error
    detail = {"chains": N_FIELD_CHAINS, "pull of <phi^2>, free, L=8": f"{pull:.1f}"}
    return Row(rate, "site-updates/ns", detail=detail | beside(8))


def clusters() -> Row:
    """Sites a ns of Swendsen-Wang sweeps at Kc, L = 64, and the energy against Kaufman."""
    L, n_chains, n = 64, 2**14, 20
    chains: Any = SwendsenWang(device="cuda").bind(Ising(L=L, beta=KC))
    state = chains.init(Stream(1), n_chains, "cold")
    rate = n_chains * L**2 * n / 1e9 / seconds(lambda: chains.step(Stream(2), state, n))
    for i in range(10):
        state, _ = chains.step(Stream(3).at(i), state, n)
    e = chains.measure(state)["energy"] / L**2
    pull = (e.mean() - float(energy_per_site(KC, (L, L)))) / (e.std(ddof=1) / math.sqrt(n_chains))
    detail = {"chains": n_chains, "energy pull after 200 sweeps": f"{pull:.1f}"}
    return Row(rate, "sites/ns", detail=detail | beside(4))


def signs() -> Row:
    """Sites a ns of steps of phi^4: two local sweeps, then all clusters of signs."""
    chains = Phi4Cluster(device="cuda").bind(PHI4)
    state, n = chains.init(Stream(1), N_FIELD_CHAINS), 20
    rate = N_FIELD_CHAINS * 256 * n / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, n))
    return Row(rate, "sites/ns", detail={"chains": N_FIELD_CHAINS} | beside(3 * 8))


def block_gibbs() -> Row:
    """Units a ns of block Gibbs sweeps of a machine of 1,024 visible and 512 hidden spins."""
    model = RBM((32, 32), n_hidden=512, rng=1)
    chains: Any = BlockGibbs(device="cuda").bind(model)
    state, n = chains.init(Stream(1), 2**14), 20
    rate = 2**14 * (1024 + 512) * n / 1e9
    rate /= seconds(lambda: chains.step(Stream(2), state, n))
    return Row(rate, "units/ns", detail={"chains": 2**14} | beside(600))


FIGURES = [
    Figure(
        "gpu_heat_bath", "Ising heat bath at Kc, Philox, L=16-64, worst size", 150,
        lambda: ising(HeatBath(device="cuda")), stretch=700,
    ),
    Figure(
        "gpu_metropolis", "Ising Metropolis at Kc, Philox, L=16-64, worst size", 150,
        lambda: ising(Metropolis(device="cuda")), stretch=700,
    ),
    Figure("gpu_lattice", "one Ising lattice, 16384 x 16384, heat bath", 500, lattice, stretch=1000),
    Figure("gpu_glass", "spin glass, normal couplings, L=16, heat bath", 50, glass, stretch=100),
    Figure(
        "gpu_measure", "energy and magnetization, L=16, on the host: added to a draw", 1.0,
        measure_overhead, at_most=True, stretch=0.3,
    ),
    Figure(
        "gpu_leapfrog_f32", "phi^4 leapfrog L=16, float32", 100,
        lambda: leapfrog("float32"), stretch=240,
    ),
    Figure(
        "gpu_leapfrog_f64", "phi^4 leapfrog L=16, float64", 50,
        lambda: leapfrog("float64"), stretch=120,
    ),
    Figure("gpu_leapfrog_large", "phi^4 leapfrog, one lattice of 4096 x 4096", 100, large_leapfrog),
    Figure("gpu_phi4_metropolis", "phi^4 Metropolis L=16, float32", 50, local, stretch=100),
    Figure("gpu_clusters", "Swendsen-Wang at Kc, L=64", 10, clusters, stretch=25),
    Figure("gpu_signs", "phi^4 L=16, float32, two local sweeps and all clusters", 10, signs),
    Figure("gpu_block_gibbs", "block Gibbs, 1,024 and 512 spins", 2, block_gibbs),
    Figure("gpu_ula", "unadjusted Langevin of phi^4, L=16, float32", 50, ula, stretch=150),
]  # fmt: skip

if __name__ == "__main__":
    try:
        require_device()
        if SIMULATED:
            raise InputError("figures are those of a device, got numba's simulator; unset "
                             "NUMBA_ENABLE_CUDASIM")  # fmt: skip
    except PhysgenError as error:
        sys.exit(f"gpu.py: {error}")
    sources = ["core/random.py", "kernels/cpu/normals.py", "kernels/cuda", "samplers"]
    main("gpu", FIGURES, ["physgen", "numpy", "numba"], sources)
