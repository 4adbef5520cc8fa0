"""Make the exact entries of `systems/*/reference.toml` again.

    python workflows/references/make.py [SYSTEM ...]     a minute; phi4-2d-wide: ten, and 3 GB

Everything comes from `physgen.exact`; a file is rewritten only when an entry changes.
The entries from Monte Carlo are made by `chains.py`, and published ones are typed by hand.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from physgen.catalogue import Reference, load_system
from physgen.exact import (
    density_of_states,
    exact_values,
    free_field_observables,
    kaufman,
    onsager,
    phi4_spectrum,
    phi4_torus,
    ula_observables,
)

ROOT = Path(__file__).resolve().parents[2] / "systems"
KINDS = ("exact", "published", "computed")
PUBLISHED = ("place", "verified", "verdict")

# L: beta of the finite tori; never only the critical point
TORI = {
    4: (0.3, 0.4, onsager.K_C, 0.6),
    8: (0.2, 0.3, 0.4, onsager.K_C, 0.6),
    16: (0.2, 0.3, 0.4, 0.44, onsager.K_C, 0.45, 0.5, 0.6, 1.0),
    24: (0.45, onsager.K_C),
    32: (0.4, 0.44, onsager.K_C, 0.6),
    64: (0.4, 0.44, onsager.K_C, 0.6),
    128: (0.44, onsager.K_C),
}
INFINITE = (0.2, 0.3, 0.4, 0.44, onsager.K_C, 0.45, 0.5, 0.6, 1.0)
ENUMERATED = {4: (0.3, 0.4, onsager.K_C, 0.6), 5: (onsager.K_C,)}
MOMENTS = ("abs_magnetization", "m2", "m4", "susceptibility", "chi_abs", "binder")

LADDER = (8.0, 6.975, 6.008, 5.276, 5.113)  # lam at m2 = -4
PHI4 = [
    *({"L": 4, "convention": "unhalved", "m2": -4.0, "lam": lam} for lam in LADDER),
    *(
        {"L": 4, "convention": "hopping", "kappa": kappa, "lam": 0.022}
        for kappa in (0.21, 0.26, 0.27, 0.2705, 0.28, 0.3)
    ),
]
WIDE = [(6, 6.975), (8, 8.0), (8, 6.008)]  # L, lam at m2 = -4
QUADRATURE = ("log_z", "action_per_site", "phi2", "m2", "susceptibility")
PHI4_DIGITS = 1e-9  # relative change from two nodes fewer; what is left is smaller by far

FREE = [(8, 1.25), (16, 1.0), (32, 1.0), (32, 0.1)]
ULA = [(16, 1.0, 0.01), (16, 1.0, 0.02), (16, 1.0, 0.05)]


def ising() -> Iterator[Reference]:
    """Yield what Kaufman, Onsager, Yang and enumeration give."""
    common = {"J": 1.0, "h": 0.0}
    yield exact("critical_beta", common, onsager.K_C, "log(1 + sqrt 2)/2 (Onsager1944)")
    for L, betas in TORI.items():
        for beta in betas:
            at = {"L": L, "beta": beta, **common}
            shape = (L, L)
            for quantity, value in (
                ("log_z", kaufman.log_z(beta, shape)),
                ("energy_per_site", kaufman.energy_per_site(beta, shape)),
                ("specific_heat", kaufman.specific_heat(beta, shape)),
            ):
                yield exact(quantity, at, value, "Kaufman1949, physgen.exact.kaufman")
    for beta in INFINITE:
        at = {"L": math.inf, "beta": beta, **common}
        source = "Onsager1944, physgen.exact.onsager"
        yield exact("log_z_per_site", at, onsager.log_z_per_site(beta), source)
        yield exact("energy_per_site", at, onsager.energy_per_site(beta), source)
        if beta != onsager.K_C:
            yield exact("specific_heat", at, onsager.specific_heat(beta), source)
        if beta > onsager.K_C:
            source = "Yang1952, physgen.exact.onsager"
            value = onsager.magnetization(beta)
            yield exact("spontaneous_magnetization", at, value, source)
    system = load_system("ising-2d")
    for L, betas in ENUMERATED.items():
        for beta in betas:
            ds = exact_values(system.target(L=L, beta=beta))
            for quantity in MOMENTS:
                at = {"L": L, "beta": beta, **common}
                yield exact(quantity, at, ds[quantity], "enumeration, physgen.exact.enumeration")
    levels = density_of_states(system.target(L=4, beta=1.0)).sum("spin_sum")
    for energy in levels.energy.values[levels.energy.values <= 0]:
        at = {"L": 4, "energy": float(energy), **common}
        value = levels.sel(energy=energy)
        yield exact("density_of_states", at, value, "enumeration; larger lattices: Beale1996")


def phi4() -> Iterator[Reference]:
    """Yield what quadrature gives on the 4 x 4 torus."""
    system = load_system("phi4-2d")
    for at in PHI4:
        target = system.target(**at)
        for n_nodes in (12, 14, 16, 18, 20):
            ds = phi4_torus(target, n_nodes)
            changes = [float(ds[f"{q}_error"]) / max(abs(float(ds[q])), 1.0) for q in QUADRATURE]
            if max(changes) < PHI4_DIGITS:
                break
        source = f"transfer matrix, {n_nodes} nodes (GolubWelsch1969), physgen.exact"
        for quantity in QUADRATURE:
            yield exact(quantity, at, float(f"{float(ds[quantity]):.11g}"), source)


def wide() -> Iterator[Reference]:
    """Yield what the leading levels of the transfer matrix give on wider tori."""
    system = load_system("phi4-2d")
    for L, lam in WIDE:
        at = {"L": L, "convention": "unhalved", "m2": -4.0, "lam": lam}
        ds = phi4_spectrum(system.target(**at))
        yield from wide_entries(at, {str(q): float(ds[q]) for q in ds.data_vars})


def wide_entries(at: dict[str, Any], values: dict[str, float]) -> Iterator[Reference]:
    """Yield the entries of one torus, with the digits that its errors leave."""
    for quantity in (*QUADRATURE, "mass_gap"):
        digits = math.floor(-math.log10(2 * values[f"{quantity}_error"] + 1e-12))
        source = "leading levels of the transfer matrix, physgen.exact.phi4_levels"
        yield exact(quantity, at, round(values[quantity], digits), source)


def free_field() -> Iterator[Reference]:
    """Yield closed forms."""
    system = load_system("free-field")
    for L, m2 in FREE:
        at = {"L": L, "m2": m2}
        ds = free_field_observables(system.target(**at))
        source = "Gaussian modes (MontvayMuenster1994), physgen.exact.free_field"
        for quantity in ("log_z", "phi2", "susceptibility", "abs_magnetization"):
            yield exact(quantity, at, ds[quantity], source)
        for r in (1, 2, L // 2):
            yield exact("two_point", {**at, "r": r}, ds["two_point"][r, 0], source)
    for L, m2, step_size in ULA:
        ds = ula_observables(system.target(L=L, m2=m2), step_size)
        at = {"L": L, "m2": m2, "step_size": step_size}
        source = "1/(lambda (1 - eps lambda/2)) of each mode (RobertsTweedie1996)"
        for quantity in ("phi2", "action_per_site"):
            yield exact(f"{quantity}_ula", at, ds[quantity], source)


def exact(quantity: str, parameters: dict[str, Any], value: Any, source: str) -> Reference:
    """Return an exact entry."""
    return Reference(quantity, dict(parameters), float(value), 0.0, "exact", source)


def merge(system: str, made: list[Reference]) -> bool:
    """Put entries in the place of those they are about, and tell whether anything changed."""
    path = ROOT / system / "reference.toml"
    header, old = "", []
    if path.exists():
        header = "".join(itertools.takewhile(lambda s: s.startswith("#"), path.open()))
        old = list(load_system(system).references)
    names = {key(entry) for entry in made}
    entries = made + [entry for entry in old if key(entry) not in names]
    text = header + "".join("\n" + toml(entry) for entry in sorted(entries, key=order))
    changed = not path.exists() or path.read_text() != text
    if changed:
        path.write_text(text)
    return changed


def key(entry: Reference) -> tuple[Any, ...]:
    """Return what an entry is about."""
    return (entry.quantity, tuple(sorted(entry.parameters.items())), entry.kind)


def order(entry: Reference) -> tuple[Any, ...]:
    """Return where an entry stands in the file: by kind, extent, couplings and quantity."""
    p = entry.parameters
    return (KINDS.index(entry.kind), p.get("L", 0), repr(list(p.items())), entry.quantity)


def toml(entry: Reference) -> str:
    """Return the entry as a table of `reference.toml`."""
    inside = ", ".join(f"{name} = {literal(value)}" for name, value in entry.parameters.items())
    read = {name: getattr(entry, name) for name in PUBLISHED if getattr(entry, name)}
    return (
        "[[reference]]\n"
        f"quantity = {literal(entry.quantity)}\n"
        f"parameters = {{ {inside} }}\n"
        f"value = {literal(entry.value)}\n"
        f"error = {literal(entry.error)}\n"
        f"kind = {literal(entry.kind)}\n"
        f"source = {literal(entry.source)}\n"
    ) + "".join(f"{name} = {literal(value)}\n" for name, value in read.items())


def literal(value: Any) -> str:
    """Return a number or string as TOML."""
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(float(value)) if isinstance(value, float) else repr(value)


def asked(about: str, points: Collection[str], **flags: str) -> argparse.Namespace:
    """Return what the command line of a script asks for: names in `point`, by default all.

    Parameters
    ----------
    about : str
        The docstring of the script; its first line is the description.
    points : collection of str
        The names that there are; ``--list`` prints them and ends.
    **flags : str
        Help of more flags, by their names.
    """
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("point", nargs="*", help="names of points, default: all")
    parser.add_argument("--list", action="store_true", help="print the names of the points")
    for name, words in flags.items():
        parser.add_argument(f"--{name}", action="store_true", help=words)
    found = parser.parse_args()
    if found.list:
        print("\n".join(points))
        raise SystemExit
    if unknown := [name for name in found.point if name not in points]:
        parser.error(f"no point {', '.join(unknown)}; --list prints those that there are")
    found.point = found.point or list(points)
    return found


MAKERS = {"ising-2d": ising, "phi4-2d": phi4, "phi4-2d-wide": wide, "free-field": free_field}


def main() -> None:
    """Rewrite what changed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("system", nargs="*", choices=[[], *MAKERS], help="default: all but wide")
    for system in parser.parse_args().system or [s for s in MAKERS if not s.endswith("wide")]:
        made = list(MAKERS[system]())
        changed = merge(system.removesuffix("-wide"), made)
        print(f"{system}: {len(made)} exact entries, {'rewritten' if changed else 'unchanged'}")


if __name__ == "__main__":
    main()
