"""Shared by all loops over real fields: the key of their random words, a check of the actions."""

from __future__ import annotations

import numpy as np

from physgen.core.chains import State
from physgen.core.errors import NonFiniteActionError
from physgen.core.random import Stream

__all__ = ["key_words", "require_finite"]


def key_words(rng: Stream) -> np.ndarray:
    """Return the halves of the Philox key of a stream, uint64 (2,)."""
    from physgen.kernels.cpu.philox import split_key

    return np.array(split_key(int(rng.philox_key()[0])), np.uint64)


def require_finite(action: np.ndarray, state: State | None, what: str) -> None:
    """Raise NonFiniteActionError for the first chain whose action is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(action))
    if bad.size:
        chain = int(bad[0])
        raise NonFiniteActionError(
            f"the action must be finite, got {action[chain]} {what}, chain {chain} "
            f"({bad.size} of {action.size} chains)",
            chain=chain,
            draw=-1,
            state=state,
        )
