r"""Shots in which a qubit was lost, or has no result.

===========  ======================================================================================
drop         the shot is left out.  The rest are the shots in which nothing was lost: those of the
             state if the loss does not depend on the state
marginalise  the site is left out of every shot, if it was lost in any.  The rest is the reduced
             state of the other sites, whatever the loss depends on at a site that is left out
===========  ======================================================================================

Nothing is filled in: a result that was made up is a wrong number.
"""

from __future__ import annotations

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.importing.marks import LOST

__all__ = ["REMEDY", "RULES", "LostQubits"]

RULES = ("drop", "marginalise")
REMEDY = (
    "; if a qubit was lost, choose lost (--lost) 'drop', to leave out the shot, or 'marginalise', "
    "to leave out the site"
)


class LostQubits:
    """What is done with lost qubits, and how many there were.

    Parameters
    ----------
    rule : {"drop", "marginalise"} or None
        None: they are refused elsewhere, and all values are kept.
    """

    def __init__(self, rule: str | None) -> None:
        self.rule = rule
        self._rows: list[np.ndarray] = []  # which shots of each block are kept
        self._columns: np.ndarray | None = None

    def without(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values that are kept, shape (m', ...), and their rows in the block, (m',)."""
        every = np.arange(len(values))
        if self.rule is None:
            return values, every
        if values.ndim != 2:
            raise InputError(
                f"lost qubits must be marked in one value a site, got shape {values.shape}"
            )
        mask = values == LOST
        if self.rule == "drop":
            kept = ~mask.any(axis=1)
            self._rows.append(kept)
            return values[kept], every[kept]
        columns = mask.any(axis=0)
        self._columns = columns if self._columns is None else self._columns | columns
        self._rows.append(np.ones(len(values), bool))
        rest = np.where(mask, 0, values)
        filler = np.where(rest.max(axis=0, initial=0) >= 10, 10, 1)  # a letter, or a result
        return np.where(mask, filler, values).astype(values.dtype), every

    @property
    def kept(self) -> np.ndarray | slice:
        """Which shots of the file are kept: a mask, or all."""
        return np.concatenate(self._rows) if self._rows else slice(None)

    def sites(self, L: int) -> np.ndarray:
        """Return which of L sites are kept; bool, shape (L,)."""
        if self._columns is None:
            return np.ones(L, bool)
        lost: np.ndarray = self._columns.reshape(-1, L).max(axis=0)
        return ~lost  # bases and bits of a site stand apart

    def described(self, L: int) -> str:
        """Return what was left out, in a few words.

        Raises
        ------
        InputError
            If nothing is left.
        """
        if self.rule is None:
            return ""
        if self.rule == "drop":
            kept = np.concatenate(self._rows) if self._rows else np.ones(0, bool)
            if kept.size and not kept.any():
                raise InputError(
                    f"lost 'drop' must leave a shot, got lost qubits in all {kept.size:,} shots; "
                    "'marginalise' leaves out sites instead"
                )
            return f"{(~kept).sum():,} of {kept.size:,} shots left out"
        kept = self.sites(L)
        if not kept.any():
            raise InputError(
                f"lost 'marginalise' must leave a site, got lost qubits on all {L} sites; 'drop' "
                "leaves out shots instead"
            )
        lost = np.flatnonzero(~kept)
        listed = ", ".join(map(str, lost[:12])) + (", ..." if len(lost) > 12 else "")
        return f"sites left out: {listed}" if len(lost) else "no site left out"
