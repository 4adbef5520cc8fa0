r"""Variational inference one configuration at a time: a posterior of its own for every x.

Of every training item i the posterior is :math:`r_i(z) = N(m_i, e^{2 s_i})`, a parameter and no
function of x.  A step takes a few items and does two things (Ranganath et al., AISTATS 2014):

1. it moves their :math:`\lambda_i = (m_i, s_i)` up the evidence bound, a number of times,
2. it hands the gradient of the same bound in the weights of prior and decoder to the optimiser.

The gradient in :math:`\lambda` is reparametrised, or the one of the score with the mean of the
other draws as its baseline ("reinforce"), which needs no derivative of the model in z: black-box
inference.
The encoder plays no part, so the difference from :class:`~physgen.training.ELBO` is what
amortisation costs (:func:`own_posteriors` says it of a trained model).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream, as_stream
from physgen.models.decimated import learned
from physgen.models.latent.latent_laws import Bits, Normal
from physgen.training.evidence import Evidence, divergences
from physgen.training.problem import device_of, learned_part

__all__ = ["BlackBoxELBO", "own_posteriors"]

_DECAY, _FLOOR = 0.9, 1e-8  # of the squares of gradients, as RMSprop has them


class BlackBoxELBO(Evidence):
    """The evidence bound with a posterior of its own for every training item.

    Parameters
    ----------
    source, samples, validation_fraction
        As of :class:`~physgen.training.ELBO`.
    n_inner : int
        Moves of the posteriors in a step.
    n_held_out : int
        Moves of the posteriors of held-out items, from the prior, in every validation.
    rate : float
        Length of a move, in units of its root mean square gradient.
    k : int
        Draws of z for each x, >= 2.
    gradient : {"reinforce", "reparam"}

    Raises
    ------
    InputError
        If `k` is less than 2, another number is not positive, or `gradient` is unknown.
    """

    def __init__(
        self,
        source: Any,
        samples: Any = None,
        validation_fraction: float = 0.1,
        *,
        n_inner: int = 5,
        n_held_out: int = 100,
        rate: float = 0.05,
        k: int = 8,
        gradient: str = "reinforce",
    ) -> None:
        super().__init__(source, samples, validation_fraction, check_positive_int("k", k, 2))
        self.n_inner = check_positive_int("n_inner", n_inner)
        self.n_held_out = check_positive_int("n_held_out", n_held_out)
        self.rate = check_positive("rate", rate)
        self.gradient = check_choice("gradient", gradient, ("reinforce", "reparam"))

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the posteriors of all training items: those of the prior."""
        super().begin(model, rng)
        q = _continuous(model)
        own = torch.zeros(self.n_train, 2, q.n_latent, dtype=q.dtype, device=device_of(q))
        return {"posteriors": own, "squares": torch.zeros_like(own)}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean loss of the items after their posteriors have moved."""
        q, x = learned(model), self._batch(model, index, rng)
        noise = rng.child("latents").torch(device_of(q))
        rows = torch.from_numpy(index).to(device_of(q))
        own, squares = carry["posteriors"][rows], carry["squares"][rows]
        for _ in range(self.n_inner):
            own, squares = _moved(q, x, own, squares, self, noise)
        law = Normal(own[:, 0], -own[:, 1])
        fit, kl = _parts(q, x, law, self.k, noise)
        kept = {"posteriors": carry["posteriors"].clone(), "squares": carry["squares"].clone()}
        kept["posteriors"][rows], kept["squares"][rows] = own, squares
        return Loss((kl - fit).mean(), {"divergence": float(kl.mean())}, kept)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the loss of every held-out item in nats per site, (n_validation,)."""
        x = learned_part(model, self.samples.validation)
        q = _continuous(model)
        elbo = _own_bounds(q, x.to(device_of(q)), self, self.n_held_out, Stream(0))
        return -elbo / self.n_sites


def own_posteriors(
    model: Any,
    x: Any,
    *,
    n_steps: int = 200,
    rate: float = 0.05,
    k: int = 8,
    gradient: str = "reparam",
    rng: Stream | int = 0,
) -> np.ndarray:
    """Return the evidence bound of configurations with a diagonal posterior of their own, (n,).

    Less the bound by the encoder it is what amortisation costs, if the encoder is diagonal too.

    Parameters
    ----------
    model : JointModel
    x : array (n, *event_shape)
    n_steps : int
        Of Adam, for each x.
    rate : float
        Its learning rate, > 0.
    k : int
        Draws of z for each x.
    gradient : {"reparam", "reinforce"}
    rng : Stream or int

    Raises
    ------
    InputError
        If latents are bits, or a number is out of range.
    """
    check_choice("gradient", gradient, ("reinforce", "reparam"))
    q = _continuous(model)
    how = _How(check_positive("rate", rate), check_positive_int("k", k, 2), gradient)
    flat = q._prepared(q._batch(learned_part(model, x)))
    return _own_bounds(q, flat, how, check_positive_int("n_steps", n_steps), as_stream(rng))


class _How:
    def __init__(self, rate: float, k: int, gradient: str) -> None:
        self.rate, self.k, self.gradient = rate, k, gradient


def _own_bounds(q: Any, x: torch.Tensor, how: Any, n_steps: int, rng: Stream) -> np.ndarray:
    noise = rng.child("own").torch(device_of(q))
    own = torch.zeros(len(x), 2, q.n_latent, dtype=q.dtype, device=device_of(q))
    squares = torch.zeros_like(own)
    for _ in range(n_steps):
        own, squares = _moved(q, x, own, squares, how, noise)
    with torch.no_grad():
        fit, kl = _parts(q, x, Normal(own[:, 0], -own[:, 1]), 8 * how.k, noise)
    return (fit - kl).double().cpu().numpy()


def _moved(
    q: Any, x: torch.Tensor, own: torch.Tensor, squares: torch.Tensor, how: Any, noise: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return posteriors after one move up the bound, and the running squares of its gradient."""
    at = own.detach().requires_grad_(True)
    with torch.enable_grad():
        law = Normal(at[:, 0], -at[:, 1])
        if how.gradient == "reparam":
            fit, kl = _parts(q, x, law, how.k, noise)
            bound = (fit - kl).sum()
        else:
            z = law.draw(how.k, noise).detach()
            with torch.no_grad():
                fits = q.log_likelihood(x, z) + q.prior_law().log_prob(z) - law.log_prob(z)
                off = (fits - fits.mean(0)) / (how.k - 1)
            bound = (off * law.log_prob(z)).sum()
        g = torch.autograd.grad(bound, at)[0]
    squares = _DECAY * squares + (1 - _DECAY) * g * g
    return (own + how.rate * g / (squares.sqrt() + _FLOOR)).detach(), squares


def _parts(
    q: Any, x: torch.Tensor, law: Normal, k: int, noise: Any
) -> tuple[torch.Tensor, torch.Tensor]:
    z, prior = law.draw(k, noise), q.prior_law()
    known = divergences(law, prior)
    kl = (law.log_prob(z) - prior.log_prob(z)).mean(0) if known is None else known[1]
    return q.log_likelihood(x, z).mean(0), kl


def _continuous(model: Any) -> Any:
    q = learned(model)
    if isinstance(q.prior_law(), Bits):
        raise InputError("own posteriors are normal laws, and latents are bits; take ELBO")
    return q
