"""What a rebuild found, as a table that any program reads: ``paper/data_assets/<id>.csv``.

    # physgen 0.1.0, commit 545e09d..., 0.4 CPU s
    # physgen paper run neuralrg-logz
    # numbers and run.py sha256 3b1f...
    key,quantity,parameters,published,published_error,ours,ours_error,pull,verdict

Empty cells: no error was printed; not computed; no pull between exact numbers; nobody published
it.  `parameters` is JSON.  ``paper/CHECKSUMS`` holds the SHA-256 of each table, as
``sha256sum -c`` reads it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from physgen.claims.claim import Claim
from physgen.claims.published import Published
from physgen.claims.verdict import pull_of, verdict
from physgen.core.errors import InputError
from physgen.results.atomic import replacing

__all__ = ["Rebuilt", "read_records", "record_path", "records_are_current", "write_records"]

FOLDER = "data_assets"
COLUMNS = (
    "key", "quantity", "parameters", "published", "published_error", "ours", "ours_error", "pull",
    "verdict",
)  # fmt: skip
_FILES = "# numbers and run.py sha256 "


@dataclass(frozen=True)
class Rebuilt:
    """A published number, and ours.

    Attributes
    ----------
    row : Published
    ours, error : float or None
        None if it was not computed.
    """

    row: Published
    ours: float | None
    error: float | None

    @property
    def pull(self) -> float | None:
        """(theirs - ours) over the error of the difference; None if that is zero."""
        if self.ours is None or self.error is None or self.row.value is None:
            return None
        return pull_of(self.row.value, self.row.error, self.ours, self.error)

    @property
    def verdict(self) -> str:
        """What may be said of it (:mod:`physgen.claims.verdict`); empty of our number alone."""
        row = self.row
        if row.value is None:
            return ""
        if self.ours is None or self.error is None:
            return "open"
        return verdict(row.value, row.error, self.ours, self.error, row.relation)


def record_path(out: Path, name: str) -> Path:
    """Return the file of a claim's record below `out`."""
    return out / FOLDER / f"{name}.csv"


def write_records(out: Path, claim: Claim, found: Iterable[Rebuilt], about: str) -> Path:
    """Write the record of a claim, whole or not at all; return its file.

    Parameters
    ----------
    out : Path
        The folder of the paper.
    about : str
        Version, commit and cost, for the first line.
    """
    text = io.StringIO()
    text.write(f"# {about}\n# physgen paper run {claim.name}\n{_FILES}{claim.fingerprint}\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for one in found:
        row = one.row
        numbers = (row.value, row.error, one.ours, one.error, one.pull)
        cells = ["" if x is None else repr(float(x)) for x in numbers]
        where = json.dumps(dict(row.parameters), sort_keys=True)
        table.writerow([row.key, row.quantity, where, *cells, one.verdict])
    path = record_path(out, claim.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(text.getvalue().encode())
    _write_checksums(out)
    return path


def records_are_current(out: Path, claim: Claim) -> bool:
    """Whether the record of a claim is of its present numbers and ``run.py``."""
    path = record_path(out, claim.name)
    return path.is_file() and f"{_FILES}{claim.fingerprint}\n" in path.read_text(encoding="utf-8")


def read_records(out: Path, claim: Claim) -> list[Rebuilt]:
    """Return what the last rebuild of a claim found, a row for each of its numbers.

    A number without a record is open.

    Parameters
    ----------
    out : Path
        The folder of the paper, which holds data_assets.
    claim : Claim
        Whose record is read.

    Raises
    ------
    InputError
        If the record does not have the columns that it must have.
    """
    path = record_path(out, claim.name)
    known: dict[str, dict[str, str]] = {}
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines()
        table = csv.DictReader(line for line in lines if not line.startswith("#"))
        if tuple(table.fieldnames or ()) != COLUMNS:
            raise InputError(
                f"{path} must have the columns {', '.join(COLUMNS)}; write it anew with "
                f"physgen paper run {claim.name}"
            )
        known = {line["key"]: line for line in table}
    return [
        Rebuilt(row, _number(known, row.key, "ours"), _number(known, row.key, "ours_error"))
        for row in claim.rows
    ]


def _number(known: dict[str, dict[str, str]], key: str, column: str) -> float | None:
    text = known.get(key, {}).get(column, "")
    return float(text) if text else None


def _write_checksums(out: Path) -> None:
    files = sorted((out / FOLDER).glob("*.csv"))
    lines = [f"{hashlib.sha256(f.read_bytes()).hexdigest()}  {FOLDER}/{f.name}\n" for f in files]
    with replacing(out / "CHECKSUMS") as file:
        file.write("".join(lines).encode())
