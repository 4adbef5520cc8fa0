"""From the parameters of a catalogued system to its target.

The one place where the words of ``system.toml`` meet classes: its ``target`` names an entry here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError

__all__ = ["make_target"]


def make_target(system: str, maker: str, parameters: Mapping[str, Any]) -> Any:
    """Return the target of a system.

    Parameters
    ----------
    system : str
        Its name, for messages.
    maker : {"ising", "phi4", "free_field"}
        What to make.
    parameters : mapping
        All that it takes.
    """
    check_choice(f"target of {system}", maker, tuple(_MAKERS))
    try:
        return _MAKERS[maker](dict(parameters))
    except KeyError as missing:
        raise InputError(f"{system} must be given {missing.args[0]}, got {parameters}") from None


def _ising(p: dict[str, Any]) -> Any:
    from physgen.targets.ising import Ising

    return Ising(L=_extent(p["L"]), beta=p["beta"], J=p["J"], h=p["h"])


def _phi4(p: dict[str, Any]) -> Any:
    from physgen.targets.phi4 import Phi4

    convention = check_choice("convention", p["convention"], tuple(_COUPLINGS))
    couplings = {name: p[name] for name in _COUPLINGS[convention]}
    return getattr(Phi4, f"from_{convention}")(_extent(p["L"]), **couplings)


def _free_field(p: dict[str, Any]) -> Any:
    from physgen.targets.free_field import FreeField

    return FreeField(L=_extent(p["L"]), m2=p["m2"])


def _extent(L: Any) -> Any:
    """L as a number of sites, or a shape; infinite lattices have known numbers but no target."""
    if isinstance(L, float):
        if not L.is_integer():
            raise InputError(f"L must be finite to make a target, got {L}")
        return int(L)
    return L


_COUPLINGS = {
    "hopping": ("kappa", "lam"),
    "hopping_well": ("kappa", "lam"),
    "unhalved": ("m2", "lam"),
    "halved": ("m2", "lam"),
    "quarter": ("m2", "lam"),
    "factorial": ("m2", "lam"),
}
_MAKERS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "ising": _ising,
    "phi4": _phi4,
    "free_field": _free_field,
}
