"""The arguments of a variational autoencoder that follow from a target."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support, outcomes
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.models.configurations import field_size
from physgen.models.geometry import lattice_arguments
from physgen.targets.even import EvenTarget

__all__ = ["support_of", "vae_arguments"]


def vae_arguments(
    target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
) -> dict[str, Any]:
    """Return kind, lattice, symmetry and size of the fields of a target or of configurations.

    A lattice without translations gets a dense net, unless `options` name one.

    Raises
    ------
    InputError
        If its configurations are of another kind than `options` ask for.
    """
    visible = options.get("visible", target.support.kind)
    if visible != target.support.kind:
        raise InputError(
            f"a VAE of {visible} needs configurations of {visible}, got {target!r} of "
            f"{target.support.kind}"
        )
    lattice = declared(target).lattice
    known: dict[str, Any] = {"visible": visible}
    if isinstance(lattice, Hypercubic):
        known |= lattice_arguments("VAE", target, even, target.support)
    else:
        known |= {"shape": target.event_shape, "boundary": "open"}
        known |= {"odd": declared(target).is_even}
    periodic = isinstance(lattice, Hypercubic) and lattice.is_periodic
    symmetric = "translations" in declared(target).symmetries
    if "net" not in options and not (periodic and symmetric):
        known["net"] = "dense"
    if visible == "outcomes":
        known["K"] = target.support.K
    if visible == "reals":
        known["scale"] = field_size(target, rng)
    return known


def support_of(visible: str, K: int | None) -> Support:
    """Return the support of configurations of a kind; InputError if K is out of range."""
    if visible == "outcomes":
        if check_positive_int("K", K, 2) > 256:
            raise InputError(f"K must be at most 256 (outcomes are stored as uint8), got {K}")
        return outcomes(int(K or 0))
    return REALS if visible == "reals" else SPINS
