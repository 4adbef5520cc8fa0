"""Where a run trains its models: checked before anything is written."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from physgen.core.errors import InputError
from physgen.workflow.sections import rule

__all__ = ["Device", "check_device"]

Device = Annotated[
    Literal["cpu", "cuda"],
    rule("'cpu' or 'cuda' (CUDA_VISIBLE_DEVICES=3 makes it the fourth device)"),
]


def check_device(device: str) -> None:
    """Raise :class:`InputError` where [train] asks for a device that is not there."""
    if device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
        among = "" if chosen is None else f" among CUDA_VISIBLE_DEVICES={chosen!r}"
        raise InputError(
            f"[train] device must be 'cpu' on this machine, got {device!r}; torch "
            f"{torch.__version__} finds no CUDA device here{among} (`physgen info` says why)"
        )
