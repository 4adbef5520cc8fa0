"""Models, one folder per family; `families()` lists their names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

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

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GRU": "registry",
        "LSTM": "registry",
        "RNN": "registry",
        "RecurrentNet": "autoregressive.recurrent",
        "build": "registry",
        "families": "registry",
        "from_dataset": "io",
        "to_dataset": "io",
    },
)
