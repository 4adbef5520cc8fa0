"""The objectives of energies, by the names that configs give them; it loads no torch."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from physgen.core.checks import check_choice

__all__ = ["ENERGY_OBJECTIVES", "ENERGY_OPTIONS", "energy_objective"]

# name -> module of this package, and class
ENERGY_OBJECTIVES: Mapping[str, str] = MappingProxyType(
    {
        "score-matching": "score_matching:ScoreMatching",
        "pseudo-likelihood": "pseudo_likelihood:PseudoLikelihood",
        "contrastive-divergence": "contrastive:PersistentContrastiveDivergence",
        "moment-matching": "moment_matching:MomentMatching",
        "denoising": "denoising:DenoisingScoreMatching",
        "noise-contrastive": "noise_contrastive:NoiseContrastive",
        "energy-discrepancy": "energy_discrepancy:EnergyDiscrepancy",
    }
)
# Arguments of these classes, beside the data, that a config gives.
ENERGY_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "contrastive-divergence": ("k", "n_chains"),
        "moment-matching": ("k", "n_chains", "rounds"),
    }
)


def energy_objective(name: str, data: Any, **options: Any) -> Any:
    """Return an objective of energies.

    Parameters
    ----------
    name : str
        A key of `ENERGY_OBJECTIVES`.
    data : Configurations
    **options
        Other arguments of its class.

    Raises
    ------
    InputError
        If the name is unknown, or the data do not suit the objective.
    """
    path = ENERGY_OBJECTIVES[check_choice("objective", name, tuple(ENERGY_OBJECTIVES))]
    module, cls = path.split(":")
    return getattr(import_module(f"physgen.training.{module}"), cls)(data, **options)
