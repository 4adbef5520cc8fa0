r"""From an Ising target to the arrays of the bit-sliced kernels.

The kernels take any graph whose couplings have one magnitude, :math:`|K_{xy}| = K` (or 0: no
bond), and any field.  Sites of equal degree and field are of one kind.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from physgen.kernels.cpu.ising_tables import Tables, tables

__all__ = ["MAX_DEGREE", "BondCounts", "ChainsModel", "bond_counts", "chains_model"]

MAX_DEGREE = 16  # of the bit-sliced kernels: their code grows with the degree
_ALL = np.uint64(2**64 - 1)


class ChainsModel(NamedTuple):
    """Arguments of `physgen.kernels.cpu.ising_sweeps.sweeps`."""

    variant: tuple[int, int]  # signed degree, symmetric
    rows: np.ndarray
    signs: np.ndarray
    kinds: np.ndarray
    tables: Tables


class BondCounts(NamedTuple):
    """What to count for the energy: E = -J (B - 2 u) - h (2 n_h - V_h)."""

    ends: np.ndarray
    signs: np.ndarray | None
    J: float
    n_bonds: int
    field_sites: np.ndarray
    field_signs: np.ndarray | None
    h: float


def chains_model(
    neighbours: np.ndarray, K: np.ndarray, H: np.ndarray, rule: int
) -> ChainsModel | str:
    """Return the arrays of a model, or the reason why the kernels cannot take it."""
    n_sites = len(neighbours)
    magnitude = float(np.abs(K).max(initial=0.0))
    # At beta = 0 every coupling vanishes and any bond will do.
    present = (neighbours >= 0) & ((K != 0) | (magnitude == 0))
    if not np.allclose(np.abs(K[present]), magnitude, rtol=1e-12, atol=0):
        return "couplings must have one magnitude |J|"
    degrees = present.sum(axis=1)
    z = int(degrees.max(initial=0))
    if not 1 <= z <= MAX_DEGREE:
        return f"sites must have 1..{MAX_DEGREE} neighbours, got up to {z}"
    order = np.argsort(~present, axis=1, kind="stable")[:, :z]
    taken = np.take_along_axis(present, order, axis=1)
    rows = np.where(taken, np.take_along_axis(neighbours, order, axis=1), n_sites)
    negative = taken & (np.take_along_axis(K, order, axis=1) < 0)
    # With a shared class every n but z / 2 has a favoured spin: at K = 0 Metropolis has ties only.
    symmetric = bool(np.all(degrees == z) and not np.any(H)) and (magnitude > 0 or rule == 0)
    kind_rows = np.stack([degrees.astype(float), H], axis=1)
    unique, kinds = np.unique(kind_rows, axis=0, return_inverse=True)
    return ChainsModel(
        (z if negative.any() else -z, int(symmetric)),
        np.ascontiguousarray(8 * rows.astype(np.int64)),
        np.where(negative, _ALL, np.uint64(0)),
        kinds.reshape(-1).astype(np.int64),
        tables(unique[:, 0], magnitude, unique[:, 1], z, symmetric, rule),
    )


def bond_counts(target: Any) -> BondCounts | None:
    """Return what to count, or None if magnitudes of couplings or fields differ."""
    J, h = target.bond_couplings, target.site_fields
    bonds, sites = np.flatnonzero(J), np.flatnonzero(h)
    sizes = [float(np.abs(v).max(initial=0.0)) for v in (J, h)]
    if not (np.all(np.abs(J[bonds]) == sizes[0]) and np.all(np.abs(h[sites]) == sizes[1])):
        return None
    ends = np.asarray(target.lattice.bonds).reshape(-1, 2)[bonds]
    pairs, signs = _padded(ends[:, 0], ends[:, 1], J[bonds] < 0)
    field_signs = np.where(h[sites] < 0, _ALL, np.uint64(0)) if np.any(h < 0) else None
    return BondCounts(pairs, signs, sizes[0], len(bonds), 8 * sites, field_signs, sizes[1])


def _padded(
    first: np.ndarray, second: np.ndarray, negative: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return row offsets and sign masks, padded to a multiple of 32 with words that count 0."""
    extra = np.zeros(-len(first) % 32, dtype=np.int64)
    # A row against itself is 0.
    ends = np.stack([8 * np.append(v.astype(np.int64), extra) for v in (first, second)])
    signs = np.append(np.where(negative, _ALL, np.uint64(0)), extra.astype(np.uint64))
    return ends, signs if negative.any() else None
