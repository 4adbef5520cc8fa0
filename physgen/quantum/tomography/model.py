r"""Fidelity, purity and entropy of the density matrix implied by a distribution over outcomes.

.. math:: \rho_Q = \sum_a Q(a) \bigotimes_i D_{a_i}

For a learned Q this matrix is Hermitian and has trace 1.  It is positive only if Q is the
distribution of some state, which a network does not ensure; fidelities may then exceed 1, and are
reported without change.  Up to 65536 strings the sum is carried out, and the numbers are exact
*for Q*; beyond that, they are estimated from samples of Q, with errors.  Neither includes the
distance of Q from the truth, which needs refits to resampled data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream
from physgen.quantum.data import MeasurementData
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM
from physgen.quantum.tomography.direct import direct_estimates
from physgen.quantum.tomography.frequencies import check_sites, count
from physgen.quantum.tomography.functionals import as_target, purity, reduced
from physgen.quantum.tomography.inversion import inverted
from physgen.quantum.tomography.pauli_basis import from_pauli
from physgen.quantum.tomography.reconstruction import Reconstruction
from physgen.quantum.tomography.tables import add_entropy, add_number, empty_table

__all__ = ["from_density"]

MAX_STRINGS = 4**8
_BLOCK = 8192


def from_density(
    density: Density,
    povm: POVM | SitePOVM | str,
    target: Any = None,
    *,
    blocks: Sequence[Sequence[int]] = (),
    n_samples: int = 100_000,
    rng: Stream | int | None = None,
) -> xr.Dataset:
    """Return fidelity, purity and Rényi-2 entropy of the matrix that a density implies.

    Parameters
    ----------
    density : Density
        A distribution over outcome strings of at most 10 sites, e.g. a trained model.
    povm : POVM or str
        The measurement of these outcomes; informationally complete.
    target : MPS, DensityMatrix or array_like, optional
        The pure target state of the fidelity; an array has shape (2^L,) or (2^L, 2^L).
    blocks : sequence of sequences of int
        Blocks of sites for the reduced states.
    n_samples : int
        Strings to draw, >= 2, where there are too many to list.
    rng : Stream or int, optional
        For sampling, if there are more than 65536 strings.

    Returns
    -------
    Dataset
        The names of :func:`direct_estimates`.  By enumeration, errors are 0, intervals are points,
        and ``rho_real``, ``rho_imag`` and ``lowest_eigenvalue`` are included.

    Raises
    ------
    InputError
        If POVM and density have different outcomes, or the density has to be sampled and no `rng`
        is given, or does not sum to 1.
    """
    frame = named_povm(povm) if isinstance(povm, str) else povm
    (L,) = density.event_shape
    if density.support.K != frame.K:
        raise InputError(
            f"povm must have the {density.support.K} outcomes of the density, got {frame.K}"
        )
    if frame.K**L > MAX_STRINGS:
        check_positive_int("n_samples", n_samples, 2)
        if rng is None:
            raise InputError(
                f"rng must be given to sample a density of {frame.K}^{L} strings, got none"
            )
        x = to_numpy(density.sample(n_samples, rng))
        ds = direct_estimates(MeasurementData(x, frame), target, blocks=blocks)
        return ds.assign_attrs(exactness_for="the model", errors="of sampling the model alone")
    strings = np.indices((frame.K,) * L, dtype=np.uint8).reshape(L, -1).T.copy()
    pieces = [strings[k : k + _BLOCK] for k in range(0, len(strings), _BLOCK)]
    q = np.exp(np.concatenate([to_numpy(density.log_prob(piece)) for piece in pieces]))
    if not abs(q.sum() - 1) < 1e-3:
        raise InputError(f"a density must sum to 1 over all strings, got {q.sum():.6g}")
    counts = count(MeasurementData(strings, frame)).recounted(q / q.sum())
    rho = from_pauli(inverted(counts))
    return _exact_table(rho, frame, as_target(target, L) if target is not None else None, blocks)


def _exact_table(
    rho: np.ndarray, frame: POVM | SitePOVM, goal: Any, blocks: Sequence[Sequence[int]]
) -> xr.Dataset:
    L = len(rho).bit_length() - 1
    ds = empty_table(blocks, {})
    values = {"purity": np.array(purity(rho))}
    if goal is not None:
        if not goal.is_pure:
            raise InputError(
                "target must be pure for a matrix that may not be positive, got mixed"
            )
        values["fidelity_squared"] = np.array(goal.fidelity(rho))
    if len(blocks):
        sites = [check_sites(block, L) for block in blocks]
        values["block_purity"] = np.array([purity(reduced(rho, s)) for s in sites])
    for name, value in values.items():
        error, bounds = (
            np.zeros_like(value),
            np.broadcast_to(value[..., None, None], (*value.shape, 2, 2)),
        )
        add_number(ds, name, value, error, bounds)
        if name.endswith("purity"):
            add_entropy(ds, name.replace("purity", "renyi2"), value, error, bounds)
    table = Reconstruction(rho, "duals: sum over all strings", 0, frame.name).to_dataset()
    ds = ds.merge(table, combine_attrs="drop")
    exact = {"exactness": "exact", "exactness_for": "the model", "errors": "none: all strings"}
    ds.attrs = {key: value for key, value in table.attrs.items() if key != "n"} | exact
    return ds
