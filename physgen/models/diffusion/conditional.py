r"""A score model of the hidden part of a field, given the known part.

Noise is added to the hidden numbers h of :class:`~physgen.lattice.partition.Partition` alone.
With the spectrum of the whole field, :math:`\Sigma = E C E^T`, a Gaussian field has

.. math:: E[h | v] = K v , \quad K = \Sigma_{hv} \Sigma_{vv}^{-1} , \qquad
          R = \Sigma_{hh} - K \Sigma_{vh} = U c U^T ,

and in :math:`r = U^T (h - K v)` all is as in :mod:`physgen.models.diffusion.score`, with c for
the spectrum: :math:`D = c + \lambda^2`, :math:`\gamma = c / D`, and

.. math:: s = -\frac{r}{D} - \gamma N , \qquad
          N \approx E[\, U^T P_h (\partial S(\phi) - \Sigma^{-1} \phi) \,|\, v, h_t \,] ,

because :math:`P_h \Sigma^{-1} \phi = U c^{-1} r`.  The force in the bracket is that of the clean
whole field.  It has the symmetries of the lattice, and so has the network that learns it: it sees
the Wiener estimate of the whole field, :math:`P_v^T v + P_h^T (K v + U \gamma r_t)`, by the
filters of :mod:`physgen.models.diffusion.network`, and its output is projected.  The divergence in
h stays in closed form, :math:`\sum_x \kappa_x \tanh'(u_x)` with one kappa a hidden unit.

Any density of v times this one is a density of the whole field
(:class:`~physgen.models.diffusion.composed.Composed`); with v fixed it is one of h
(:meth:`ConditionalScore.given`), to be weighed against :class:`~physgen.targets.given.Given`.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like, to_numpy
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.partition import Partition
from physgen.models.configurations import as_tensor, normal, normal_log_prob
from physgen.models.diffusion.given_density import BLOCK, GivenDensity
from physgen.models.diffusion.network import Kernels, Remainder, applied
from physgen.models.diffusion.score import DELTA, REACH, ScoreModel
from physgen.models.diffusion.spectrum import measured
from physgen.models.runge_kutta import NODES, State, step

__all__ = ["ConditionalScore"]


@final
class ConditionalScore(nn.Module):
    """A density of the hidden part of a field for every known part.

    Parameters
    ----------
    prior : mapping
        Arguments of a :class:`~physgen.models.ScoreModel` of the whole lattice, whose spectrum,
        symmetries, network and number of steps are used, ``{"shape": ..., ...}``.
    partition : Partition
        Of the same lattice.
    rng : Stream or int

    Raises
    ------
    InputError
        If the shapes differ, or an argument is out of range.
    """

    modes: torch.Tensor
    spectrum: torch.Tensor
    centre: torch.Tensor
    gain: torch.Tensor
    basis: torch.Tensor
    c: torch.Tensor

    def __init__(
        self, prior: Mapping[str, Any], partition: Partition, *, rng: Stream | int
    ) -> None:
        super().__init__()
        # Kernels of hidden numbers are dense: half the units of a whole field suffice for a part.
        options: dict[str, Any] = {"channels": 8, "n_steps": 4, **prior}
        options.pop("family", None)
        whole = ScoreModel(**options, rng=rng)
        if whole.halved or whole.shape != partition.shape:
            raise InputError(
                f"the partition must be one of the whole lattice {whole.shape}, got "
                f"{partition.shape}{', and halved = true' * whole.halved}"
            )
        self.partition, self.n_steps, self.odd = partition, whole.n_steps, whole.odd
        self.network: Remainder = whole.network
        self._prior, self._whole = whole.config, [whole]  # in a list: no part of this module
        n, hidden = whole.geometry.n, partition.n_hidden
        self.register_buffer("modes", whole.modes, persistent=False)
        self.register_buffer("spectrum", whole.spectrum.clone())
        self.register_buffer("centre", torch.zeros(()))
        self.register_buffer("gain", torch.zeros(n, partition.n_known))
        self.register_buffer("basis", torch.zeros(n, hidden))
        self.register_buffer("c", torch.ones(hidden))
        self._condition(np.full(n, whole.scale**2), 0.0)

    @classmethod
    def for_target(
        cls, target: Any, partition: Partition, *, rng: Stream | int = 0, **options: Any
    ) -> ConditionalScore:
        """Return a fresh model with the lattice and the symmetries of a target.

        Parameters
        ----------
        target : Target or Configurations
            Of a real field with translations.
        partition : Partition
        rng : Stream or int
        **options
            Arguments of the score model: channels, times, n_steps.

        Raises
        ------
        InputError
            If the target does not suit a score model, or the partition is of another lattice.
        """
        known = ScoreModel.arguments_for(target, None, options, as_stream(rng))
        return cls(known | options, partition, rng=rng)

    @property
    def config(self) -> dict[str, Any]:
        """Config of the score model of the whole lattice; its recipe trains this one."""
        return {"prior": self._prior}

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and of fields that are drawn."""
        return self.gain.dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.gain.device

    @torch.no_grad()
    def standardise(self, x: Any) -> None:
        """Set the spectrum to that of whole configurations (n, *shape); training calls it.

        Raises
        ------
        InputError
            If a mode does not vary.
        """
        spectrum, centre = measured(x, self._whole[0]._filters, odd=self.odd)
        self._condition(spectrum, centre)

    @torch.no_grad()
    def _condition(self, spectrum: np.ndarray, centre: float) -> None:
        """Set the Gaussian of h given v: P_v^T + P_h^T K, P_h^T U and c, in units of the field."""
        E, size2 = to_numpy(self.modes.double()), float(spectrum.mean())
        sigma = (E * (spectrum / size2)) @ E.T
        Pv, Ph = self.partition.known, self.partition.hidden
        K = np.linalg.solve(Pv @ sigma @ Pv.T, Pv @ sigma @ Ph.T).T
        R = Ph @ sigma @ Ph.T - K @ (Pv @ sigma @ Ph.T)
        c, U = np.linalg.eigh(0.5 * (R + R.T))
        self.spectrum.copy_(torch.as_tensor(spectrum))
        self.centre.fill_(centre)
        self.gain.copy_(torch.as_tensor(Pv.T + Ph.T @ K))
        self.basis.copy_(torch.as_tensor(Ph.T @ U))
        self.c.copy_(torch.as_tensor(c))

    # --- densities --------------------------------------------------------------------------

    def given(self, known: Any) -> GivenDensity:
        """Return the density of the hidden numbers for given ones (n_known,)."""
        v = np.asarray(to_numpy(known), np.float64).ravel()
        if v.shape != (self.partition.n_known,):
            raise InputError(
                f"known numbers must have shape ({self.partition.n_known},), got {v.shape}"
            )
        return GivenDensity(self, v)

    def refined(self) -> ConditionalScore:
        """Return the same model with twice the steps."""
        finer = copy.copy(self)
        finer.n_steps = 2 * self.n_steps
        return finer

    @torch.no_grad()
    def log_prob(self, known: Any, hidden: Any) -> Any:
        """Return log q(h | v) (n,) float64, of v (n or 1, n_known) and h (n, n_hidden)."""
        found, v, h = [], self._tensor(known), self._tensor(hidden)
        v = v.expand(len(h), -1)
        for a, b in zip(v.split(BLOCK), h.split(BLOCK), strict=True):
            mean, size = self._mean(a), self.units[0]
            r = ((b @ self._hidden - mean) @ self.basis) / size
            y, change = self._carried(
                r / self.c.sqrt(), mean / size, torch.zeros(len(a), dtype=torch.float64), 1
            )
            found.append(normal_log_prob(y) - change - self._log_volume)
        return like(to_numpy(torch.cat(found)), hidden)

    @torch.no_grad()
    def sample_and_log_prob(self, known: Any, rng: Stream | int) -> tuple[Any, Any]:
        """Return hidden numbers (n, n_hidden) for known ones (n, n_known), and log q(h | v)."""
        stream, hs, log_qs = as_stream(rng), [], []
        for k, v in enumerate(self._tensor(known).split(BLOCK)):
            mean, size = self._mean(v), self.units[0]
            generator = stream.at(k).torch(self.device)
            y, _ = normal(BLOCK, (self.partition.n_hidden,), generator, self.dtype)
            y = y[: len(v)]
            y, log_q = self._carried(y, mean / size, normal_log_prob(y), -1)
            x = mean + size * (y * self.c.sqrt()) @ self.basis.t()
            hs.append(x @ self._hidden.t())
            log_qs.append(log_q - self._log_volume)
        return torch.cat(hs), torch.cat(log_qs)

    @property
    def units(self) -> tuple[float, torch.Tensor]:
        """Size of the field, and the variances c of hidden numbers in its units."""
        return float(self.spectrum.double().mean().sqrt()), self.c

    @property
    def range(self) -> tuple[float, float]:
        """Tau without noise and with the most."""
        top = REACH**2 * float(self.c.max())
        return math.log(DELTA), 0.5 * math.log(top + DELTA**2)

    def weights(self, tau: torch.Tensor) -> torch.Tensor:
        """Return the shares (S, times) of the filters at times tau (S,)."""
        low, high = self.range
        at = torch.linspace(low, high, self.network.times, dtype=tau.dtype, device=tau.device)
        width = (high - low) / (self.network.times - 1)
        return torch.softmax(-0.5 * ((tau[:, None] - at) / width) ** 2, 1)

    @property
    def _hidden(self) -> torch.Tensor:
        """P_h^T (n_hidden, n): rows."""
        return as_tensor(self.partition.hidden, self.dtype).to(self.device)

    @property
    def _log_volume(self) -> float:
        """Log of the product of the scales of hidden numbers."""
        size, c = self.units
        return float(0.5 * c.double().log().sum()) + len(c) * math.log(size)

    def _tensor(self, a: Any) -> torch.Tensor:
        return torch.as_tensor(to_numpy(a)).to(self.device, self.dtype)

    def _mean(self, v: torch.Tensor) -> torch.Tensor:
        """Return E[phi | v] (B, n) of the Gaussian field."""
        known = as_tensor(self.partition.known, self.dtype).to(self.device)
        centre = self.centre * torch.ones(known.shape[1]).to(v)
        return centre + (v - known @ centre) @ self.gain.t()

    def _carried(
        self, y: torch.Tensor, mean: torch.Tensor, log_q: torch.Tensor, sign: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (y, log q) at the other end of tau; from noise to data for sign = -1."""
        first, last = self.range if sign > 0 else self.range[::-1]
        h = (last - first) / self.n_steps
        state: State = (y, log_q, None)
        seen = (mean - self.centre / self.units[0]) @ self.modes
        for k in range(self.n_steps):
            at = self._kernels([first + (k + c) * h for c in NODES], seen)

            def rates(s: State, i: int, at: list[Kernels] = at) -> Any:
                dy, divergence = applied(s[0], at[i])
                return dy, -divergence, None

            state = step(rates, state, h)
        return state[0], state[1]

    def _kernels(self, tau: list[float], mean: torch.Tensor) -> list[Kernels]:
        """Return the network at several times, for the modes (B, n) of the mean fields.

        What v contributes to a hidden unit is its bias.
        """
        t = torch.tensor(tau, dtype=torch.float64, device=self.device)
        c, lam2 = self.c.double(), (torch.exp(2 * t) - DELTA**2).clamp(min=0)[:, None]
        D = c + lam2
        q = (c / D.sqrt()).to(self.dtype)
        r = ((lam2 + DELTA**2) * c / D**1.5).to(self.dtype)
        one = torch.ones(len(t), self.network.n).to(self.gain)
        to_hidden = self.modes.t() @ self.basis  # (modes, n_hidden)
        found = []
        for k, whole in enumerate(self.network.kernels(self.weights(t).to(self.dtype), one, one)):
            into = q[k][:, None] * (to_hidden.t() @ whole.into)
            out = (whole.out @ to_hidden) * r[k]
            bias = mean @ whole.into
            bias = bias if whole.bias is None else bias + whole.bias
            found.append(Kernels(into, out, (into * out.t()).sum(0), bias))
        return found
