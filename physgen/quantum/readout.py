r"""Readout errors from calibration: the elements of each qubit, from counts of prepared states.

A qubit prepared in bit s is read as t with probability :math:`C_{ts}`, estimated by the share of
the calibration shots,

.. math:: C_{ts} = n_{ts} / n_s, \qquad M_{b,t} \to \sum_s C_{ts} M_{b,s} ,

in every basis b, because the qubit is rotated before it is read.  Estimates with these elements
are of the state before the readout.  The error of the calibration itself,
:math:`\sqrt{C (1 - C) / n_s}` for each entry, is not part of their error bars: calibrate with more
shots than you measure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.checks import is_finite
from physgen.core.errors import InputError
from physgen.quantum.noise import bit_flipped
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM

__all__ = ["confusion_matrices", "read_out", "readout_file"]

_RULE = (
    "a calibration must be a matrix of columns that sum to 1, shape (2, 2) or (L, 2, 2), or "
    'counts {"0": {"0": 980, "1": 20}, "1": {"0": 35, "1": 965}}, of one qubit, of a list '
    "of qubits, or of strings of all"
)


def read_out(povm: POVM | str, calibration: Any, *, reverse: bool = False) -> POVM | SitePOVM:
    """Return a POVM with the readout errors of a calibration, the same or one for each qubit.

    Parameters
    ----------
    povm : POVM or str
        The measurement without the error: outcomes in pairs like Z+, Z-, where bit 0 is +; or the
        ideal pauli-4.
    calibration
        As for :func:`confusion_matrices`.
    reverse : bool
        Whether the last of a string, or of the matrices, is site 0.

    Returns
    -------
    POVM or SitePOVM
        A POVM if the calibration has one qubit.

    Examples
    --------
    >>> noisy = read_out("pauli-6", {"0": {"0": 980, "1": 20}, "1": {"0": 35, "1": 965}})
    >>> noisy.pauli_coefficients[0].round(4).tolist()  # Z+
    [0.1692, 0.0, 0.0, 0.1575]
    """
    frame = named_povm(povm) if isinstance(povm, str) else povm
    matrices = confusion_matrices(calibration)
    if matrices.ndim == 2:
        return bit_flipped(frame, matrices[1, 0], matrices[0, 1])
    if reverse:
        matrices = matrices[::-1]
    sites = tuple(bit_flipped(frame, C[1, 0], C[0, 1]) for C in matrices)
    return SitePOVM(f"{frame.name}, readout of {len(sites)} qubits", sites)


def confusion_matrices(calibration: Any) -> np.ndarray:
    """Return C[t, s], the probability to read t where s was prepared; (2, 2) or (L, 2, 2).

    Parameters
    ----------
    calibration : array_like or mapping or sequence of mappings
        Matrices whose columns sum to 1; or counts of what was read, by what was prepared: of one
        qubit for all, of a list of qubits, or of strings of all qubits, such as
        ``{"00": {"00": 970, "01": 30}, "11": {...}}``, where each qubit must be prepared in both.

    Raises
    ------
    InputError
        If it is none of these, or a qubit was prepared in one bit alone.
    """
    if isinstance(calibration, Mapping):
        return _from_counts(calibration)
    if isinstance(calibration, Sequence) and calibration and isinstance(calibration[0], Mapping):
        if not all(isinstance(c, Mapping) for c in calibration):
            raise InputError(f"{_RULE}; got a list of other things")
        found = [_from_counts(each) for each in calibration]
        if any(each.ndim != 2 for each in found):
            raise InputError(f"{_RULE}; got strings of several qubits in a list")
        return np.array(found)
    try:
        C = np.asarray(calibration, dtype=float)
    except (TypeError, ValueError):
        raise InputError(f"{_RULE}; got {type(calibration).__name__}") from None
    if C.shape[-2:] != (2, 2) or C.ndim not in (2, 3) or not C.size:
        raise InputError(f"{_RULE}; got shape {C.shape}")
    with np.errstate(invalid="ignore"):  # inf - inf
        off = np.abs(C.sum(axis=-2) - 1).max()
    if not np.all(C >= 0) or not off <= 1e-8:
        rows = np.all(C >= 0) and np.abs(C.sum(axis=-1) - 1).max() <= 1e-8
        remedy = "; its rows do: transpose it" if rows else ""
        raise InputError(f"{_RULE}; got columns that do not{remedy}")
    return C


def readout_file(path: str | PathLike[str]) -> Any:
    """Return the calibration of a JSON, npy or npz file, for :func:`read_out`."""
    path = Path(path)
    if path.suffix.lower() in (".npy", ".npz"):
        from physgen.quantum.arrays import read_arrays

        found = read_arrays(path, "a calibration must be an array of confusion matrices")
        if isinstance(found, dict) and len(found) != 1:
            raise InputError(
                f"a calibration must hold one array, got {', '.join(found)} in {path.name}"
            )
        return next(iter(found.values())) if isinstance(found, dict) else found
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{_RULE}; got {path}: {error}") from None


def _from_counts(calibration: Mapping[Any, Any]) -> np.ndarray:
    """Return the matrices of counts by what was prepared."""
    prepared = {str(key).replace(" ", ""): value for key, value in calibration.items()}
    widths = {len(key) for key in prepared}
    if len(widths) != 1 or not all(set(key) <= {"0", "1"} and key for key in prepared):
        raise InputError(f"{_RULE}; got {', '.join(map(repr, calibration))} as prepared")
    (L,) = widths
    n = np.zeros((L, 2, 2))
    for key, counts in prepared.items():
        if not isinstance(counts, Mapping):
            raise InputError(f"{_RULE}; got {counts!r:.40} for {key!r}")
        for read, number in counts.items():
            text = str(read).replace(" ", "")
            whole = is_finite(number) and number >= 0 and number == int(number)
            if len(text) != L or not set(text) <= {"0", "1"} or not whole:
                raise InputError(f"{_RULE}; got {read!r}: {number!r} for {key!r}")
            for i in range(L):
                n[i, int(text[i]), int(key[i])] += number
    total = n.sum(axis=1)
    if not total.all():
        i, s = np.argwhere(total == 0)[0]
        raise InputError(f"each qubit must be prepared in 0 and 1, got qubit {i} never in {s}")
    C = n / total[:, None, :]
    return C[0] if L == 1 else C
