r"""A joint model of the even sites; the odd sites are drawn exactly.

.. math:: q(\phi, z) = q(\phi_e, z) \, p(\phi_o | \phi_e) , \qquad r(z | \phi) = r(z | \phi_e) ,

so a pair has the weight of its even sites alone, :math:`e^{-S_{\rm even}} r / q(\phi_e, z)`; see
:mod:`physgen.models.decimated`.
"""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import to_numpy
from physgen.core.errors import InputError, NoDensityError
from physgen.core.protocols import Fingerprinted, Support
from physgen.core.random import Stream, as_stream
from physgen.samplers.plain import first_configurations
from physgen.targets.even import EvenTarget

__all__ = ["DecimatedJoint"]


@final
class DecimatedJoint(nn.Module):
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

    def __init__(self, even: Any, target: Any, even_target: EvenTarget | None = None) -> None:
        super().__init__()
        even_target = even_target or EvenTarget(target)
        if tuple(even.event_shape) != even_target.event_shape:
            raise InputError(
                f"the even sites of the target have shape {even_target.event_shape}, got a model "
                f"of shape {tuple(even.event_shape)}"
            )
        self.even, self.target, self._even_target = even, target, even_target

    def collapsed_for(self, target: Any) -> tuple[Any, EvenTarget] | None:
        """Return the model of the even sites and their target.

        Return None if `target` has another action than the one whose odd sites this model draws.
        """
        if target is not self.target:
            x = first_configurations(self.target, Stream(0), 16, "hot")
            if not np.allclose(target.action(x), self.target.action(x), rtol=1e-10, atol=1e-10):
                return None
        return self.even, self._even_target

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a density of x has, and say why."""
        if name in ("log_prob", "sample_and_log_prob"):
            raise NoDensityError.of_pairs(name, self)
        return super().__getattr__(name)

    def __deepcopy__(self, memo: dict[int, Any]) -> DecimatedJoint:
        # Training copies a model to average or try out weights; a target never changes.
        return DecimatedJoint(copy.deepcopy(self.even, memo), self.target, self._even_target)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration of the target."""
        return tuple(self.target.event_shape)

    @property
    def support(self) -> Support:
        """Support of the target."""
        return self.target.support

    @property
    def n_latent(self) -> int:
        """Number of latents."""
        return self.even.n_latent

    @property
    def config(self) -> dict[str, Any]:
        """Config of the model of even sites, the only learned part."""
        return self.even.config

    @property
    def fingerprint(self) -> str:
        """Digest of model and target."""
        parts = [p.fingerprint for p in (self.even, self.target) if isinstance(p, Fingerprinted)]
        return "-".join(parts)

    def rest(self, x: Any) -> Any:
        """Return the even sites of configurations."""
        return self.target.lattice.split(x)[0]

    def complete(self, x_even: Any, rng: Stream | int) -> Any:
        """Return configurations with the given even sites and odd ones drawn exactly."""
        return self.target.lattice.merge(x_even, self.target.draw_odd(x_even, rng))

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
