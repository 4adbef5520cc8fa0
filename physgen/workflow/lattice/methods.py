"""The algorithms that a config knows by name, and the settings that each takes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Target

__all__ = ["AUTO", "METHODS", "Method", "checked_settings", "cites", "make", "usual"]

AUTO = "auto"  # the algorithm that suits the target


class Method(NamedTuple):
    """One algorithm: its class, where in :mod:`physgen.samplers` it is, and what to cite."""

    cls: str
    module: str
    cite: str

    def load(self) -> Any:
        """Return the class."""
        return getattr(import_module(f"physgen.samplers.{self.module}"), self.cls)


METHODS: Mapping[str, Method] = {
    "heat-bath": Method("HeatBath", "heat_bath", "heat-bath"),
    "metropolis": Method("Metropolis", "metropolis", "metropolis"),
    "wolff": Method("Wolff", "wolff", "wolff"),
    "swendsen-wang": Method("SwendsenWang", "swendsen_wang", "swendsen-wang"),
    "hmc": Method("HMC", "hmc", "hmc"),
    "mala": Method("MALA", "mala", "mala"),
    "ula": Method("ULA", "ula", "ula"),
    "overrelaxation": Method("Overrelaxation", "overrelaxation", "overrelaxation"),
    "phi4-cluster": Method("Phi4Cluster", "phi4_cluster", "phi4-cluster"),
    "emcee": Method("Emcee", "emcee_adaptor", "emcee"),
    "exact": Method("ExactDraws", "exact_draws", "enumeration"),
}


def make(name: str, settings: Mapping[str, Any]) -> Any:
    """Return the sampler of this name with these settings."""
    return METHODS[name].load()(**settings)


def checked_settings(values: Mapping[str, Any], reserved: Sequence[str]) -> dict[str, Any]:
    """Return the values of a [sampler] with the defaults of its algorithm.

    Raises
    ------
    ValueError
        If the algorithm is unknown, or refuses a setting.
    """
    name = values["name"]
    if name == AUTO:
        if extra := [key for key in values if key not in reserved]:
            raise ValueError(f"[sampler] {extra[0]} belongs to one algorithm; name it, not 'auto'")
        return {"label": "mcmc", **values}
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.4)
        known = ", ".join(map(repr, (AUTO, *METHODS)))
        remedy = f"did you mean {close[0]!r}?" if close else f"it must be one of {known}"
        raise ValueError(f"[sampler] name is not a known algorithm, got {name!r}; {remedy}")
    given = {key: value for key, value in values.items() if key not in reserved}
    defaults = _defaults(name)
    for key in given:
        if key not in defaults:
            known = [*(k for k in reserved if k != "name"), *defaults]
            close = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
            remedy = f"did you mean {close[0]!r}?" if close else f"valid: {', '.join(known)}"
            raise ValueError(f"[sampler] {key} is not a known key of {name!r}; {remedy}")
    settings = defaults | given
    try:
        make(name, settings)
    except (InputError, TypeError) as error:
        raise ValueError(f"[sampler] {error}") from None
    return {"label": name, **values, **settings}


def _defaults(name: str) -> dict[str, Any]:
    """Return the settings of an algorithm that a config can hold, with their defaults."""
    found = {}
    for each in dataclasses.fields(METHODS[name].load()):
        if each.init and isinstance(each.default, bool | int | float | str | None):
            found[each.name] = each.default
    return found


def usual(target: Target) -> str:
    """Return the algorithm that suits a target best."""
    from physgen.targets import Ising, Phi4

    if isinstance(target, Ising):
        return "swendsen-wang" if declared(target).is_even else "heat-bath"
    if target.support.kind == "spins":
        return "metropolis"
    return "phi4-cluster" if isinstance(target, Phi4) and target.hop >= 0 else "hmc"


def cites(sampler: Any) -> tuple[str, ...]:
    """Return what to cite for a sampler."""
    return tuple(m.cite for m in METHODS.values() if m.cls == type(sampler).__name__)
