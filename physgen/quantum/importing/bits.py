"""Outcomes from bits and bases."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing import coding
from physgen.quantum.importing.bases import fixed_bases, read_bases
from physgen.quantum.importing.lost import LostQubits
from physgen.quantum.importing.marks import BadRow
from physgen.quantum.importing.records import Record
from physgen.quantum.importing.sources import TextShots
from physgen.quantum.povm import POVM
from physgen.quantum.povm import povm as named_povm
from physgen.quantum.site_povm import SitePOVM

__all__ = ["Outcomes", "bits_and_bases", "refuse"]


class Outcomes(NamedTuple):
    """Outcomes, their POVM, and whether the file held spins -1 and 1."""

    outcomes: np.ndarray
    frame: POVM | SitePOVM
    spins: bool


def bits_and_bases(
    shots: TextShots | Record,
    name: str,
    frame: POVM | SitePOVM | None,
    bases: str | PathLike[str] | None,
    bases_order: str | None,
    bit_one: str | None,
    lost: LostQubits,
) -> Outcomes:
    """Return outcomes of pauli-6, or computational if all bits were measured in Z.

    With `frame`, outcomes of that POVM: one that is made of the bases X, Y, Z, or of Z alone, with
    any noise.

    Parameters
    ----------
    shots : TextShots or Record
    name : {"bits", "bits+bases"}
    frame, bases, bases_order, bit_one
        As in :func:`~physgen.quantum.importing.import_measurements`.
    lost : LostQubits
        It leaves out shots, and keeps account of them.
    """
    six, z_basis = named_povm("pauli-6"), named_povm("computational")
    if frame is not None:
        _table(frame)  # refuses one that is not made of Pauli bases
    if name == "bits+bases" and shots.letters:
        refuse("bits+bases in one file", bases=bases, bases_order=bases_order)
        found = shots.coded(1, partial(coding.with_bases, bit_one=bit_one), lost)
        return Outcomes(found if frame is None else _mapped(found, frame), frame or six, False)
    if name == "bits+bases" and bases is None and shots.bases is None:
        if bases_order is None:
            raise InputError(
                "bases must be given as a file of letters, or on each line before the bits, as "
                "letters or as integers with bases_order (--bases-order), got neither with "
                f"{shots.source}"
            )
        code = partial(_integers_and_bits, order=bases_order, bit_one=bit_one)
        found = shots.coded(9, code, lost)
        return Outcomes(found if frame is None else _mapped(found, frame), frame or six, False)
    held, spins = coding.bits_of(shots.coded(1, coding.checked_bits, lost), bit_one)
    axes = _axes(shots, bases, bases_order, held.shape, lost)
    if axes is None and frame is not None and frame.bases is not None:
        raise InputError(f"bases must be given to make {frame.name} of bits, got none")
    if axes is None or (frame is None and not axes.any()):
        z_only = held if frame is None else _mapped(3 * held, frame)
        return Outcomes(z_only, frame or z_basis, spins)
    found = axes + 3 * held
    return Outcomes(found if frame is None else _mapped(found, frame), frame or six, spins)


def _integers_and_bits(values: np.ndarray, order: str, bit_one: str | None) -> np.ndarray:
    """Return pauli-6 outcomes of rows of L integers for bases, then L bits."""
    L = values.shape[1] // 2
    bases, bits = values[:, :L], values[:, L:]
    good = ((bases >= 0) & (bases <= 2)).all(axis=1) & ((bits == 0) | (bits == 1)).all(axis=1)
    if values.ndim != 2 or values.shape[1] % 2 or not good.all():
        rule = "every row must hold 0, 1 or 2 for each basis, then as many bits"
        raise BadRow(0 if values.shape[1] % 2 else int(np.argmin(good)), rule)
    axes = np.array(["ZXY".index(letter) for letter in order])[bases]
    return (axes + 3 * coding.bits_of(bits.astype(np.int8), bit_one)[0]).astype(np.uint8)


def _table(frame: POVM | SitePOVM) -> np.ndarray:
    """Return the outcome of a POVM for Z+, X+, Y+, Z-, X-, Y-; -1 where it has none.

    Raises
    ------
    InputError
        If its outcomes are not those of Pauli bases.
    """
    table, bases = np.full(6, -1), frame.bases
    if bases is not None and set(bases.names) <= set("ZXY"):
        for name, plus, minus in zip(bases.names, bases.plus, bases.minus):
            table["ZXY".index(name)], table["ZXY".index(name) + 3] = plus, minus
        return table
    c = frame.pauli_coefficients.reshape(-1, frame.K, 4)  # of each site
    if frame.K == 2 and np.abs(c[..., 1:3]).max() < 1e-8 and np.all(c[:, 0, 3] * c[0, 0, 3] > 0):
        table[[0, 3]] = np.argsort(-c[0, :, 3])
        return table
    raise InputError(
        f"bits must be outcomes of pauli-6 or computational, got povm {frame.name}; import them "
        "as pauli-6, and merge with --merge pauli-4 or MeasurementData.merged"
    )


def _mapped(six: np.ndarray, frame: POVM | SitePOVM) -> np.ndarray:
    """Return outcomes of a POVM for outcomes of pauli-6."""
    table = _table(frame)
    outcomes = table[six]
    if outcomes.min(initial=0) < 0:
        known = ", ".join(b for b in "ZXY" if table["ZXY".index(b)] >= 0)
        all_z = f"all be {known}" if known == "Z" else f"be {known}"
        raise InputError(
            f"bases must {all_z} for povm {frame.name}, got others; use pauli-6, with its noise"
        )
    return outcomes.astype(np.uint8)


def _axes(
    shots: TextShots | Record,
    bases: str | PathLike[str] | None,
    order: str | None,
    shape: tuple[int, ...],
    lost: LostQubits,
) -> np.ndarray | None:
    """Return the bases of the shots that are kept, of this shape, or None if none are stated."""
    if shots.bases is not None:
        refuse("a file that holds bases", bases=bases)
        return shots.bases[lost.kept]
    if bases is None:
        refuse("bits without bases", bases_order=order)
        return None
    if not Path(bases).is_file():
        refuse("letters", bases_order=order)
        return np.broadcast_to(fixed_bases(str(bases), shape[1]), shape)
    axes = read_bases(Path(bases), order)
    kept = lost.kept
    n = shape[0] if isinstance(kept, slice) else len(kept)
    if axes.shape == (1, shape[1]) and n > 1:
        raise InputError(
            f"bases must be one letter for each bit, shape {(n, shape[1])}, got {axes.shape} in "
            f"{Path(bases).name}; for bases of all shots give the letters themselves"
        )
    if axes.shape != (n, shape[1]):
        raise InputError(
            f"bases must be one letter for each bit, shape {(n, shape[1])}, "
            f"got {axes.shape} in {Path(bases).name}"
        )
    return axes[kept]


def refuse(name: str, **options: Any) -> None:
    """Raise an error for the first option that is given though it means nothing for `name`."""
    for option, value in options.items():
        if value is not None:
            raise InputError(f"{option} must not be given for {name}, got {value!r}")
