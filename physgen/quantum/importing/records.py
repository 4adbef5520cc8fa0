r"""Shots as one record: results, and bases and counts if the file holds them.

Histograms, tables, JSON and files of several arrays become a record; plain text is read block by
block instead (:mod:`~physgen.quantum.importing.text`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum.importing.bases import coded_bases
from physgen.quantum.importing.cells import pairs_of, results_of
from physgen.quantum.importing.columns import Columns, left_aside
from physgen.quantum.importing.lost import REMEDY, LostQubits
from physgen.quantum.importing.marks import LOST, PAIRS, BadRow

__all__ = ["Record", "record_of"]

MOST = 1 << 32  # outcomes in memory


@dataclass
class Record:
    """The shots of a file in memory.

    Attributes
    ----------
    source : str
        Name of the file, for errors.
    values : ndarray of int, shape (m, L) or (m, L, K)
        Results as the file has them; :data:`~physgen.quantum.importing.marks.LOST` for a lost one.
    bases : ndarray of uint8 or None, shape (m, L)
        0 = Z, 1 = X, 2 = Y.
    counts : ndarray of int or None, shape (m,)
        How often each row was seen.
    bits : bool
        Whether the file says that the results are bits.
    told : dict
        What is to be said of the file.
    row : function
        From a row to the words that name its place in the file.
    """

    source: str
    values: np.ndarray
    bases: np.ndarray | None = None
    counts: np.ndarray | None = None
    bits: bool = False
    told: dict[str, Any] = field(default_factory=dict)
    row: Callable[[int], str] = "row {}".format
    letters = False

    @property
    def sample(self) -> np.ndarray:
        """Values that are not lost, to determine the coding."""
        if self.values.ndim == 3:
            return self.values
        lost = (self.values == LOST).any(axis=1)
        return self.values if lost.all() else self.values[~lost]

    def coded(
        self, highest: int, code: Callable[[np.ndarray], np.ndarray], lost: LostQubits
    ) -> np.ndarray:
        """Return ``code(values)`` of the shots that are kept; a bad row is named."""
        del highest
        values, rows = lost.without(self.values)
        if not len(values):
            lost.described(1)  # raises
        try:
            return code(values)
        except BadRow as error:
            raise self.error(int(rows[error.row]), error.rule) from None

    def error(self, row: int, rule: str) -> InputError:
        """Return the error about one row."""
        rule += REMEDY if (self.values[row] == LOST).any() else ""
        shown = str(np.where(self.values[row] == LOST, -1, self.values[row]).tolist())
        return InputError(f"{rule}, got {self.row(row)} of {self.source}: {shown[:60]}")

    def expanded(self, outcomes: np.ndarray, kept: Any) -> np.ndarray:
        """Return the outcomes as often as they were counted, in a random order.

        A histogram does not keep the order of its shots, and a sorted order would look like a
        drift.  The random order is the same at every call.
        """
        if self.counts is None:
            return outcomes
        counts = self.counts[kept]
        if int(counts.sum()) * outcomes.shape[1] > MOST:
            raise InputError(
                f"counts must be of at most {MOST:,} results in memory, got {counts.sum():,} shots"
            )
        if not counts.sum():
            raise InputError(f"{self.source} must hold at least one shot, got counts of 0 alone")
        order = Stream(0, ("shots of a histogram",)).numpy().permutation(int(counts.sum()))
        self.told["counts"] = (
            f"{counts.sum():,} shots of {len(counts):,} rows, in a random order: a histogram "
            "does not keep theirs"
        )
        return np.repeat(outcomes, counts, axis=0)[order]


def record_of(
    columns: Columns,
    data: Mapping[str, Any],
    source: str,
    *,
    bases_order: str | None,
    n_sites: int | None,
    row: Callable[[int], str] = "row {}".format,
) -> Record:
    """Return the record of columns: lists of words, or arrays.

    Raises
    ------
    InputError
        If a column does not hold what its name says, or columns differ in length.
    """
    try:
        values, own = _results([data[name] for name in columns.results], n_sites, source)
        bases = None
        if columns.bases:
            if own is not None:
                raise InputError(
                    f"bases must be given once, got letters in {columns.results[0]} and "
                    f"{columns.bases[0]} of {source}"
                )
            stored = _side_by_side([data[name] for name in columns.bases])
            bases = coded_bases(stored, bases_order, f"{columns.bases[0]} of {source}")
            if len(bases) == 1 or (bases.shape[1] == 1 and len(bases) == values.shape[1]):
                bases = np.broadcast_to(bases.reshape(1, -1), (len(values), bases.size))
        elif bases_order is not None and own is None:
            raise InputError(
                f"bases_order must come with integers for bases, got {bases_order!r} and no bases "
                f"in {source}"
            )
        counts = None if columns.counts is None else _whole(data[columns.counts])
    except BadRow as error:
        raise InputError(f"{error.rule}, got {row(error.row)} of {source}") from None
    told = dict(left_aside(columns))
    for name, array in ((columns.bases[:1], bases), ((columns.counts,), counts)):
        if array is not None and len(array) != len(values):
            raise InputError(
                f"{name[0]} must have one row a shot, {len(values)}, got {len(array)} in {source}"
            )
    bases = own if bases is None else bases
    if bases is not None and bases.shape != values.shape[:2]:
        raise InputError(
            f"bases must be one for each result, shape {values.shape[:2]}, got {bases.shape} in "
            f"{source}"
        )
    return Record(source, values, bases, counts, columns.bits or counts is not None, told, row)


def _results(
    found: Sequence[Any], n_sites: int | None, source: str
) -> tuple[np.ndarray, np.ndarray | None]:
    """Return results, and bases if they stand among them."""
    array = _side_by_side(found)
    if array.dtype.kind in "US":
        cells = [" ".join(row) for row in array] if array.ndim == 2 else array.tolist()
        first = "".join(str(cells[0]).split())
        if PAIRS.match(first.lstrip("(['\"")):
            bases, values = pairs_of(cells)
            return values, bases
        return results_of(cells, n_sites), None
    if array.ndim == 1 and n_sites == 1:
        array = array[:, None]
    return array, None


def _side_by_side(found: Sequence[Any]) -> np.ndarray:
    """Return one column as it is, several as (m, L)."""
    try:
        arrays = [np.asarray(each) for each in found]
    except ValueError:  # lists of several lengths
        raise InputError(
            "results must be numbers or texts, each row as long as the others, got lists of "
            "several lengths"
        ) from None
    if len(arrays) == 1:
        return arrays[0]
    if len({a.shape for a in arrays}) != 1 or arrays[0].ndim != 1:
        raise InputError(
            "columns of single sites must be as long as each other, one number a shot, got "
            f"{', '.join(str(a.shape) for a in arrays[:4])}"
        )
    if all(a.dtype.kind in "US" for a in arrays):
        arrays = [np.where(a == "", "?", a) for a in arrays]  # an empty cell: a lost qubit
    return np.stack(arrays, axis=1)


def _whole(counts: Any) -> np.ndarray:
    """Return counts as int64, shape (m,)."""
    try:
        array = np.asarray(counts, dtype=float)
    except (TypeError, ValueError):
        words = [str(c) for c in counts]
        bad = next((k for k, w in enumerate(words) if not w.isdigit()), 0)
        raise BadRow(bad, f"counts must be whole numbers, and not {words[bad]!r}") from None
    wrong = ~((array >= 0) & (array == np.trunc(array)) & (array < 2**53))
    if array.ndim != 1 or wrong.any():
        k = int(np.argmax(wrong)) if array.ndim == 1 else 0
        told = f"{array[k]:g}" if array.ndim == 1 else f"shape {array.shape}"
        raise BadRow(
            k,
            f"counts must be whole numbers, 0 or more, and not {told}: shares of the shots have "
            "no error without their number, so multiply them by it",
        )
    return array.astype(np.int64)
