r"""Strings of results and of bases, such as the keys of a histogram, as numbers.

============  =====================================================================================
results       ``010``, ``0 1 0``, ``(0, 1, 0)``, ``01 0`` (registers, joined as they stand),
              ``0x2`` or ``0b10`` with a stated number of sites, ``+-+`` or ``1 -1 1``,
              digits of a POVM with more outcomes; ``-``, ``?``, ``_``, ``*`` for a lost qubit
bases         ``XZY``, ``X Z Y``, ``('X', 'Z', 'Y')``
============  =====================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing.marks import LOST, LOST_CHARACTERS, LOST_WORDS, PAIRS, BadRow

__all__ = ["bases_of", "pairs_of", "results_of"]

_FRAME = str.maketrans("", "", "()[]{}'\"|>")
_SPLIT = re.compile(r"[\s,;:]+")


def results_of(cells: Sequence[str], n_sites: int | None) -> np.ndarray:
    """Return the values of strings of results, int16 of shape (m, L); LOST for a lost qubit.

    Raises
    ------
    BadRow
        At the first string that is no results, or has another length than most.
    InputError
        If hexadecimal strings come without a number of sites.
    """
    unique, which = np.unique(np.asarray(cells, dtype=str), return_inverse=True)
    words = [_words(cell) for cell in unique.tolist()]
    signs = {c for row in words for w in row for c in w} <= set("+-")
    rows = []
    for k, row in enumerate(words):
        found = _values(row, n_sites, signs)
        if found is None:
            raise BadRow(int(np.argmax(which == k)), "results must be a string of bits")
        rows.append(found)
    lengths = np.array([len(row) for row in rows])
    # Lengths of the strings as they come, so that the first of another length is named.
    wanted = n_sites or int(np.bincount(lengths[which]).argmax())
    wrong = (lengths != wanted)[which]
    if wrong.any():
        k = int(np.argmax(wrong))
        stated = "as n_sites says" if n_sites else "like most"
        raise BadRow(
            k,
            f"results must have {wanted} values {stated}, with leading zeros, and not "
            f"{lengths[which][k]}",
        )
    return np.array(rows, np.int16)[which.ravel()]


def bases_of(cells: Sequence[str], L: int | None = None) -> np.ndarray:
    """Return strings of letters as 0 = Z, 1 = X, 2 = Y, uint8 of shape (m, L)."""
    unique, which = np.unique(np.asarray(cells, dtype=str), return_inverse=True)
    rows = []
    for k, cell in enumerate(unique.tolist()):
        letters = "".join(_words(cell)).replace("-", "").replace("_", "").upper()
        if not letters or not set(letters) <= set("XYZ"):
            rule = "bases must be letters X, Y, Z, one a site"
            raise BadRow(int(np.argmax(which == k)), rule)
        rows.append(["ZXY".index(letter) for letter in letters])
    lengths = np.array([len(row) for row in rows])
    wanted = L or int(np.bincount(lengths[which]).argmax())
    if (lengths != wanted).any():
        k = int(np.argmax((lengths != wanted)[which]))
        raise BadRow(k, f"bases must be {wanted} letters, and not {lengths[which][k]}")
    return np.array(rows, np.uint8)[which.ravel()]


def pairs_of(cells: Sequence[str], bits: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Return bases (m, L) and results (m, L) of strings such as ``X+ Z-`` or ``Z 1 X -1``.

    Results of 1 alone may be bits or eigenvalues: they are refused unless `bits` says so.
    """
    bases, results, width = [], [], 0
    for k, cell in enumerate(cells):
        joined = "".join(_words(cell))
        found = PAIRS.findall(joined)
        if sum(len(b) + len(r) for b, r in found) != len(joined) or not found:
            rule = "a line must be pairs of a basis X, Y, Z and a result, as in X+ Z- or Z 1 X -1"
            raise BadRow(k, rule)
        width = width or len(found)
        if len(found) != width:
            rule = f"every line must hold {width} pairs of a basis and a result"
            raise BadRow(k, f"{rule}, and not {len(found)}")
        bases.append(["ZXY".index(b.upper()) for b, _ in found])
        results.append([r for _, r in found])
    marks = np.array(results)
    signs = bool(np.isin(marks, ("+", "+1", "-1")).any())
    signs |= not np.isin(marks, ("0", "1")).any()  # minus signs alone
    if marks.size and (marks == "1").all() and not bits:
        raise InputError(
            "results of 1 alone may be bits or eigenvalues +1, got no other; if they are bits, "
            "say format (--format) bits"
        )
    meaning = {"+": 1, "+1": 1, "1": 1, "0": 0, "-1": -1}
    meaning |= {"-": -1 if signs else LOST, "?": LOST, "_": LOST, "*": LOST}
    values = np.empty(marks.shape, np.int16)
    for mark in np.unique(marks):
        values[marks == mark] = meaning[str(mark)]
    return np.array(bases, np.uint8), values


def _words(cell: str) -> list[str]:
    return [w for w in _SPLIT.split(cell.translate(_FRAME).strip()) if w]


def _values(words: list[str], n_sites: int | None, signs: bool) -> list[int] | None:
    """Return the values of one string, or None if it is no results."""
    joined = "".join(words)
    if re.fullmatch(r"0[xX][0-9a-fA-F]+|0[bB][01]+", joined):
        if n_sites is None:
            raise InputError(
                f"n_sites (--n-sites) must be given for hexadecimal results, got none for {joined}"
            )
        number = int(joined, 0)
        if number >> n_sites:
            raise InputError(f"{joined} must fit in n_sites = {n_sites} bits, got more")
        return [int(c) for c in format(number, f"0{n_sites}b")]
    if not joined:
        return None
    if signs:
        return [1 if c == "+" else -1 for c in joined]
    apart = len(words) > 1 and (
        any(w in ("-1", "+1") for w in words)
        or all(w.lower() in LOST_WORDS or len(w) == 1 for w in words)
    )
    found = []
    for token in words if apart else joined:
        if token.lower() in LOST_WORDS or token in LOST_CHARACTERS:
            found.append(LOST)
        elif re.fullmatch(r"[+-]?\d", token):
            found.append(int(token))
        else:
            return None
    return found
