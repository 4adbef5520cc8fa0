"""Which axis is the shots: arrays that may be transposed are asked about."""

from __future__ import annotations

from dataclasses import replace

from physgen.core.errors import InputError
from physgen.quantum.importing.records import Record
from physgen.quantum.importing.sources import TextShots

__all__ = ["oriented"]


def oriented(shots: TextShots | Record, kind: str, n_sites: int | None) -> TextShots | Record:
    """Return shots of shape (n, L), where n and L might have been exchanged.

    Raises
    ------
    InputError
        If there are fewer shots than sites and nobody said so, or the number of sites is another.
    """
    if isinstance(shots, TextShots):
        # A text file of few lines; a long one has more shots than sites.
        n = len(shots.sample)
        L = (shots.form.width or 1) // (2 if shots.letters else 1)
        if n_sites is None and 2 * n <= L and L >= 8:
            _ask(n, L, shots.source)
        return shots
    n, L = shots.values.shape[:2]
    fewer = n < L if kind in ("npy", "npz", "hdf5") else 2 * n <= L and L >= 8
    if n_sites is None and fewer and shots.counts is None:
        _ask(n, L, shots.source)
    if n_sites is None or n_sites == L:
        return shots
    if n_sites == n and kind != "text" and shots.values.ndim == 2 and shots.counts is None:
        bases = shots.bases if shots.bases is None else shots.bases.T
        told = shots.told | {"orientation": f"transposed: ({n}, {L}) in the file"}
        return replace(shots, values=shots.values.T, bases=bases, told=told)
    raise InputError(f"n_sites must be the {L} sites of {shots.source}, got {n_sites}")


def _ask(n: int, L: int, source: str) -> None:
    raise InputError(
        f"shots must be rows and sites columns, got {n:,} shot{'s' * (n > 1)} of {L:,} sites in "
        f"{source}: is it transposed? n_sites (--n-sites) {L} says that it is right; {n} "
        "turns an array"
    )
