r"""A joint model of the even sites; the odd sites are drawn exactly.

.. math:: q(\phi, z) = q(\phi_e, z) \, p(\phi_o | \phi_e) , \qquad r(z | \phi) = r(z | \phi_e) ,

so a pair has the weight of its even sites alone, :math:`e^{-S_{\rm even}} r / q(\phi_e, z)`; see
:mod:`physgen.models.decimated`.
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.errors import NoDensityError
from physgen.core.random import Stream, as_stream
from physgen.models.odd_completed import OddCompleted

__all__ = ["DecimatedJoint"]


@final
class DecimatedJoint(OddCompleted):
    """A joint density of all sites and latents from one of the even sites; a JointDensity.

    Parameters
    ----------
    even : JointModel
        Of the even sites, in the order of ``lattice.split``.
    target : Target
        One that can integrate out its odd sublattice.
    even_target : EvenTarget, optional
        Its even sites.
    """

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a density of x has, and say why."""
        if name in ("log_prob", "sample_and_log_prob"):
            raise NoDensityError.of_pairs(name, self)
        return super().__getattr__(name)

    @property
    def n_latent(self) -> int:
        """Number of latents."""
        return self.even.n_latent

    def sample(self, n: int, rng: Stream | int) -> tuple[Any, torch.Tensor]:
        """Return n draws of x (n, *event_shape) and of z (n, n_latent)."""
        stream = as_stream(rng)
        x_even, z = self.even.sample(n, stream.child("even"))
        return self.complete(x_even, stream.child("odd")), z

    def joint_log_prob(self, x: Any, z: Any) -> Any:
        """Return log q(x, z) of whole configurations."""
        x_even = self.rest(x)
        rest = self.target.action_even(x_even) - self.target.action(x)
        return self.even.joint_log_prob(x_even, z) + rest

    def posterior_log_prob(self, x: Any, z: Any) -> Any:
        """Return log r(z | x) of whole configurations."""
        return self.even.posterior_log_prob(self.rest(x), z)

    def posterior_sample(self, x: Any, rng: Stream | int) -> torch.Tensor:
        """Return one z ~ r(z | x) for every whole configuration."""
        return self.even.posterior_sample(self.rest(x), rng)

    def log_prob_bound(self, x: Any, k: int, rng: Stream | int) -> np.ndarray:
        """Return lower bounds (on average) of log q(x) of whole configurations, (n,)."""
        x_even = self.rest(x)
        rest = to_numpy(self.target.action_even(x_even)) - to_numpy(self.target.action(x))
        return self.even.log_prob_bound(x_even, k, rng) + rest

    def latents(self, x: Any) -> np.ndarray:
        """Return the means of z given whole configurations by the encoder."""
        return self.even.latents(self.rest(x))
