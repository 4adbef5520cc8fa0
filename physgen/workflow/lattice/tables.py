"""How tables of a lattice run head their columns and print their numbers."""

from __future__ import annotations

import math

__all__ = ["HEADS", "number"]

HEADS = {
    "free_energy_per_site": "-log Z/(beta V)",
    "entropy_per_site": "entropy/V",
    "energy_per_site": "e",
    "action_per_site": "S/V",
    "specific_heat": "c",
    "abs_magnetization": "<|m|>",
    "chi_abs": "chi_abs",
    "susceptibility": "chi",
    "binder": "U_L",
    "magnetization": "<m>",
    "phi2": "<phi^2>",
}


def number(value: float, form: str) -> str:
    """Return a number as `form` has it; nothing if it is not known."""
    return "" if math.isnan(value) else format(value, form)
