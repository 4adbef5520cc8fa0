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
    from physgen.samplers.alternating import Alternating
    from physgen.samplers.emcee_adaptor import Emcee
    from physgen.samplers.exact_draws import ExactDraws
    from physgen.samplers.heat_bath import HeatBath
    from physgen.samplers.hmc import HMC
    from physgen.samplers.importance_sampling import importance, log_weights
    from physgen.samplers.independence import Independence
    from physgen.samplers.jarzynski import stochastic_flow
    from physgen.samplers.loop.checkpoint import chain_statistics
    from physgen.samplers.loop.diagnostics import check, diagnose
    from physgen.samplers.loop.recording import unpack_configurations
    from physgen.samplers.loop.warmup import AutoWarmup
    from physgen.samplers.mala import MALA
    from physgen.samplers.metropolis import Metropolis
    from physgen.samplers.overrelaxation import Overrelaxation
    from physgen.samplers.phi4_cluster import Phi4Cluster
    from physgen.samplers.sequential import smc
    from physgen.samplers.swendsen_wang import SwendsenWang
    from physgen.samplers.tempering import ParallelTempering
    from physgen.samplers.ula import ULA
    from physgen.samplers.wolff import Wolff

__all__ = [
    "HMC",
    "MALA",
    "ULA",
    "Alternating",
    "AutoWarmup",
    "Emcee",
    "ExactDraws",
    "HeatBath",
    "Independence",
    "Metropolis",
    "Overrelaxation",
    "ParallelTempering",
    "Phi4Cluster",
    "SwendsenWang",
    "Wolff",
    "blocks",
    "chain_statistics",
    "check",
    "diagnose",
    "estimates",
    "importance",
    "log_weights",
    "run",
    "smc",
    "stochastic_flow",
    "unpack_configurations",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Alternating": "alternating",
        "AutoWarmup": "loop.warmup",
        "Emcee": "emcee_adaptor",
        "ExactDraws": "exact_draws",
        "HMC": "hmc",
        "HeatBath": "heat_bath",
        "Independence": "independence",
        "importance": "importance_sampling",
        "log_weights": "importance_sampling",
        "MALA": "mala",
        "Metropolis": "metropolis",
        "Overrelaxation": "overrelaxation",
        "ParallelTempering": "tempering",
        "Phi4Cluster": "phi4_cluster",
        "SwendsenWang": "swendsen_wang",
        "ULA": "ula",
        "Wolff": "wolff",
        "chain_statistics": "loop.checkpoint",
        "check": "loop.diagnostics",
        "diagnose": "loop.diagnostics",
        "smc": "sequential",
        "stochastic_flow": "jarzynski",
        "unpack_configurations": "loop.recording",
    },
)
