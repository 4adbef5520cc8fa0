"""Validation: how far a model is from what it should reproduce."""

from __future__ import annotations

from physgen.validation.compare import enumerate_outcomes, exact_divergences, validate
from physgen.validation.divergences import (
    Estimate,
    classical_fidelity,
    covered_mass,
    relative_entropy,
)

__all__ = [
    "Estimate",
    "classical_fidelity",
    "covered_mass",
    "enumerate_outcomes",
    "exact_divergences",
    "relative_entropy",
    "validate",
]
