"""Families by name: the registry that configs, stored models and contract tests walk."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.autoregressive.coloured import ColouredNet
from physgen.models.autoregressive.convolution import ConvolutionNet
from physgen.models.autoregressive.masked import MaskedNet
from physgen.models.autoregressive.pixel import PixelNet
from physgen.models.autoregressive.recurrent import RecurrentNet
from physgen.models.autoregressive.recurrent2d import Recurrent2dNet
from physgen.models.autoregressive.spin_strings import NETS, SpinStrings
from physgen.models.autoregressive.transformer import TransformerNet
from physgen.models.ensemble import Ensemble
from physgen.models.flip_mixture import FlipMixture
from physgen.models.flows.checkerboard import CouplingFlow
from physgen.models.flows.conditioned import ConditionedFlow
from physgen.models.flows.continuous import EquivariantCNF
from physgen.models.flows.glow import GlowFlow
from physgen.models.flows.zuko_adaptor import ZukoFlow
from physgen.models.matrix_product.model import MatrixProduct
from physgen.models.symmetrised import Symmetrised

__all__ = ["GRU", "LSTM", "RNN", "build", "families", "for_target_of"]

RNN = partial(RecurrentNet, cell="rnn")
GRU = partial(RecurrentNet, cell="gru")
LSTM = partial(RecurrentNet, cell="lstm")

_FAMILIES: dict[str, Callable[..., Any]] = {
    "rnn": RNN,
    "gru": GRU,
    "lstm": LSTM,
    "convolution": ConvolutionNet,
    "transformer": TransformerNet,
    "mps": MatrixProduct,
    "lpdo": partial(MatrixProduct, kraus=2),
}
_FIELDS: dict[str, Callable[..., Any]] = {
    "equivariant-cnf": EquivariantCNF,
    "coupling-flow": CouplingFlow,
    "glow-flow": GlowFlow,
    "zuko-flow": ZukoFlow,
}
_SPINS: dict[str, Callable[..., Any]] = {
    "coloured-net": ColouredNet,
    "masked-net": MaskedNet,
    "pixel-net": PixelNet,
    "recurrent-2d": Recurrent2dNet,
    **{f"spin-{net}": partial(SpinStrings, net=net) for net in NETS},
}
_ENSEMBLE = "ensemble"  # of models, and so no family of its own
_FLIP_MIXTURE = "flip-mixture"  # of a model and its mirror image: none either
_CONDITIONED = "conditioned-flow"  # many densities, and none before a coupling is said


def families(support: str = "outcomes") -> tuple[str, ...]:
    """Return the names that ``family`` may take.

    Parameters
    ----------
    support : {"outcomes", "reals", "spins"}
        Of strings of outcomes, of real fields, or of spins.
    """
    known = {"outcomes": _FAMILIES, "reals": _FIELDS, "spins": _SPINS}
    return tuple(known[check_choice("support", support, tuple(known))])


def build(config: Mapping[str, Any], rng: Stream | int = 0) -> Any:
    """Return a fresh model from its config, ``{"family": ..., **constructor arguments}``.

    ``"symmetries": ["reflection", ...]`` beside them wraps the model in
    :class:`~physgen.models.Symmetrised`.  ``{"family": "ensemble", "members": [...]}`` holds the
    configs of several models, ``{"family": "flip-mixture", "base": {...}}`` that of one.

    Raises
    ------
    InputError
        If the family or an argument is unknown.
    """
    arguments = dict(config)
    symmetries = arguments.pop("symmetries", None)
    if symmetries:
        return Symmetrised(build(arguments, rng), symmetries)
    makers = {
        **_FAMILIES,
        **_FIELDS,
        **_SPINS,
        _ENSEMBLE: _ensemble,
        _CONDITIONED: ConditionedFlow,
        _FLIP_MIXTURE: _flip_mixture,
    }
    make = makers[check_choice("family", arguments.pop("family", None), tuple(makers))]
    try:
        return make(**arguments, rng=rng)
    except TypeError as error:
        raise InputError(f"model {config['family']!r}: {error}") from error


def for_target_of(family: str) -> Callable[..., Any]:
    """Return the ``for_target`` of a family of fields or spins."""
    make: Any = {**_FIELDS, **_SPINS}[family]
    if isinstance(make, partial):
        return partial(make.func.for_target, **make.keywords)
    return make.for_target


def _flip_mixture(base: Mapping[str, Any], *, rng: Stream | int) -> FlipMixture:
    return FlipMixture(build(base, rng))


def _ensemble(
    members: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
    *,
    rng: Stream | int,
) -> Ensemble:
    stream = as_stream(rng).child("member")
    return Ensemble([build(c, stream.at(k)) for k, c in enumerate(members)], weights)
