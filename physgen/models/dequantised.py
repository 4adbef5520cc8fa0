r"""Spins from a density of real numbers, with a bound instead of a likelihood.

.. math:: s_x = \operatorname{sign} y_x, \quad y \sim q, \qquad
          P(s) = \int_{\operatorname{sign} y = s} q(y) \, dy , \qquad \sum_s P(s) = 1 ,

an integral over an orthant that nobody can do.  Numbers drawn from any r(y | s) of the orthant of
s (dequantisation) bound it from below,

.. math:: \log P(s) \ge E_r\Big[\log \frac{1}{K} \sum_{k=1}^K \frac{q(y_k)}{r(y_k | s)}\Big],

closer with every further draw K, and closest where r is the law of y under q given its signs.
(A density of the bare points -1 and +1 would have no bound at all: fitted to them, q grows without
limit on the points.)  Laws of the sizes :math:`|y_x|`:

===========  ====================================================================================
uniform      :math:`r = 2^{-n}` on (0, 2): noise of width 1 around each spin
variational  :math:`|y_x| = \log(1 + e^{t_x})`, :math:`t_x = a_x + \sum_z B_{xz} s_x s_z +
             \sigma_x e_x` with e of the logistic law, all learned (Ho et al., ICML 2019)
===========  ====================================================================================

With :math:`\sigma_x > 1/2` the ratio q / r has a finite variance at small sizes, where r falls as
:math:`|y|^{1 / \sigma - 1}`; at large ones the tail of r is exponential.

As a JointDensity of (s, y) it has exact weights for a target of spins,
:math:`e^{-S(s)} r(y|s) / q(y)`.
"""

from __future__ import annotations

import math
from typing import Any, final

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS
from physgen.core.random import Stream, as_stream
from physgen.models.base import Model
from physgen.models.configurations import ConfigurationModel, normal

__all__ = ["Dequantised", "NoLikelihoodError"]

LAWS = ("uniform", "variational")
_NO_LIKELIHOOD = ("log_prob", "sample_and_log_prob", "action")
_NARROWEST = 0.5


class NoLikelihoodError(InputError, AttributeError):
    """A likelihood is asked of a model that has a bound only."""


@final
class Dequantised(Model):
    """Signs of the draws of a density of real numbers; a JointDensity of spins.

    Parameters
    ----------
    base : ConfigurationModel
        A density of real numbers.
    law : {"variational", "uniform"}
        Of the numbers behind given spins.

    Raises
    ------
    InputError
        If the base is no such density.
    """

    def __init__(self, base: Any, law: str = "variational") -> None:
        if not isinstance(base, ConfigurationModel) or base.support != REALS:
            raise InputError(
                "a dequantised model needs a density of real numbers, got "
                f"{type(base).__name__}; of a decimated model take that of the even sites"
            )
        super().__init__(base.event_shape, SPINS)
        self.base: Any = base
        self.law = check_choice("law", law, LAWS)
        n = math.prod(base.event_shape)
        if law == "variational":
            self.centre = nn.Parameter(torch.full((n,), 0.2))
            self.bonds = nn.Parameter(torch.zeros(n, n))
            self.log_width = nn.Parameter(torch.full((n,), math.log(0.1)))  # beyond 1/2

    def __getattr__(self, name: str) -> Any:
        if name in _NO_LIKELIHOOD:
            raise NoLikelihoodError(
                f"a dequantised density has no {name}: P(s) is an integral over an orthant; "
                "bound(x, rng) is a lower bound of log P, no likelihood, and draws_of(model, "
                "target) has exact weights"
            )
        return super().__getattr__(name)

    @property
    def block(self) -> int:
        """Configurations that are computed at once."""
        return self.base.block

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {"family": "dequantised", "base": self.base.config, "law": self.law}

    # --- the bound ------------------------------------------------------------------------

    def bound(self, x: Any, rng: Stream | int, n_draws: int = 1) -> Any:
        """Return an estimate of a lower bound of log P(s), in nats: no likelihood.

        Its mean over `rng` is at most log P, and rises with `n_draws`.

        Parameters
        ----------
        x : array or tensor (..., *event_shape)
            Spins.
        rng : Stream or int
        n_draws : int
            K.

        Returns
        -------
        array or tensor (...) float64
            Without gradients.
        """
        check_positive_int("n_draws", n_draws)
        flat, stream = self._prepared(self._batch(x)), as_stream(rng).child("dequantise")
        lead = tuple(np.shape(x))[: np.ndim(x) - len(self.event_shape)]
        found = []
        with torch.no_grad():
            for k, part in enumerate(flat.split(self.block)):
                generator = stream.at(k).torch(self.device)
                ratios = [self.log_ratio(part, generator) for _ in range(n_draws)]
                found.append(torch.logsumexp(torch.stack(ratios), 0) - math.log(n_draws))
        values = torch.cat(found) if found else torch.empty(0, dtype=torch.float64)
        return like(values.cpu().numpy().reshape(lead), x)

    def log_ratio(self, s: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """Return log q(y) / r(y | s) (B,) at one draw of y, differentiable in all weights."""
        y, log_r = self._behind(s, generator)
        return self.base.forward(y) - log_r

    def _behind(
        self, s: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return numbers y behind spins (B, *event_shape), and log r(y | s)."""
        flat = s.flatten(1)
        B, n = flat.shape
        if self.law == "uniform":
            u = torch.rand(B, n, generator=generator, dtype=self.dtype, device=self.device)
            y = flat * 2 * (1 - u)
            log_r = flat.new_full((B,), -n * math.log(2), dtype=torch.float64)
        else:
            eps, _ = normal(B, (n,), generator, self.dtype)
            e = torch.special.log_ndtr(eps) - torch.special.log_ndtr(-eps)  # logistic
            t = self._centres(flat) + self._width * e
            y = flat * nn.functional.softplus(t)
            log_r = self._log_law(e, t)
        return y.reshape(s.shape), log_r

    @property
    def _width(self) -> torch.Tensor:
        return _NARROWEST + self.log_width.exp()

    def _log_law(self, e: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Return log r (B,) of sizes softplus(t), t = centre + width e."""
        log_f = -e.abs() - 2 * torch.log1p(torch.exp(-e.abs()))
        return (log_f - self._width.log() - nn.functional.logsigmoid(t)).double().sum(1)

    def _centres(self, s: torch.Tensor) -> torch.Tensor:
        return self.centre + s * (s @ self.bonds.t())

    # --- the joint density ------------------------------------------------------------------

    def joint_log_prob(self, x: Any, z: Any) -> Any:
        """Return log q of spins and numbers: log q(z) where they have the signs x, else -inf."""
        s, y = self._pair(x, z)
        fits = (torch.sign(y) == s).flatten(1).all(1)
        log_q = self.base.log_prob(y.detach()).detach()
        return self._shaped(torch.where(fits, log_q, -math.inf), x)

    def posterior_log_prob(self, x: Any, z: Any) -> Any:
        """Return log r(z | x), normalised in z for all spins x."""
        s, y = self._pair(x, z)
        flat, size = s.flatten(1), (s * y).flatten(1)
        inside = (size > 0).all(1)
        with torch.no_grad():
            if self.law == "uniform":
                inside &= (size <= 2).all(1)
                log_r = torch.full((len(size),), -size.shape[1] * math.log(2), dtype=torch.float64)
                log_r = log_r.to(size.device)
            else:
                size = size.clamp_min(torch.finfo(size.dtype).tiny)
                t = size + torch.log(-torch.expm1(-size))  # the softplus inverted
                log_r = self._log_law((t - self._centres(flat)) / self._width, t)
        return self._shaped(torch.where(inside, log_r, -math.inf), x)

    def sample(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n draws of the spins, int8, and of the numbers behind them."""
        y = self.base.sample(n, rng)
        return torch.where(y > 0, 1, -1).to(torch.int8), y

    def _pair(self, x: Any, z: Any) -> tuple[torch.Tensor, torch.Tensor]:
        s = self._prepared(self._batch(x))
        y = torch.as_tensor(z).to(self.device, self.dtype).reshape(s.shape)
        return s, y

    def _shaped(self, values: torch.Tensor, x: Any) -> Any:
        lead = tuple(np.shape(x))[: np.ndim(x) - len(self.event_shape)]
        return like(values.cpu().numpy().reshape(lead), x)
