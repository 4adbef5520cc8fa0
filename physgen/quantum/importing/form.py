r"""The form of a text file, from its first lines.

==========  =======================================================================================
values      one shot a line: characters (digits, or letters for bases), one a site, with or without
            separators; or numbers, as in ``-1 1`` or ``1.000e+00``
pairs       the basis and the result of each site by turns: ``X+ Z-``, ``Z 1 X -1``, ``X0Z1``
table       columns with names in the first line
counts      a string of bits and how often it was seen, bases before them if there are any
==========  =======================================================================================

Most lines decide: a line of another form is a bad line, wherever it stands.  A first line is a
header only if it can be names of columns and no broken shot: no word of it is a number or a string
of bases, each begins with a letter, and it does not look like the line below.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from physgen.core.errors import InputError
from physgen.quantum.importing.columns import is_known_name
from physgen.quantum.importing.marks import LETTERS, LOST_CHARACTERS, LOST_WORDS, PAIRS
from physgen.quantum.importing.opening import bad_line, open_text

__all__ = ["Form", "cells_of", "first_lines", "form_of", "is_number"]

SAMPLE_LINES = 200  # lines that determine the form of a file
LONGEST = 8 << 20  # bytes of a line

_SPLIT = re.compile(r"[\s,;:|]+")
_NAME = re.compile(r"[^\W\d]")


@dataclass(frozen=True)
class Form:
    """The form of the lines of a text file.

    Attributes
    ----------
    kind : {"values", "pairs", "table", "counts"}
    characters : bool
        One character a value; else numbers in any form.
    separated : bool
        Separators stand between all values.
    letters : bool
        There are letters X, Y, Z: 10 = Z, 11 = X, 12 = Y in the values.
    width : int or None
        Number of values in most of the first lines.
    skip : int
        Lines up to a header, and with it.
    header : tuple of str
        The names in the header.
    delimiter : str or None
        What separates the cells of a table; None: white space.
    lost : bool
        Whether marks of lost qubits are values.
    """

    kind: str
    characters: bool = False
    separated: bool = False
    letters: bool = False
    width: int | None = None
    skip: int = 0
    header: tuple[str, ...] = ()
    delimiter: str | None = None
    lost: bool = False


def form_of(path: Path, counts: bool = False) -> Form:
    """Determine the form of a text file from its first lines.

    Parameters
    ----------
    path : Path
    counts : bool
        Whether each line says how often it was seen, so that its form is known.

    Raises
    ------
    InputError
        If the first line is neither a shot nor a header.
    """
    lines = first_lines(path)
    skip, header, delimiter = 0, (), None
    if len(lines) > 1 and not _readable(lines[0][1]):
        header, delimiter = _header(lines[0][1], lines[1][1])
        if header:
            skip, lines = lines[0][0], lines[1:]
    if header and (not _numbered(header) or '"' in lines[0][1]):
        return Form("table", skip=skip, header=header, delimiter=delimiter)
    if counts:
        return Form("counts", skip=skip, header=header)
    tokens = [_tokens(text) for _, text in lines]
    found = Counter(kind for line in tokens for kind in _kinds(line))
    kinds = ("pairs", "single", "columns", "whole", "numbers")
    kind = max(kinds, key=lambda kind: (found[kind], -kinds.index(kind)))
    if not found[kind] or (2 * found[kind] < len(lines)):
        number, first = next((n, t) for n, t in lines if not _readable(t) or not found[kind])
        rule = (
            "each line must be numbers, or letters X, Y, Z and bits, below names of columns if "
            "there are any"
        )
        if _counts(_tokens(first)):
            rule += "; choose format (--format) counts if the last number says how often"
        raise bad_line(path, number, first, rule)
    fitting = [line for line in tokens if kind in _kinds(line)]
    letters = sum(any(c in LETTERS for token in line for c in token) for line in fitting)
    has_letters = 2 * letters > len(fitting) and kind != "numbers"
    width = Counter(
        len(line) if kind == "numbers" else sum(map(len, line)) for line in fitting
    ).most_common(1)[0][0]
    if kind == "pairs":
        return Form("pairs", letters=True, skip=skip, header=header)
    separated = kind == "single" and max(map(len, fitting)) > 1
    if separated and has_letters and len(fitting[0]) == 2:  # Z 0: one site, in two columns
        separated = False
    return Form("values", kind != "numbers", separated, has_letters, width, skip, header)


def cells_of(text: str, delimiter: str | None) -> list[str]:
    """Return the cells of a line of a table, without quotes and white space around them."""
    if delimiter is None:
        return text.split()
    try:
        cells = next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:  # a line end inside of a line
        cells = text.split(delimiter)
    return [cell.strip() for cell in cells]


def first_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first lines that are not empty, without comments, with their numbers."""
    found = []
    with open_text(path) as file:
        for number, raw in enumerate(file, start=1):
            if b"\0" in raw or len(raw) > LONGEST:
                raise InputError(
                    f"{path.name} must be plain text (ASCII or UTF-8), one shot a line, got bytes "
                    "of another kind; name an array file .npy, .npz or .h5"
                )
            text = raw.decode(errors="replace").partition("#")[0].strip()
            if text:
                found.append((number, text))
            if len(found) == SAMPLE_LINES:
                break
    if not found:
        raise InputError(f"{path.name} must hold at least one shot, got none")
    return found


def _header(text: str, below: str) -> tuple[tuple[str, ...], str | None]:
    """Return the names of the columns and what separates them, or no names."""
    delimiter = next((d for d in ",;\t" if d in text), None)
    names = cells_of(text, delimiter)
    if all(is_known_name(name) for name in names):
        return tuple(names), delimiter
    words = _tokens(text)
    if not all(_NAME.match(w.strip("\"'")) for w in words) or any(_is_bases(w) for w in words):
        return (), None
    if [len(w) for w in words] == [len(w) for w in _tokens(below)]:  # a shot with wrong letters
        return (), None
    return tuple(names), delimiter


def _numbered(names: tuple[str, ...]) -> bool:
    """Whether the names are sites in their order, as in q0, q1, q2."""
    found = [re.fullmatch(r"([^\d]*?)(\d+)", name) for name in names]
    if not all(found):
        return False
    numbers = [int(m.group(2)) for m in found if m]
    same = len({m.group(1).lower() for m in found if m}) == 1
    return same and all(b - a == 1 for a, b in pairwise(numbers))


def _kinds(tokens: list[str]) -> list[str]:
    """Return the forms that a line has."""
    found = []
    joined = "".join(tokens)
    bases = sum(c in LETTERS for c in joined)
    if bases and re.fullmatch(f"(?:{PAIRS.pattern})+", joined) and (bases > 1 or "+" in joined):
        return ["pairs"]
    if bases == 1 and re.fullmatch(PAIRS.pattern, joined) and joined[1:] not in ("0", "1"):
        return ["pairs"]
    if all(c.isdigit() or c in LETTERS or c in LOST_CHARACTERS for c in joined):
        if all(len(token) == 1 for token in tokens):
            found.append("single")
        if len(tokens) == 1 and joined != "-1":
            found.append("whole")
        halves = [all(c in LETTERS for c in token) for token in tokens]
        if len(tokens) == 2 and sum(halves) == 1:
            found.append("columns")
    if all(is_number(token) or token.lower() in LOST_WORDS for token in tokens):
        found.append("numbers")
    return found


def _counts(tokens: list[str]) -> bool:
    """Whether a line looks like bases, bits and how often."""
    return len(tokens) == 3 and _is_bases(tokens[0]) and all(t.isdigit() for t in tokens[1:])


def _tokens(text: str) -> list[str]:
    return [token for token in _SPLIT.split(text) if token]


def _readable(text: str) -> bool:
    """Whether a line can be a shot: words that are numbers or letters X, Y, Z."""
    tokens = _tokens(text)
    return bool(tokens) and (
        "pairs" in _kinds(tokens) or all(is_number(t) or _is_bases(t) for t in tokens)
    )


def _is_bases(token: str) -> bool:
    return all(character in LETTERS for character in token)


def is_number(token: str) -> bool:
    """Whether a word of a text is a number."""
    try:
        float(token)
    except ValueError:
        return False
    return True
