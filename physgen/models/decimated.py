r"""A model of the even sites; the odd sites are drawn exactly.

Where a target can integrate out its odd sublattice (:mod:`physgen.targets.phi4_decimation`), a
density q_e of the even sites gives a density of all sites,

.. math:: q(\phi) = q_e(\phi_e) \, p(\phi_o | \phi_e), \qquad
          \log p(\phi_o | \phi_e) = S_{\rm even}(\phi_e) - S(\phi) ,

with the weights of the even sites alone, :math:`-S - \log q = -S_{\rm even} - \log q_e`.
"""

from __future__ import annotations

import copy
from typing import Any, final

import numpy as np
import torch
from array_api_compat import array_namespace
from torch import nn

from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.learning import Refinable
from physgen.core.protocols import Decimable, Fingerprinted, Support
from physgen.core.random import Stream, as_stream
from physgen.models.latent.decimated import DecimatedJoint
from physgen.models.path import Path
from physgen.samplers.plain import first_configurations
from physgen.targets.even import EvenTarget

__all__ = ["Decimated", "learned", "reduced"]


def reduced(target: Any) -> EvenTarget | None:
    """Return the target with odd sites integrated out; None if this is not possible."""
    lattice = declared(target).lattice
    able = isinstance(target, Decimable) and lattice is not None and lattice.is_bipartite
    return EvenTarget(target) if able else None


def learned(model: Any) -> Any:
    """Return the part of a model that is trained and stored.

    This is the model of the even sites of a :class:`Decimated` or joint model, else all of it.
    """
    return model.even if isinstance(model, Decimated | DecimatedJoint) else model


@final
class Decimated(nn.Module):
    """A density of all sites from a density of the even sites.

    Parameters
    ----------
    even : Density
        Of the even sites, in the order of ``lattice.split``.
    target : Target
        One that can integrate out its odd sublattice.
    """

    def __init__(self, even: Any, target: Any, even_target: EvenTarget | None = None) -> None:
        super().__init__()
        even_target = even_target or reduced(target)
        if even_target is None:
            raise InputError(
                f"a decimated model needs a target that integrates its odd sublattice, got "
                f"{target!r}"
            )
        if tuple(even.event_shape) != even_target.event_shape:
            raise InputError(
                f"the even sites of the target have shape {even_target.event_shape}, got a "
                f"density of shape {tuple(even.event_shape)}"
            )
        self.even, self.target, self._even_target = even, target, even_target

    def collapsed_for(self, target: Any) -> tuple[Any, EvenTarget] | None:
        """Return the density of the even sites and their target: training needs no more.

        Return None if `target` has another action than the one whose odd sites this model draws.
        """
        if target is not self.target:
            x = first_configurations(self.target, Stream(0), 16, "hot")
            if not np.allclose(target.action(x), self.target.action(x), rtol=1e-10, atol=1e-10):
                return None
        return self.even, self._even_target

    def __deepcopy__(self, memo: dict[int, Any]) -> Decimated:
        # Training copies a model to average or try out weights; a target never changes.
        return Decimated(copy.deepcopy(self.even, memo), self.target, self._even_target)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration of the target."""
        return tuple(self.target.event_shape)

    @property
    def support(self) -> Support:
        """Support of the target."""
        return self.target.support

    @property
    def config(self) -> dict[str, Any]:
        """Config of the density of even sites, the only learned part."""
        return self.even.config

    def log_prob(self, x: Any) -> Any:
        """Return log q (...) float64 of configurations (..., *event_shape)."""
        x_even = self.rest(x)
        rest = self.target.action_even(x_even) - self.target.action(x)
        return self.even.log_prob(x_even) + rest

    def force(self, x: Any) -> Any:
        """Return d log q / dx (..., *event_shape) of real fields."""
        x_even = self.rest(x)
        xp = array_namespace(x_even)
        more = self.even.force(x_even) - self.target.force_even(x_even)
        odd = xp.zeros_like(self.target.lattice.split(x)[1])
        return self.target.force(x) + self.target.lattice.merge(more, odd)

    def refined(self) -> Decimated | None:
        """Return the same model with twice the steps, or None if nothing in it takes steps."""
        finer = self.even.refined() if isinstance(self.even, Refinable) else None
        return None if finer is None else Decimated(finer, self.target, self._even_target)

    @property
    def fingerprint(self) -> str:
        """Digest of the weights, and of the target if it has one."""
        parts = [p.fingerprint for p in (self.even, self.target) if isinstance(p, Fingerprinted)]
        return "-".join(parts)

    def rest(self, x: Any) -> Any:
        """Return the even sites of configurations."""
        return self.target.lattice.split(x)[0]

    def complete(self, x_even: Any, rng: Stream | int) -> Any:
        """Return configurations with the given even sites and odd ones drawn exactly."""
        x_odd = self.target.draw_odd(x_even, rng)
        return self.target.lattice.merge(x_even, x_odd)

    def path(self, n: int, rng: Stream | int) -> Path:
        """Return n fields on their way from noise; odd sites are drawn in the end.

        Before, they are shown as those final fields under noise of the same size, which they would
        be if all sites were noised.
        """
        stream = as_stream(rng)
        of_even: Path = self.even.path(n, stream.child("even"))
        last = torch.as_tensor(self.complete(of_even.fields[-1], stream.child("odd")))
        odd = self.target.lattice.split(last)[1]
        z = torch.randn(odd.shape, generator=stream.child("noise").torch()).to(odd)
        rows = zip(of_even.fields, of_even.signal, of_even.noise, strict=True)
        merge = self.target.lattice.merge
        fields = torch.stack([merge(even, s * odd + r * z) for even, s, r in rows])
        return of_even._replace(fields=fields)

    def sample(self, n: int, rng: Stream | int) -> Any:
        """Return n draws (n, *event_shape)."""
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[Any, Any]:
        """Return n draws and their log q."""
        stream = as_stream(rng)
        x_even, log_q = self.even.sample_and_log_prob(n, stream.child("even"))
        x = self.complete(x_even, stream.child("odd"))
        # The exact conditional, from the very fields that were drawn.
        rest = self.target.action_even(x_even) - self.target.action(x)
        return x, log_q + torch.as_tensor(rest)
