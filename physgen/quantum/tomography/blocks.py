r"""Purity and Renyi-2 entropy of blocks of sites, from shots, from a chain and from a matrix.

.. math:: \mathrm{Tr} \rho_B^2, \qquad S_2 = - \log \mathrm{Tr} \rho_B^2 \quad \text{(nats)} .

*Shots.*  The mean of Tr(D_s D_t) over pairs of different shots of the block
(:mod:`~physgen.quantum.tomography.direct`), unbiased, with the jackknife error.  Its noise grows
as :math:`\sqrt{7}^{\,l} / n` for l sites and pauli-6, so at some l it buries :math:`2^{-l}`.  Then
only a bound from below is left, from the 95 % bound of the purity from above:
:math:`S_2 \ge -\log(\text{purity} + 1.64\,\text{error})`.

*Matrix product states.*  Two copies, swapped on the block; O(chi^5) a site.  Left of the block the
two are one environment each, right of it nothing is left of a right-canonical state, and the first
l sites of a pure chain need one environment only, O(chi^3).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.quantum.data import MeasurementData
from physgen.quantum.density_matrix import DensityMatrix
from physgen.quantum.environments import transfer
from physgen.quantum.estimators import FALSE_ALARM
from physgen.quantum.mps import MPS
from physgen.quantum.tomography.direct import add_with_flag, pair_purity
from physgen.quantum.tomography.frequencies import Counts, check_sites, count
from physgen.quantum.tomography.tables import add_entropy, empty_table

__all__ = ["block_purities", "standard_blocks"]

ONE_SIDED = 1.6449  # standard errors to the 95 % bound
BURIED = 2.0  # errors that a purity must exceed for its logarithm to be told


def standard_blocks(L: int, most: int = 4) -> list[tuple[int, ...]]:
    """Return the first 1, 2, ... sites, up to half of them or `most`, and as many in the middle.

    A single site has none.

    Parameters
    ----------
    L : int
        Sites.
    most : int
        Sites of the largest block.

    Examples
    --------
    >>> standard_blocks(6)
    [(0,), (0, 1), (0, 1, 2), (1, 2, 3)]
    """
    largest = min(most, L // 2)
    if not largest:
        return []
    first = [tuple(range(size)) for size in range(1, largest + 1)]
    start = (L - largest) // 2
    middle = tuple(range(start, start + largest))
    return first if middle in first else [*first, middle]


def block_purities(
    source: MPS | DensityMatrix | MeasurementData | Counts,
    blocks: Sequence[Sequence[int]],
    *,
    sites_per_qubit: int = 1,
) -> xr.Dataset:
    """Return purity and Renyi-2 entropy of blocks of sites.

    Parameters
    ----------
    source : MPS, DensityMatrix, MeasurementData or Counts
        States are exact; of shots, an informationally complete POVM, all settings of a block at
        least twice, and at most 10 sites a block.
    blocks : sequence of sequences of int
        Sites, of which none stands twice in a block.
    sites_per_qubit : int
        Of an MPS that is a purification: each qubit, followed by its ancillas, which are traced
        out (``model.purification()`` and ``model.sites_per_qubit``).

    Returns
    -------
    Dataset
        ``block_purity`` and ``block_renyi2`` (block).  Of shots also ``*_error``, ``*_interval``
        (level, bound), ``block_purity_unphysical``, and ``block_renyi2_at_least``, which holds at
        95 %: all that is known where the purity is not at least two errors
        (``block_renyi2_determined`` is 0).

    Raises
    ------
    InputError
        If the shots do not determine a block, or a block has a site that is not there.

    Examples
    --------
    >>> from physgen.quantum import ghz_state
    >>> block_purities(ghz_state(8), [(0,), (2, 3, 4)]).block_purity.values.round(12)
    array([0.5, 0.5])
    """
    step = check_positive_int("sites_per_qubit", sites_per_qubit)
    if step > 1 and not isinstance(source, MPS):
        raise InputError(f"sites_per_qubit must be 1 but for a purification, got {step}")
    if isinstance(source, MPS):
        if source.L % step:
            raise InputError(f"a purification must have {step} sites a qubit, got {source.L}")
        state = source.right_canonical()
        chosen = [check_sites(block, source.L // step) for block in blocks]
        purity = [_of_chain(state.tensors, {i * step for i in block}) for block in chosen]
        return _table(blocks, np.array(purity), None, {"estimator": "contraction of two copies"})
    if isinstance(source, DensityMatrix):
        purity = [source.reduced(block).purity() for block in blocks]
        return _table(blocks, np.array(purity), None, {"estimator": "the density matrix"})
    found = []
    for block in blocks:
        counts = count(source, block)
        if counts.shots_of_group.min() < 2:
            raise InputError(
                f"every setting of the block {_text(block)} must have at least 2 shots, got 1"
            )
        found.append(pair_purity(counts)[:2])
    value, error = np.transpose(found)
    attrs = {
        "estimator": "duals: mean over pairs of different shots; jackknife over shots",
        "n": source.n,
        "povm": source.povm.name,
        "unphysical_level": FALSE_ALARM,
    }
    return _table(blocks, value, error, attrs)


def _table(
    blocks: Sequence[Sequence[int]],
    value: np.ndarray,
    error: np.ndarray | None,
    attrs: dict[str, Any],
) -> xr.Dataset:
    exactness = "exact" if error is None else "asymptotic"
    ds = empty_table(blocks, attrs | {"exactness": exactness})
    if error is None:
        ds = xr.Dataset(coords={"block": ds["block"]}, attrs=ds.attrs)
        about = {"units": "1", "long_name": "Tr rho^2 of a block of sites"}
        ds["block_purity"] = ("block", value, about)
        about = {"units": "nat", "long_name": "Renyi-2 entropy of a block of sites"}
        ds["block_renyi2"] = ("block", -np.log(np.minimum(value, 1.0)), about)
        return ds
    least = 0.5 ** np.array([len(block) for block in blocks])
    bounds = add_with_flag(ds, "block_purity", value, error, least)
    add_entropy(ds, "block_renyi2", value, error, bounds)
    highest = np.clip(value + ONE_SIDED * error, least, 1.0)
    about = {"units": "nat", "long_name": "bound of the Renyi-2 entropy from below, at 95 %"}
    ds["block_renyi2_at_least"] = ("block", np.abs(np.log(highest)), about)
    about = {"long_name": "0 where the shots give only the bound from below"}
    ds["block_renyi2_determined"] = ("block", (value > BURIED * error).astype(np.int8), about)
    return ds


def _text(block: Sequence[int]) -> str:
    return ", ".join(map(str, block))


def _of_chain(tensors: Sequence[np.ndarray], block: set[int]) -> float:
    """Return Tr rho_B^2 of a right-canonical state with norm 1."""
    first, last, left = min(block), max(block), np.ones((1, 1))
    if block == set(range(last + 1)):  # the spectrum of the block is that of its last bond
        for A in tensors[: last + 1]:
            left = transfer(left, A)
        return float(np.linalg.norm(left) ** 2)
    for A in tensors[:first]:
        left = transfer(left, A)
    # Two copies: legs ket 1, bra 1, ket 2, bra 2; transfer has the bra first.
    both = np.einsum("ba,dc->abcd", left, left)
    for i in range(first, last + 1):
        if i in block:  # the bra of one copy is closed with the ket of the other
            both = both.transpose(0, 3, 2, 1)
        both = _closed_twice(both, tensors[i])
        if i in block:
            both = both.transpose(0, 3, 2, 1)
    return float(np.einsum("aacc->", both).real)


def _closed_twice(both: np.ndarray, A: np.ndarray) -> np.ndarray:
    """Carry legs 0 (ket) with 1 (bra), and 2 (ket) with 3 (bra), over one site."""
    for _ in range(2):
        half = np.tensordot(both, A, axes=(0, 0))  # bra 1, ket 2, bra 2, s, ket 1
        both = np.tensordot(half, A.conj(), axes=((0, 3), (0, 1)))  # ket 2, bra 2, ket 1, bra 1
    return both
