r"""Noise-contrastive estimation: an energy and its log Z from telling data from noise.

Noise :math:`x' \sim q` of independent sites, with the means and variances (frequencies) of the
data, is mixed with the data, :math:`\nu` of it for each item.  With
:math:`u(x) = -S_\theta(x) - c - \log q(x) - \log\nu` the logarithm of the odds that x is an item,

.. math:: \mathcal L(\theta, c) = E_p \log(1 + e^{-u(x)}) + \nu \, E_q \log(1 + e^{u(x')})

is smallest at :math:`e^{-S - c} = p`, so c is learned to be log Z (Gutmann and Hyvärinen, JMLR 13,
307 (2012)).  Nothing is exponentiated before it is in a softplus: a noise density of e^{-800}
gives a finite loss and gradient.

c is no weight of the model.  It is carried from step to step and moved by Newton's method,

.. math:: c \leftarrow c - \gamma \frac{\partial_c \mathcal L}{\partial_c^2 \mathcal L} ,
          \qquad \gamma = 0.2 , \quad |\Delta c| \le 1 .

At a fixed S its optimum is Bennett's estimate of log Z (with data as the samples of S), which
:meth:`NoiseContrastive.log_z` solves on all data.  As the noise has no correlations, it is far
from a critical law of many sites: there log odds saturate and little is learned.  At temperature
T, S / T stands for S, and c is the log Z of S / T.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.functional import softplus

from physgen.core.checks import check_positive_int
from physgen.core.learning import Carry, Loss, Remarks
from physgen.core.protocols import Support
from physgen.core.random import Stream, as_stream
from physgen.training.from_data import FromData, as_input, mean_of

__all__ = ["IndependentSites", "LogZ", "NoiseContrastive"]

GAIN, LARGEST_STEP = 0.2, 1.0
BLOCK = 1024  # configurations whose energies are computed at once
AT_START = 256  # items that the first c is solved on


class LogZ(NamedTuple):
    """An estimate of log Z, and its standard error over items and noise."""

    value: float
    error: float


class NoiseContrastive(FromData):
    """Noise-contrastive estimation against independent sites.

    Parameters
    ----------
    data : Configurations, or (target, samples), or outcomes
    ratio : int
        Noise configurations for each item, nu >= 1.
    validation_fraction : float
        Share held out, in (0, 1).
    temperature : float
        The data are samples of e^{-S / temperature}.
    augment : bool
        Transform every item at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    loss_name, label, unit = "noise_contrast", "noise contrast", "nat"

    def __init__(
        self,
        data: Any,
        ratio: int = 1,
        validation_fraction: float = 0.1,
        *,
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        super().__init__(data, validation_fraction, temperature, augment)
        self.ratio = check_positive_int("ratio", ratio)
        self.noise = IndependentSites(
            self.samples.train, self.support, even=self.augment and self.samples.even
        )

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the first c: solved on a few items."""
        self.check(model)
        index = np.arange(min(AT_START, self.n_train))
        with torch.no_grad():
            u, w = self._log_odds(model, *self.batch(model, index, rng), rng.child("noise"))
        return {"log_z": torch.tensor(_solved(u, w, self.ratio), dtype=torch.float64)}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss, and the next c."""
        x, weights = self.batch(model, index, rng)
        c = float(carry["log_z"])
        (data, noise), w = self._log_odds(model, x, weights, rng.child("noise"))
        value = mean_of(softplus(c - data), w) + self.ratio * softplus(noise - c).mean()
        with torch.no_grad():
            on, off = torch.sigmoid(c - data), torch.sigmoid(noise - c)
            first = float(mean_of(on, w) - self.ratio * off.mean())
            second = float(mean_of(on * (1 - on), w) + self.ratio * (off * (1 - off)).mean())
        step = -GAIN * first / max(second, abs(first) * GAIN / LARGEST_STEP, 1e-300)
        log_z = carry["log_z"] + min(max(step, -LARGEST_STEP), LARGEST_STEP)
        return Loss(value, {"log_z": float(log_z)}, {"log_z": log_z})

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss per site of the held-out items, each with its own noise.

        c is solved on these items: the loss then judges the energy, whatever c is.
        """
        if self.n_validation == 0:
            return np.empty(0)
        with torch.no_grad():
            x, fixed = as_input(model, self.samples.validation), Stream(0).child("held out")
            w = self.samples.validation_weights
            weights = None if w is None else torch.from_numpy(w).to(x.device)
            (data, noise), _ = self._log_odds(model, x, weights, fixed)
            c = _solved((data, noise), weights, self.ratio)
            against = softplus(noise - c).view(self.ratio, -1).sum(0)
            return ((softplus(c - data) + against) / self.n_sites).cpu().numpy() * (
                1.0 if w is None else w
            )

    def remarks(self, carry: Carry) -> Remarks:
        """Return log Z, which was learned beside the energy."""
        log_z = float(carry["log_z"])
        return Remarks(settings={"objective": "noise contrast", "log_z": log_z})

    def log_z(self, model: Any, rng: Stream | int = 0) -> LogZ:
        """Return Bennett's estimate of log Z of S / T, from all training data and as much noise.

        It holds as far as the model has learned the law of the data, and where noise and data
        overlap; the error is statistical, of independent items.

        Parameters
        ----------
        model : module
        rng : Stream or int
            Draws the noise.
        """
        stream = as_stream(rng)
        with torch.no_grad():
            index = np.arange(self.n_train)
            u, w = self._log_odds(model, *self.batch(model, index, stream), stream.child("noise"))
        c = _solved(u, w, self.ratio)
        on, off = torch.sigmoid(c - u[0]), torch.sigmoid(u[1] - c)
        on = on if w is None else on * w
        slope = (on * (1 - on)).mean() + self.ratio * (off * (1 - off)).mean()
        variance = on.var() / len(on) + self.ratio**2 * off.var() / len(off)
        return LogZ(c, float(variance.sqrt() / slope))

    def _log_odds(
        self, model: Any, x: torch.Tensor, weights: torch.Tensor | None, rng: Stream
    ) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor | None]:
        """Return u + c of the items (B,) and of their noise (ratio B,)."""
        noise = self.noise.draw(self.ratio * len(x), rng).to(x.device, x.dtype)
        both = torch.cat([x, noise])
        # Without gradients in blocks: all data may come at once.
        parts = [both] if torch.is_grad_enabled() else both.split(BLOCK)
        S = torch.cat([self.energy(model)(part) for part in parts])
        u = -S - self.noise.log_prob(both) - math.log(self.ratio)
        return (u[: len(x)], u[len(x) :]), weights


class IndependentSites:
    """The law of independent sites with the moments, or frequencies, of given items.

    Frequencies are (n_k + 1/2) / (n + K/2): a site that is constant among the items stays finite.

    Parameters
    ----------
    items : tensor (n, *event_shape)
    support : Support
    even : bool
        Make it even: a mean of 0, or equal frequencies, as flips at random do.
    """

    def __init__(self, items: torch.Tensor, support: Support, *, even: bool = False) -> None:
        self.support, n = support, len(items)
        if support.kind == "reals":
            x = items.double()
            self.mean = torch.zeros_like(x[0]) if even else x.mean(0)
            self.width = (x - self.mean).square().mean(0).sqrt()
            # A constant field has no density: noise of a width that is small beside the others.
            floor = 1e-3 * float(self.width.mean()) or 1e-3
            self.width = self.width.clamp_min(floor)
            return
        labels = torch.arange(support.K) if support.K else torch.tensor([-1, 1])
        counts = torch.stack([(items == k).sum(0) for k in labels], -1).double()
        counts = torch.full_like(counts, n / len(labels)) if even else counts
        self.labels, self.p = labels, (counts + 0.5) / (n + 0.5 * len(labels))

    def draw(self, n: int, rng: Stream) -> torch.Tensor:
        """Return n configurations on the CPU, float64 or the labels."""
        if self.support.kind == "reals":
            z = torch.randn(n, *self.mean.shape, generator=rng.torch(), dtype=torch.float64)
            return self.mean + self.width * z
        u = torch.rand(n, *self.p.shape[:-1], 1, generator=rng.torch(), dtype=torch.float64)
        index = (u > self.p.cumsum(-1)).sum(-1).clamp_max(len(self.labels) - 1)
        return self.labels[index]

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (n,) float64."""
        if self.support.kind == "reals":
            mean, width = self.mean.to(x.device), self.width.to(x.device)
            z = (x.double() - mean) / width
            constant = width.log().sum() + 0.5 * math.log(2 * math.pi) * width.numel()
            return -0.5 * (z * z).flatten(1).sum(1) - constant
        index = x.long() if self.support.K else ((x > 0).long())
        log_p = self.p.log().to(x.device).expand(len(x), *self.p.shape)
        return log_p.gather(-1, index.unsqueeze(-1)).flatten(1).sum(1)


def _solved(
    u: tuple[torch.Tensor, torch.Tensor], weights: torch.Tensor | None, ratio: int
) -> float:
    """Return the c of smallest loss, by bisection: its slope grows from -ratio to 1."""
    data, noise = u
    low, high = float(torch.cat(u).min()) - 50.0, float(torch.cat(u).max()) + 50.0
    for _ in range(100):
        c = 0.5 * (low + high)
        slope = mean_of(torch.sigmoid(c - data), weights) - ratio * torch.sigmoid(noise - c).mean()
        low, high = (c, high) if float(slope) < 0 else (low, c)
    return 0.5 * (low + high)
