"""What every door of physgen does with a target of a user, once: complete it, and check it."""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.targets.normalization import require_normalizable
from physgen.targets.own import is_own, whole_target
from physgen.targets.symmetry_check import check_symmetries

__all__ = ["checked_source", "checked_target", "whole_source"]

_AT_START = 4


def checked_target(target: Any, *, bounded: bool = True) -> Any:
    """Return the target, complete (:func:`whole_target`), after checks of a user's own action.

    It must return real and finite numbers at the start, have the symmetries that it declares, and
    grow where it is far away.  Targets of physgen are returned unchecked.

    Parameters
    ----------
    target : object
    bounded : bool
        Whether e^{-S} has to be normalisable at once.  Chains look for themselves, later.

    Raises
    ------
    InputError
        If it is no target, or a check fails.
    UnboundedTargetError
        If e^{-S} cannot be normalised.
    """
    target = whole_target(target)
    if not is_own(target):
        return target
    S = to_numpy(target.action(target.hot(Stream(0).child("start"), _AT_START)))
    if np.isnan(S).all():
        raise InputError(
            f"action must be a number at the start, got {S[0]}; check it at configurations like "
            "target.hot(rng=1, n=4), or give the target a method hot(rng, n)"
        )
    check_symmetries(target)
    if bounded:
        require_normalizable(target)
    return target


def checked_source(source: Any) -> Any:
    """Return what a model is made for: configurations as they are, a target after its checks."""
    return source if isinstance(source, Configurations) else checked_target(source)


def whole_source(source: Any) -> Any:
    """Return what a model is made for: configurations as they are, a target complete."""
    return source if isinstance(source, Configurations) else whole_target(source)
