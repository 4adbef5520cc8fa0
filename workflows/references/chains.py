r"""Measure the computed entries of `systems/*/reference.toml` by Markov chains.

    python workflows/references/chains.py [POINT ...]      all points: about 15 CPU minutes
    python workflows/references/chains.py --list

Each point is one run of `physgen.samplers.run`; its values replace those of the file.  Of a field
the means of S and phi^2 are taken together with D = (1/V) sum phi dS/dphi - 1, whose mean is
exactly 0: S/V - b D has the same mean and, with b = cov(S/V, D)/var D, the smallest error.  Of an
Ising torus the energy is known (Kaufman): x - b (e - <e>) has the mean of x, of |m|, m^2 and m^4.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from make import asked, merge

from physgen.catalogue import Reference, load_system
from physgen.core.random import Stream
from physgen.exact import exact_values, onsager
from physgen.samplers import HMC, SwendsenWang, estimates, run

COMMAND = "python workflows/references/chains.py"
MAGNETIC = ("abs_magnetization", "susceptibility", "chi_abs", "binder")


class Point(NamedTuple):
    """One run."""

    system: str
    parameters: Mapping[str, Any]
    sampler: Any
    n_chains: int
    n_draws: int
    seed: int
    start: str = "hot/cold"


def hopping(L: int, kappa: float, length: float, n_draws: int, start: str = "hot/cold") -> Point:
    """Return a point at lam = 0.022; trajectories of about a quarter period of the zero mode."""
    at = {"L": L, "convention": "hopping", "kappa": kappa, "lam": 0.022}
    return Point("phi4-2d", at, HMC(trajectory_length=length), 1024, n_draws, 11, start)


def ladder(L: int, lam: float, length: float, n_draws: int) -> Point:
    """Return a point at m2 = -4, where lam keeps the correlation length at L/4 from L = 6 on."""
    at = {"L": L, "convention": "unhalved", "m2": -4.0, "lam": lam}
    return Point("phi4-2d", at, HMC(trajectory_length=length), 1024, n_draws, 12)


def ising(L: int, beta: float, n_draws: int) -> Point:
    """Return a point of Swendsen-Wang."""
    at = {"L": L, "beta": beta, "J": 1.0, "h": 0.0}
    return Point("ising-2d", at, SwendsenWang(), 128, n_draws, 13)


POINTS = {
    "ladder-L8": ladder(8, 8.0, 1.0, 4000),
    "ladder-L6-E1": ladder(6, 6.975, 1.0, 4000),
    "ladder-L8-E2": ladder(8, 6.008, 1.5, 4000),
    "ladder-L12-E4": ladder(12, 5.276, 2.0, 3000),
    "ladder-L14-E5": ladder(14, 5.113, 2.5, 3000),
    "phi4-L16-k0.27": hopping(16, 0.27, 6.0, 2500),
    "phi4-L32-k0.21": hopping(32, 0.21, 2.0, 2000),
    "phi4-L32-k0.26": hopping(32, 0.26, 6.0, 1500),
    "phi4-L32-k0.27": hopping(32, 0.27, 8.0, 1500),
    "phi4-L32-k0.2705": hopping(32, 0.2705, 8.0, 1500),
    "phi4-L32-k0.28": hopping(32, 0.28, 3.0, 800),
    "phi4-L32-k0.5": hopping(32, 0.5, 0.9, 2500, start="cold"),  # hot starts freeze in domains
    **{
        f"ising-L{L}-{name}": ising(L, beta, 100_000 // L)
        for L in (8, 16, 32, 64)
        for name, beta in (("0.4", 0.4), ("0.44", 0.44), ("Kc", onsager.K_C))
    },
}
# The first series gave U_4 = 0.61173(41), 2.4 of its errors above the limit 0.61069: nine times as
# many draws, from other random numbers.
POINTS["ising-L64-Kc"] = POINTS["ising-L64-Kc"]._replace(n_draws=14_000, seed=14)
THIN, WARMUP = 2, 300


def measure(name: str, point: Point, n_draws: int) -> list[Reference]:
    """Run one point; return its entries."""
    target = load_system(point.system).target(**point.parameters)
    field = point.system == "phi4-2d"
    ds = run(
        point.sampler,
        target,
        n_chains=point.n_chains,
        n_draws=n_draws,
        thin=THIN,
        warmup=WARMUP,
        seed=point.seed,
        observables=functions(target) if field else None,
        start=first_fields(target, point) if field else point.start,
    )
    table = estimates(ds)
    found = {
        q: (float(table.value.sel(quantity=q)), float(table.error.sel(quantity=q)))
        for q in map(str, table["quantity"].values)
    }
    if field:
        found |= with_control(ds, target)
        sampler = f"HMC, trajectories of length {point.sampler.trajectory_length:g}"
    else:
        value, error = found["energy_per_site"]
        pull = (value - float(exact_values(target).energy_per_site)) / error
        print(f"  energy against Kaufman: {pull:+.2f} standard errors")
        found |= with_energy(ds, float(exact_values(target).energy_per_site), target.n_sites)
        sampler = "Swendsen-Wang"
    quantities = (*MAGNETIC, "action_per_site", "phi2") if field else MAGNETIC
    for q in quantities:
        print(f"  {q:20} {found[q][0]:.9g} +- {found[q][1]:.2g}")
    size = f"{point.n_chains} chains x {n_draws} draws, seed {point.seed}"
    source = f"{COMMAND} {name}; {sampler}, {size}"
    return [
        Reference(
            q,
            point.parameters,
            rounded(found[q][0], 10),
            rounded(found[q][1], 2),
            "computed",
            source,
        )
        for q in quantities
    ]


def first_fields(target: Any, point: Point) -> np.ndarray:
    """Return first configurations: a half hot, or none of them, the others ordered but not still.

    Leapfrog steps that suit equilibrium gain several units of energy on the first trajectory from
    an exactly uniform field on a large lattice, so such chains can be rejected for long.
    """
    rng = Stream(point.seed).child("first")
    n_hot = point.n_chains // 2 if point.start == "hot/cold" else 0
    cold = target.cold(rng.child("cold"), point.n_chains - n_hot)
    cold = cold + 0.5 * rng.child("noise").numpy().standard_normal(cold.shape)
    return np.concatenate([target.hot(rng.child("hot"), n_hot), cold]) if n_hot else cold


def functions(target: Any) -> dict[str, Any]:
    """Return what is measured of fields: each a function of configurations (n_chains, L, L)."""
    names = ("magnetization", "phi2", "phi4", "bonds")
    last: list[Any] = [None, None]

    def sums(x: np.ndarray) -> dict[str, np.ndarray]:
        if last[0] is not x:  # one pass for all functions of a draw
            phi = np.asarray(x, dtype=np.float64)
            square = phi * phi
            neighbours = np.roll(phi, 1, 1) + np.roll(phi, 1, 2)
            values = (
                phi.sum(axis=(1, 2)),
                square.sum(axis=(1, 2)),
                np.einsum("cxy,cxy->c", square, square),
                np.einsum("cxy,cxy->c", phi, neighbours),
            )
            last[:] = x, {n: v / target.n_sites for n, v in zip(names, values)}
        return last[1]

    return {name: lambda x, name=name: sums(x)[name] for name in names}


def with_control(ds: xr.Dataset, target: Any) -> dict[str, tuple[float, float]]:
    """Return <S>/V and <phi^2> with errors, by chain means and the control variate D."""
    mean = {name: ds[name].mean("draw").values for name in ("bonds", "phi2", "phi4")}
    quadratic = target.quad * mean["phi2"] - target.hop * mean["bonds"]
    quartic = target.quart * mean["phi4"]
    action, D = quadratic + quartic + target.const, 2 * quadratic + 4 * quartic - 1
    found = {}
    for name, series in (("action_per_site", action), ("phi2", mean["phi2"])):
        b = np.cov(series, D)[0, 1] / D.var(ddof=1)
        rest = series - b * D
        found[name] = (float(rest.mean()), float(rest.std(ddof=2) / np.sqrt(len(rest))))
    pull = D.mean() / D.std(ddof=1) * np.sqrt(len(D))
    print(f"  <phi dS/dphi> against 1: {pull:+.2f} standard errors")
    return found


def with_energy(ds: xr.Dataset, e: float, V: int) -> dict[str, tuple[float, float]]:
    """Return the magnetic quantities of an Ising torus, by chain means and its exact energy e."""
    m = ds["magnetization"].values  # a site
    energy = ds["energy"].values.mean(1) / V
    means = np.stack([np.abs(m).mean(1), (m**2).mean(1), (m**4).mean(1)])

    def values(kept: np.ndarray) -> np.ndarray:
        x, control = means[:, kept], energy[kept] - e
        away = control - control.mean()
        b = (x @ away) / (away @ away)
        abs_m, m2, m4 = x.mean(1) - b * control.mean()
        return np.array([abs_m, V * m2, V * (m2 - abs_m**2), 1 - m4 / (3 * m2**2)])

    n = m.shape[0]
    without = np.array([values(np.arange(n) != i) for i in range(n)])  # jackknife
    error = np.sqrt((n - 1) * without.var(0))
    best = values(np.ones(n, bool))
    return {q: (float(best[k]), float(error[k])) for k, q in enumerate(MAGNETIC)}


def rounded(value: float, digits: int) -> float:
    """Keep the digits that mean something."""
    return float(f"{value:.{digits}g}")


def main() -> None:
    """Run the points asked for and write what they give."""
    arguments = asked(__doc__ or "", POINTS, trial="a thirtieth of the draws, no writing")
    for name in arguments.point:
        begun, point = time.process_time(), POINTS[name]
        print(name, flush=True)
        entries = measure(name, point, point.n_draws // (30 if arguments.trial else 1))
        if not arguments.trial:
            merge(point.system, entries)
        print(f"  {time.process_time() - begun:.0f} s CPU", flush=True)


if __name__ == "__main__":
    main()
