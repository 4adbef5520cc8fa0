r"""The actions that a config knows by name, and the couplings that each takes.

.. math::
    \text{ising-2d:}\quad & S = -\beta J \sum_{\langle xy \rangle} s_x s_y
        - \beta h \sum_x s_x \\
    \text{free-field:}\quad & S = \sum_x \tfrac12 (\partial \phi)^2 + \tfrac12 m^2 \phi^2

and for phi4-2d, by ``convention``,

.. math::
    \text{hopping:}\quad & \sum_x -2\kappa \sum_\mu \phi_x \phi_{x+\mu} + (1 - 2\lambda) \phi^2
        + \lambda \phi^4 \\
    \text{hopping_well:}\quad & \sum_x -2\kappa \sum_\mu \phi_x \phi_{x+\mu} + \phi^2
        + \lambda (\phi^2 - 1)^2 \\
    \text{unhalved:}\quad & \sum_x (\partial \phi)^2 + m^2 \phi^2 + \lambda \phi^4 \\
    \text{halved:}\quad & \sum_x \tfrac12 (\partial \phi)^2 + \tfrac12 m^2 \phi^2
        + \lambda \phi^4 \\
    \text{quarter:}\quad & \sum_x \tfrac12 (\partial \phi)^2 + \tfrac12 m^2 \phi^2
        + \tfrac{\lambda}{4} \phi^4 \\
    \text{factorial:}\quad & \sum_x \tfrac12 (\partial \phi)^2 + \tfrac12 m^2 \phi^2
        + \tfrac{\lambda}{4!} \phi^4

all on periodic L x L lattices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from physgen.core.protocols import Target

__all__ = ["FAMILIES", "Family", "build", "couplings_known", "couplings_of"]

REQUIRED = None
_HOPPING = {"kappa": REQUIRED, "lam": REQUIRED}
_MASS = {"m2": REQUIRED, "lam": REQUIRED}


@dataclass(frozen=True)
class Family:
    """A known action.

    Attributes
    ----------
    title : str
        What it is called in tables and figures.
    couplings : mapping
        Convention (None where there is but one) -> coupling -> default, or None if required.
        The first is the one that is called the scan if none has several values.
    """

    title: str
    couplings: Mapping[str | None, Mapping[str, float | None]]

    def names(self, convention: str | None) -> tuple[str, ...]:
        """Return the couplings under `convention`."""
        return tuple(self.couplings[convention])


FAMILIES: Mapping[str, Family] = {
    "ising-2d": Family("Ising model", {None: {"beta": REQUIRED, "J": 1.0, "h": 0.0}}),
    "phi4-2d": Family(
        "phi^4",
        {
            "hopping": _HOPPING,
            "hopping_well": _HOPPING,
            "unhalved": _MASS,
            "halved": _MASS,
            "quarter": _MASS,
            "factorial": _MASS,
        },
    ),
    "free-field": Family("free field", {None: {"m2": REQUIRED}}),
}


def couplings_known() -> set[str]:
    """Return the couplings of all families."""
    return {c for f in FAMILIES.values() for names in f.couplings.values() for c in names}


def couplings_of(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the values of [target] with the defaults of its family.

    Raises
    ------
    ValueError
        If a coupling is missing, or belongs to another family or convention.
    """
    name = values["name"]
    if name not in FAMILIES:
        return values  # which the rule of `name` refuses
    family = FAMILIES[name]
    known = [c for c in family.couplings if c is not None]
    convention = values.get("convention", known[0] if known else None)
    if convention not in family.couplings:
        rule = f"one of {', '.join(map(repr, known))}" if known else f"left out for {name}"
        raise ValueError(f"[target] convention must be {rule}, got {convention!r}")
    wanted = family.couplings[convention]
    of = name if convention is None else f"{name} in the convention {convention!r}"
    for key in sorted(couplings_known() - set(wanted)):
        if values.get(key) is not None:
            listed = ", ".join(wanted)
            raise ValueError(f"[target] {key} is no coupling of {of}, which takes {listed}")
    for key, default in wanted.items():
        if default is REQUIRED and values.get(key) is None:
            raise ValueError(f"[target] {key} must be given for {of}; add it to the config")
    filled = {k: v for k, v in wanted.items() if v is not REQUIRED and values.get(k) is None}
    return {**values, **filled, "convention": convention}


def build(name: str, convention: str | None, L: int, couplings: Mapping[str, float]) -> Target:
    """Return the target of one point of a scan."""
    from physgen import targets

    if name == "ising-2d":
        return targets.Ising(L, couplings["beta"], J=couplings["J"], h=couplings["h"])
    if name == "free-field":
        return targets.FreeField(L, couplings["m2"])
    return getattr(targets.Phi4, f"from_{convention}")(L, **couplings)
