"""The weights of the terms of a hybrid loss, checked."""

from __future__ import annotations

from collections.abc import Mapping

from physgen.core.checks import check_choice, check_finite
from physgen.core.errors import InputError
from physgen.training.divergence_names import TERMS

__all__ = ["term_weights"]


def term_weights(given: Mapping[str, float] | None, has_features: bool) -> dict[str, float]:
    """Return the weight of every term; InputError if one is unknown, or has nothing to act on."""
    found = dict(TERMS) | ({"features": 1.0} if has_features else {})
    for name, weight in (given or {}).items():
        check_choice("terms", name, tuple(TERMS))
        if check_finite(f"the weight of {name}", weight) < 0:
            raise InputError(f"weights of terms must be >= 0, got {name} {weight}")
        found[name] = float(weight)
    if found["features"] and not has_features:
        raise InputError(
            "the term 'features' needs a network, got none; give features = a function of "
            "configurations (B, ...) that returns (B, F)"
        )
    if not any(found.values()):
        raise InputError("a loss needs a term with a weight above 0, got none")
    return found
