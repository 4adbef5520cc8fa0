r"""Measure log Z and the entropy of `systems/*/reference.toml` by neural importance sampling.

    python workflows/references/free_energies.py [POINT ...]      all points: about 15 CPU minutes
    python workflows/references/free_energies.py --list

Each point is one model, trained on one thread for the CPU time that is named, and `n` weighted
draws of it; log Z is absolute, without a path of couplings.  Forward shares on Markov chains have
to agree with the reverse ones, or nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from make import asked, merge

from physgen.catalogue import Reference, load_system
from physgen.exact import exact_values, onsager
from physgen.models import default_family, for_target
from physgen.samplers import Phi4Cluster, SwendsenWang, importance, run, unpack_configurations
from physgen.training import ReverseKL, fit, recipe

COMMAND = "python workflows/references/free_energies.py"


class Point(NamedTuple):
    """One model of one target."""

    system: str
    parameters: Mapping[str, Any]
    budget: str
    n: int
    seed: int = 31  # nets of one lattice differ in it: their draws would go up and down together


def ladder(L: int, lam: float, budget: str) -> Point:
    """Return a point at m2 = -4, where lam keeps the correlation length at L/4 from L = 6 on."""
    at = {"L": L, "convention": "unhalved", "m2": -4.0, "lam": lam}
    return Point("phi4-2d", at, budget, 100_000)


def ising(L: int, beta: float, budget: str, seed: int) -> Point:
    """Return a point whose log Z Kaufman knows: a check of the method."""
    return Point("ising-2d", {"L": L, "beta": beta, "J": 1.0, "h": 0.0}, budget, 200_000, seed)


CRITICAL = {"L": 16, "convention": "hopping", "kappa": 0.27, "lam": 0.022}
POINTS = {
    "ladder-L8": ladder(8, 8.0, "40s"),
    "ladder-L6-E1": ladder(6, 6.975, "30s"),
    "ladder-L8-E2": ladder(8, 6.008, "40s"),
    "ladder-L12-E4": ladder(12, 5.276, "60s"),
    "ladder-L14-E5": ladder(14, 5.113, "90s"),
    "phi4-L16-k0.27": Point("phi4-2d", CRITICAL, "90s", 65_536),
    **{
        f"ising-L{L}-{name}": ising(L, beta, budget, seed)
        for L, budget in ((8, "20s"), (16, "60s"))
        for name, beta, seed in (("0.3", 0.3, 31), ("Kc", onsager.K_C, 32), ("0.6", 0.6, 33))
    },
}


def measure(name: str, point: Point) -> list[Reference]:
    """Train, weigh, and return the entries of a point."""
    target = load_system(point.system).target(**point.parameters)
    spins = target.support.kind == "spins"
    model = for_target(target, rng=point.seed)
    objective = (
        ReverseKL(target, anneal=0.3, draws_per_epoch=25_600, rng=point.seed)
        if spins
        else ReverseKL(target, rng=point.seed)
    )
    family = default_family(target)
    fit(model, objective, recipe(family), rng=point.seed, budget=point.budget)
    sampler = SwendsenWang() if spins else Phi4Cluster()
    how = {"n_chains": 64, "n_draws": 64, "thin": 10, "seed": point.seed, "quiet": True}
    chains = run(sampler, target, keep="configurations", **how)
    x = unpack_configurations(chains).values.reshape(-1, *target.event_shape)
    found = importance(model, target, point.n, point.seed, samples=x)
    share = float(found.ess_share)
    if share < 0.5 or found.attrs["warnings"]:
        raise SystemExit(f"{name}: ess {share:.3f}; {found.attrs['warnings']}")
    size = f"{family}, {point.budget} of training, {found.attrs['n']} draws, ess {share:.3f}"
    source = f"{COMMAND} {name}; {size}, seed {point.seed}"
    entries = []
    for quantity in ("log_z", "entropy"):
        value, error = float(found[quantity]), float(found[f"{quantity}_error"])
        print(f"  {quantity:8} {value:.10g} +- {error:.2g}")
        rounded = float(f"{value:.10g}"), float(f"{error:.2g}")
        entries.append(Reference(quantity, point.parameters, *rounded, "computed", source))
    if spins:
        exact = float(exact_values(target)["log_z"])
        pull = (float(found.log_z) - exact) / float(found.log_z_error)
        print(f"  log Z against Kaufman: {pull:+.2f} standard errors")
    return entries


def main() -> None:
    """Run the points asked for and write what they give."""
    torch.set_num_threads(1)
    for name in asked(__doc__ or "", POINTS).point:
        print(name, flush=True)
        merge(POINTS[name].system, measure(name, POINTS[name]))


if __name__ == "__main__":
    main()
