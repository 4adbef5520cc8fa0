"""The settings of a [sampler]; :mod:`physgen.samplers.registry` knows the algorithms by name."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from physgen.core.checks import key_remedy
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import EnergyModel, Target
from physgen.samplers.registry import config_name, find, methods, settings_of

__all__ = ["AUTO", "checked_settings", "make", "usual"]

AUTO = "auto"  # the algorithm that suits the target


def make(name: str, settings: Mapping[str, Any]) -> Any:
    """Return the sampler of this name with these settings; InputError if there is none."""
    cls = find(name)
    if cls is None:
        raise InputError(f"a sampler must be one of {_listed()}, got {name!r}")
    return cls(**settings)


def checked_settings(values: Mapping[str, Any], reserved: Sequence[str]) -> dict[str, Any]:
    """Return the values of a [sampler] with the defaults of its algorithm.

    Raises
    ------
    ValueError
        If the algorithm is unknown, or refuses a setting.
    """
    name: str = values["name"]
    if name == AUTO:
        if extra := [key for key in values if key not in reserved]:
            raise ValueError(f"[sampler] {extra[0]} belongs to one algorithm; name it, not 'auto'")
        return {"label": "mcmc", **values}
    cls = find(name)
    if cls is None:
        close = difflib.get_close_matches(name, methods(), n=1, cutoff=0.4)
        remedy = f"did you mean {close[0]!r}?" if close else f"it must be one of {_listed()}"
        raise ValueError(f"[sampler] name is not a known algorithm, got {name!r}; {remedy}")
    given = {key: value for key, value in values.items() if key not in reserved}
    defaults = settings_of(cls) or {}
    for key in given:
        if key not in defaults:
            known = [*(k for k in reserved if k != "name"), *defaults]
            raise ValueError(
                f"[sampler] {key} is not a known key of {name!r}; {key_remedy(key, known)}"
            )
    settings = defaults | given
    try:
        cls(**settings)
    except (InputError, TypeError) as error:
        raise ValueError(f"[sampler] {error}") from None
    return {"label": name, **values, **settings}


def usual(target: Target) -> str:
    """Return the name of the algorithm that suits a target best."""
    from physgen.samplers.found_start import default_move
    from physgen.targets import Ising, Phi4

    if isinstance(target, EnergyModel):
        move: Any = default_move(target)
        return config_name(move.__class__)
    if isinstance(target, Ising):
        return "swendsen-wang" if declared(target).is_even else "heat-bath"
    if target.support.kind == "spins":
        return "metropolis"
    return "phi4-cluster" if isinstance(target, Phi4) and target.hop >= 0 else "hmc"


def _listed() -> str:
    return ", ".join(map(repr, (AUTO, *methods())))
