"""The section of Markov chains: [[sampler]], and the chains of an energy that was learned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from physgen.core.checks import is_mapping, key_remedy
from physgen.workflow.lattice.methods import AUTO, checked_settings
from physgen.workflow.sections import Count, Draws, Label, Section, Text, rule

__all__ = ["TEMPERING", "ChainsSection", "SamplerSection"]

TEMPERING = "trajectory-tempering"  # chains of an energy along the snapshots of its training
Warmup = Annotated[
    Literal["auto"] | Annotated[int, Field(ge=0)], rule("'auto' or an integer >= 0 (of draws)")
]


class SamplerSection(Section):
    """One algorithm, its own settings, and how long its chains are.

    Attributes
    ----------
    name
        Algorithm; auto: the one that suits the target.
    label
        Name in tables; the algorithm if left out.
    n_chains
        Chains that run side by side.
    n_draws
        Draws that each chain keeps.
    thin
        Steps between draws.
    warmup
        Steps before the first draw; auto: until tests of convergence pass.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Text
    label: Label = ""
    n_chains: Count = 64
    n_draws: Draws = 1000
    thin: Count = 1
    warmup: Warmup = "auto"

    @model_validator(mode="before")
    @classmethod
    def _settings(cls, values: Any) -> Any:
        """Check what the algorithm is told, and fill in its defaults."""
        if is_mapping(values) and cls.model_fields["name"].default == AUTO:
            values = {"name": AUTO, **values}
            if values["name"] == TEMPERING:  # needs a trajectory, so it is in no registry
                return _tempering(values, cls.model_fields)
        if not is_mapping(values) or not isinstance(values.get("name"), str):
            return values
        return checked_settings(values, reserved=[name for name in cls.model_fields])

    def settings(self) -> dict[str, Any]:
        """Return the settings of the algorithm itself."""
        return dict(self.model_extra or {})


class ChainsSection(SamplerSection):
    """The chains of a learned energy, ``chains = {...}`` in its [[model]]: keys of [[sampler]].

    Attributes
    ----------
    name
        Algorithm; auto: the one that suits the energy; "trajectory-tempering": that one, on
        replicas along the training, with swap_every.
    """

    name: Text = AUTO


def _tempering(values: Mapping[str, Any], fields: Iterable[str]) -> dict[str, Any]:
    """Return the values of chains along a trajectory, with the default of their own setting."""
    every = values.get("swap_every", 1)
    if not isinstance(every, int) or isinstance(every, bool) or every < 1:
        raise ValueError(f"[model] chains swap_every must be a positive integer, got {every!r}")
    known = [*fields, "swap_every"]
    if extra := [key for key in values if key not in known]:
        raise ValueError(
            f"[model] chains {extra[0]} is not a known key of {TEMPERING!r}; "
            f"{key_remedy(extra[0], known)}"
        )
    return {"label": TEMPERING, **values, "swap_every": every}
