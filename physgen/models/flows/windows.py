"""Two colours of sites, and the windows in which one colour sees the other.

The colours are those of the checkerboard.  On the even sublattice they are its two halves, by
parity of the first coordinate; the even sites of a chain alternate.
"""

from __future__ import annotations

import itertools

import numpy as np

from physgen.core.errors import InputError
from physgen.lattice.hypercubic import Hypercubic

__all__ = ["can_halve", "colours", "window"]


def can_halve(lattice: Hypercubic) -> bool:
    """Return whether the even sublattice has two colours that translations respect."""
    wide = _wide(lattice)
    if not lattice.is_bipartite or len(wide) != 1:
        return lattice.is_bipartite and len(wide) > 1
    extent, word = lattice.shape[wide[0]], lattice.boundaries[wide[0]]
    return extent > 2 if word == "open" else extent % 4 == 0


def colours(lattice: Hypercubic, even: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return the numbers of the sites of either colour, among all sites or the even ones.

    Raises
    ------
    InputError
        If there are no two colours.
    """
    if not lattice.is_bipartite:
        raise InputError(
            f"a checkerboard needs even extents along periodic axes, got shape {lattice.shape}; "
            "use an even extent, an open boundary, or an EquivariantCNF"
        )
    wide = _wide(lattice)
    if not wide:
        raise InputError(f"a coupling needs two sites at least, got shape {lattice.shape}")
    if not even:
        return lattice.even_sites, lattice.odd_sites
    if not can_halve(lattice):
        raise InputError(
            "the even sites of a chain need an extent that is a multiple of 4 for two colours of "
            f"their own, got {lattice.shape}; use one, or even = False"
        )
    sites = lattice.even_sites
    along = lattice.coordinates[sites, wide[0]]
    colour = (along if len(wide) > 1 else along // 2) % 2
    return sites[colour == 0], sites[colour == 1]


def window(lattice: Hypercubic, active: np.ndarray, frozen: np.ndarray, reach: int) -> np.ndarray:
    """Return which frozen site lies at each displacement from each active one.

    Parameters
    ----------
    lattice : Hypercubic
    active, frozen : ndarray of int
        Numbers of sites.
    reach : int
        Longest displacement along each axis.

    Returns
    -------
    ndarray of int (n_displacements, n_active)
        Places in `frozen`; len(frozen) where there is none.  Displacements that agree on the torus
        count once, displacements that lead to no frozen site not at all.
    """
    extents = np.array(lattice.shape)
    periodic = np.array([word == "periodic" for word in lattice.boundaries])
    place = np.full(lattice.n_sites, len(frozen))
    place[frozen] = np.arange(len(frozen))
    rows, seen = [], set()
    for d in itertools.product(range(-reach, reach + 1), repeat=lattice.dim):
        image = tuple(np.where(periodic, np.array(d) % extents, d).tolist())
        if image in seen:
            continue
        seen.add(image)
        at = lattice.coordinates[active] + np.array(d)
        at = np.where(periodic, at % extents, at)
        inside = np.all((at >= 0) & (at < extents), axis=1)
        site = np.ravel_multi_index(tuple((at * inside[:, None]).T), lattice.shape)
        row = np.where(inside, place[site], len(frozen))
        if (row < len(frozen)).any():
            rows.append(row)
    return np.array(rows).reshape(-1, len(active))


def _wide(lattice: Hypercubic) -> list[int]:
    return [mu for mu, extent in enumerate(lattice.shape) if extent > 1]
