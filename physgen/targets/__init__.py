"""Unnormalised physics: one file an action."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.targets.free_field import FreeField
    from physgen.targets.function import (
        DifferentiableFunctionTarget,
        FunctionTarget,
        as_target,
    )
    from physgen.targets.gradient_check import check_force
    from physgen.targets.ising import Ising
    from physgen.targets.phi4 import Phi4

__all__ = [
    "DifferentiableFunctionTarget",
    "FreeField",
    "FunctionTarget",
    "Ising",
    "Phi4",
    "as_target",
    "check_force",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "DifferentiableFunctionTarget": "function",
        "FreeField": "free_field",
        "FunctionTarget": "function",
        "Ising": "ising",
        "Phi4": "phi4",
        "as_target": "function",
        "check_force": "gradient_check",
    },
)
