r"""Flow matching: the velocity of a continuous flow by regression, without solving it.

A pair of a base draw z and a configuration x is joined by the straight line of conditional optimal
transport,

.. math:: \phi_t = (1 - t) \, z + t \, x , \qquad
          \mathcal L = E \, | v(\phi_t, t) - (x - z) |^2 / C , \qquad
          v^* = E[\, x - z \,|\, \phi_t \,] ,

and the flow of :math:`v^*` carries the base to the law of x (Lipman et al. 2023; Liu et al. 2023;
Albergo, Vanden-Eijnden 2023).  The base is the one of the model, a Gaussian with the spectrum of
the configurations, which is measured before the first step and then kept: a regression would
shrink it.  C is the variance of a site.  Times are spread evenly over a batch, in 16 groups of one
time, because a velocity has one set of kernels a time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.models.flows.continuous import EquivariantCNF
from physgen.models.flows.gaussian import SpectralGaussian
from physgen.training.noised_data import NoisedData
from physgen.training.problem import device_of
from physgen.training.thermalised import check_thermalised

__all__ = ["FlowMatching"]

GROUPS = 16


class FlowMatching:
    """Regression of the velocity of an :class:`~physgen.EquivariantCNF`.

    Parameters
    ----------
    source : Target or Configurations
    samples : array (n, *event_shape), optional
        Configurations of a target, from converged chains; left out with Configurations.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains.
    thermalised : {"refuse", "warn", "ignore"}
        What to do about configurations that fail the tests of
        :mod:`physgen.training.thermalised`.

    Raises
    ------
    InputError
        If the configurations are spins or have not thermalised, or their shape is wrong.
    """

    loss_name, label, item, unit = "velocity_loss", "flow matching", "configurations", "1"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        source: Any,
        samples: Any = None,
        validation_fraction: float = 0.1,
        *,
        thermalised: str = "refuse",
    ) -> None:
        self.data = NoisedData(source, samples, validation_fraction)
        check_thermalised(source, samples, thermalised)
        held = self.data.samples
        self.n_train, self.n_validation = held.n_train, held.n_validation
        self.n_sites = self.data.n_sites

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self.data.samples.epoch_order(stream)

    @torch.no_grad()
    def prepare(self, model: Any) -> None:
        """Set the spectrum of the base of a fresh flow to that of the training items."""
        base, x = self._flow(model).base, self.data.part(model).x.double()
        power = ((x @ base.modes.double().cpu()) ** 2).mean(0).log()
        chi = base.characters.double().cpu()
        # Logarithms of the spectrum are a sum over orbits: the nearest one, in squares.
        b = torch.linalg.lstsq(chi.t(), power[:, None]).solution[:, 0]
        base.log_spectrum_orbits.copy_(b)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean error of the items, at one time each."""
        del carry
        flow, device = self._flow(model), device_of(model)
        x = self.data.batch(model, index, rng, device).x.to(flow.dtype)
        generator = rng.child("noise").torch(device)
        t = _even_times(len(x), torch.rand(GROUPS, generator=generator, device=device))
        with torch.no_grad():
            z = flow.base.draw(len(x), generator)[0]
        return Loss(self.errors(flow, x, z, t).mean())

    def errors(
        self, flow: EquivariantCNF, x: torch.Tensor, z: torch.Tensor, t: torch.Tensor
    ) -> torch.Tensor:
        """Return the squared error of every item, (B,), in units of the variance of a site.

        Parameters
        ----------
        flow : EquivariantCNF
        x, z : tensor (B, sites)
            Configurations, and draws of the base.
        t : tensor (G,)
            Times of G groups of neighbouring items, in [0, 1].
        """
        groups = [len(part) for part in torch.arange(len(x)).tensor_split(len(t))]
        line = torch.repeat_interleave(t, torch.tensor(groups, device=t.device))[:, None]
        phi, wanted = (1 - line) * z + line * x, x - z
        parts = [
            flow.velocity(rows.t(), at)[0].t()
            for rows, at in zip(phi.split(groups), flow.velocity.kernels(t), strict=True)
            if len(rows)
        ]
        variance = flow.base.log_spectrum.exp().mean().detach()
        return (torch.cat(parts) - wanted).square().sum(1) / variance

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the error of every held-out item per site, at fixed times, (n_validation,)."""
        flow, device = self._flow(model), device_of(model)
        x = self.data.part(model, held_out=True).x.to(device, flow.dtype)
        generator = Stream(0).child("held out").torch(device)
        with torch.no_grad():
            z = flow.base.draw(len(x), generator)[0]
            # Neighbours in a chain are alike: every time meets all of it.
            order = torch.randperm(len(x), generator=generator, device=device)
            half = torch.full((GROUPS,), 0.5, device=device, dtype=flow.dtype)
            found = torch.empty(len(x), dtype=torch.float64)
            off = self.errors(flow, x[order], z, _even_times(len(x), half))
            found[order.cpu()] = off.double().cpu()
        return found.numpy() / self.n_sites

    def _flow(self, model: Any) -> EquivariantCNF:
        flow = self.data.learned(model)
        if not isinstance(flow, EquivariantCNF):
            raise InputError(
                f"flow matching trains the velocity of an EquivariantCNF, got "
                f"{type(flow).__name__}; for a ScoreModel take DenoisingDiffusion, and for other "
                "densities ForwardKL"
            )
        if not isinstance(flow.base, SpectralGaussian):
            raise InputError(
                f"the straight line of flow matching begins at the base of the flow, a Gaussian "
                f"with a spectrum, got {type(flow.base).__name__}; its draws would be the wrong "
                "law at t = 0"
            )
        return flow


def _even_times(n: int, share: torch.Tensor) -> torch.Tensor:
    """Return times of at most n groups, one in each equal part of [0, 1]."""
    groups = min(n, len(share))
    return (torch.arange(groups, device=share.device) + share[:groups]) / groups
