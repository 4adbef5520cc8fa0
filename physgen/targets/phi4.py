r"""Scalar field theory with a quartic self-coupling, in every convention of the literature.

.. math::
    S(\phi) = \sum_x \Big[ -\mathrm{hop} \sum_\mu \phi_x \phi_{x+\hat\mu}
              + \mathrm{quad}\, \phi_x^2 + \mathrm{quart}\, \phi_x^4 + \mathrm{const} \Big] .

Four numbers describe any convention, and each convention has a constructor (d dimensions, every
bond counted once, two bonds between neighbours along a periodic extent of 2):

==================  =======================================================  ====================
constructor         action                                                   source
==================  =======================================================  ====================
from_hopping        sum -2 kappa phi phi' + (1 - 2 lam) phi^2 + lam phi^4    [1]
from_hopping_well   sum -2 kappa phi phi' + phi^2 + lam (phi^2 - 1)^2        lattice textbooks
from_unhalved       sum (d phi)^2 + m2 phi^2 + lam phi^4                     [2], [3]
from_halved         sum s/2 (d phi)^2 + m2/2 phi^2 + lam phi^4               normflow; s stiffness
from_quarter        sum 1/2 (d phi)^2 + m2/2 phi^2 + lam/4 phi^4             [4]
from_factorial      sum 1/2 (d phi)^2 + m2/2 phi^2 + lam/4! phi^4            NeuMC, textbooks
==================  =======================================================  ====================

with :math:`(\partial\phi)^2 = \sum_\mu (\phi_{x+\hat\mu} - \phi_x)^2`; outside an open boundary
the field is 0.  Conventions differ in the unit of the field: if
:math:`S_B(c\,\phi) + V \Delta = S_A(\phi)`, with :math:`\Delta` the difference A - B of the
constants, then :math:`\log Z_B = \log Z_A + V \log c + V \Delta`; see :meth:`Phi4.log_z_shift`.

[1] Nicoli et al., PRL 126, 032001 (2021).  [2] Albergo, Kanwar, Shanahan, PRD 100, 034515 (2019).
[3] Gerdes et al., SciPost Phys. 15, 238 (2023).  [4] Schaich, Loinaz, PRD 79, 056008 (2009).
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

from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.lattice.sums import as_float
from physgen.observables.configurations import magnetization, mean_square
from physgen.observables.observable import Observable
from physgen.targets._geometry import check_configurations, lattice_of, lattice_text
from physgen.targets.fingerprint import digest
from physgen.targets.phi4_conventions import Phi4Conventions, largest_step
from physgen.targets.phi4_decimation import Phi4Decimation, draw_site

__all__ = ["Phi4"]


@final
@dataclass(frozen=True, eq=False, init=False, repr=False)
class Phi4(Phi4Conventions, Phi4Decimation):
    """A real scalar field with a quartic self-coupling on a hypercubic lattice.

    Parameters
    ----------
    L : int or tuple of int or Hypercubic
        Extent, or shape, of a periodic lattice; or the lattice.  Periodic extents are >= 2.
    hop, quad, quart, const : float
        The four numbers of S.  e^{-S} must be normalizable: quart > 0, or quart = 0 and
        quad > dim * abs(hop).
    dim : int
        Dimensions that an integer L extends in.

    Raises
    ------
    InputError
        If a number is not finite, the weight cannot be normalized, or the lattice has a
        periodic extent of 1.

    Examples
    --------
    >>> Phi4.from_unhalved(L=8, m2=-4.0, lam=8.0)
    Phi4.from_unhalved(L=8, m2=-4, lam=8)
    """

    lattice: Any
    hop: float
    quad: float
    quart: float
    const: float

    def __init__(
        self,
        L: int | tuple[int, ...] | Hypercubic,
        hop: float,
        quad: float,
        quart: float,
        const: float = 0.0,
        dim: int = 2,
    ) -> None:
        numbers = {"hop": hop, "quad": quad, "quart": quart, "const": const}
        set_ = object.__setattr__  # the class is frozen
        for name, value in numbers.items():
            set_(self, name, check_finite(name, value))
        lattice = lattice_of(L, dim)
        if not isinstance(lattice, Hypercubic):
            raise InputError(f"a field theory needs a Hypercubic lattice, got {lattice!r}")
        pairs = list(zip(lattice.shape, lattice.boundaries))
        if any(n == 1 and word == "periodic" for n, word in pairs):
            raise InputError(
                f"periodic extents of a field theory must be at least 2, got shape "
                f"{lattice.shape}; leave the axis out"
            )
        largest = largest_step(lattice)  # a massless mode depends on it
        if self.quart < 0 or (self.quart == 0 and self.quad <= largest * abs(self.hop)):
            raise UnboundedTargetError(
                "the weight of a field must be normalizable: quart > 0, or quart = 0 and quad > "
                f"{largest:g} * abs(hop); got hop={hop}, quad={quad}, quart={quart}"
            )
        set_(self, "lattice", lattice)
        self.__dict__["_convention"] = ("", numbers)

    def __repr__(self) -> str:
        name, couplings = self._convention
        listed = ", ".join(f"{k}={v:g}" for k, v in couplings.items())
        maker = f"Phi4.from_{name}" if name else "Phi4"
        return f"{maker}({lattice_text(self.lattice)}, {listed})"

    @property
    def convention(self) -> str:
        """Name of the constructor, e.g. "hopping"; "" for the four numbers themselves."""
        return self._convention[0]

    @property
    def couplings(self) -> Mapping[str, float]:
        """The couplings by name, in the convention of the constructor."""
        return MappingProxyType(self._convention[1])

    @property
    def numbers(self) -> Mapping[str, float]:
        """The four numbers of S by name, the same in every convention."""
        return MappingProxyType({k: getattr(self, k) for k in ("hop", "quad", "quart", "const")})

    @property
    def fingerprint(self) -> str:
        """Digest of lattice, convention and numbers."""
        name, couplings = self._convention
        given = (part for item in couplings.items() for part in item)
        return digest("Phi4", repr(self.lattice), name, *given, *self.numbers.values())

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration, which is the shape of the lattice."""
        return self.lattice.shape

    @property
    def support(self) -> Support:
        """Real numbers."""
        return REALS

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return self.lattice.n_sites

    @cached_property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2", "translations" and "point_group" leave the action as it is."""
        found = {"z2"}
        if self.lattice.is_periodic:
            found.add("translations")
        if len(set(zip(self.lattice.shape, self.lattice.boundaries))) == 1:
            found.add("point_group")
        return frozenset(found)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The default observables by name: action (total), magnetization and phi2 (per site)."""
        mean = partial(magnetization, dim=self.lattice.dim)
        square = partial(mean_square, dim=self.lattice.dim)
        listed = (
            Observable("action", self.action, "1", "S, all sites"),
            Observable("magnetization", mean, "1", "m = (1/V) sum_x phi_x"),
            Observable("phi2", square, "1", "(1/V) sum_x phi_x^2"),
        )
        return MappingProxyType({o.name: o for o in listed})

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """("phi4", (neighbours int32 (n, 2 dim), float64 [hop, quad, quart, const]))."""
        numbers = np.array([self.hop, self.quad, self.quart, self.const])
        return "phi4", (self.lattice.neighbours.copy(), numbers)

    def action(self, x: Any) -> Any:
        """Return S, shape (...), float64, for x of shape (..., *event_shape)."""
        check_configurations(x, self.event_shape)
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        phi2 = x * x
        local = xp.sum(phi2 * (self.quad + self.quart * phi2), axis=self._axes)
        return local - self.hop * self.lattice.bond_sum(x) + self.n_sites * self.const

    def force(self, x: Any) -> Any:
        """Return -dS/dx = hop sum of neighbours - 2 quad phi - 4 quart phi^3, shape of x."""
        check_configurations(x, self.event_shape)
        x = as_float(x)
        around = self.lattice.neighbour_sum(x)
        return self.hop * around - x * (2 * self.quad + 4 * self.quart * (x * x))

    def local_change(self, x: Any, site: int, value: Any) -> Any:
        """Return the change of the action when the field of a site becomes `value`, shape (...).

        Parameters
        ----------
        x : array or tensor, shape (..., *event_shape)
        site : int
            Number of the site, in C order of the shape, 0 <= site < n_sites.
        value : float or array of shape (...)
            The new field there.
        """
        check_configurations(x, self.event_shape)
        if not (isinstance(site, Integral) and 0 <= site < self.n_sites):
            raise InputError(f"site must be in 0..{self.n_sites - 1}, got {site}")
        xp = array_namespace(x)
        lead = tuple(x.shape)[: x.ndim - self.lattice.dim]
        flat = xp.astype(x.reshape((*lead, -1)), xp.float64)
        row = self.lattice.neighbours[site]
        around = xp.sum(flat[..., row[row >= 0].astype(np.int64)], axis=-1)
        old = flat[..., site]
        square, old_square = value * value, old * old
        return (
            -self.hop * around * (value - old)
            + (square - old_square) * self.quad
            + (square * square - old_square * old_square) * self.quart
        )

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites, each with the weight at hop = 0.

        Shape (n, *event_shape), float64; for quart = 0 and quad <= 0 see the class.
        """
        shape = (check_positive_int("n", n), *self.event_shape)
        return draw_site(np.zeros(shape), self.quad, self.quart, rng)

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n minima of the action among uniform fields, each of random sign, float64.

        For hop < 0 on a bipartite lattice, staggered fields replace uniform ones.
        """
        shape = (check_positive_int("n", n), *self.event_shape)
        pull = abs(self.hop) * self.lattice.dim - self.quad
        v = np.sqrt(pull / (2 * self.quart)) if pull > 0 and self.quart > 0 else 0.0
        sign = 2.0 * as_stream(rng).numpy().integers(0, 2, size=n) - 1
        field = np.full(shape, v) * sign.reshape((n,) + (1,) * self.lattice.dim)
        if self.hop < 0 and self.lattice.is_bipartite:
            field = field * (1.0 - 2.0 * self.lattice.checkerboard().reshape(self.event_shape))
        return field

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.lattice.dim, 0))
