"""What a target says of itself beside its action: lattice, symmetries, observables, couplings.

None of it is demanded of a target.  Whoever uses it asks here, so that a target without it is
treated the same everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Declared", "declared"]


@dataclass(frozen=True)
class Declared:
    """The declarations of one target.

    Attributes
    ----------
    lattice : Hypercubic, Graph or None
    symmetries : tuple of str
        Sorted; e.g. "translations", "z2" (S(-x) = S(x)).
    observables : mapping of str to physgen.observables.Observable
        What chains measure; empty if only the action is measured.
    couplings : mapping of str to float
        by the names of docs/conventions.md: beta, J, h, kappa, lam, m2, ...
    """

    lattice: Any = None
    symmetries: tuple[str, ...] = ()
    observables: Mapping[str, Any] = field(default_factory=dict)
    couplings: Mapping[str, float] = field(default_factory=dict)

    @property
    def is_even(self) -> bool:
        """Whether S(-x) = S(x)."""
        return "z2" in self.symmetries


def declared(target: Any) -> Declared:
    """Return what a target declares; empty where it declares nothing."""
    return Declared(
        lattice=getattr(target, "lattice", None),
        symmetries=tuple(sorted(getattr(target, "symmetries", None) or ())),
        observables=getattr(target, "observables", None) or {},
        couplings=getattr(target, "couplings", None) or {},
    )
