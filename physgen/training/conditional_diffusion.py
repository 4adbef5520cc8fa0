r"""Training of a conditional score model: the force of clean fields, where noise hides a part.

The regression of :mod:`physgen.training.denoising_diffusion` on the hidden numbers of a
:class:`~physgen.models.diffusion.conditional.ConditionalScore`: with :math:`r = U^T (h - K v)`,
variances c and noise :math:`\lambda z` on r alone,

.. math:: N \leftarrow \kappa \big( U^T P_h \partial S(\phi) - c^{-1} r \big)
          + (1 - \kappa) \big( z / \lambda - c^{-1} r \big) , \qquad
          \kappa = \frac{1}{1 + v \gamma \lambda^2} ,

v the variance of the force that is left.  Before the first step the output filters are solved for
in closed form, with the force :math:`\partial S - \Sigma^{-1} \phi` of all sites for the goal: its
hidden part is what the network has to give, and without the projection every star of momenta is a
problem of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.models.diffusion.conditional import ConditionalScore
from physgen.models.diffusion.score import DELTA
from physgen.training.denoising_diffusion import Regression
from physgen.training.noised_data import NoisedData
from physgen.training.output_filters import solve_out
from physgen.training.problem import device_of

__all__ = ["ConditionalDiffusion"]

SOLVED, BATCH = 4096, 256  # noised items of the closed form, and at once


class ConditionalDiffusion:
    """Regression of the score of hidden numbers, given known ones.

    Parameters
    ----------
    source : Target
        With a force.
    samples : array (n, *event_shape)
        Whole configurations, from converged chains.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains.

    Raises
    ------
    InputError
        If the target has no force, or the configurations do not suit it.
    """

    loss_name, label, item, unit = "score_loss", "score matching", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(self, source: Any, samples: Any, validation_fraction: float = 0.1) -> None:
        self.data = NoisedData(source, samples, validation_fraction)
        if not self.data.has_force:
            raise InputError(
                f"a conditional score is learned from the force of a target, got {source!r}, "
                "which has none; its weights need the action anyway"
            )
        held = self.data.samples
        self.n_train, self.n_validation = held.n_train, held.n_validation
        self.n_sites = self.data.n_sites

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self.data.samples.epoch_order(stream)

    @torch.no_grad()
    def prepare(self, model: Any) -> None:
        """Set the spectrum to that of the training items, and solve for the output filters."""
        q = self._conditional(model)
        data, device = self.data.part(model), device_of(model)
        q.standardise(data.x.reshape(-1, *q.partition.shape))
        generator = Stream(0).child("prepare").torch()
        size, spectrum = q.units[0], q.spectrum / q.units[0] ** 2

        def batches() -> Iterator[Regression]:
            for _ in range(math.ceil(SOLVED / BATCH)):
                rows = torch.randint(len(data.x), (BATCH,), generator=generator)
                assert data.force is not None
                x, force = data.x[rows].to(device), data.force[rows].to(device)
                share = (torch.randperm(BATCH, generator=generator) + 0.5) / BATCH
                z = torch.randn(BATCH, len(q.c), generator=generator)
                seen, weights, level, *_ = self._noised(q, x, share.to(device), z.to(device))
                clean = ((x - q.centre) @ q.modes) / size
                goal = -size * (force @ q.modes) - clean / spectrum
                yield Regression(seen, weights, level.expand_as(seen), level * goal)

        solve_out(q.network, batches())

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean weighted error of the items, at one noise level each."""
        del carry
        q, device = self._conditional(model), device_of(model)
        x, force = self.data.batch(model, index, rng, device)
        assert force is not None
        generator = rng.child("noise").torch()
        place = torch.randperm(len(x), generator=generator)
        share = (place + torch.rand(len(x), generator=generator)) / len(x)
        z = torch.randn(len(x), len(q.c), generator=generator)
        return Loss(self.errors(q, x, force, share.to(device), z.to(device)).mean())

    def errors(
        self,
        q: ConditionalScore,
        x: torch.Tensor,
        force: torch.Tensor,
        share: torch.Tensor,
        z: torch.Tensor,
    ) -> torch.Tensor:
        """Return the weighted squared error of every item, (B,), in nats.

        Parameters
        ----------
        q : ConditionalScore
        x, force : tensor (B, sites)
            Clean fields, and their forces.
        share : tensor (B,)
            Places of the noise levels in the range of tau, in [0, 1].
        z : tensor (B, n_hidden)
            Normal deviates of hidden numbers.
        """
        seen, weights, level, lam2, r = self._noised(q, x, share, z)
        c, size = q.c, q.units[0]
        gamma, lam = c / (c + lam2), lam2.sqrt()
        v = (self._force_power(q) * size**2 - 1 / c).clamp(min=0)
        kappa = 1 / (1 + v * gamma * lam2)
        scale = level * gamma
        pull = -size * (force.to(q.dtype) @ q.basis)
        goal = scale * (kappa * (pull + v * gamma * lam * z) - r / c)
        found = (q.network(seen, weights) @ q.modes.t()) @ q.basis
        return (scale * found - goal).square().sum(1)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the error of every held-out item per site, at fixed noise, (n_validation,)."""
        q, device = self._conditional(model), device_of(model)
        x, force = self.data.part(model, held_out=True)
        assert force is not None
        generator = Stream(0).child("held out").torch()
        share = (torch.randperm(len(x), generator=generator) + 0.5) / len(x)
        z, found = torch.randn(len(x), len(q.c), generator=generator), []
        with torch.no_grad():
            for rows in torch.arange(len(x)).split(BATCH):
                on = (t[rows].to(device) for t in (x, force, share, z))
                found.append(self.errors(q, *on))
        return torch.cat(found).double().cpu().numpy() / self.n_sites

    def _noised(
        self, q: ConditionalScore, x: torch.Tensor, share: torch.Tensor, z: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Return what the network sees, its weights in time, the level of the loss, and r.

        Shapes (B, n), (B, times), (B, 1), lambda^2 (B, 1) and (B, n_hidden).
        """
        low, high = q.range
        x, z, size = x.to(q.dtype), z.to(q.dtype), q.units[0]
        known = torch.as_tensor(q.partition.known).to(x)
        mean = q._mean(x @ known.t())
        tau = low + (high - low) * share.double()
        lam2 = (torch.exp(2 * tau) - DELTA**2).clamp(min=0)[:, None]
        level = ((1 + 1 / (lam2 + DELTA**2)).sqrt() * (lam2 + DELTA**2) * (high - low)).sqrt()
        lam2 = lam2.to(q.dtype)
        gamma = q.c / (q.c + lam2)
        r = ((x - mean) @ q.basis) / size
        estimate = (mean - q.centre) / size + (gamma * (r + lam2.sqrt() * z)) @ q.basis.t()
        return estimate @ q.modes, q.weights(tau.to(q.dtype)), level.to(q.dtype), lam2, r

    def _force_power(self, q: ConditionalScore) -> torch.Tensor:
        """Return the mean square of the force in the directions U, (n_hidden,)."""
        E, W = q.modes.double().cpu(), q.basis.double().cpu()
        # The force has the symmetries of the spectrum, so its power is one number a mode.
        power = self.data.force_power(E)
        return ((E.t() @ W) ** 2).t().mv(power).to(q.c)

    def _conditional(self, model: Any) -> ConditionalScore:
        if not isinstance(model, ConditionalScore):
            raise InputError(
                f"conditional diffusion trains a ConditionalScore, got {type(model).__name__}; "
                "for a ScoreModel take DenoisingDiffusion"
            )
        return model
