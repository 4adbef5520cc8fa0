"""Unnormalised physics: one file an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.targets.free_field import FreeField
    from physgen.targets.ising import Ising
    from physgen.targets.phi4 import Phi4

__all__ = ["FreeField", "Ising", "Phi4"]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "FreeField": "free_field",
        "Ising": "ising",
        "Phi4": "phi4",
    },
)
