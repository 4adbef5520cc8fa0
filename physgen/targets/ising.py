r"""The Ising model on any lattice.

.. math::
    H(s) = -\sum_{b = (x, y)} J_b \, s_x s_y - \sum_x h_x s_x, \qquad
    S(s) = \beta H(s), \qquad s_x = \pm 1 .

Flipping :math:`s_x` changes the action by
:math:`\Delta S = 2 \beta s_x (\sum_{y \sim x} J_{xy} s_y + h_x)`.  The lattice defines the bonds:
a periodic extent of 2 has double bonds, and both count (Kaufman's convention).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from numbers import Integral
from types import MappingProxyType
from typing import Any, final

import numpy as np
from array_api_compat import array_namespace

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS, Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.graph import Graph
from physgen.lattice.hypercubic import Hypercubic
from physgen.lattice.sums import gather_sum, gathered, matching
from physgen.observables.configurations import magnetization
from physgen.observables.observable import Observable
from physgen.targets._geometry import check_configurations, lattice_of, lattice_text
from physgen.targets.fingerprint import digest
from physgen.targets.ising_decimation import IsingDecimation
from physgen.targets.ising_starts import IsingStarts

__all__ = ["Ising"]


@final
@dataclass(frozen=True, eq=False, init=False, repr=False)
class Ising(IsingStarts, IsingDecimation):
    """Ising spins with couplings on the bonds and fields on the sites.

    Parameters
    ----------
    L : int or tuple of int or lattice, optional
        Extent, or shape, of a periodic hypercubic lattice; or the lattice.
    beta : float
        Inverse temperature, >= 0, in units of 1/J; 1 if not given.
    J : float or array, shape (n_bonds,)
        Couplings, one for all or one a bond in the order of ``lattice.bonds``; > 0 is
        ferromagnetic.
    h : float or array, shape (n_sites,) or the lattice's
        Magnetic field, in units of J.
    lattice : Hypercubic or Graph, optional
        The lattice, instead of L.
    dim : int
        Dimensions that an integer L extends in.

    Raises
    ------
    InputError
        If beta is negative, a number is not finite, or couplings or fields have another shape.

    Examples
    --------
    >>> import numpy as np
    >>> Ising(L=4, beta=0.5).energy(np.ones((4, 4), dtype=np.int8)).item()
    -32.0
    """

    lattice: Any
    beta: float
    J: float | np.ndarray
    h: float | np.ndarray

    def __init__(
        self,
        L: int | tuple[int, ...] | Hypercubic | Graph | None = None,
        beta: float = 1.0,
        J: Any = 1.0,
        h: Any = 0.0,
        lattice: Hypercubic | Graph | None = None,
        dim: int = 2,
    ) -> None:
        on: Any = lattice_of(L, dim, lattice)
        if check_finite("beta", beta) < 0:
            raise InputError(
                f"beta must be >= 0, got {beta}; for an antiferromagnet give J < 0 instead"
            )
        if np.shape(h) == on.shape:
            h = to_numpy(h).reshape(-1)
        set_ = object.__setattr__  # the class is frozen
        set_(self, "lattice", on)
        set_(self, "beta", float(beta))
        set_(self, "J", _couplings("J", J, on.n_bonds, "n_bonds, one a bond"))
        set_(self, "h", _couplings("h", h, on.n_sites, "n_sites, one a site"))

    @classmethod
    def spin_glass(
        cls,
        L: int | tuple[int, ...] | Hypercubic | Graph | None = None,
        beta: float = 1.0,
        rng: Stream | int | None = None,
        *,
        p: float = 0.5,
        h: Any = 0.0,
        lattice: Hypercubic | Graph | None = None,
        dim: int = 2,
    ) -> Ising:
        """Return the +-J model: J_b = -1 with probability p, else +1 (Edwards, Anderson 1975).

        Parameters
        ----------
        L, beta, h, lattice, dim
            As for :class:`Ising`.
        rng : Stream or int
            The disorder, which must be given; equal streams give equal couplings.
        p : float
            Share of antiferromagnetic bonds, in [0, 1].
        """
        if not 0 <= check_finite("p", p) <= 1:
            raise InputError(f"p must be a probability in [0, 1], got {p}")
        on: Any = lattice_of(L, dim, lattice)
        if rng is None:
            raise InputError("rng must be given, a seed or a Stream: it decides the couplings")
        u = as_stream(rng).numpy().random(on.n_bonds)
        return cls(on, beta, J=np.where(u < p, -1.0, 1.0), h=h)

    def __repr__(self) -> str:
        parts = [lattice_text(self.lattice), f"beta={self.beta:g}"]
        if not np.isscalar(self.J) or self.J != 1:
            parts.append(f"J={_text(self.J)}")
        if np.any(self.h):
            parts.append(f"h={_text(self.h)}")
        return f"Ising({', '.join(parts)})"

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration, which is the shape of the lattice."""
        return self.lattice.shape

    @property
    def support(self) -> Support:
        """Spins, int8 in {-1, +1}."""
        return SPINS

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return self.lattice.n_sites

    @property
    def couplings(self) -> Mapping[str, float | np.ndarray]:
        """beta, J and h by name."""
        return MappingProxyType({"beta": self.beta, "J": self.J, "h": self.h})

    @property
    def fingerprint(self) -> str:
        """Digest of lattice, beta, J of every bond and h of every site."""
        numbers = (self.beta, self.bond_couplings, self.site_fields)
        return digest("Ising", repr(self.lattice), self.lattice.bonds, *numbers)

    @property
    def bond_couplings(self) -> np.ndarray:
        """J of every bond, shape (n_bonds,)."""
        return np.broadcast_to(np.asarray(self.J, dtype=float), self.lattice.n_bonds)

    @property
    def site_fields(self) -> np.ndarray:
        """H of every site, shape (n_sites,)."""
        return np.broadcast_to(np.asarray(self.h, dtype=float), self.n_sites)

    @cached_property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2", "translations" and "point_group" leave the action as it is."""
        found = set() if np.any(self.h) else {"z2"}
        uniform = all(len(np.unique(a)) < 2 for a in (self.bond_couplings, self.site_fields))
        if uniform and isinstance(self.lattice, Hypercubic):
            if self.lattice.is_periodic:
                found.add("translations")
            if len(set(zip(self.lattice.shape, self.lattice.boundaries))) == 1:
                found.add("point_group")
        return frozenset(found)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The default observables by name: energy (total) and magnetization (per site)."""
        mean = partial(magnetization, dim=self.lattice.dim)
        listed = (
            Observable("energy", self.energy, "J", "H = -sum J s s' - sum h s, all sites"),
            Observable("magnetization", mean, "1", "m = (1/V) sum_x s_x"),
        )
        return MappingProxyType({o.name: o for o in listed})

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """("ising", (neighbours, K, H)): int32 (n, z), beta J float64 (n, z), beta h (n,).

        K is aligned with neighbours, and 0 where there is no neighbour (-1).
        """
        index = self.lattice.bond_index
        K = np.append(self.beta * self.bond_couplings, 0.0)[index]
        return "ising", (self.lattice.neighbours.copy(), K, self.beta * self.site_fields)

    def action(self, x: Any) -> Any:
        """Return S = beta H, dimensionless, shape (...) for x of shape (..., *event_shape)."""
        return self.beta * self.energy(x)

    def energy(self, x: Any) -> Any:
        """Return H, the total energy in units of J, shape (...), float64."""
        check_configurations(x, self.event_shape)
        if np.isscalar(self.J):
            energy = -self.J * self.lattice.bond_sum(x)  # pyright: ignore[reportOperatorIssue]
        else:
            energy = -self.lattice.bond_sum(x, self.bond_couplings)
        if np.any(self.h):
            xp = array_namespace(x)
            x = xp.astype(x, xp.float64)
            axes = tuple(range(-self.lattice.dim, 0))
            h = matching(self.site_fields.reshape(self.event_shape), x)
            energy = energy - xp.sum(h * x, axis=axes)
        return energy

    def local_field(self, x: Any) -> Any:
        """Return sum_y J_xy s_y + h_x at every site, shape of x, in units of J."""
        check_configurations(x, self.event_shape)
        field = self.lattice.neighbour_sum(x, self.bond_couplings)
        return field + matching(self.site_fields.reshape(self.event_shape), field)

    def local_change(self, x: Any, site: int) -> Any:
        """Return the change of the action when the spin of a site is flipped, shape (...).

        Parameters
        ----------
        x : array or tensor, shape (..., *event_shape)
        site : int
            Number of the site, in C order of the shape, 0 <= site < n_sites.
        """
        check_configurations(x, self.event_shape)
        if not (isinstance(site, Integral) and 0 <= site < self.n_sites):
            raise InputError(f"site must be in 0..{self.n_sites - 1}, got {site}")
        xp = array_namespace(x)
        lead = tuple(x.shape)[: x.ndim - self.lattice.dim]
        flat = x.reshape((*lead, -1))
        bonds = self.lattice.bond_index[site]
        around = self.lattice.neighbours[site][bonds >= 0]
        J = self.bond_couplings[bonds[bonds >= 0]]
        field = gather_sum(flat, gathered(around[None], J[None]))[..., 0]
        field = field + float(self.site_fields[site])
        return 2 * self.beta * xp.astype(flat[..., site], field.dtype) * field

    def at(self, **couplings: Any) -> Ising:
        """Return a copy with other couplings: any of beta, J, h."""
        unknown = set(couplings) - set(self.couplings)
        if unknown:
            raise InputError(
                f"couplings of Ising are beta, J, h; got {', '.join(sorted(unknown))}"
            )
        return Ising(lattice=self.lattice, **{**self.couplings, **couplings})


def _couplings(name: str, given: Any, n: int, meaning: str) -> float | np.ndarray:
    """Return a finite float, or a read-only float64 array of shape (n,)."""
    if np.ndim(given) == 0 and not isinstance(given, np.ndarray):
        return check_finite(name, given)
    values = to_numpy(given)
    if values.dtype.kind not in "iuf":
        raise InputError(f"{name} must be real numbers, got an array of {values.dtype}")
    values = np.array(values, dtype=np.float64)
    if values.ndim == 0:
        return check_finite(name, float(values))
    if values.shape != (n,):
        raise InputError(
            f"{name} must be a number or an array of shape ({n},) = ({meaning}), got "
            f"{values.shape}"
        )
    bad = ~np.isfinite(values)
    if bad.any():
        first = int(np.argmax(bad))
        raise InputError(f"{name} must be finite, got {values[first]} at position {first}")
    values.setflags(write=False)
    return values


def _text(value: Any) -> str:
    return f"{value:g}" if np.isscalar(value) else f"<{len(value)} values>"
