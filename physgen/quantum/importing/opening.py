r"""Text files as bytes with one kind of line end, whatever program wrote them.

``.gz`` files are decompressed; a byte order mark is left out; UTF-16 and line ends of a single
``\r`` (old Macs, some instruments) are translated, for which the file is read as a whole.
"""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path
from typing import IO, Any

from physgen.core.errors import InputError

__all__ = ["bad_line", "line_of", "open_text", "shown", "whole_text"]

SHOWN = 60  # characters of a bad line in a message
HEAD = 1 << 16  # bytes that tell the kind of a file


def open_text(path: Path) -> IO[bytes]:
    r"""Return a file of bytes at its first line; lines end in ``\n``.

    Raises
    ------
    InputError
        If it cannot be read, or is no text.
    """
    try:
        with _binary(path) as file:
            head = file.read(HEAD)
            if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
                return _translated(head + file.read(), "utf-16")
            if b"\r" in head and b"\n" not in head:
                return _translated(head + file.read(), "utf-8-sig")
        if b"\0" in head:
            raise InputError(
                f"{path.name} must be plain text (ASCII or UTF-8), one shot a line, got bytes "
                "of another kind; name an array file .npy, .npz or .h5"
            )
        file = _binary(path)
        if head[:3] == b"\xef\xbb\xbf":  # would be mistaken for a value
            file.seek(3)
        return file
    except (OSError, EOFError, zlib.error, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"a measurement file must be readable, got {path}: {reason}") from None


def whole_text(path: Path) -> str:
    """Return the whole text of a file."""
    with open_text(path) as file:
        return file.read().decode("utf-8", errors="replace")


def line_of(path: Path, number: int) -> str:
    """Return a line, counted from 1, without white space at its ends."""
    with open_text(path) as file:
        for k, raw in enumerate(file, start=1):
            if k == number:
                return raw.decode(errors="replace").strip()
    return ""


def bad_line(path: Path, number: int, text: str, rule: str) -> InputError:
    """Return the error about one line of a file."""
    return InputError(f"{rule}, got line {number} of {path.name}: {shown(text)}")


def shown(text: str) -> str:
    """Return a line as a message shows it."""
    text = text.strip()
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")


def _binary(path: Path) -> Any:
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")


def _translated(raw: bytes, encoding: str) -> IO[bytes]:
    text = raw.decode(encoding, errors="strict" if "16" in encoding else "replace")
    return io.BytesIO(text.replace("\r\n", "\n").replace("\r", "\n").encode())
