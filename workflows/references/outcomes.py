r"""Measure the computed entries of tfim-1d: outcomes of the critical chain of 50 sites.

    python workflows/references/outcomes.py [POINT ...]      all points: about 2 CPU minutes
    python workflows/references/outcomes.py --list

The state is the ground state by DMRG, its entropy a site the mean of -log P / L over draws; the
classical fidelity with the chain of the other sign is the mean of sqrt(P / Q) over draws of that
one.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from make import asked, merge

import physgen as pg
from physgen.catalogue import Reference
from physgen.core.arrays import to_numpy

COMMAND = "python workflows/references/outcomes.py"
L, BOND, N, SEED = 50, 13, 100_000, 1


class Point(NamedTuple):
    """One number."""

    sign: int
    povm: str
    quantity: str = "entropy_per_site"


POINTS = {
    **{
        f"tfim-L50-{'ferro' if sign > 0 else 'antiferro'}-{povm}": Point(sign, povm)
        for sign in (1, -1)
        for povm in ("pauli-4", "pauli-6", "tetrahedral")
    },
    "tfim-L50-signs-pauli-4": Point(1, "pauli-4", "classical_fidelity"),
}


@functools.cache
def state(sign: int) -> pg.MPS:
    """Return the ground state of J = h = sign."""
    return pg.ground_state(pg.TFIM(L=L, J=float(sign), h=float(sign)), chi_max=BOND)


def measure(name: str, point: Point) -> list[Reference]:
    """Return the entry of a point."""
    born = pg.Born(state(point.sign), point.povm)
    at = {"L": L, "J": float(point.sign), "h": float(point.sign), "boundary": "open"}
    at |= {"povm": point.povm}
    if point.quantity == "classical_fidelity":
        other = pg.Born(state(-point.sign), point.povm)
        drawn = other.sample(N, SEED)
        half = (to_numpy(born.log_prob(drawn)) - to_numpy(other.log_prob(drawn))) / 2
        values = np.exp(half)
        at |= {"other": "J = h = -1"}
    else:
        values = -to_numpy(born.log_prob(born.sample(N, SEED))) / L
    value, error = float(values.mean()), float(values.std(ddof=1) / np.sqrt(N))
    print(f"  {point.quantity} {value:.6g} +- {error:.2g}")
    source = f"{COMMAND} {name}; {N} draws of DMRG with bond {BOND}, seed {SEED}"
    rounded = float(f"{value:.6g}"), float(f"{error:.2g}")
    return [Reference(point.quantity, at, *rounded, "computed", source)]


def main() -> None:
    """Run the points asked for and write what they give."""
    for name in asked(__doc__ or "", POINTS).point:
        print(name, flush=True)
        merge("tfim-1d", measure(name, POINTS[name]))


if __name__ == "__main__":
    main()
