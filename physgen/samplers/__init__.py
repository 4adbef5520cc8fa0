"""Markov chains: one file an algorithm, and `run`, the only sampling loop.

``__all__`` is the registry: whatever in it has a ``bind`` is a sampler, and contract tests and
docs walk them.  `run` and `estimates` share their modules' names and are bound here at once: a
submodule imported later would otherwise take the name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports
from physgen.samplers.estimates import estimates
from physgen.samplers.run import blocks, run

if TYPE_CHECKING:
    from physgen.samplers.checkpoint import chain_statistics
    from physgen.samplers.diagnostics import check, diagnose
    from physgen.samplers.recording import unpack_configurations
    from physgen.samplers.warmup import AutoWarmup

__all__ = [
    "AutoWarmup",
    "blocks",
    "chain_statistics",
    "check",
    "diagnose",
    "estimates",
    "run",
    "unpack_configurations",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "AutoWarmup": "warmup",
        "chain_statistics": "checkpoint",
        "check": "diagnostics",
        "diagnose": "diagnostics",
        "unpack_configurations": "recording",
    },
)
