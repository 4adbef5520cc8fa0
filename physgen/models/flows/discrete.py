r"""What discrete flows of lattice fields have in common: a Gaussian, layers, a last spline.

.. math:: \phi = T(C(z)) , \qquad
          \log q(\phi) = \log r(z) - \log |\det C'(z)| - \sum_x \log T'(C(z)_x) ,

from a Gaussian r with learned spectrum (:mod:`physgen.models.flows.gaussian`), or of independent
sites where an axis is open.  C is what a family supplies; T, if wanted, is one monotone spline at
all sites.  Both directions are exact.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.lattice.orbits import PairOrbits
from physgen.models.configurations import ConfigurationModel
from physgen.models.decimated import Decimated, reduced
from physgen.models.flows.couplings import BOUND
from physgen.models.flows.gaussian import SpectralGaussian
from physgen.models.flows.independent import IndependentGaussian
from physgen.models.flows.splines import SiteSpline
from physgen.samplers.plain import first_configurations

__all__ = ["DiscreteFlow", "places"]

SITE_BINS = 8  # of flows for a target


class DiscreteFlow(ConfigurationModel):
    """A flow of finitely many layers on a lattice, or on its even sublattice.

    Parameters
    ----------
    lattice : Hypercubic
    even : bool
        Fields live on the even sublattice, in the order of ``lattice.split``.
    config : mapping
        Family and further arguments; those below are added.
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
        self,
        lattice: Hypercubic,
        even: bool,
        config: dict[str, Any],
        scale: float,
        odd: bool,
        point_group: bool,
        site_bins: int,
    ) -> None:
        super().__init__((lattice.n_even,) if even else lattice.shape)
        self._config = config | {
            "shape": list(lattice.shape),
            "boundary": lattice.boundary,
            "even": bool(even),
            "scale": check_positive("scale", scale),
            "odd": bool(odd),
            "point_group": bool(point_group),
            "site_bins": check_positive_int("site_bins", site_bins, 0),
        }
        if lattice.is_periodic:
            self.base = SpectralGaussian(PairOrbits(lattice, even, point_group), scale)
        elif point_group:
            raise InputError(
                "the point group needs a periodic lattice, got boundary "
                f"{lattice.boundary!r}; use point_group = False"
            )
        else:
            n = lattice.n_even if even else lattice.n_sites
            self.base = IndependentGaussian(n, scale)
        self.last = SiteSpline(site_bins, BOUND * scale, odd) if site_bins else None

    # --- what a family supplies -----------------------------------------------------------

    @abstractmethod
    def _through(self, x: torch.Tensor, inverse: bool) -> tuple[torch.Tensor, torch.Tensor]:
        """Return C(x) or its inverse, sites first (n, B), and its log determinant (B,) float64."""

    @staticmethod
    @abstractmethod
    def _halves(lattice: Hypercubic) -> bool:
        """Return whether there is such a flow on the even sublattice."""

    # --- the density ----------------------------------------------------------------------

    @classmethod
    def for_target(
        cls, target: Any, *, decimate: bool = True, rng: Stream | int = 0, **options: Any
    ) -> Any:
        """Return a flow for a target of real fields on a lattice.

        Parameters
        ----------
        target : Target
            With a Hypercubic ``lattice``.  The flow is odd where "z2" is in its ``symmetries``,
            and as wide as its hot configurations.
        decimate : bool
            Integrate the odd sublattice exactly, where the target can: a
            :class:`~physgen.models.decimated.Decimated` flow with half the sites.
        rng : Stream or int
        **options
            Other arguments of the class; ``site_bins`` is 8 by default.

        Raises
        ------
        InputError
            If the target is not one of real fields on a hypercubic lattice, or the lattice does
            not suit the flow.
        """
        lattice = getattr(target, "lattice", None)
        if target.support != REALS or not isinstance(lattice, Hypercubic):
            raise InputError(
                f"{cls.__name__} needs a target of real fields with a Hypercubic lattice, got "
                f"{target!r}; a target of your own is a class with `lattice` beside its action"
            )
        stream = as_stream(rng)
        declared = getattr(target, "symmetries", None) or ()
        spread = first_configurations(target, stream.child("scale"), 2048, "hot")
        known: dict[str, Any] = {
            "shape": lattice.shape,
            "boundary": lattice.boundary,
            "scale": float(spread.std()),
            "odd": "z2" in declared,
            "point_group": "point_group" in declared and lattice.is_periodic,
            "site_bins": SITE_BINS,
        }
        make: Any = cls
        if decimate and cls._halves(lattice) and (even := reduced(target)) is not None:
            return Decimated(make(**(known | {"even": True} | options), rng=stream), target, even)
        return make(**(known | options), rng=stream)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return dict(self._config)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64, differentiable in weights and x."""
        z, log_det = self.unmapped(x.flatten(1))
        return self.base.log_prob(z) + log_det

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n fields and their log q, both differentiable in the weights."""
        z, log_r, _ = self.base.draw(n, generator)
        x, log_det = self.mapped(z)
        return x, log_r - log_det

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


def places(lattice: Hypercubic, even: bool, groups: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where sites in the order of groups stand in a configuration, and the inverse."""
    sites = lattice.even_sites if even else np.arange(lattice.n_sites)
    order = np.searchsorted(sites, np.concatenate(groups))
    return torch.tensor(order), torch.tensor(np.argsort(order))
