"""The algorithms that a config knows by name, and the settings that each takes."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

from physgen.core.errors import InputError

__all__ = ["METHODS", "Method", "checked_settings", "LABEL_RULE", "make"]

LABEL_RULE = "a text of letters, digits, '_', '+' and '-'"


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
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1, cutoff=0.4)
        known = ", ".join(map(repr, METHODS))
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
