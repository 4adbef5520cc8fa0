"""Measurement files larger than memory, written block by block.

>>> save_blocks("shots.h5", (sampler(10_000) for _ in range(1000)), "pauli-6")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from os import PathLike
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.data import MeasurementData
from physgen.quantum.povm import POVM

__all__ = ["save_blocks"]


def save_blocks(
    path: str | PathLike[str],
    blocks: Iterable[Any],
    povm: POVM | str,
    attrs: Any = None,
) -> int:
    """Write a measurement file from blocks of shots, in bounded memory; return their number.

    Parameters
    ----------
    path : path
        HDF5 file, as :meth:`~physgen.quantum.MeasurementData.save` writes it: whole or not at all.
    blocks : iterable
        Arrays of outcomes (m, L), or pairs of outcomes and setting labels (m,).
    povm : POVM or str
        The measurement, with its order of outcomes.
    attrs : mapping, optional
        As in :class:`~physgen.quantum.MeasurementData`.
    """
    from physgen.results import write_stream

    checked = (_checked(block, povm, attrs) for block in blocks)
    first = next(checked, None)
    if first is None:
        raise InputError("at least one block of shots must be given, got none")

    def stream() -> Iterator[dict[str, np.ndarray]]:
        for data in chain([first], checked):
            if (data.L, data.settings is None) != (first.L, first.settings is None):
                raise InputError(
                    f"every block must have L = {first.L} sites, and labels of settings as the "
                    f"first has or has not, got one of L = {data.L}"
                )
            labels = {} if data.settings is None else {"setting": data.settings}
            yield {"outcomes": data.outcomes} | labels

    return write_stream(path, first.to_dataset(), "shot", stream())


def _checked(block: Any, povm: POVM | str, attrs: Any) -> MeasurementData:
    outcomes, settings = block if isinstance(block, tuple) else (block, None)
    return MeasurementData(outcomes, povm, attrs, settings)
