"""The POVM of a file with the readout errors of a calibration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.povm import POVM
from physgen.quantum.readout import confusion_matrices, read_out, readout_file
from physgen.quantum.site_povm import SitePOVM

__all__ = ["measured"]


def measured(
    frame: POVM | SitePOVM, readout: Any, sites: np.ndarray, reverse: bool
) -> POVM | SitePOVM:
    """Return the POVM with readout errors.

    Parameters
    ----------
    frame : POVM
        Without them.
    readout
        A calibration, in the order of the file; a file of it; or "0.01,0.03".
    sites : ndarray of bool, shape (L,)
        The sites of the file that are kept.
    reverse : bool
        Whether the last site of the file is site 0.
    """
    if isinstance(frame, SitePOVM):
        raise InputError(
            f"readout must be given with one POVM for all sites, got {frame.name}; put it into "
            "the elements of each site"
        )
    C = confusion_matrices(_calibration(readout))
    if C.ndim == 2:
        return read_out(frame, C)
    if len(C) != len(sites):
        raise InputError(
            f"readout must be that of one qubit or of all {len(sites)} sites, got {len(C)}"
        )
    return read_out(frame, C[sites], reverse=reverse)


def _calibration(readout: Any) -> Any:
    if not isinstance(readout, (str, Path)):
        return readout
    if Path(readout).is_file():
        return readout_file(readout)
    try:
        e01, e10 = map(float, str(readout).split(","))
    except ValueError:
        raise InputError(
            "readout must be a file of a calibration, or two probabilities such as 0.01,0.03 (to "
            f"read 1 for 0, and 0 for 1), got {str(readout)!r}"
        ) from None
    return [[1 - e01, e10], [e01, 1 - e10]]
