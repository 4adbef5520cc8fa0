r"""Text files of shots, one a line, read in blocks by array operations.

A line consists of characters (digits, or letters for bases), one a site, with or without
separators; or of numbers, as in ``-1 1`` or ``1.000e+00``.  Separators are white space, comma and
semicolon.  Empty lines and text after a ``#`` are ignored; ``.gz`` files are decompressed.
"""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from physgen.core.errors import InputError

__all__ = ["BadRow", "Block", "Form", "blocks_of", "coded", "form_of", "sample_of"]

CHUNK = 8 << 20  # bytes read at a time
SAMPLE_LINES = 200  # lines that determine the form of a file
SHOWN = 60  # characters of a bad line in a message
LETTERS = {letter: 10 + k for k, pair in enumerate(("Zz", "Xx", "Yy")) for letter in pair}

_SEPARATOR, _NEWLINE, _BAD = 253, 254, 255
_SEPARATORS = b" \t\r,;"
_COMMENT = re.compile(rb"#[^\n]*")
_SPLIT = re.compile(r"[\s,;]+")


class BadRow(ValueError):
    """Row `row` of a block breaks `rule`."""

    def __init__(self, row: int, rule: str) -> None:
        super().__init__(rule)
        self.row, self.rule = row, rule


class Block(NamedTuple):
    """Some lines: their values, small integers of shape (m, width), and line numbers, from 1."""

    values: np.ndarray
    lines: np.ndarray


@dataclass(frozen=True)
class Form:
    """The form of the lines of a text file.

    Attributes
    ----------
    characters : bool
        One character a value; else numbers in any form.
    separated : bool
        Separators stand between all values.
    letters : bool
        There are letters X, Y, Z: 10 = Z, 11 = X, 12 = Y in the values.
    skip : int
        Lines of a header.
    """

    characters: bool
    separated: bool
    letters: bool
    skip: int = 0


def form_of(path: Path) -> Form:
    """Determine the form of a text file from its first lines."""
    lines = _first_lines(path)
    skip = 0
    if len(lines) > 1 and not _readable(lines[0][1]) and _readable(lines[1][1]):
        skip, lines = lines[0][0], lines[1:]  # names of the columns
    number, first = lines[0]
    if not _readable(first):
        raise InputError(
            f"each line must be numbers, or letters X, Y, Z and bits, got line {number} of "
            f"{path.name}: {_shown(first)}"
        )
    tokens = [_tokens(text) for _, text in lines]
    single = all(len(token) == 1 for line in tokens for token in line)
    whole = all(len(line) == 1 for line in tokens)  # a shot without separators
    columns = all(len(line) == 2 and line[0][0] in LETTERS for line in tokens)  # XZY 010
    plain = all(token.isalnum() for line in tokens for token in line)
    characters = plain and (single or whole or columns)
    separated = single and len(tokens[0]) > 1
    letters = any(character in LETTERS for character in first)
    if separated and letters and len(tokens[0]) == 2:  # Z 0: one site, in two columns
        separated = False
    return Form(characters, separated, letters, skip)


def sample_of(path: Path, form: Form, highest: int = 9) -> np.ndarray:
    """Return the values of the first lines; digits above `highest` are refused."""
    lines = dict(_first_lines(path))
    every = (lines.get(number, "") for number in range(form.skip + 1, max(lines) + 1))
    whole = "".join(text + "\n" for text in every).encode()
    return next(_parsed(whole, path, form, highest, form.skip + 1, None)).values


def blocks_of(path: Path, form: Form, highest: int) -> Iterator[Block]:
    """Yield the lines of a file in blocks; digits above `highest` (at most 9) are refused.

    Raises
    ------
    InputError
        With the number and the text of the first line of another form.
    """
    width, line, rest = None, 1, b""
    with _open(path) as file:
        while True:
            chunk = file.read(CHUNK)
            data = rest + chunk
            cut = data.rfind(b"\n") + 1 if chunk else len(data)
            whole, rest = data[:cut], data[cut:]
            if whole:
                if not whole.endswith(b"\n"):
                    whole += b"\n"
                if line <= form.skip:  # a header is at the very beginning
                    whole = _after(whole, form.skip)
                    line += form.skip
                for block in _parsed(whole, path, form, highest, line, width):
                    width = block.values.shape[1]
                    yield block
                line += whole.count(b"\n")
            if not chunk:
                return


def coded(
    path: Path, form: Form, highest: int, code: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Return ``code(values)`` of all lines as one array; a :class:`BadRow` names its line."""
    found = []
    for block in blocks_of(path, form, highest):
        try:
            found.append(code(block.values))
        except BadRow as error:
            number = int(block.lines[error.row])
            raise bad_line(path, number, _line(path, number), error.rule) from None
    if not found:
        raise InputError(f"{path.name} must hold at least one shot, got none")
    return np.concatenate(found)


def bad_line(path: Path, number: int, text: str, rule: str) -> InputError:
    """Return the error about one line of a file."""
    return InputError(f"{rule}, got line {number} of {path.name}: {_shown(text)}")


def _parsed(
    whole: bytes, path: Path, form: Form, highest: int, line: int, width: int | None
) -> Iterator[Block]:
    """Yield the values of whole lines, starting with line number `line`."""
    if b"#" in whole:
        whole = _COMMENT.sub(b"", whole)
    if form.characters:
        block = _characters(whole, path, form, highest, line, width)
    else:
        block = _numbers(whole, path, line, width)
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
        raise _bad_byte(whole, path, line, place, f"values must be {wanted}{letters}")
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
            f"every line must hold {width} values like the first, and not {counts[k]}",
        )
    return Block(codes[value].reshape(-1, width), line + full)


def _numbers(whole: bytes, path: Path, line: int, width: int | None) -> Block:
    plain = whole.translate(bytes.maketrans(b",;", b"  "))
    texts = plain.split(b"\n")[:-1]
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
            if len(words) != width or not all(_is_number(word) for word in words):
                rule = f"every line must hold {width} numbers like the first"
                raise bad_line(path, line + int(k), " ".join(words), rule) from None
        raise
    wrong = ~((found == np.trunc(found)) & (np.abs(found) < 256)).all(axis=1)
    if wrong.any():
        k = int(full[np.argmax(wrong)])
        text = texts[k].decode(errors="replace")
        raise bad_line(path, line + k, text, "values must be integers below 256")
    return Block(found.astype(np.int16), line + full)


def _table(form: Form, highest: int) -> np.ndarray:
    """Return the meaning of each byte."""
    table = np.full(256, _BAD, np.uint8)
    table[list(_SEPARATORS)] = _SEPARATOR
    table[ord("\n")] = _NEWLINE
    for digit in range(min(highest, 9) + 1):
        table[ord(str(digit))] = digit
    if form.letters:
        for letter, value in LETTERS.items():
            table[ord(letter)] = value
    return table


def _bad_byte(whole: bytes, path: Path, line: int, place: int, rule: str) -> InputError:
    start = whole.rfind(b"\n", 0, place) + 1
    text = whole[start : whole.index(b"\n", place)].decode(errors="replace")
    return bad_line(path, line + whole.count(b"\n", 0, place), text, rule)


def _first_lines(path: Path) -> list[tuple[int, str]]:
    """Return the first lines that are not empty, with their numbers."""
    found = []
    with _open(path) as file:
        for number, raw in enumerate(file, start=1):
            if b"\0" in raw or len(raw) > CHUNK:
                raise InputError(
                    f"{path.name} must be plain text (ASCII or UTF-8), one shot a line, got bytes "
                    "of another kind; name an array file .npy, .npz or .h5"
                )
            text = raw.decode("utf-8-sig", errors="replace").partition("#")[0].strip()
            if text:
                found.append((number, text))
            if len(found) == SAMPLE_LINES:
                break
    if not found:
        raise InputError(f"{path.name} must hold at least one shot, got none")
    return found


def _open(path: Path) -> IO[bytes]:
    try:
        file: Any = gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # noqa: SIM115
        # A byte order mark would be mistaken for a value.
        if file.read(3) != b"\xef\xbb\xbf":
            file.seek(0)
        return file
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(f"a measurement file must be readable, got {path}: {reason}") from None


def _line(path: Path, number: int) -> str:
    with _open(path) as file:
        for k, raw in enumerate(file, start=1):
            if k == number:
                return raw.decode(errors="replace").strip()
    return ""


def _after(whole: bytes, lines: int) -> bytes:
    """Return the text after the first `lines` lines."""
    return whole.split(b"\n", lines)[lines]


def _tokens(text: str) -> list[str]:
    return [token for token in _SPLIT.split(text) if token]


def _readable(text: str) -> bool:
    """Whether every token is a number or letters X, Y, Z."""
    tokens = _tokens(text)
    return bool(tokens) and all(
        _is_number(token) or all(character in LETTERS for character in token) for token in tokens
    )


def _is_number(token: str) -> bool:
    try:
        float(token)
    except ValueError:
        return False
    return True


def _shown(text: str) -> str:
    text = text.strip()
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
