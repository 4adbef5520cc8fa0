"""The model of a target: the family that suits what the target declares, unless one is named."""

from __future__ import annotations

import copy
from typing import Any

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.models.decimated import Decimated, reduced
from physgen.models.flip_mixture import FlipMixture
from physgen.models.flows.continuous import EquivariantCNF
from physgen.models.families import FAMILIES, names

__all__ = ["default_family", "for_target"]


def default_family(target: Any) -> str:
    """Return the family that uses most of what a target declares.

    Spins: "coloured-net".  Real fields: "equivariant-cnf" with translations, "coupling-flow" on
    other lattices with a checkerboard, "zuko-flow" where there is none, or no lattice at all.

    Raises
    ------
    InputError
        If the configurations are neither spins nor real fields.
    """
    kind = target.support.kind
    if kind == "spins":
        return "coloured-net"
    if kind != "reals":
        raise InputError(f"a target must have spins or real fields, got {kind}")
    if "translations" in (getattr(target, "symmetries", None) or ()):
        return "equivariant-cnf"
    lattice = getattr(target, "lattice", None)
    checkerboard = isinstance(lattice, Hypercubic) and lattice.is_bipartite
    return "coupling-flow" if checkerboard else "zuko-flow"


def for_target(
    target: Any,
    family: str = "auto",
    *,
    decimate: bool = True,
    mixture: bool = False,
    start: Any = None,
    rng: Stream | int = 0,
    **options: Any,
) -> Any:
    """Return a fresh model for a target, to be trained with :class:`~physgen.ReverseKL`.

    Parameters
    ----------
    target : Target
        Of spins or real fields; what it declares (``lattice``, ``symmetries``, an odd sublattice
        that can be integrated) is used.
    family : str
        "auto", or one of ``models.families.names("reals")`` or ``names("spins")``.
    decimate : bool
        Integrate the odd sublattice exactly, where the target can.
    mixture : bool
        Mix the model with its mirror image (:class:`~physgen.models.FlipMixture`): for targets
        with S(-x) = S(x), and families that are not odd themselves.
    start : model, optional
        A trained model whose weights to begin with, of another coupling or lattice: kernels of
        "equivariant-cnf" transfer.  Family, mixture and options are those of this model and
        cannot be given.
    rng : Stream or int
    **options
        Arguments of the family's class.

    Raises
    ------
    InputError
        If family, options and target do not go together.

    Examples
    --------
    >>> from physgen import Phi4
    >>> for_target(Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)).config["family"]
    'equivariant-cnf'
    """
    if start is not None:
        given = [*(["family"] if family != "auto" else []), *(["mixture"] if mixture else [])]
        if given := [*given, *options]:
            raise InputError(
                f"{given[0]} follows from the model to start from; leave it out, or make a fresh "
                "model"
            )
        return _begun(target, start, decimate)
    name = default_family(target) if family == "auto" else family
    known = names(target.support.kind)
    if name not in known:
        raise InputError(
            f"family of a target of {target.support.kind} must be one of "
            f"{', '.join(map(repr, known))}, got {name!r}"
        )
    row = FAMILIES[name]
    if mixture and "z2" not in (getattr(target, "symmetries", None) or ()):
        raise InputError(
            f"mixture needs a target with S(-x) = S(x) (symmetry 'z2'), got {target!r}"
        )
    try:
        model = row.load().for_target(target, decimate=decimate, rng=rng, **row.fixed, **options)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from error
    if not mixture:
        return model
    if isinstance(model, Decimated):
        return Decimated(FlipMixture(model.even), target)
    return FlipMixture(model)


def _begun(target: Any, start: Any, decimate: bool) -> Any:
    """Return a copy of a trained model for another target of the same kind."""
    inner = start.even if isinstance(start, Decimated) else start
    if not isinstance(inner, ConfigurationModel):
        raise InputError(
            f"start must be a trained model of configurations, got {type(inner).__name__}"
        )
    even = reduced(target) if decimate else None
    wanted = tuple(target.event_shape if even is None else even.event_shape)
    if inner.support.kind != target.support.kind:
        raise InputError(
            f"start must be a model of {target.support.kind}, as the target is, got one of "
            f"{inner.support.kind}"
        )
    if tuple(inner.event_shape) == wanted:
        begun = copy.deepcopy(inner)
    elif not isinstance(inner, EquivariantCNF):
        raise InputError(
            f"start has weights for configurations of shape {tuple(inner.event_shape)} and the "
            f"target wants {wanted}; only kernels of 'equivariant-cnf' transfer, and this is "
            f"{inner.config['family']!r}: train a fresh model"
        )
    elif inner.config["even"] != (even is not None):
        kinds = {True: "even sites", False: "all sites"}
        raise InputError(
            f"start is a flow of {kinds[inner.config['even']]} and the target wants one of "
            f"{kinds[even is not None]}; decimate={inner.config['even']} would fit"
        )
    else:
        begun = inner.transferred(target.lattice.shape)
    return begun if even is None else Decimated(begun, target, even)
