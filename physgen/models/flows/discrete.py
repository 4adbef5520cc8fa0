r"""Base class of discrete flows of lattice fields: a Gaussian, layers, a last spline.

.. math:: \phi = T(C(z)) , \qquad
          \log q(\phi) = \log r(z) - \log |\det C'(z)| - \sum_x \log T'(C(z)_x) ,

from a Gaussian r with learned spectrum (:mod:`physgen.models.flows.gaussian`), or of independent
sites where an axis is open.  A family supplies C; T is optional, one monotone spline for all
sites.  Both directions are exact.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream
from physgen.lattice.orbits import PairOrbits
from physgen.models.configurations import field_size
from physgen.models.flows.couplings import BOUND
from physgen.models.flows.gaussian import SpectralGaussian
from physgen.models.flows.independent import IndependentGaussian
from physgen.models.flows.splines import SiteSpline
from physgen.models.geometry import Geometry, LatticeModel
from physgen.targets.even import EvenTarget

__all__ = ["DiscreteFlow", "places"]

SITE_BINS = 8  # of flows for a target


class DiscreteFlow(LatticeModel):
    """A flow of finitely many layers on a lattice, or on its even sublattice.

    Parameters
    ----------
    geometry : Geometry
    scale : float
        Standard deviation of the Gaussian to begin with, > 0.
    odd : bool
        The last spline is odd.
    point_group : bool
        The spectrum of the Gaussian has the point group.
    site_bins : int
        Bins of the last spline; 0: none.
    """

    def __init__(
        self, geometry: Geometry, scale: float, odd: bool, point_group: bool, site_bins: int
    ) -> None:
        super().__init__(geometry, REALS)
        self.scale, self.odd = check_positive("scale", scale), bool(odd)
        self.point_group = bool(point_group)
        self.site_bins = check_positive_int("site_bins", site_bins, 0)
        lattice = geometry.lattice
        if lattice.is_periodic:
            self.base = SpectralGaussian(PairOrbits(lattice, geometry.halved, point_group), scale)
        elif point_group:
            raise InputError(
                "the point group needs a periodic lattice, got boundary "
                f"{lattice.boundary!r}; use point_group = False"
            )
        else:
            self.base = IndependentGaussian(geometry.n, scale)
        self.last = SiteSpline(site_bins, BOUND * scale, odd) if site_bins else None

    # --- what a family supplies -----------------------------------------------------------

    @abstractmethod
    def _through(self, x: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return C(x) or its inverse, sites first (n, B), and its log determinant (B,) float64."""

    # --- the density ----------------------------------------------------------------------

    @classmethod
    def arguments_for(
        cls, target: Any, even: EvenTarget | None, options: Mapping[str, Any], rng: Stream
    ) -> dict[str, Any]:
        """Return the lattice and the symmetries of a target, and the size of its hot fields."""
        known = cls._lattice_arguments(target, even, REALS)
        lattice = declared(target).lattice
        symmetric = "point_group" in declared(target).symmetries
        return known | {
            "scale": field_size(target, rng),
            "point_group": symmetric and lattice.is_periodic,
            "site_bins": SITE_BINS,
        }

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        z, log_det = self.unmapped(x.flatten(1))
        return self.base.log_prob(z) + log_det

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        z, log_r, _ = self.base.draw(n, generator)
        x, log_det = self.mapped(z)
        return x, log_r - log_det

    @torch.no_grad()
    def latents(self, x: Any) -> np.ndarray:
        """Return the z of r that the flow maps to fields x (n, *event_shape), (n, n_sites)."""
        batches = self._prepared(self._batch(x)).flatten(1).split(self.block)
        return torch.cat([self.unmapped(part)[0] for part in batches]).double().cpu().numpy()

    def mapped(self, z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return T(C(z)) (B, *event_shape) of z (B, n), and log |det dx/dz| (B,) float64."""
        phi, log_det = self._through(z.t().contiguous(), False)
        if self.last is not None:
            phi, change = self.last(phi)
            log_det = log_det + change
        return phi.t().reshape(-1, *self.event_shape), log_det

    def unmapped(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return z (B, n) of fields x (B, n), and log |det dz/dx| (B,) float64."""
        phi, log_det = x.t().contiguous(), 0.0
        if self.last is not None:
            phi, log_det = self.last(phi, inverse=True)
        z, change = self._through(phi, True)
        return z.t(), log_det + change


def places(geometry: Geometry, groups: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the places in a configuration of sites ordered by groups, and the inverse."""
    sites = geometry.lattice.even_sites if geometry.halved else np.arange(geometry.n)
    order = np.searchsorted(sites, np.concatenate(groups))
    return torch.tensor(order), torch.tensor(np.argsort(order))
