r"""Bases of measurements: letters, or integers whose order is stated.

Programs disagree on integers (0 = X, 1 = Y, 2 = Z in classical shadows, 0 = Z, 1 = X, 2 = Y here),
and wrong ones give wrong numbers that no test shows.  So integers are read only with an order,
"XYZ" for 0 = X, 1 = Y, 2 = Z.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing import text
from physgen.quantum.importing.arrays import SUFFIXES, read_columns
from physgen.quantum.importing.cells import bases_of
from physgen.quantum.importing.columns import sorted_columns
from physgen.quantum.importing.form import form_of
from physgen.quantum.importing.marks import BadRow
from physgen.quantum.settings import BASES

__all__ = ["check_order", "coded_bases", "fixed_bases", "read_bases"]


def check_order(order: str | None) -> str | None:
    """Return an order of integer bases in capitals, or raise :class:`InputError`."""
    if order is None:
        return None
    if not isinstance(order, str) or sorted(order.upper().replace(",", "")) != sorted("XYZ"):
        raise InputError(
            "bases_order must be the letters of 0, 1 and 2, such as 'XYZ' for 0 = X, 1 = Y, "
            f"2 = Z, got {order!r}"
        )
    return order.upper().replace(",", "")


def fixed_bases(bases: str, L: int) -> np.ndarray:
    """Return the bases that letters such as "Z" (for all sites) or "ZXZX" name; shape (L,)."""
    letters = bases.upper() * (L if len(bases) == 1 else 1)
    if len(letters) != L or not set(letters) <= set(BASES):
        raise InputError(
            f"bases must be a file, or letters X, Y, Z: one for all sites or one for each of "
            f"{L}, got {bases!r}"
        )
    return np.array([BASES.index(letter) for letter in letters], np.uint8)


def coded_bases(found: Any, order: str | None, source: str) -> np.ndarray:
    """Return bases of any kind as 0 = Z, 1 = X, 2 = Y, uint8 of shape (m, L).

    Parameters
    ----------
    found : array_like
        Letters or words, shape (m,) or (m, L); or integers (m, L).
    order : str or None
        What 0, 1 and 2 are: "XYZ" is 0 = X, 1 = Y, 2 = Z.
    source : str
        Their place, for errors.

    Raises
    ------
    InputError
        If integers come without an order, letters with one, or numbers are not in 0..2.
    """
    array = np.asarray(found)
    if array.dtype.kind in "USO":
        words = array.astype(str)
        cells = [" ".join(row) for row in words] if words.ndim == 2 else words.ravel().tolist()
        if not all(cell.replace(" ", "").isdigit() for cell in cells):
            if order is not None:
                raise InputError(
                    f"bases_order must come with integers for bases, got {order!r} and letters in "
                    f"{source}"
                )
            try:
                return bases_of(cells)
            except BadRow as error:
                raise InputError(f"{error.rule}, got row {error.row} of {source}") from None
        if len({len(cell) for cell in cells}) == 1:
            array = np.array([list(cell.replace(" ", "")) for cell in cells]).astype(int)
    if array.dtype.kind == "f" and np.array_equal(array, np.trunc(array)):
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu" or array.ndim != 2 or not array.size:
        raise InputError(
            "bases must be letters X, Y, Z, or integers with bases_order, one a site and shot, "
            f"got shape {array.shape} of {array.dtype} in {source}"
        )
    lowest, highest = int(array.min()), int(array.max())
    if order is None:
        raise InputError(
            "bases_order (--bases-order) must say what the integers of bases are, such as XYZ for "
            f"0 = X, 1 = Y, 2 = Z (as classical shadows), got none with {lowest}..{highest} in "
            f"{source}"
        )
    if not 0 <= lowest <= highest <= 2:
        remedy = "; subtract 1" if (lowest, highest) == (1, 3) else ""
        raise InputError(
            f"integers for bases must be 0, 1 and 2, got {lowest}..{highest} in {source}{remedy}"
        )
    return np.array([BASES.index(letter) for letter in order], np.uint8)[array]


def read_bases(path: Path, order: str | None) -> np.ndarray:
    """Return the bases of a file, as 0 = Z, 1 = X, 2 = Y."""
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is not None:
        data, scalars = read_columns(path, kind)
        columns = sorted_columns(list(data), path.name, scalars=scalars)
        if len(columns.results) == 1 and not columns.bases:
            return coded_bases(data[columns.results[0]], order, path.name)
        raise InputError(
            f"a file of bases must hold one array, got {', '.join(data)} in {path.name}"
        )
    form = form_of(path)
    if form.kind == "table" and len(form.header) == 1:  # the name of a single column
        form = replace(form, kind="values", characters=True, letters=True)
    if form.kind != "values":
        raise InputError(f"a file of bases must hold bases alone, got {path.name}")

    def code(values: np.ndarray) -> np.ndarray:
        bad = (values < 10).any(axis=1)
        if bad.any():
            raise BadRow(int(np.argmax(bad)), "bases must be letters X, Y, Z")
        return values - 10

    if form.letters:
        if order is not None:
            raise InputError(
                f"bases_order must come with integers for bases, got {order!r} and letters in "
                f"{path.name}"
            )
        return text.coded(path, form, 9, code)
    if order is None:
        raise InputError(
            "bases must be letters X, Y, Z, one line a shot, or integers with bases_order "
            f"(--bases-order XYZ: 0 = X, 1 = Y, 2 = Z), got no letters in {path.name}"
        )
    return coded_bases(text.coded(path, form, 9, lambda values: values), order, path.name)
