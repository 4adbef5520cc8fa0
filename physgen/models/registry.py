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
from physgen.models.autoregressive.recurrent import RecurrentNet
from physgen.models.autoregressive.transformer import TransformerNet
from physgen.models.ensemble import Ensemble
from physgen.models.flows.continuous import EquivariantCNF
from physgen.models.matrix_product.model import MatrixProduct
from physgen.models.symmetrised import Symmetrised

__all__ = ["GRU", "LSTM", "RNN", "build", "families"]

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
_FIELDS: dict[str, Callable[..., Any]] = {"equivariant-cnf": EquivariantCNF}
_SPINS: dict[str, Callable[..., Any]] = {"coloured-net": ColouredNet}
_ENSEMBLE = "ensemble"  # of models, and so no family of its own


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
    :class:`~physgen.models.Symmetrised`, and ``{"family": "ensemble", "members": [...]}`` holds
    the configs of several models.

    Raises
    ------
    InputError
        If the family or an argument is unknown.
    """
    arguments = dict(config)
    symmetries = arguments.pop("symmetries", None)
    if symmetries:
        return Symmetrised(build(arguments, rng), symmetries)
    makers = {**_FAMILIES, **_FIELDS, **_SPINS, _ENSEMBLE: _ensemble}
    make = makers[check_choice("family", arguments.pop("family", None), tuple(makers))]
    try:
        return make(**arguments, rng=rng)
    except TypeError as error:
        raise InputError(f"model {config['family']!r}: {error}") from error


def _ensemble(
    members: Sequence[Mapping[str, Any]],
    weights: Sequence[float] | None = None,
    *,
    rng: Stream | int,
) -> Ensemble:
    stream = as_stream(rng).child("member")
    return Ensemble([build(c, stream.at(k)) for k, c in enumerate(members)], weights)
