"""Validation: how far a model is from what it should reproduce."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports
from physgen.validation.compare import enumerate_outcomes, exact_divergences, validate
from physgen.validation.divergences import (
    Estimate,
    classical_fidelity,
    covered_mass,
    relative_entropy,
)

if TYPE_CHECKING:
    from physgen.validation.bounds import (
        pauli_bound,
        physical_violations,
        total_variation_bound,
    )

__all__ = [
    "Estimate",
    "classical_fidelity",
    "covered_mass",
    "enumerate_outcomes",
    "exact_divergences",
    "pauli_bound",
    "physical_violations",
    "relative_entropy",
    "total_variation_bound",
    "validate",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "pauli_bound": "bounds",
        "physical_violations": "bounds",
        "total_variation_bound": "bounds",
    },
)
