"""What an independent draw costs: the tables of docs/choosing-a-sampler.md.

For each sampler, size and coupling, one run gives the integrated autocorrelation time of |m| and
of the energy (or action) in steps, and the CPU time of a step of one chain gives

    cost = 2 tau_int(|m|) x CPU time of a step of one chain .

python workflows/benchmarks/choosing_a_sampler.py [--quick | --retime] [--json FILE]
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["NUMBA_NUM_THREADS"] = "1"

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import machine

from physgen.analysis.autocorrelation import tau_int
from physgen.analysis.format import format_estimate
from physgen.core.errors import PhysgenError
from physgen.core.random import Stream
from physgen.samplers import HMC, HeatBath, Metropolis, Phi4Cluster, SwendsenWang, Wolff, run
from physgen.targets import Ising, Phi4

BETA_C = 0.5 * math.log(1 + math.sqrt(2))
ISING = {"0.9 beta_c": 0.9 * BETA_C, "beta_c": BETA_C, "1.1 beta_c": 1.1 * BETA_C}
PHI4 = {"kappa = 0.25": 0.25, "kappa = 0.2705": 0.2705, "kappa = 0.29": 0.29}
SAMPLERS = {
    "ising": {
        "heat bath": (HeatBath(rng="fast"), 512),
        "Metropolis": (Metropolis(rng="fast"), 512),
        "Wolff": (Wolff(), 64),
        "Swendsen-Wang": (SwendsenWang(), 64),
    },
    "phi4": {
        "HMC": (HMC(rng="fast"), 128),
        "Metropolis": (Metropolis(rng="fast"), 128),
        "clusters": (Phi4Cluster(rng="fast"), 128),
    },
}


def targets(system: str, L: int) -> Iterator[tuple[str, Any]]:
    if system == "ising":
        for name, beta in ISING.items():
            yield name, Ising(L=L, beta=beta)
    else:
        for name, kappa in PHI4.items():
            yield name, Phi4.from_hopping(L=L, kappa=kappa, lam=0.022)


def measure(sampler: Any, target: Any, n_chains: int, seconds: float) -> dict[str, Any]:
    """Return tau_int and cost of one sampler, from about `seconds` of CPU time.

    The first, short run times a step and gives a first tau_int; the second draws every
    tau_int / 8 steps, so that slow chains fill no memory.
    """
    run(sampler, target, n_chains=n_chains, n_draws=2, warmup=2, seed=1, quiet=True)  # compiles
    pilot = run(sampler, target, n_chains=n_chains, n_draws=400, seed=2, quiet=True)
    slow = "magnetization"
    first = tau_int(abs(pilot[slow].values)).value
    thin = max(1, round(first / 8))
    step = time_step(sampler, target, n_chains)
    n_draws = int(min(4000, max(200, seconds / (step * n_chains * thin))))
    ds = run(sampler, target, n_chains=n_chains, n_draws=n_draws, thin=thin, seed=3, quiet=True)
    energy = "energy" if "energy" in ds else "action"
    m, e = tau_int(abs(ds[slow].values)), tau_int(ds[energy].values)
    # tau_int in steps from draws that are `thin` apart: the sum over lags becomes an integral,
    # whose end at lag 0 is 1/2 in either unit.
    return {
        "tau_int_abs_m": m.value * thin,
        "tau_int_abs_m_error": m.error * thin,
        "tau_int_energy": e.value * thin,
        "tau_int_energy_error": e.error * thin,
        "warnings": ds.attrs["warnings"],
        "thin": thin,
        "n_chains": n_chains,
        "n_draws": n_draws,
        "step_us": 1e6 * step,
        "draw_us": 2e6 * m.value * thin * step,
    }


def time_step(sampler: Any, target: Any, n_chains: int) -> float:
    """Return the CPU seconds of a step of one chain, tuned and warm; the median of five."""
    rng = Stream(5)
    bound = sampler.bind(target)
    state = bound.init(rng.child("start"), n_chains, "cold")
    if hasattr(bound, "tune"):
        bound, state = bound.tune(rng.child("tune"), state, 100)
    n, times = 4, []
    while len(times) < 5:
        begun = time.process_time()
        state, _ = bound.step(rng.child("steps").at(n + len(times)), state, n)
        seconds = time.process_time() - begun
        if seconds > 0.1:
            times.append(seconds)
        else:
            n *= 2
    return statistics.median(times) / (n * n_chains)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="L = 8 and 16 only, 1 s a point")
    parser.add_argument(
        "--json", type=Path, default=Path(__file__).parent / "choosing_a_sampler.json"
    )
    parser.add_argument("--retime", action="store_true", help="keep tau_int, time the steps anew")
    options = parser.parse_args()
    if options.retime:
        rows = json.loads(options.json.read_text())["rows"]
        retime(rows)
        write(options.json, rows)
        return show(rows)
    sizes, seconds = ((8, 16), 1.0) if options.quick else ((8, 16, 32, 64), 8.0)
    rows = []
    for system, samplers in SAMPLERS.items():
        for L in sizes:
            for where, target in targets(system, L):
                for name, (sampler, n_chains) in samplers.items():
                    row = {"system": system, "L": L, "where": where, "sampler": name}
                    try:
                        row |= measure(sampler, target, n_chains, seconds)
                    except PhysgenError as error:
                        row["error"] = str(error)
                    rows.append(row)
                    print(row, file=sys.stderr, flush=True)
                    write(options.json, rows)
    show(rows)


def retime(rows: list[dict[str, Any]]) -> None:
    """Time the steps of stored rows anew."""
    for row in rows:
        if "error" in row:
            continue
        target = dict(targets(row["system"], row["L"]))[row["where"]]
        sampler, n_chains = SAMPLERS[row["system"]][row["sampler"]]
        row["step_us"] = 1e6 * time_step(sampler, target, n_chains)
        row["draw_us"] = 2 * row["tau_int_abs_m"] * row["step_us"]


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")


def show(rows: list[dict[str, Any]]) -> None:
    for system in SAMPLERS:
        print(f"\n{system}\n\n{table([r for r in rows if r['system'] == system])}")


def table(rows: list[dict[str, Any]]) -> str:
    """Return Markdown: tau_int of |m| in steps, and the microseconds of an independent draw."""
    names = list(dict.fromkeys(r["sampler"] for r in rows))
    lines = [f"| L | coupling | {' | '.join(names)} |", "|---|---|" + "---|" * len(names)]
    for key in dict.fromkeys((r["L"], r["where"]) for r in rows):
        cells = {r["sampler"]: cell(r) for r in rows if (r["L"], r["where"]) == key}
        lines.append(f"| {key[0]} | {key[1]} | {' | '.join(cells[n] for n in names)} |")
    return "\n".join(lines)


def cell(row: dict[str, Any]) -> str:
    if "error" in row:
        return "-"
    if "stay apart" in row.get("warnings", ""):
        return "domains do not dissolve"
    if row["tau_int_abs_m_error"] > 0.2 * row["tau_int_abs_m"]:
        return "too slow to resolve"
    tau = format_estimate(row["tau_int_abs_m"], row["tau_int_abs_m_error"])
    return f"{tau}; {row['draw_us']:.3g} us"


if __name__ == "__main__":
    main()
