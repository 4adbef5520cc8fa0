r"""Pauli strings as matrices with one entry a row, and the extreme eigenvalues of their sums.

With the bits r of a column (site 0 the most significant) a string is

.. math:: \langle r \oplus x | P | r \rangle = i^{n_Y} (-1)^{|r \wedge z|} ,

x marking the sites of X and Y, z those of Y and Z: so a sum acts on a vector without a matrix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from scipy.sparse.linalg import LinearOperator, eigsh

from physgen.quantum.pauli_sum import PauliString, PauliSum

__all__ = ["operator_range", "string_entries"]

EXACT = 10  # sites whose extreme eigenvalues are found exactly: 1,024 rows, a tenth of a second
BLOCK = 6  # sites of the parts of a larger operator


def string_entries(string: PauliString, L: int) -> tuple[np.ndarray, np.ndarray]:
    """Return, for each column r of a string's matrix, the row of its entry, and the entry."""
    r = np.arange(2**L)
    row, entry = r.copy(), np.ones(2**L)
    for i, letter in string:
        bit = r >> (L - 1 - i) & 1
        if letter != "Z":
            row ^= 1 << (L - 1 - i)
        if letter != "X":
            entry = entry * (1 - 2 * bit)
    n_y = sum(letter == "Y" for _, letter in string)
    return row, entry * (1, 1j, -1, -1j)[n_y % 4]


def operator_range(operator: PauliSum) -> tuple[float, float, bool]:
    """Return a lower and an upper bound of the eigenvalues, and whether they are extreme ones.

    They are for one string beside the identity, and for sums on at most :data:`EXACT` sites,
    wherever these lie.  Of a larger sum, the extreme eigenvalues of parts of at most
    :data:`BLOCK` sites are added, which no state of the whole can exceed.

    Examples
    --------
    >>> lowest, highest, _ = operator_range(PauliSum.parse("sum XX + YY + ZZ", L=6))
    >>> round(lowest, 6), round(highest, 6)
    (-9.974309, 5.0)
    """
    strings = tuple(sorted((string, c) for string, c in operator if string))
    lowest, highest, exact = _range(strings)
    return operator.constant + lowest, operator.constant + highest, exact


@lru_cache(maxsize=64)  # every refit asks for the ranges of the same operators
def _range(strings: tuple[tuple[PauliString, float], ...]) -> tuple[float, float, bool]:
    lowest = highest = 0.0
    parts = list(_parts(strings, EXACT))
    if len(parts) > 1:
        parts = list(_parts(strings, BLOCK))
    for part in parts:
        low, high = _extremes(part)
        lowest, highest = lowest + low, highest + high
    return lowest, highest, len(parts) <= 1


def _parts(
    strings: Sequence[tuple[PauliString, float]], most: int
) -> Iterator[list[tuple[PauliString, float]]]:
    """Yield runs of strings on at most so many sites together; a longer string comes alone."""
    part: list[tuple[PauliString, float]] = []
    sites: set[int] = set()
    for string, c in strings:
        joined = sites | {site for site, _ in string}
        if part and len(joined) > most:
            yield part
            part, joined = [], {site for site, _ in string}
        part.append((string, c))
        sites = joined
    if part:
        yield part


def _extremes(strings: list[tuple[PauliString, float]]) -> tuple[float, float]:
    if len(strings) == 1:
        size = abs(strings[0][1])
        return -size, size
    sites = sorted({site for string, _ in strings for site, _ in string})
    L, place = len(sites), {site: k for k, site in enumerate(sites)}
    n, entries = 2**L, [
        (c, *string_entries(tuple((place[i], letter) for i, letter in string), L))
        for string, c in strings
    ]  # fmt: skip
    kind = np.result_type(*(values for *_, values in entries))
    if L <= BLOCK:
        H = np.zeros((n, n), kind)
        for c, rows, values in entries:
            H[rows, np.arange(n)] += c * values
        levels = np.linalg.eigvalsh(H)
        return float(levels[0]), float(levels[-1])

    def applied(v: np.ndarray) -> np.ndarray:
        out = np.zeros(n, np.result_type(kind, v))
        for c, rows, values in entries:  # each row has one entry, so none is counted twice
            out[rows] += c * values * v.ravel()
        return out

    H = LinearOperator((n, n), matvec=applied, dtype=kind)  # pyright: ignore[reportCallIssue]
    start = np.random.default_rng(0).normal(size=n).astype(kind)
    lowest, highest = (
        float(eigsh(H, 1, which=end, v0=start, return_eigenvectors=False)[0])
        for end in ("SA", "LA")
    )
    return lowest, highest
