"""Families by name: the registry that configs, stored models and contract tests walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models.autoregressive.recurrent import RecurrentNet

__all__ = ["GRU", "LSTM", "RNN", "build", "families"]

RNN = partial(RecurrentNet, cell="rnn")
GRU = partial(RecurrentNet, cell="gru")
LSTM = partial(RecurrentNet, cell="lstm")

_FAMILIES: dict[str, Callable[..., Any]] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def families() -> tuple[str, ...]:
    """Return the names that ``family`` may take."""
    return tuple(_FAMILIES)


def build(config: Mapping[str, Any], rng: Stream | int = 0) -> Any:
    """Return a fresh model from its config, ``{"family": ..., **constructor arguments}``.

    Raises
    ------
    InputError
        If the family or an argument is unknown.
    """
    arguments = dict(config)
    family = check_choice("family", arguments.pop("family", None), families())
    try:
        return _FAMILIES[family](**arguments, rng=rng)
    except TypeError as error:
        raise InputError(f"model {family!r}: {error}") from error
