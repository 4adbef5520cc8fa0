"""Models from their configs, for stored models and config files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.adversarial.conditional import ConditionalGenerator
from physgen.models.dequantised import Dequantised
from physgen.models.diffusion.conditioned import ConditionedScore
from physgen.models.energy.normalised import Normalised
from physgen.models.ensemble import Ensemble
from physgen.models.families import FAMILIES
from physgen.models.flip_mixture import FlipMixture
from physgen.models.flows.conditioned import ConditionedFlow
from physgen.models.latent.conditioned import ConditionedVAE
from physgen.models.symmetrised import Symmetrised

__all__ = ["build"]

_VAES = ("vae", "spin-vae", "categorical-vae")


def build(config: Mapping[str, Any], rng: Stream | int = 0) -> Any:
    """Return a fresh model from its config, ``{"family": ..., **constructor arguments}``.

    ``"symmetries": ["reflection", ...]`` beside them wraps the model in
    :class:`~physgen.models.Symmetrised`.  ``{"family": "ensemble", "members": [...]}`` holds the
    configs of several models, ``{"family": "flip-mixture", "base": {...}}`` holds the config of
    one.

    Parameters
    ----------
    config : mapping
        ``family`` and arguments of the constructor.
    rng : Stream or int
        Of the initial weights.

    Raises
    ------
    InputError
        If the family or an argument is unknown.
    """
    arguments = dict(config)
    symmetries = arguments.pop("symmetries", None)
    if symmetries:
        return Symmetrised(build(arguments, rng), symmetries)
    known = (*FAMILIES, *_COMPOSED)
    name = check_choice("family", arguments.pop("family", None), known)
    try:
        if name in _COMPOSED:
            return _COMPOSED[name](**arguments, rng=rng)
        row = FAMILIES[name]
        return row.load()(**row.fixed, **{**row.defaults, **arguments}, rng=rng)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from error


def _flip_mixture(base: Mapping[str, Any], *, rng: Stream | int) -> FlipMixture:
    return FlipMixture(build(base, rng))


def _dequantised(base: Mapping[str, Any], law: str, *, rng: Stream | int) -> Dequantised:
    return Dequantised(build(base, rng), law)


def _normalised(base: Mapping[str, Any], *, rng: Stream | int, **numbers: Any) -> Normalised:
    return Normalised(build(base, rng), **numbers)


def _residual(*, rng: Stream | int, **parts: Any) -> Any:
    del rng, parts
    raise InputError(
        "a residual energy cannot be built from its config, as its target is an object; store "
        "model.correction, and make ResidualEnergy(target, correction)"
    )


def _conditioned_vae(vae: Mapping[str, Any], *, rng: Stream | int, **numbers: Any) -> Any:
    row = FAMILIES[check_choice("family", vae.get("family"), _VAES)]
    return ConditionedVAE({**row.fixed, **vae}, **numbers, rng=rng)


def _ensemble(
    members: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
    *,
    rng: Stream | int,
) -> Ensemble:
    stream = as_stream(rng).child("member")
    return Ensemble([build(c, stream.at(k)) for k, c in enumerate(members)], weights)


# Made of models, so not families of their own; conditioned ones need a coupling to be a density.
_COMPOSED: dict[str, Any] = {
    "ensemble": _ensemble,
    "flip-mixture": _flip_mixture,
    "conditioned-flow": ConditionedFlow,
    "dequantised": _dequantised,
    "conditional-generator": ConditionalGenerator,
    "conditioned-vae": _conditioned_vae,
    "conditioned-score": ConditionedScore,
    "normalised": _normalised,
    "residual-energy": _residual,
}
