r"""Training of joint models on configurations: the evidence bound.

.. math:: \mathrm{ELBO}(x) = E_r[\log p(x|z)] - D_{KL}(r(z|x) \,\|\, p(z)) \le \log q(x) .

Both terms are sums over sites and over latents: a mean over either would be another model's loss,
a beta-VAE with an unknown beta.  The divergence is in closed form where it has one, else it is
estimated from the same z.

==========  =================================================================================
reparam     z = z(x, noise), differentiable
reinforce   :math:`\sum_i (f_i - \bar f_{\ne i}) \, \partial \log r(z_i|x) / k`, with the mean
            of the other k - 1 draws of the same x (leave one out): for latents that are bits
==========  =================================================================================

``beta`` multiplies the divergence.  At beta != 1 the loss bounds no likelihood, and is not called
one.  ``warm_up`` lets beta grow from 0 over a share of the steps; ``free_bits`` does not charge
the first nats of each latent.  Both change the way and not the goal; held-out losses know neither.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import Collapsed, JointDensity
from physgen.core.random import Stream
from physgen.models.decimated import learned
from physgen.models.latent.latent_laws import Bits, Cholesky, Normal
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations
from physgen.training.problem import device_of, learned_part
from physgen.training.samples import Samples, random_share

__all__ = ["ELBO", "Evidence", "divergences"]

GRADIENTS = ("auto", "reparam", "reinforce")


class Evidence:
    """Data and bookkeeping that both bounds share."""

    label, item, unit = "bound of NLL", "configurations", "nat"
    loss_name = "nll_bound"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(self, source: Any, samples: Any, validation_fraction: float, k: int) -> None:
        self.k = check_positive_int("k", k)
        self.samples = _samples(source, samples, validation_fraction)
        self.source = source
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.n_sites = math.prod(self.samples.train.shape[1:])

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self.samples.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing; refuse a model that is none of pairs, or of another unknown action."""
        del rng
        if not isinstance(model, JointDensity):
            raise InputError(
                f"the evidence bound is that of a joint model (x, z), got {type(model).__name__}; "
                "densities have a likelihood: take ForwardKL or MaximumLikelihood"
            )
        if isinstance(model, Collapsed) and isinstance(self.source, Configurations):
            raise InputError(
                "a model that draws a part of its variables from a known action cannot be fitted "
                "to configurations of an unknown one; make it with for_target(configurations)"
            )
        return {}

    def _batch(self, model: Any, index: np.ndarray, rng: Stream) -> torch.Tensor:
        q = learned(model)
        return learned_part(model, self.samples.batch(index, rng, device_of(q)).x)

    def _held_out(self, model: Any, each: Callable[[Any, torch.Tensor, Any], Any]) -> np.ndarray:
        """Return `each` of the held-out items, at fixed random numbers, per site."""
        q, parts = learned(model), []
        noise = Stream(0).child("held out").torch(device_of(q))
        x = learned_part(model, self.samples.validation).to(device_of(q))
        with torch.no_grad():
            parts = [to_numpy(each(q, part, noise)) for part in x.split(q.block)]
        return np.concatenate(parts) / self.n_sites if parts else np.empty(0)


class ELBO(Evidence):
    """The evidence lower bound of configurations, negated.

    Parameters
    ----------
    source : Configurations, Target or array of int
        What is known of the configurations; an array (n, L) holds measurement outcomes.
    samples : array (n, *event_shape), optional
        Configurations of a target, from converged chains.
    validation_fraction : float
        Share held out, in (0, 1).
    beta : float
        Factor of the divergence, > 0.
    warm_up : float
        Share of the steps over which the factor grows from 0, in [0, 1).
    free_bits : float
        Nats of each latent that are not charged, >= 0; 0.25 to 0.5 keep latents in use.
    k : int
        Draws of z for each x, of which the mean is taken; at least 2 for "reinforce".
    gradient : {"auto", "reparam", "reinforce"}

    Raises
    ------
    InputError
        If a number is out of range, or the configurations do not suit.
    """

    def __init__(
        self,
        source: Any,
        samples: Any = None,
        validation_fraction: float = 0.1,
        *,
        beta: float = 1.0,
        warm_up: float = 0.0,
        free_bits: float = 0.0,
        k: int | None = None,
        gradient: str = "auto",
    ) -> None:
        self.gradient = check_choice("gradient", gradient, GRADIENTS)
        least = 2 if gradient == "reinforce" else 1
        super().__init__(source, samples, validation_fraction, k or least)
        self.asked = k
        if check_finite("beta", beta) <= 0:
            raise InputError(f"beta must be a number > 0, got {beta}")
        if not 0 <= check_finite("warm_up", warm_up) < 1:
            raise InputError(f"warm_up must be a share of the steps in [0, 1), got {warm_up}")
        if check_finite("free_bits", free_bits) < 0:
            raise InputError(f"free_bits must be at least 0, got {free_bits}")
        if self.gradient == "reinforce" and self.k < 2:
            raise InputError(f"'reinforce' leaves one draw out and needs k >= 2, got {self.k}")
        self.beta, self.warm_up, self.free_bits = float(beta), float(warm_up), float(free_bits)
        self.factor = self.beta
        if self.beta != 1:
            self.loss_name, self.label = "beta_loss", "beta-VAE loss, no likelihood"

    def at(self, progress: float) -> ELBO:
        """Return the objective at this share of the steps: the divergence counts less at first."""
        if progress >= self.warm_up:
            return self
        now = copy.copy(self)
        now.factor = self.beta * progress / self.warm_up
        return now

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items, in nats per configuration."""
        del carry
        q, x = learned(model), self._batch(model, index, rng)
        noise = rng.child("latents").torch(device_of(q))
        fit, kl, surrogate = self._terms(q, x, noise, self.factor, self.free_bits)
        value = (self.factor * kl - fit).mean() + surrogate
        numbers = {"divergence": float(kl.mean().detach()), "misfit": -float(fit.mean().detach())}
        return Loss(value, numbers)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss of every held-out item in nats per site, (n_validation,)."""

        def each(q: Any, x: torch.Tensor, noise: torch.Generator) -> torch.Tensor:
            fit, kl, _ = self._terms(q, x, noise, self.beta, 0.0)
            return self.beta * kl - fit

        return self._held_out(model, each)

    def bound(self, model: Any) -> np.ndarray:
        """Return the evidence lower bound of every held-out item, (n_validation,), in nats.

        Raises
        ------
        InputError
            If beta is not 1: the loss of a beta-VAE bounds no likelihood.
        """
        if self.beta != 1:
            raise InputError(
                f"the loss of a beta-VAE is no bound of a likelihood, got beta={self.beta:g}; "
                "take validation.latent_likelihood, one of the model however it was trained"
            )
        return -self.n_sites * self.evaluate(model)

    def _terms(
        self, q: Any, x: torch.Tensor, noise: torch.Generator, factor: float, free: float
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return E[log p(x|z)] and the divergence (B,), and what adds the gradient of r."""
        law, prior = q.encode(x), q.prior_law()
        bits = isinstance(law, Bits)
        if bits and self.gradient == "reparam":
            raise InputError("bits do not move with the weights; take gradient='reinforce'")
        scored = self.gradient == "reinforce" or bits
        k = max(self.k, 2) if scored and self.asked is None else self.k
        if scored and k < 2:
            raise InputError(f"latents that are bits leave one draw out and need k >= 2, got {k}")
        z = law.draw(k, noise)
        z = z.detach() if scored else z
        fits = q.log_likelihood(x, z)
        known = divergences(law, prior)
        if known is None:
            if free:
                raise InputError("free_bits need a divergence in closed form, which flows lack")
            log_r = law.log_prob(z)
            sampled = (log_r.detach() if scored else log_r) - prior.log_prob(z)
            kl = sampled.mean(0)
        else:
            each, kl = known
            sampled = torch.zeros_like(fits)
            if free:  # the mean over the batch of each latent is what has a floor
                floor = torch.clamp(each.mean(0), min=free) - each.mean(0)
                kl = kl + floor.sum()
        surrogate = torch.zeros((), dtype=torch.float64, device=fits.device)
        if scored and torch.is_grad_enabled():
            f = (factor * sampled - fits).detach()
            off = (f - f.mean(0)) / (k - 1)
            score = (off * law.log_prob(z)).sum(0).mean()
            surrogate = score - score.detach()
        return fits.mean(0), kl, surrogate


def divergences(law: Any, prior: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Return D(r || p) of every latent's marginal (B, n) and of all (B,); None without a form."""
    if isinstance(law, Bits) and isinstance(prior, Bits):
        return law.divergences_from(prior)
    plain = isinstance(prior, Normal)  # a plain prior is N(0, 1)
    return law.divergences() if plain and isinstance(law, Normal | Cholesky) else None


def _samples(source: Any, samples: Any, validation_fraction: float) -> Samples:
    if isinstance(source, Configurations):
        if samples is not None:
            raise InputError("samples are those of a target; Configurations are their own")
        even = "z2" in source.symmetries
        return Samples.of_chain(
            source.flat, source.event_shape, source.support, validation_fraction, even=even
        )
    if hasattr(source, "action"):
        target = checked_target(source)
        if samples is None:
            raise InputError(f"samples of {target!r} must be given: configurations of its chains")
        even = declared(target).is_even
        shape, support = target.event_shape, target.support
        return Samples.of_chain(samples, shape, support, validation_fraction, even=even)
    x = np.asarray(to_numpy(source))
    if x.ndim != 2 or x.dtype.kind not in "iu" or len(x) < 2:
        raise InputError(
            "source must be Configurations, a target with samples, or outcomes (n, L) of "
            f"integers, got {type(source).__name__} of shape {x.shape}"
        )
    held_out = random_share(len(x), validation_fraction, Stream(0).child("held out"))
    return Samples(x.astype(np.uint8), held_out)
