"""The divergences of adversarial games, by the names of configs; no torch here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["DIVERGENCES", "TERMS"]

# name -> what bounds the critic: the slope at the data (R1), at points between data and draws
# (gradient), or its weights (clip).
DIVERGENCES: Mapping[str, str] = MappingProxyType(
    {
        "non-saturating": "r1",
        "minimax": "r1",
        "wasserstein": "gradient",
        "clipped-wasserstein": "clip",
        "mmd-gan": "gradient",
        "f-gan-kl": "r1",
        "f-gan-reverse-kl": "r1",
        "f-gan-pearson": "r1",
        "f-gan-squared-hellinger": "r1",
        "f-gan-js": "r1",
    }
)
# The terms of a loss, and their weights where none are given.
TERMS: Mapping[str, float] = MappingProxyType(
    {"adversarial": 1.0, "moments": 3.0, "likelihood": 0.0, "features": 0.0}
)
