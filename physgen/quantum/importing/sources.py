"""A measurement file as a source of shots: text in blocks, or a record in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing import text
from physgen.quantum.importing.arrays import SUFFIXES, as_shots, read_columns
from physgen.quantum.importing.cells import pairs_of
from physgen.quantum.importing.columns import sorted_columns
from physgen.quantum.importing.form import Form, cells_of, form_of
from physgen.quantum.importing.json_text import json_columns, looks_like_json
from physgen.quantum.importing.lost import LostQubits
from physgen.quantum.importing.marks import LOST, BadRow
from physgen.quantum.importing.opening import bad_line, open_text
from physgen.quantum.importing.records import Record, record_of

__all__ = ["TextShots", "kind_of", "open_shots"]


class TextShots:
    """A text file of one shot a line, read in blocks."""

    bases = counts = None
    bits = False

    def __init__(self, path: Path, form: Form, highest: int) -> None:
        self.path, self.form, self.source = path, form, path.name
        self.letters = form.letters
        values = text.sample_of(path, form, highest)
        kept = ~(values == LOST).any(axis=1) if form.lost else np.ones(len(values), bool)
        self.sample = values[kept] if kept.any() else values
        self.told = _told(form)

    def coded(self, highest: int, code: Any, lost: LostQubits) -> np.ndarray:
        """Return ``code(values)`` of all lines."""
        return text.coded(self.path, self.form, highest, code, lost)

    def expanded(self, outcomes: np.ndarray, kept: Any) -> np.ndarray:
        """Return the outcomes: each line is one shot."""
        del kept
        return outcomes


def kind_of(path: Path, format: str | None) -> str:
    """Return text, json, npy, npz or hdf5."""
    if format in ("npy", "npz", "hdf5", "json"):
        return format
    if format in ("text", "csv"):
        return "text"
    kind = SUFFIXES.get(path.suffix.lower())
    return kind or ("json" if looks_like_json(path) else "text")


def open_shots(
    path: Path,
    kind: str,
    *,
    highest: int,
    counts: bool = False,
    bits: bool = False,
    bases_order: str | None = None,
    n_sites: int | None = None,
    lost: str | None = None,
    ignore: Sequence[str] = (),
) -> TextShots | Record:
    """Return the shots of a file.

    Parameters
    ----------
    path : Path
    kind : {"text", "json", "npy", "npz", "hdf5"}
    highest : int
        The largest digit in text.
    counts : bool
        Whether the file is a histogram, as stated.
    bits : bool
        Whether results are bits, as stated.
    bases_order, n_sites, lost, ignore
        As in :func:`~physgen.quantum.importing.import_measurements`.
    """
    how: dict[str, Any] = {"bases_order": bases_order, "n_sites": n_sites}
    if kind == "text":
        form = form_of(path, counts)
        if form.kind == "counts":
            return _histogram(path, form, n_sites)
        if form.kind == "values":
            _refuse_ignore(path, ignore)
            return TextShots(path, replace(form, lost=lost is not None), highest)
        if form.kind == "pairs":
            _refuse_ignore(path, ignore)
            return _pairs(path, form, bits)
        names, data, numbers = _table(path, form)
        columns = sorted_columns(names, path.name, ignore)
        record = record_of(columns, data, path.name, **how, row=lambda k: f"line {numbers[k]}")
        record.told |= _told(form)
        return record
    if kind == "json":
        data = json_columns(path, ignore)
        scalars = [n for n, v in data.items() if not isinstance(v, (list, np.ndarray))]
        numbers = [n for n in scalars if isinstance(data[n], (int, float))]
        columns = sorted_columns(list(data), path.name, ignore, numbers)
        record = record_of(columns, data, path.name, **how, row="entry {}".format)
    else:
        data, scalars = read_columns(path, kind)
        columns = sorted_columns(list(data), path.name, ignore, scalars)
        record = record_of(columns, data, path.name, **how)
    record.values = as_shots(record.values, path.name, lost is not None)
    return record


def _table(path: Path, form: Form) -> tuple[list[str], dict[str, list[str]], list[int]]:
    """Return the names of the columns, their cells, and the line of each row."""
    rows, numbers = [], []
    for number, line in _lines(path, form.skip):
        cells = cells_of(line, form.delimiter)
        if len(cells) != len(form.header):
            rule = f"every line must hold {len(form.header)} columns like the header"
            raise bad_line(path, number, line, f"{rule}, and not {len(cells)}")
        rows.append(cells)
        numbers.append(number)
    if not rows:
        raise InputError(f"{path.name} must hold at least one shot, got none")
    names = list(form.header)
    if len({name.lower() for name in names}) < len(names):
        raise InputError(
            f"columns of {path.name} must have different names, got {', '.join(names)}"
        )
    return names, dict(zip(names, map(list, zip(*rows)))), numbers


def _histogram(path: Path, form: Form, n_sites: int | None) -> Record:
    """Return a histogram without names: results, or bases and results, then how often."""
    results, bases, counts, numbers = [], [], [], []
    for number, line in _lines(path, form.skip):
        cells = line.replace(",", " ").replace(";", " ").replace(":", " ").split()
        with_bases = len(cells) > 2 and set("".join(cells[0])) <= set("XYZxyz")
        last = cells[-1]
        if len(cells) < 2 or not last.isdigit():
            rule = "a line of counts must be a string of bits and a whole number, such as 010 512"
            raise bad_line(path, number, line, rule)
        bases.append(cells[0] if with_bases else "")
        results.append(" ".join(cells[with_bases:-1]))
        counts.append(int(last))
        numbers.append(number)
    columns = {"key": results, "counts": counts}
    if all(bases):
        columns["bases"] = bases
    elif any(bases):
        k = next(k for k, b in enumerate(bases) if bool(b) != bool(bases[0]))
        raise InputError(
            f"all lines of counts must have bases, or none, got line {numbers[k]} of {path.name}"
        )
    record = record_of(
        sorted_columns(list(columns), path.name),
        columns,
        path.name,
        bases_order=None,
        n_sites=n_sites,
        row=lambda k: f"line {numbers[k]}",
    )
    record.told |= _told(form)
    return record


def _pairs(path: Path, form: Form, stated: bool) -> Record:
    """Return shots with basis and result of each site by turns."""
    lines = list(_lines(path, form.skip))
    numbers = [number for number, _ in lines]
    try:
        bases, values = pairs_of([line for _, line in lines], stated)
    except BadRow as error:
        number, line = lines[error.row]
        raise bad_line(path, number, line, error.rule) from None
    told = _told(form)
    return Record(path.name, values, bases, told=told, row=lambda k: f"line {numbers[k]}")


def _lines(path: Path, skip: int) -> Any:
    """Yield the lines that hold something, with their numbers, without comments."""
    with open_text(path) as file:
        for number, raw in enumerate(file, start=1):
            line = raw.decode(errors="replace").partition("#")[0].strip()
            if line and number > skip:
                yield number, line


def _told(form: Form) -> dict[str, str]:
    """Return what is to be said of a header."""
    return {"header": ", ".join(form.header)} if form.header else {}


def _refuse_ignore(path: Path, ignore: Sequence[str]) -> None:
    if ignore:
        raise InputError(
            f"ignore must name columns of a file with names, got {ignore[0]!r} for {path.name}"
        )
