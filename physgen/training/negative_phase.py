r"""Moves of the chains of the negative phase: k steps that leave :math:`e^{-S/T}` invariant.

==========  ======================================================================================
own         what the model knows (:class:`~physgen.core.learning.Moving`): block Gibbs sweeps
hmc         real fields: k trajectories of n leapfrog steps, with the momenta

            .. math:: z \leftarrow z - \tfrac\epsilon2 A \nabla S(x), \quad
                      x \leftarrow x + \epsilon A z, \quad
                      z \leftarrow z - \tfrac\epsilon2 A \nabla S(x), \qquad z \sim N(0, 1) ,

            accepted with probability :math:`\min(1, e^{H - H'})`,
            :math:`H = S + \tfrac12 |z|^2`.  :math:`A^2` is the power spectrum of the data on a
            periodic lattice, else the variance at each site: slow modes move as fast as others
heat-bath   other spins and outcomes: k sweeps, each site drawn from its conditional law, for
            V (K - 1) energies a sweep
==========  ======================================================================================

A proposal whose H' is not a finite number is rejected and counted.  The step size follows the
acceptance from update to update and is constant within one,

.. math:: \log\epsilon \leftarrow \log\epsilon + 0.3 \, (\bar\alpha - 0.8) .
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import torch

from physgen.core.energies import Moving
from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.training.conditionals import images
from physgen.training.from_data import EnergyFunction

__all__ = ["FIRST_STEP", "WANTED", "Moved", "Spectrum", "heat_bath", "hmc", "moved"]

WANTED, GAIN, FIRST_STEP = 0.8, 0.3, 0.3
JITTER = 0.2  # relative range of the step size: no trajectory closes on itself for ever
FLOOR = 1e-4  # least power of a mode, relative to their mean


class Moved(NamedTuple):
    """Chains after their moves.

    Attributes
    ----------
    x : tensor (B, *event_shape)
    acceptance : float
        Mean acceptance probability; 1 where nothing is proposed.
    broken : int
        Proposals that were not finite.
    log_step : float
        Logarithm of the step size of the next update.
    """

    x: torch.Tensor
    acceptance: float
    broken: int
    log_step: float


@final
@dataclass(frozen=True, eq=False)
class Spectrum:
    """The matrix A of the trajectories: diagonal in momenta, or at the sites.

    Attributes
    ----------
    amplitude : tensor
        Of the modes of `torch.fft.rfftn`, or of the sites.
    periodic : bool
    """

    amplitude: torch.Tensor
    periodic: bool

    @classmethod
    def of(cls, x: torch.Tensor, lattice: Hypercubic | None, *, even: bool) -> Spectrum:
        """Return the spectrum of configurations (n, *event_shape), about 0 if they are even."""
        x = x.double()
        x = x if even else x - x.mean(0)
        if lattice is None or not lattice.is_periodic:
            power = x.square().mean(0)
        else:
            dims = tuple(range(1, x.ndim))
            power = torch.fft.rfftn(x, dim=dims, norm="ortho").abs().square().mean(0)
        mean = float(power.mean()) or 1.0
        periodic = lattice is not None and lattice.is_periodic
        return cls(power.clamp_min(FLOOR * mean).sqrt(), periodic)

    def apply(self, z: torch.Tensor) -> torch.Tensor:
        """Return A z."""
        amplitude = self.amplitude.to(z.device, z.dtype)
        if not self.periodic:
            return amplitude * z
        dims = tuple(range(1, z.ndim))
        return torch.fft.irfftn(torch.fft.rfftn(z, dim=dims) * amplitude, s=z.shape[1:], dim=dims)


def moved(
    model: Any,
    energy: EnergyFunction,
    x: torch.Tensor,
    k: int,
    rng: Stream,
    *,
    log_step: float,
    spectrum: Spectrum | None,
    n_leapfrog: int,
) -> Moved:
    """Return x after k steps, by what the model knows or its support allows; no gradients.

    Parameters
    ----------
    model : module
    energy : callable(x) -> S / T
    x : tensor (B, *event_shape)
        As `forward` takes it.
    k : int
    rng : Stream
    log_step : float
        Logarithm of the step size.
    spectrum : Spectrum or None
        For real fields.
    n_leapfrog : int
    """
    with torch.no_grad():
        if isinstance(model, Moving):
            return Moved(model.moved(x, k, rng), 1.0, 0, log_step)
        if spectrum is None:
            return Moved(heat_bath(energy, x, model.support, k, rng), 1.0, 0, log_step)
    y, acceptance, broken = hmc(energy, x, k, rng, np.exp(log_step), spectrum, n_leapfrog)
    return Moved(y, acceptance, broken, log_step + GAIN * (acceptance - WANTED))


def hmc(
    energy: EnergyFunction,
    x: torch.Tensor,
    k: int,
    rng: Stream,
    step: float,
    spectrum: Spectrum,
    n_leapfrog: int,
) -> tuple[torch.Tensor, float, int]:
    """Return x after k trajectories, the mean acceptance probability, and broken proposals."""
    generator, wide = rng.torch(x.device), (-1, *[1] * (x.ndim - 1))
    like: Mapping[str, Any] = {"generator": generator, "device": x.device}
    x, (S, g) = x.detach(), _with_slope(energy, x)
    accepted, broken = 0.0, 0
    for _ in range(k):
        eps = step * (1 + JITTER * (2 * float(torch.rand((), **like)) - 1))
        z = torch.randn(x.shape, dtype=x.dtype, **like)
        H = S + 0.5 * z.double().square().flatten(1).sum(1)
        y, slope, S_new = x, g, S
        for _ in range(n_leapfrog):
            z = z - 0.5 * eps * spectrum.apply(slope)
            y = y + eps * spectrum.apply(z)
            S_new, slope = _with_slope(energy, y)
            z = z - 0.5 * eps * spectrum.apply(slope)
        H_new = S_new + 0.5 * z.double().square().flatten(1).sum(1)
        finite = torch.isfinite(H_new) & torch.isfinite(slope).flatten(1).all(1)
        p = torch.where(finite, (H - H_new).clamp(max=0).exp().nan_to_num(0.0), 0.0)
        ok = torch.rand(len(x), dtype=torch.float64, **like) < p
        x = torch.where(ok.view(wide), y, x)
        S, g = torch.where(ok, S_new, S), torch.where(ok.view(wide), slope, g)
        accepted, broken = accepted + float(p.mean()), broken + int((~finite).sum())
    return x, accepted / k, broken


def heat_bath(
    energy: EnergyFunction, x: torch.Tensor, support: Support, k: int, rng: Stream
) -> torch.Tensor:
    """Return spins or outcomes after k sweeps over the sites in their order."""
    if support.kind == "reals":
        raise InputError("a heat bath by energies needs spins or outcomes, got reals; use hmc")
    generator, S = rng.torch(x.device), energy(x)
    for _ in range(k):
        for i in range(x[0].numel()):
            others = images(x, torch.full((len(x),), i, device=x.device), support)
            values = torch.cat([x[None], others])
            actions = torch.cat([S[None], energy(others.flatten(0, 1)).view(len(others), -1)])
            p = torch.softmax(-actions, 0).cumsum(0)
            u = torch.rand(len(x), dtype=p.dtype, generator=generator, device=x.device)
            chosen = (u > p).sum(0).clamp_max(len(values) - 1)
            rows = torch.arange(len(x), device=x.device)
            x, S = values[chosen, rows], actions[chosen, rows]
    return x


def _with_slope(energy: EnergyFunction, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    with torch.enable_grad():
        at = x.detach().requires_grad_(True)
        S = energy(at)
        (g,) = torch.autograd.grad(S.sum(), at)
    return S.detach(), g
