r"""Configurations of an ensemble whose action nobody knows: x ~ p, and what is known of p.

An experiment, or a program of other hands, supplies them.  Without an action,
:math:`p \propto e^{-S}` can be neither weighed nor sampled by Markov chains; but a model can be
fitted to the configurations, and its draws compared with them, observable by observable.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.configurations import magnetization, mean_square
from physgen.observables.observable import Observable
from physgen.targets.fingerprint import digest

__all__ = ["KINDS", "SYMMETRIES", "Configurations", "site_observables"]

KINDS: Mapping[str, Support] = MappingProxyType({"spins": SPINS, "reals": REALS})
SYMMETRIES = ("translations", "point_group", "z2")
LEAST = 20  # configurations


@final
class Configurations:
    """Configurations in the order in which they were drawn, and what is known of their origin.

    It is no target: it has no action, so nothing can be weighed against it.

    Parameters
    ----------
    x : array, shape (n, *event_shape), or (n_chains, n_draws, *event_shape) with `chains`
        At least 20 configurations.  Neighbours may be correlated, as in a Markov chain: errors
        are those of a chain.
    chains : bool, optional
        Whether the first axis counts independent chains.  By default it does in an xarray
        DataArray of dims (chain, draw, ...), such as ``unpack_configurations(draws)``, only.
    support : {"spins", "reals"}, optional
        Spins are -1 and +1.  By default integers are spins, and other numbers reals.
    boundary : {"periodic", "open"}, or one of them for each axis, optional
        The array is a hypercubic lattice with this boundary; None: a list of numbers without
        neighbours.
    symmetries : iterable of {"translations", "point_group", "z2"}
        Transformations that p is known to be invariant under.  Models use them; nothing checks
        them.

    Raises
    ------
    InputError
        If the shape is too small, a number is not finite or no spin, `support` is not clear, or a
        symmetry needs a boundary.

    Examples
    --------
    >>> x = np.random.default_rng(1).standard_normal((100, 4, 4))
    >>> Configurations(x, boundary="periodic", symmetries=["translations", "z2"])
    Configurations(100 of shape (4, 4), reals, periodic)
    """

    def __init__(
        self,
        x: Any,
        *,
        chains: bool | None = None,
        support: str | None = None,
        boundary: str | tuple[str, ...] | None = None,
        symmetries: Iterable[str] = (),
    ) -> None:
        dims = tuple(getattr(x, "dims", ()))
        if "packing" in getattr(x, "attrs", {}):
            raise InputError(
                "configurations must be one number a site, got spins packed as bits; use "
                "unpack_configurations(draws)"
            )
        chains = dims[:2] == ("chain", "draw") if chains is None else chains
        array = to_numpy(x)
        array = array if chains else array[None]
        if array.ndim < 3 or array.shape[0] * array.shape[1] < LEAST or array.size == 0:
            axes = "n_chains, n_draws" if chains else "n"
            raise InputError(
                f"configurations must be an array ({axes}, ...) of at least {LEAST}, got shape "
                f"{array.shape if chains else array.shape[1:]}"
            )
        self.support = _support(array, support)
        self.x = array.astype(np.int8) if self.support == SPINS else _floats(array)
        self.event_shape: tuple[int, ...] = tuple(array.shape[2:])
        self.lattice = None if boundary is None else Hypercubic(self.event_shape, boundary)
        self.symmetries = frozenset(_symmetries(symmetries, self.lattice))

    def __repr__(self) -> str:
        """Sizes, and what is known of the lattice."""
        where = "no lattice" if self.lattice is None else str(self.lattice.boundary)
        return (
            f"Configurations({len(self):,} of shape {self.event_shape}, {self.support.kind}, "
            f"{where})"
        )

    def __len__(self) -> int:
        return self.x.shape[0] * self.x.shape[1]

    @property
    def flat(self) -> np.ndarray:
        """All configurations, (n, *event_shape), draw by draw: the last are the end of chains."""
        return self.x.swapaxes(0, 1).reshape(-1, *self.event_shape)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Magnetization, phi2 of real fields, and bond_product on a lattice, each per site."""
        return site_observables(self.event_shape, self.support, self.lattice)

    @property
    def fingerprint(self) -> str:
        """Digest of the configurations and of what is known of them."""
        known = (repr(self.lattice), " ".join(sorted(self.symmetries)), self.support.kind)
        return digest(self.x, *known)

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n of the configurations, chosen at random with replacement."""
        flat = self.flat
        return flat[as_stream(rng).numpy().integers(len(flat), size=n)]


def site_observables(
    event_shape: tuple[int, ...], support: Support, lattice: Hypercubic | None
) -> Mapping[str, Observable]:
    """Return what can be measured of configurations without knowing their action.

    Magnetization, phi2 of real fields, and bond_product on a lattice, each per site; nothing of
    outcomes, whose labels are no numbers.
    """
    dim = len(event_shape)
    found: list[Observable] = []
    if support.K is None:
        mean = partial(magnetization, dim=dim)
        found.append(Observable("magnetization", mean, "1", "mean of x"))
    if support == REALS:
        square = partial(mean_square, dim=dim)
        found.append(Observable("phi2", square, "1", "(1/V) sum_x phi_x^2"))
    if support.K is None and lattice is not None and lattice.n_bonds:
        product = partial(_bond_product, lattice=lattice)
        found.append(Observable("bond_product", product, "1", "mean of x_a x_b over bonds"))
    return MappingProxyType({o.name: o for o in found})


def _support(x: np.ndarray, given: str | None) -> Support:
    """Return the support of an array; InputError if it is not clear, or not what is `given`."""
    if x.dtype.kind not in "biuf":
        raise InputError(f"configurations must be real numbers, got {x.dtype}")
    if given is not None:
        check_choice("support", given, tuple(KINDS))
    of_spins = bool((np.abs(x) == 1).all()) if x.dtype.kind in "iuf" else False
    if given is None and x.dtype.kind == "f" and of_spins:
        raise InputError(
            "support must be given for numbers that are all -1 or +1, got None; 'spins' or 'reals'"
        )
    if given == "spins" or (given is None and x.dtype.kind in "biu"):
        if not of_spins:
            raise InputError(
                f"spins must be -1 and +1, got {x.min():g} to {x.max():g}; for bits 0 and 1 give "
                "2 * x - 1 or 1 - 2 * x, whichever is meant, and for other numbers "
                "support = 'reals'"
            )
        return SPINS
    return REALS


def _floats(x: np.ndarray) -> np.ndarray:
    x = x if x.dtype.kind == "f" and x.dtype.itemsize in (4, 8) else x.astype(np.float64)
    if not np.isfinite(x).all():
        raise InputError("configurations must be finite numbers, got NaN or infinity")
    return x


def _symmetries(names: Iterable[str], lattice: Hypercubic | None) -> list[str]:
    found = [names] if isinstance(names, str) else list(names)
    for name in found:
        check_choice("symmetries", name, SYMMETRIES)
        if name != "z2" and lattice is None:
            raise InputError(
                f"the symmetry {name!r} needs a lattice, got no boundary; give 'periodic' or "
                "'open'"
            )
    if "translations" in found and lattice is not None and "open" in lattice.boundaries:
        raise InputError(
            f"translations need periodic boundaries, got {lattice.boundary!r}; remove one of them"
        )
    return found


def _bond_product(x: Any, lattice: Hypercubic) -> Any:
    return lattice.bond_sum(x) / lattice.n_bonds
