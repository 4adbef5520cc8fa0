r"""Lattice actions that are linear in their couplings.

.. math:: S(\phi) = \sum_a g_a \, O_a(\phi) ,

with the local sums :math:`O_a` of :mod:`physgen.targets.local_terms`: of real fields ``field``,
``nearest``, ``diagonal``, ``phi2``, ``phi4``, ``phi6``; of spins ``field``, ``nearest``,
``diagonal``, ``plaquettes``.  A coupling has the sign with which its sum stands in S, so a
ferromagnet has nearest < 0:

=============================================  ==================================================
phi^4 (hop, quad, quart)                       nearest = -hop, phi2 = quad, phi4 = quart
Ising (beta, J, h)                             nearest = -beta J, field = -beta h
=============================================  ==================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.checks import check_choice, check_finite
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import REALS, SPINS, Support
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.observable import Observable
from physgen.targets._geometry import check_configurations, lattice_of, lattice_text
from physgen.targets.configurations import site_observables
from physgen.targets.fingerprint import digest
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising
from physgen.targets.local_starts import LocalStarts, unbounded
from physgen.targets.local_terms import TERMS, LocalTerms
from physgen.targets.phi4 import Phi4

__all__ = ["LocalAction", "local_couplings", "local_kernel", "local_symmetries"]

_KERNEL = ("field", "nearest", "diagonal", "phi2", "phi4", "phi6")  # order of its numbers


@final
@dataclass(frozen=True, eq=False, init=False, repr=False)
class LocalAction(LocalStarts):
    """An action of real fields or spins, linear in its couplings, on a hypercubic lattice.

    Parameters
    ----------
    L : int or tuple of int or Hypercubic
        Extent, or shape, of a periodic lattice; or the lattice.
    kind : {"reals", "spins"}
    dim : int
        Dimensions that an integer L extends in.
    **couplings : float
        Of the terms by name: field, nearest, diagonal, and phi2, phi4, phi6 or plaquettes.

    Raises
    ------
    UnboundedTargetError
        If e^{-S} of a real field cannot be normalised.
    InputError
        If a coupling is unknown or not finite, or the lattice has no such term.

    Examples
    --------
    >>> LocalAction(8, nearest=-0.52, phi2=0.956, phi4=0.022)
    LocalAction(L=8, nearest=-0.52, phi2=0.956, phi4=0.022)
    >>> LocalAction(3, kind="spins", nearest=-0.4).action(np.ones((3, 3))).item()
    -7.2
    """

    lattice: Any
    kind: str
    terms: LocalTerms

    def __init__(
        self,
        L: int | tuple[int, ...] | Hypercubic,
        *,
        kind: str = "reals",
        dim: int = 2,
        **couplings: float,
    ) -> None:
        lattice = lattice_of(L, dim)
        if not isinstance(lattice, Hypercubic):
            raise InputError(f"a local action needs a Hypercubic lattice, got {lattice!r}")
        given = {name: check_finite(name, g) for name, g in couplings.items()}
        terms = LocalTerms(lattice, given, check_choice("kind", kind, tuple(TERMS)))
        if kind == "reals" and (why := unbounded(lattice, given)):
            raise UnboundedTargetError(f"the weight of a local action must be normalisable: {why}")
        set_ = object.__setattr__  # the class is frozen
        set_(self, "lattice", lattice)
        set_(self, "kind", kind)
        set_(self, "terms", terms)
        self.__dict__["_couplings"] = {name: given[name] for name in terms.names}

    def __repr__(self) -> str:
        listed = ", ".join(f"{name}={g:g}" for name, g in self.couplings.items())
        kind = "" if self.kind == "reals" else f"kind={self.kind!r}, "
        return f"LocalAction({lattice_text(self.lattice)}, {kind}{listed})"

    @property
    def couplings(self) -> Mapping[str, float]:
        """The couplings by name, with their sign in S."""
        return MappingProxyType(self.__dict__["_couplings"])

    @property
    def fingerprint(self) -> str:
        """Digest of lattice, kind, terms and couplings."""
        named = (part for item in self.couplings.items() for part in item)
        return digest("LocalAction", repr(self.lattice), self.kind, *named)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration, which is the shape of the lattice."""
        return self.lattice.shape

    @property
    def support(self) -> Support:
        """Real numbers or spins."""
        return REALS if self.kind == "reals" else SPINS

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return self.lattice.n_sites

    @property
    def numbers(self) -> Mapping[str, float]:
        """The couplings as labels of results: g_nearest, g_phi2, ... (phi2 is an observable)."""
        return MappingProxyType({f"g_{name}": g for name, g in self.couplings.items()})

    @property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2", "translations" and "point_group" leave the action as it is."""
        even = self.couplings.get("field", 0.0) == 0
        return local_symmetries(self.lattice, even)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The action (total), and magnetization, phi2 of fields and bond_product (per site)."""
        own = {"action": Observable("action", self.action, "1", "S, all sites")}
        sites = site_observables(self.event_shape, self.support, self.lattice)
        return MappingProxyType(own | dict(sites))

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """The compiled loop and its arrays.

        Of real fields ("local-action", (nearest (n, 2 dim), diagonal (n, m), couplings (6,))): the
        tables are int32, -1 where there is no partner, m = 0 without a diagonal coupling; the
        couplings of S are field, nearest, diagonal, phi2, phi4, phi6.  Of spins ("pairs",
        (neighbours (n, z), J (n, z), h (n,))), J and h with the signs of Ising; with plaquettes
        there is none.
        """
        return local_kernel(self.terms, self.couplings)

    @property
    def as_ising(self) -> Ising:
        """The same action of spins as an :class:`~physgen.targets.Ising`, with compiled loops.

        beta = 1, J = -nearest and h = -field.

        Raises
        ------
        InputError
            If it is an action of real fields, or has other couplings.
        """
        others = [n for n, g in self.couplings.items() if g and n not in ("nearest", "field")]
        if self.kind != "spins" or others:
            got = ", ".join(others) or "real fields"
            raise InputError(f"an Ising model has spins with nearest and field alone, got {got}")
        J, h = (0.0 - self.couplings.get(name, 0.0) for name in ("nearest", "field"))
        return Ising(self.lattice, 1.0, J=J, h=h)

    def at(self, **couplings: float) -> LocalAction:
        """Return a copy with other couplings; a term that it has not may be added."""
        new: Any = {**self.couplings, **couplings}
        return LocalAction(self.lattice, kind=self.kind, **new)

    def action(self, x: Any) -> Any:
        """Return S, shape (...), float64, for x of shape (..., *event_shape)."""
        check_configurations(x, self.event_shape)
        return self.terms.weighted_value(x, self.couplings.values())

    def force(self, x: Any) -> Any:
        """Return -dS/dx of real fields, the shape of x.

        Raises
        ------
        InputError
            If it is an action of spins, or x has the wrong shape.
        """
        if self.kind == "spins":
            raise InputError("a force needs real fields, got an action of spins")
        check_configurations(x, self.event_shape)
        return -self.terms.weighted_slope(x, self.couplings.values())


def local_kernel(
    terms: LocalTerms, couplings: Mapping[str, float]
) -> tuple[str, tuple[np.ndarray, ...]]:
    """Return the kernel of a local action; AttributeError for plaquettes, which have none."""
    if terms.kind == "spins":
        return _spin_kernel(terms, couplings)
    numbers = np.array([couplings.get(name, 0.0) for name in _KERNEL])
    diagonal = terms.partners("diagonal")
    diagonal = diagonal if numbers[2] != 0 else diagonal[:, :0]
    return "local-action", (terms.partners("nearest").copy(), diagonal.copy(), numbers)


def _spin_kernel(
    terms: LocalTerms, couplings: Mapping[str, float]
) -> tuple[str, tuple[np.ndarray, ...]]:
    if couplings.get("plaquettes", 0.0) != 0:
        raise AttributeError("an action with plaquettes has no compiled loop")
    names = [name for name in ("nearest", "diagonal") if couplings.get(name, 0.0) != 0]
    tables = [terms.partners(name) for name in names or ["nearest"]]
    J = [np.full(t.shape, -couplings.get(n, 0.0)) for n, t in zip(names or ["nearest"], tables)]
    neighbours = np.concatenate(tables, axis=1)
    J = np.where(neighbours >= 0, np.concatenate(J, axis=1), 0.0)
    h = np.full(terms.lattice.n_sites, 0.0 - couplings.get("field", 0.0))
    return "pairs", (neighbours, J, h)


def local_symmetries(lattice: Hypercubic, even: bool) -> frozenset[str]:
    """Return the symmetries of local actions on a lattice; `even`: S(-x) = S(x)."""
    found = {"z2"} if even else set[str]()
    if lattice.is_periodic:
        found.add("translations")
    if len(set(zip(lattice.shape, lattice.boundaries))) == 1:
        found.add("point_group")
    return frozenset(found)


def local_couplings(target: Any) -> Mapping[str, float] | None:
    """Return the couplings of all local terms in the action of a target of physgen.

    Parameters
    ----------
    target : Phi4, FreeField, Ising, LocalAction or anything else

    Returns
    -------
    mapping of str to float, or None
        Zero for terms that are absent; the constant of S is left out.  None if the action is not
        known as such a sum: other targets, disorder, graphs.

    Examples
    --------
    >>> local_couplings(Ising(4, beta=0.4))["nearest"]
    -0.4
    """
    if isinstance(target, FreeField):
        target = target.as_phi4
    if isinstance(target, LocalAction):
        found = dict(target.couplings)
    elif isinstance(target, Phi4):
        found = {"nearest": -target.hop, "phi2": target.quad, "phi4": target.quart}
    elif isinstance(target, Ising) and isinstance(target.lattice, Hypercubic):
        J, h = np.unique(target.bond_couplings), np.unique(target.site_fields)
        if len(J) > 1 or len(h) > 1:
            return None
        J = J if len(J) else np.zeros(1)  # a lattice without bonds
        found = {"nearest": -target.beta * float(J[0]), "field": -target.beta * float(h[0])}
    else:
        return None
    kind = target.support.kind
    return MappingProxyType({name: found.get(name, 0.0) + 0.0 for name in TERMS[kind]})
