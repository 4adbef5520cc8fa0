"""Models, one folder per family; `families()` lists their names."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from physgen.models.autoregressive.recurrent import RecurrentNet
    from physgen.models.io import from_dataset, to_dataset
    from physgen.models.registry import GRU, LSTM, RNN, build, families

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "RecurrentNet",
    "build",
    "families",
    "from_dataset",
    "to_dataset",
]

_HOME = {"RecurrentNet": "autoregressive.recurrent", "from_dataset": "io", "to_dataset": "io"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME.get(name, 'registry')}"), name)
