r"""Text files of shots, one a line, read in blocks by array operations.

A line consists of characters (digits, or letters for bases), one a site, with or without
separators; or of numbers, as in ``-1 1`` or ``1.000e+00`` (:mod:`~physgen.quantum.importing.form`
tells which).  Separators are white space, comma,
semicolon, colon and bar.  Empty lines and text after a ``#``
are ignored.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing.form import Form, first_lines, is_number
from physgen.quantum.importing.lost import REMEDY, LostQubits
from physgen.quantum.importing.marks import LETTERS, LOST, LOST_CHARACTERS, LOST_WORDS, BadRow
from physgen.quantum.importing.opening import bad_line, line_of, open_text

__all__ = ["Block", "blocks_of", "coded", "sample_of"]

CHUNK = 8 << 20  # bytes read at a time

_SEPARATOR, _NEWLINE, _BAD = 253, 254, 255
_SEPARATORS = b" \t\r,;:|"
_COMMENT = re.compile(rb"#[^\n]*")
_LOST = re.compile(
    rb"(?<![^\s])(?:" + b"|".join(re.escape(w.encode()) for w in LOST_WORDS) + rb")(?![^\s])",
    re.IGNORECASE,
)


class Block(NamedTuple):
    """Some lines: their values, small integers of shape (m, width), and line numbers, from 1."""

    values: np.ndarray
    lines: np.ndarray


def sample_of(path: Path, form: Form, highest: int = 9) -> np.ndarray:
    """Return the values of the first lines; digits above `highest` are refused."""
    lines = dict(first_lines(path))
    every = (lines.get(number, "") for number in range(form.skip + 1, max(lines) + 1))
    whole = "".join(text + "\n" for text in every).encode()
    return next(_parsed(whole, path, form, highest, form.skip + 1, form.width)).values


def blocks_of(path: Path, form: Form, highest: int) -> Iterator[Block]:
    """Yield the lines of a file in blocks; digits above `highest` (at most 9) are refused.

    Raises
    ------
    InputError
        With the number and the text of the first line of another form.
    """
    width, line, rest = form.width, 1, b""
    with open_text(path) as file:
        while True:
            chunk = file.read(CHUNK)
            data = rest + chunk
            cut = data.rfind(b"\n") + 1 if chunk else len(data)
            whole, rest = data[:cut], data[cut:]
            if whole:
                if not whole.endswith(b"\n"):
                    whole += b"\n"
                if line <= form.skip:  # a header is at the very beginning
                    whole = whole.split(b"\n", form.skip)[form.skip]
                    line += form.skip
                for block in _parsed(whole, path, form, highest, line, width):
                    width = block.values.shape[1]
                    yield block
                line += whole.count(b"\n")
            if not chunk:
                return


def coded(
    path: Path,
    form: Form,
    highest: int,
    code: Callable[[np.ndarray], np.ndarray],
    lost: LostQubits | None = None,
) -> np.ndarray:
    """Return ``code(values)`` of all lines as one array; a :class:`BadRow` names its line."""
    found, lost = [], lost or LostQubits(None)
    for block in blocks_of(path, form, highest):
        values, rows = lost.without(block.values)
        if not len(values):
            continue
        try:
            found.append(code(values))
        except BadRow as error:
            number = int(block.lines[rows[error.row]])
            raise bad_line(path, number, line_of(path, number), error.rule) from None
    if not found:
        lost.described(1)  # raises, if all shots were left out
        raise InputError(f"{path.name} must hold at least one shot, got none")
    return np.concatenate(found)


def _parsed(
    whole: bytes, path: Path, form: Form, highest: int, line: int, width: int | None
) -> Iterator[Block]:
    """Yield the values of whole lines, starting with line number `line`."""
    if b"#" in whole:
        whole = _COMMENT.sub(b"", whole)
    if form.characters:
        block = _characters(whole, path, form, highest, line, width)
    else:
        block = _numbers(whole, path, form, line, width)
    if len(block.values):
        yield block


def _characters(
    whole: bytes, path: Path, form: Form, highest: int, line: int, width: int | None
) -> Block:
    raw = np.frombuffer(whole, np.uint8)
    codes = _table(form, highest)[raw]
    if codes.max(initial=0) == _BAD:
        place = int(np.argmax(codes == _BAD))
        wanted = f"0..{highest}" if highest > 1 else "0 and 1"
        letters = " and letters X, Y, Z" if form.letters else ""
        remedy = REMEDY if chr(raw[place]) in LOST_CHARACTERS else ""
        raise _bad_byte(whole, path, line, place, f"values must be {wanted}{letters}{remedy}")
    value = codes < _SEPARATOR
    if form.separated and (value[1:] & value[:-1]).any():
        place = int(np.argmax(value[1:] & value[:-1]))
        raise _bad_byte(whole, path, line, place, "values must have one character each")
    length = whole.index(b"\n") + 1
    if len(raw) % length == 0:  # lines of one layout, as programs write them
        rows, pattern = codes.reshape(-1, length), value.reshape(-1, length)
        n_values = int(pattern[0].sum())
        if (
            n_values
            and (width is None or n_values == width)
            and (rows[:, -1] == _NEWLINE).all()
            and not (rows[:, :-1] == _NEWLINE).any()
            and (pattern == pattern[0]).all()
        ):
            return Block(rows[:, pattern[0]], np.arange(line, line + len(rows)))
    ends = np.flatnonzero(codes == _NEWLINE)
    counts = np.diff(np.cumsum(value)[ends], prepend=0)
    full = np.flatnonzero(counts)
    if not len(full):
        return Block(np.empty((0, 0), np.uint8), full)
    width = int(counts[full[0]]) if width is None else width
    wrong = counts[full] != width
    if wrong.any():
        k = int(full[np.argmax(wrong)])
        raise bad_line(
            path,
            line + k,
            whole.split(b"\n", k + 1)[k].decode(errors="replace"),
            f"every line must hold {width} values like most, and not {counts[k]}",
        )
    return Block(codes[value].reshape(-1, width), line + full)


def _numbers(whole: bytes, path: Path, form: Form, line: int, width: int | None) -> Block:
    plain = whole.translate(bytes.maketrans(b",;:|", b"    "))
    texts = plain.split(b"\n")[:-1]
    if form.lost:
        plain = _LOST.sub(str(LOST).encode(), plain)
    full = np.array([k for k, text in enumerate(texts) if text.strip()], dtype=int)
    if not len(full):
        return Block(np.empty((0, 0), np.int16), full)
    try:
        found = np.loadtxt(io.BytesIO(plain), ndmin=2)
        if width is not None and found.shape[1] != width:
            raise ValueError
    except ValueError:
        width = len(texts[full[0]].split()) if width is None else width
        for k in full:
            words = texts[k].decode(errors="replace").split()
            good = [is_number(w) or (form.lost and w.lower() in LOST_WORDS) for w in words]
            if len(words) != width or not all(good):
                marked = all(g or w.lower() in LOST_WORDS for g, w in zip(good, words))
                rule = f"every line must hold {width} numbers like most"
                rule += REMEDY if marked and len(words) == width else ""
                raise bad_line(path, line + int(k), " ".join(words), rule) from None
        raise
    wrong = ~((found == np.trunc(found)) & (np.abs(found) < 256)).all(axis=1)
    if wrong.any():
        k = int(full[np.argmax(wrong)])
        text = texts[k].decode(errors="replace")
        row, remedy = found[np.argmax(wrong)], ""
        if np.isnan(row).any():
            remedy = REMEDY
        elif (row >= 256).any() and (row == np.trunc(row)).all():
            remedy = "; where the last says how often, choose format (--format) counts"
        raise bad_line(path, line + k, text, f"values must be integers below 256{remedy}")
    return Block(found.astype(np.int16), line + full)


def _table(form: Form, highest: int) -> np.ndarray:
    """Return the meaning of each byte."""
    table = np.full(256, _BAD, np.uint8)
    table[list(_SEPARATORS)] = _SEPARATOR
    table[ord("\n")] = _NEWLINE
    for digit in range(min(highest, 9) + 1):
        table[ord(str(digit))] = digit
    if form.lost:
        table[[ord(c) for c in LOST_CHARACTERS]] = LOST
    if form.letters:
        for letter, value in LETTERS.items():
            table[ord(letter)] = value
    return table


def _bad_byte(whole: bytes, path: Path, line: int, place: int, rule: str) -> InputError:
    start = whole.rfind(b"\n", 0, place) + 1
    text = whole[start : whole.index(b"\n", place)].decode(errors="replace")
    return bad_line(path, line + whole.count(b"\n", 0, place), text, rule)
