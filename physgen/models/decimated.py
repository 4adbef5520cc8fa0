r"""A model of the even sites; the odd sites are drawn exactly.

Where a target can integrate out its odd sublattice (:mod:`physgen.targets.phi4_decimation`), a
density q_e of the even sites gives a density of all sites,

.. math:: q(\phi) = q_e(\phi_e) \, p(\phi_o | \phi_e), \qquad
          \log p(\phi_o | \phi_e) = S_{\rm even}(\phi_e) - S(\phi) ,

with the weights of the even sites alone, :math:`-S - \log q = -S_{\rm even} - \log q_e`.
"""

from __future__ import annotations

from typing import Any, final

import torch
from array_api_compat import array_namespace

from physgen.core.learning import Refinable
from physgen.core.random import Stream, as_stream
from physgen.models.odd_completed import OddCompleted
from physgen.models.path import Path

__all__ = ["Decimated", "learned"]


def learned(model: Any) -> Any:
    """Return the part of a model that is trained and stored.

    This is the model of the even sites of a :class:`Decimated` or joint model, else all of it.

    Parameters
    ----------
    model : model of physgen.models
        With or without a wrapper.
    """
    return model.even if isinstance(model, OddCompleted) else model


@final
class Decimated(OddCompleted):
    """A density of all sites from a density of the even sites.

    Parameters
    ----------
    even : Density
        Of the even sites, in the order of ``lattice.split``.
    target : Target
        One that can integrate out its odd sublattice.
    even_target : EvenTarget, optional
        What the even sites are weighed with, if it is known already.
    """

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

    def diffuse(
        self, n: int, rng: Stream | int, *how: Any, configurations: Any = None, **more: Any
    ) -> torch.Tensor:
        """Return n draws of a score model by a sampler of its process; odd sites are exact.

        `how` and `more` are those of :meth:`physgen.models.ScoreModel.diffuse`, and
        `configurations` of all sites.
        """
        stream = as_stream(rng)
        if configurations is not None:
            more["configurations"] = self.rest(configurations)
        x_even = self.even.diffuse(n, stream.child("even"), *how, **more)
        return torch.as_tensor(self.complete(x_even, stream.child("odd")))

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
