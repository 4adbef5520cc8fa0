"""The model of a target: the family that suits its declared structure, unless one is named."""

from __future__ import annotations

import copy
from typing import Any

from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import ConfigurationModel
from physgen.models.decimated import Decimated, learned
from physgen.models.families import FAMILIES, names
from physgen.models.flip_mixture import FlipMixture
from physgen.models.odd_completed import reduced
from physgen.targets.checked import checked_source, whole_source

__all__ = ["default_family", "for_target"]


def default_family(target: Any) -> str:
    """Return the family that makes most use of what a target declares.

    Spins: "coloured-net".  Real fields: "equivariant-cnf" with translations, "coupling-flow" on
    other lattices with a checkerboard, "zuko-flow" where there is none, or no lattice at all; of
    fields with components "equivariant-cnf" where they may be permuted, else "zuko-flow".

    Parameters
    ----------
    target : Target or Configurations
        What it declares counts: support, lattice, symmetries.

    Raises
    ------
    InputError
        If the configurations are neither spins nor real fields.
    """
    target = whole_source(target)
    kind = target.support.kind
    if kind == "spins":
        return "coloured-net"
    if kind != "reals":
        raise InputError(f"a target must have spins or real fields, got {kind}")
    about = declared(target)
    components = site_shape(target) != tuple(target.event_shape)
    if components and "components" not in about.symmetries:
        return "zuko-flow"
    if "translations" in about.symmetries:
        return "equivariant-cnf"
    if components:
        return "zuko-flow"
    lattice = about.lattice
    checkerboard = isinstance(lattice, Hypercubic) and lattice.is_bipartite
    return "coupling-flow" if checkerboard else "zuko-flow"


def for_target(
    target: Any,
    family: str = "auto",
    *,
    decimate: bool = True,
    mixture: bool = False,
    begin_from: Any = None,
    rng: Stream | int = 0,
    **options: Any,
) -> Any:
    """Return a fresh model for a target, to be trained with :class:`~physgen.ReverseKL`.

    Parameters
    ----------
    target : Target
        Of spins or real fields; what it declares (``lattice``, ``symmetries``, an odd sublattice
        that can be integrated out) is used.
    family : str
        "auto", or one of ``models.families.names("reals")`` or ``names("spins")``.
    decimate : bool
        Integrate the odd sublattice exactly, where the target can.
    mixture : bool
        Mix the model with its mirror image (:class:`~physgen.models.FlipMixture`): for targets
        with S(-x) = S(x), and families that are not odd themselves.
    begin_from : model, optional
        A trained model whose weights are the start, for another coupling or, where weights
        transfer (kernels of "equivariant-cnf"), another lattice.  Family, mixture and options come
        from this model and cannot be given.
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
    target = checked_source(target)
    if begin_from is not None:
        given = [*(["family"] if family != "auto" else []), *(["mixture"] if mixture else [])]
        if given := [*given, *options]:
            raise InputError(
                f"{given[0]} follows from the model to begin from; leave it out, or make a fresh "
                "model"
            )
        return _begun(target, begin_from, decimate)
    name = default_family(target) if family == "auto" else family
    known = names(target.support.kind, None)
    if name not in known:
        raise InputError(
            f"family of a target of {target.support.kind} must be one of "
            f"{', '.join(map(repr, known))}, got {name!r}"
        )
    row = FAMILIES[name]
    if mixture and not declared(target).is_even:
        raise InputError(
            f"mixture needs a target with S(-x) = S(x) (symmetry 'z2'), got {target!r}"
        )
    if mixture and row.kind != "density":
        raise InputError(f"mixture is for densities, and {name!r} is none; leave it out")
    try:
        given = {**row.fixed, **row.defaults, **options}
        if row.kind in ("density", "joint"):
            given["decimate"] = decimate
        model = row.load().for_target(target, rng=rng, **given)
    except TypeError as error:
        raise InputError(f"model {name!r}: {error}") from error
    if not mixture:
        return model
    if isinstance(model, Decimated):
        return Decimated(FlipMixture(model.even), target)
    return FlipMixture(model)


def _begun(target: Any, trained: Any, decimate: bool) -> Any:
    """Return a copy of a trained model for another target of the same kind."""
    inner = learned(trained)
    if not isinstance(inner, ConfigurationModel):
        raise InputError(
            f"begin_from must be a trained model of configurations, got {type(inner).__name__}"
        )
    if inner.support.kind != target.support.kind:
        raise InputError(
            f"begin_from must be a model of {target.support.kind}, as the target is, got one of "
            f"{inner.support.kind}"
        )
    even, lattice = reduced(target) if decimate else None, declared(target).lattice
    wanted = tuple(target.event_shape if even is None else even.event_shape)
    if tuple(inner.event_shape) == wanted:
        begun = copy.deepcopy(inner)
    else:
        begun = inner.transferred(wanted if lattice is None else lattice.shape)
    if tuple(begun.event_shape) != wanted:
        kinds = ("all sites", "even sites") if even is not None else ("even sites", "all sites")
        raise InputError(
            f"begin_from is a model of {kinds[0]} and the target wants one of {kinds[1]}; "
            f"decimate={even is None} would fit"
        )
    return begun if even is None else Decimated(begun, target, even)
