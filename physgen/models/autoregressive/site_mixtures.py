r"""Mixtures in one number: density, distribution function, and quantiles that have gradients.

.. math:: q(x) = \sum_k \frac{w_k}{s_k} \, f\Big(\frac{x - m_k}{s_k}\Big), \qquad
          F(x) = \sum_k w_k \, G\Big(\frac{x - m_k}{s_k}\Big), \qquad G' = f ,

with :math:`\sum_k w_k = 1` and f the density of the standard normal or of the logistic law.  A
draw is the quantile x of a standard normal number :math:`\epsilon`,

.. math:: F(x) = \Phi(\epsilon), \qquad
          dx = \frac{\varphi(\epsilon) \, d\epsilon - dF(x)}{q(x)} ,

where dF is the change of F with the parameters at fixed x (implicit reparametrisation: Figurnov,
Mohamed and Mnih, NeurIPS 2018).  The quantile is found in float64, on the side where F is small,
by a compiled loop (:mod:`physgen.kernels.cpu.mixtures`), on other devices by the same steps.
Parameters are ``log_w``, ``mean`` and ``log_scale``; their last axis counts k.
"""

from __future__ import annotations

import math
from typing import Any

import torch

from physgen.kernels.cpu.mixtures import CLOSE, STEPS, lower_quantiles

__all__ = ["LAWS", "distribution", "log_density", "quantile"]

LAWS = ("gaussian", "logistic")
_LEAST = 1e-9  # of q times the mean width, where a draw between modes would move without bounds
_ROOT_HALF = math.sqrt(0.5)
_LOG_ROOT = 0.5 * math.log(2 * math.pi)


def log_density(
    x: torch.Tensor,
    log_w: torch.Tensor,
    mean: torch.Tensor,
    log_scale: torch.Tensor,
    law: str,
) -> torch.Tensor:
    """Return log q (...) of numbers x (...), for parameters (..., K)."""
    z = (x.unsqueeze(-1) - mean) * torch.exp(-log_scale)
    return torch.logsumexp(log_w - log_scale + _log_f(z, law), -1)


def distribution(
    x: torch.Tensor,
    log_w: torch.Tensor,
    mean: torch.Tensor,
    log_scale: torch.Tensor,
    law: str,
) -> torch.Tensor:
    """Return F (...) of numbers x (...), for parameters (..., K)."""
    z = (x.unsqueeze(-1) - mean) * torch.exp(-log_scale)
    return (log_w.exp() * _g(z, law)).sum(-1)


def quantile(
    eps: torch.Tensor,
    log_w: torch.Tensor,
    mean: torch.Tensor,
    log_scale: torch.Tensor,
    law: str,
) -> torch.Tensor:
    """Return x (...) with F(x) = Phi(eps), differentiable in all arguments.

    Parameters
    ----------
    eps : tensor (...)
        Standard normal numbers; the type of x is theirs.
    log_w, mean, log_scale : tensor (..., K)
        Weights whose exponentials sum to 1, means and logarithms of widths.
    law : {"gaussian", "logistic"}
    """
    return _Quantile.apply(eps, log_w, mean, log_scale, law)  # type: ignore[return-value]


class _Quantile(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, eps, log_w, mean, log_scale, law: str):
        x = _solved(eps.double(), log_w.double(), mean.double(), log_scale.double(), law)
        x = x.to(eps.dtype)
        ctx.save_for_backward(x, eps, log_w, mean, log_scale)
        ctx.law = law
        return x

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs):
        x, eps, log_w, mean, log_scale = ctx.saved_tensors
        precision, w = torch.exp(-log_scale), log_w.exp()
        z = (x.unsqueeze(-1) - mean) * precision
        density = w * precision * _log_f(z, ctx.law).exp()  # of each component
        floor = _LEAST * (w * precision).sum(-1)
        per_q = grad_outputs[0] / torch.maximum(density.sum(-1), floor)
        along = -per_q.unsqueeze(-1)
        d_eps = per_q * torch.exp(-0.5 * eps * eps - _LOG_ROOT)
        d_mean = -along * density
        # log_w is a log-softmax, to which a constant times w means nothing: the tail that is
        # smaller is differentiated, and nothing cancels.
        upper = (eps > 0).unsqueeze(-1)
        tail = torch.where(upper, -_g(-z, ctx.law), _g(z, ctx.law))
        d_log_w = along * w * tail
        return d_eps, d_log_w, d_mean, d_mean * (x.unsqueeze(-1) - mean), None


def _solved(
    eps: torch.Tensor,
    log_w: torch.Tensor,
    mean: torch.Tensor,
    log_scale: torch.Tensor,
    law: str,
) -> torch.Tensor:
    """Return the quantiles (...) float64; the upper half by the mirror image of the mixture."""
    sign = torch.where(eps > 0, -1.0, 1.0).to(eps.dtype)
    low, w, s = -eps.abs(), log_w.exp(), log_scale.exp()
    w, m = w / w.sum(-1, keepdim=True), mean * sign.unsqueeze(-1)
    level = _g(low, "gaussian")
    of_one = low if law == "gaussian" else level.log() - torch.log1p(-level)
    find = _compiled if eps.device.type == "cpu" else _batched
    return find(level, of_one, w, m, s, law) * sign


def _compiled(
    level: torch.Tensor,
    of_one: torch.Tensor,
    w: torch.Tensor,
    m: torch.Tensor,
    s: torch.Tensor,
    law: str,
) -> torch.Tensor:
    K, out = w.shape[-1], torch.empty_like(level, memory_format=torch.contiguous_format)
    parameters = [a.reshape(-1, K).numpy() for a in (w, m, s)]
    numbers = [a.contiguous().view(-1).numpy() for a in (level, of_one)]
    find: Any = lower_quantiles
    find(*numbers, *parameters, law == "logistic", out.view(-1).numpy())
    return out


def _batched(
    level: torch.Tensor,
    of_one: torch.Tensor,
    w: torch.Tensor,
    m: torch.Tensor,
    s: torch.Tensor,
    law: str,
) -> torch.Tensor:
    """Do the same with all numbers at once, on any device."""
    each = m + s * of_one.unsqueeze(-1)
    under, over = each.amin(-1), each.amax(-1)
    x = torch.minimum(torch.maximum((w * each).sum(-1), under), over)
    for _ in range(STEPS):
        z = (x.unsqueeze(-1) - m) / s
        F = (w * _g(z, law)).sum(-1)
        q = (w / s * _log_f(z, law).exp()).sum(-1)
        done = (F - level).abs() <= CLOSE * level
        done |= over - under <= 1e-15 * (over.abs() + under.abs())
        if bool(done.all()):
            break
        under = torch.where((level > F) & ~done, x, under)
        over = torch.where((level <= F) & ~done, x, over)
        stepped = x - F / q * torch.log(F / level)
        inside = (stepped > under) & (stepped < over)  # a NaN is not
        x = torch.where(done, x, torch.where(inside, stepped, 0.5 * (under + over)))
    return x


def _log_f(z: torch.Tensor, law: str) -> torch.Tensor:
    if law == "gaussian":
        return -0.5 * z * z - _LOG_ROOT
    return -z.abs() - 2 * torch.log1p(torch.exp(-z.abs()))


def _g(z: torch.Tensor, law: str) -> torch.Tensor:
    # torch.special.ndtr has no relative accuracy in the lower tail.
    return 0.5 * torch.special.erfc(-_ROOT_HALF * z) if law == "gaussian" else torch.sigmoid(z)
