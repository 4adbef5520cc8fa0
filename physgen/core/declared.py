"""Optional declarations of a target: lattice, symmetries, observables, couplings.

Callers read them through :func:`declared`, so targets without them are treated alike everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["Declared", "declared", "site_shape"]

_NAMES = ("beta", "J", "h", "kappa", "lam", "m2")


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
    couplings : mapping of str to float or ndarray
        Couplings by the names of docs/conventions.md: beta, J, h, kappa, lam, m2, ...; arrays
        where a coupling differs from site to site.  If the target has no ``couplings``, its
        attributes of these names.
    numbers : mapping of str to float
        Labels of results: the scalar couplings, unless the target has ``numbers`` of its own
        (phi^4: hop, quad, quart, const, the same in every convention).
    """

    lattice: Any = None
    symmetries: tuple[str, ...] = ()
    observables: Mapping[str, Any] = field(default_factory=dict[str, Any])
    couplings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def is_even(self) -> bool:
        """Whether S(-x) = S(x)."""
        return "z2" in self.symmetries


def declared(target: Any) -> Declared:
    """Return the declarations of a target; those that it leaves out are empty."""
    couplings: Any = getattr(target, "couplings", None)
    if couplings is None:
        found = {name: getattr(target, name, None) for name in _NAMES}
        couplings = {name: value for name, value in found.items() if value is not None}
    numbers = getattr(target, "numbers", None)
    if numbers is None:
        numbers = {k: float(v) for k, v in couplings.items() if _is_number(v)}
    return Declared(
        lattice=getattr(target, "lattice", None),
        symmetries=tuple(sorted(getattr(target, "symmetries", None) or ())),
        observables=getattr(target, "observables", None) or {},
        couplings=couplings,
        numbers=numbers,
    )


def site_shape(target: Any) -> tuple[int, ...]:
    """Return the axes of a configuration that count sites; those behind them are components.

    They are the axes of the lattice, where the target declares one that is the beginning of its
    event shape; else every number is a site.
    """
    shape = tuple(int(n) for n in target.event_shape)
    extents = tuple(getattr(getattr(target, "lattice", None), "shape", None) or shape)
    return extents if shape[: len(extents)] == extents else shape


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number)
