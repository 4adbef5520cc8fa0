r"""States of other programs, converted to :class:`~physgen.quantum.MPS`.

Here a tensor has legs (left, physical, right), and physical 0 is the +1 eigenstate of Z.

================  ==============================================================================
TeNPy             sorts the local basis by charge, so its states are found by label; its Ising
                  chain is -J sum XX - g sum Z: ``rotated("H")`` makes it ours
POVM_GENMODEL     sparse text, bonds counted from 1, legs (right, physical, left) with the missing
                  leg left out at the ends; its chain is the ground state of + sum ZZ + sum X
state vectors     text of "re im" lines, the first site most significant, or the last
================  ==============================================================================

TeNPy is not imported: its objects are enough.  None of these formats records the signs and axes of
the Hamiltonian; `tfim` or `attrs` store them with the state.  For quimb see
:mod:`physgen.quantum.quimb_states`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.quantum.mps import MPS
from physgen.quantum.tfim import TFIM

__all__ = ["mps_from_arrays", "mps_from_tenpy", "mps_from_text"]

_LEGS = ("lpr", "lrp", "plr", "prl", "rpl", "rlp")


def mps_from_tenpy(
    psi: Any, basis: Sequence[str | int] = ("up", "down"), attrs: Mapping[str, Any] | None = None
) -> MPS:
    """Return a finite ``tenpy.networks.mps.MPS`` of two-level sites.

    Parameters
    ----------
    psi : tenpy.networks.mps.MPS
        With open ends (``bc="finite"``; a ring is such an MPS too).
    basis : two of str or int
        The labels in TeNPy's sites of the states that become 0 and 1.  The default is right for
        ``SpinHalfSite``; a ``FermionSite`` takes ``("empty", "full")``, a ``BosonSite(Nmax=1)``
        ``("0", "1")``.  Integers are positions in the stored basis.
    attrs : mapping, optional
        Description of the state.

    Raises
    ------
    InputError
        If it is no finite MPS of sites with two pure levels, or `basis` does not name both of
        them.
    """
    if getattr(psi, "bc", None) != "finite":
        raise InputError(
            f"a state of TeNPy must be an MPS with bc='finite', got {type(psi).__name__} with "
            f"bc={getattr(psi, 'bc', None)!r}"
        )
    if len(basis) != 2:
        raise InputError(f"basis must name two local states, got {tuple(basis)}")
    tensors = []
    for i in range(psi.L):
        site, B = psi.sites[i], psi.get_B(i)
        if sorted(B.get_leg_labels()) != ["p", "vL", "vR"] or site.dim != 2:
            raise InputError(
                f"sites of TeNPy must have two pure levels, got dimension {site.dim} and legs "
                f"{B.get_leg_labels()} at site {i}"
            )
        unknown = [b for b in basis if isinstance(b, str) and b not in site.state_labels]
        if unknown:
            raise InputError(
                f"basis must be of the labels {', '.join(site.state_labels)} at site {i}, got "
                f"{unknown[0]!r}; give basis=(label of 0, label of 1)"
            )
        order = [site.state_index(b) for b in basis]
        if sorted(order) != [0, 1]:
            raise InputError(f"basis must name both states of site {i}, got {tuple(basis)}")
        tensors.append(B.transpose(["vL", "p", "vR"]).to_ndarray()[:, order, :])
    return MPS(tensors, attrs)


def mps_from_arrays(
    arrays: Sequence[Any], legs: str = "lpr", attrs: Mapping[str, Any] | None = None
) -> MPS:
    """Return the state given by one array for each site; outer legs at the ends may be missing.

    Parameters
    ----------
    arrays : sequence of array_like, each of shape (left, 2, right) in the order of `legs`
        Each with the three legs; the left leg of the first site and the right leg of the last
        site may be missing.
    legs : str
        Order of the legs: l(eft), p(hysical) and r(ight).
    attrs : mapping, optional
        Description of the state.

    Raises
    ------
    InputError
        If the order of the legs is unknown, or a tensor does not have three of them.
    """
    check_choice("legs", legs, _LEGS)
    tensors, last = [], len(arrays) - 1
    for i, A in enumerate(map(np.asarray, arrays)):
        outer = [leg for leg in legs if (leg, i) in (("l", 0), ("r", last))]
        if A.ndim == 3 - len(outer):
            for leg in outer:
                A = np.expand_dims(A, legs.index(leg))
        if A.ndim != 3:
            raise InputError(f"MPS tensor {i} must have the legs {legs}, got shape {A.shape}")
        tensors.append(A.transpose([legs.index(leg) for leg in "lpr"]))
    return MPS(tensors, attrs)


def mps_from_text(
    path: str | PathLike[str],
    *,
    index: str | PathLike[str] | None = None,
    tfim: TFIM | None = None,
    first_site: str = "most significant",
) -> MPS:
    """Read a state from text: a state vector, or with `index` the sparse tensors of POVM_GENMODEL.

    Parameters
    ----------
    path : path
        A vector: 2**L lines of "re im", or of one real number.  Sparse tensors: one block for each
        site, separated by empty lines; each line holds the indices, counted from 1, and a value.
    index : path, optional
        The file with the shape of each block: number of indices, number of entries, and the
        dimensions.
    tfim : TFIM, optional
        The Hamiltonian the state belongs to, stored with it.  The chain that POVM_GENMODEL ships
        is an approximate ground state of ``TFIM(50, J=-1, h=-1)``: energy -63.29362 for -63.30119.
    first_site : {"most significant", "least significant"}
        The bit of the line number that is the first site, for a vector.

    Raises
    ------
    InputError
        If the file holds no state, or one of another length than `tfim`.

    Notes
    -----
    These files do not record which bit is the +1 eigenstate of Z.  It is taken to be 0 (the first
    line, or index 1); ``rotated("X")`` exchanges the two.
    """
    path = Path(path)
    check_choice("first_site", first_site, ("most significant", "least significant"))
    attrs: dict[str, Any] = {"source": path.name}
    if tfim is not None:
        attrs |= tfim.attrs()
    if index is None:
        vector = _read_vector(path)
        if first_site == "least significant":
            L = vector.size.bit_length() - 1
            vector = vector.reshape((2,) * L).T.ravel()
        state = MPS.from_dense(vector, attrs)
    else:
        state = mps_from_arrays(_read_sparse(path, Path(index)), "rpl", attrs)
    if tfim is not None and tfim.L != state.L:
        raise InputError(f"{path} must hold L = {tfim.L} sites as tfim says, got {state.L}")
    return state


def _read_vector(path: Path) -> np.ndarray:
    rows = _read_numbers(path)
    width = len(rows[0][1]) if rows else 0
    for line, row in rows:
        if len(row) != width or width not in (1, 2):
            raise InputError(
                "a state vector must be lines of 're im', or of one number, got "
                f"{len(row)} numbers at line {line} of {path}"
            )
    if len(rows) & (len(rows) - 1) or len(rows) < 2:
        raise InputError(f"a state vector must have 2**L lines, got {len(rows)} in {path}")
    table = np.array([row for _, row in rows])
    vector = table[:, 0] + 1j * table[:, 1] if table.shape[1] == 2 else table[:, 0]
    return vector if np.any(np.imag(vector)) else np.real(vector)


def _read_sparse(path: Path, index: Path) -> list[np.ndarray]:
    """Return the tensors of a POVM_GENMODEL state, legs (right, physical, left)."""
    entries, arrays, start = _read_numbers(path), [], 0
    for line, row in _read_numbers(index):
        rank = int(row[0])
        if any(v != int(v) or v < 1 for v in row) or len(row) != rank + 2 or rank not in (2, 3):
            raise InputError(
                "an index line must be: 2 or 3, the number of entries, and as many dimensions, "
                f"got line {line} of {index}"
            )
        n, shape = int(row[1]), tuple(int(v) for v in row[2:])
        block, start = entries[start : start + n], start + n
        A = np.zeros(shape)
        for line, entry in block:
            at = tuple(int(v) - 1 for v in entry[:-1])
            inside = len(at) == rank and all(0 <= i < d for i, d in zip(at, shape))
            if not inside or any(v != int(v) for v in entry[:-1]):
                raise InputError(
                    f"an entry of tensor {len(arrays)} must be {rank} indices within {shape}, "
                    f"counted from 1, and a value, got line {line} of {path}"
                )
            A[at] = entry[-1]
        if len(block) < n:
            raise InputError(
                f"{path} must hold {n} entries of tensor {len(arrays)} as {index} says, "
                f"got {len(block)}"
            )
        arrays.append(A)
    if start != len(entries):
        raise InputError(
            f"{path} must hold the {start} entries that {index} says, got {len(entries)}"
        )
    return arrays


def _read_numbers(path: Path) -> list[tuple[int, list[float]]]:
    """Return the numbers in each line that is not empty, with the line number."""
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"a state must be a text file, got {path}: {error}") from None
    rows = []
    for number, line in enumerate(lines, 1):
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            raise InputError(
                f"a state in text must hold numbers, got {line.strip()!r:.60} at line {number} "
                f"of {path}"
            ) from None
        if not np.all(np.isfinite(row)):
            raise InputError(f"a state must be finite, got line {number} of {path}")
        if row:
            rows.append((number, row))
    return rows
