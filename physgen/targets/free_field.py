r"""The Gaussian free field, exact in momentum space.

.. math::
    S(\phi) = \sum_x \Big[ \tfrac12 (\partial\phi)^2 + \tfrac12 m^2 \phi_x^2 \Big]
            = \frac{1}{2V} \sum_k (\hat k^2 + m^2) |\phi_k|^2, \qquad
    \phi_k = \sum_x \phi_x e^{-ikx},

.. math::
    \log Z = \frac{V}{2} \log 2\pi - \frac12 \sum_k \log(\hat k^2 + m^2), \qquad
    \langle \phi_x \phi_y \rangle = \frac1V \sum_k \frac{e^{ik(x-y)}}{\hat k^2 + m^2},

on a periodic lattice, :math:`\hat k^2 = \sum_\mu 4 \sin^2(k_\mu/2)`, with the double bonds of an
extent of 2.  Draws are white noise times :math:`(\hat k^2 + m^2)^{-1/2}` in momentum space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.observable import Observable
from physgen.targets._geometry import lattice_of, lattice_text
from physgen.targets.fingerprint import digest
from physgen.targets.phi4 import Phi4

__all__ = ["FreeField"]


@final
@dataclass(frozen=True, eq=False, init=False, repr=False)
class FreeField:
    """A free scalar field: a target, and a normalised density that can be sampled.

    Parameters
    ----------
    L : int or tuple of int or Hypercubic
        Extent, or shape, of a periodic lattice with extents >= 2; or the lattice.
    m2 : float
        Squared mass in lattice units, > 0 (the zero mode of a massless field has no weight).
    dim : int
        Dimensions that an integer L extends in.

    Raises
    ------
    InputError
        If m2 is not positive, or the lattice is open or a graph.

    Examples
    --------
    >>> round(FreeField(L=8, m2=1.25).log_z, 6)
    8.608334
    """

    lattice: Hypercubic
    m2: float

    def __init__(self, L: int | tuple[int, ...] | Hypercubic, m2: float, dim: int = 2) -> None:
        lattice = lattice_of(L, dim)
        if not isinstance(lattice, Hypercubic) or not lattice.is_periodic:
            raise InputError(f"a free field needs a periodic Hypercubic lattice, got {lattice!r}")
        set_ = object.__setattr__  # the class is frozen
        set_(self, "lattice", lattice)
        set_(self, "m2", check_positive("m2", m2))
        # Everything but the density is that of an interacting field with quart = 0.
        self.__dict__["_phi4"] = Phi4.from_halved(lattice, m2=self.m2, lam=0.0)

    def __repr__(self) -> str:
        return f"FreeField({lattice_text(self.lattice)}, m2={self.m2:g})"

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

    @property
    def couplings(self) -> Mapping[str, float]:
        """m2 by name."""
        return MappingProxyType({"m2": self.m2})

    @property
    def fingerprint(self) -> str:
        """Digest of lattice and m2."""
        return digest("FreeField", repr(self.lattice), self.m2)

    @property
    def symmetries(self) -> frozenset[str]:
        """Which of "z2", "translations" and "point_group" leave the action as it is."""
        return self.as_phi4.symmetries

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The default observables by name: action (total), magnetization and phi2 (per site)."""
        return self.as_phi4.observables

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """The kernel of :class:`~physgen.targets.Phi4`, with quart = 0."""
        return self.as_phi4.kernel

    @property
    def as_phi4(self) -> Phi4:
        """The same action as a :class:`~physgen.targets.Phi4`, which can also be decimated."""
        return self.__dict__["_phi4"]

    @cached_property
    def spectrum(self) -> np.ndarray:
        """khat^2 + m2 for every momentum, shape event_shape, in FFT order."""
        return self.lattice.laplacian() + self.m2

    @cached_property
    def log_z(self) -> float:
        """The logarithm of the partition function, exact."""
        return float(0.5 * (self.n_sites * np.log(2 * np.pi) - np.log(self.spectrum).sum()))

    def propagator(self) -> np.ndarray:
        """Return <phi_0 phi_r>, shape event_shape, r in FFT order."""
        return np.fft.ifftn(1 / self.spectrum).real

    def at(self, **couplings: float) -> FreeField:
        """Return a copy with another m2."""
        if set(couplings) - {"m2"}:
            raise InputError(f"the coupling of FreeField is m2; got {', '.join(couplings)}")
        return FreeField(self.lattice, couplings.get("m2", self.m2))

    def action(self, x: Any) -> Any:
        """Return S, shape (...), float64, for x of shape (..., *event_shape)."""
        return self.as_phi4.action(x)

    def force(self, x: Any) -> Any:
        """Return -dS/dx = sum of neighbours - (2 dim + m2) phi, shape of x."""
        return self.as_phi4.force(x)

    def local_change(self, x: Any, site: int, value: Any) -> Any:
        """Return the change of the action when a site becomes `value`, as in Phi4."""
        return self.as_phi4.local_change(x, site, value)

    def log_prob(self, x: Any) -> Any:
        """Return -S - log Z in nats, shape (...), float64."""
        return -self.action(x) - self.log_z

    def sample(self, n: int, rng: Stream | int) -> np.ndarray:
        """Return n independent draws, shape (n, *event_shape), float64."""
        noise = (
            as_stream(rng).numpy().standard_normal((check_positive_int("n", n), *self.event_shape))
        )
        axes = tuple(range(1, 1 + self.lattice.dim))
        half = np.sqrt(self.spectrum)[..., : self.lattice.shape[-1] // 2 + 1]
        wave = np.fft.rfftn(noise, axes=axes) / half
        return np.fft.irfftn(wave, s=self.lattice.shape, axes=axes)

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[np.ndarray, np.ndarray]:
        """Return draws, equal to those of :meth:`sample`, and their log_prob."""
        x = self.sample(n, rng)
        return x, self.log_prob(x)

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites, shape (n, *event_shape), float64."""
        return self.as_phi4.hot(rng, n)

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n copies of the minimum of the action, zero everywhere, float64."""
        return self.as_phi4.cold(rng, n)
