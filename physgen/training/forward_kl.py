r"""Training on configurations of a target, and on bounds from both sides of its log Z.

Configurations :math:`x \sim p` from Markov chains give the forward divergence:

.. math:: E_p[\log w] = E_p[-S(x) - \log q(x)] = \log Z + D_{KL}(p \| q) \ge \log Z , \qquad
          E_q[\log w] = \log Z - D_{KL}(q \| p) \le \log Z .

It penalizes everything that q misses, where the reverse divergence penalizes what q invents: a
model that lost a mode has a small reverse divergence but a large forward one.  `MixedKL` minimises

.. math:: (1 - a) \, D_{KL}(q \| p) + a \, D_{KL}(p \| q)

(Hackett et al., arXiv:2107.00734, for broken phases).  Losses are shown as :math:`E_p[\log w]`
per site, an upper bound of log Z / V, and for mixtures as the same mixture of the two
:math:`\mp E[\log w]`.  For joint models they are divergences of pairs
(:mod:`physgen.training.pairs`): the evidence bound, and an upper bound of log Z.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from physgen.analysis.weights import forward_ess
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.targets.checked import checked_target
from physgen.training.estimating import estimate, is_estimable
from physgen.training.pairs import forward_weights, is_joint
from physgen.training.problem import check_density, device_of, learned_part, problem
from physgen.training.reverse_kl import ReverseKL
from physgen.training.samples import Samples

__all__ = ["ForwardKL", "MixedKL"]


class ForwardKL:
    """Kullback-Leibler divergence D(p || q) from configurations, up to log Z.

    Parameters
    ----------
    target : Target
    samples : array, shape (n, *event_shape)
        Configurations of the target, from converged Markov chains.
    validation_fraction : float
        Share held out, in (0, 1).  Neighbours in a chain are alike: the last share is taken.
    flip : bool, optional
        Flip every configuration at random; by default where the target has the symmetry "z2".

    Raises
    ------
    InputError
        If the shape or the fraction is wrong, or a number is not finite.
    """

    loss_name, label, item, unit = "log_z_bound", "bound of log Z", "draws", "nat"

    def __init__(
        self,
        target: Any,
        samples: Any,
        validation_fraction: float = 0.1,
        *,
        flip: bool | None = None,
    ) -> None:
        target = checked_target(target)
        self.target, self.n_sites = target, math.prod(target.event_shape)
        self.flip = declared(target).is_even if flip is None else bool(flip)
        self._samples = Samples.of_chain(
            samples, target.event_shape, target.support, validation_fraction, even=self.flip
        )
        self.n_train, self.n_validation = self._samples.n_train, self._samples.n_validation

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """Forward effective share, from the losses per site."""
        return {"ess": lambda losses: forward_ess(losses * self.n_sites)}

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self._samples.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing, as a step remembers nothing of the last; refuse what has no density."""
        del rng
        check_density(model, "ForwardKL")
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean log w, log Z + D(p || q), with the gradient of D."""
        del carry
        q, target = problem(model, self.target)
        x = learned_part(model, self._samples.batch(index, rng, device_of(model)).x)
        if is_joint(q):
            return Loss(forward_weights(q, target, x.to(q.dtype), self._noise(q, rng)).mean())
        with torch.no_grad():
            action = torch.as_tensor(target.action(x))
        log_q = q.forward(x.to(next(iter(q.parameters())).dtype))
        return Loss((-action.to(log_q.device) - log_q).mean())

    def solves(self, model: Any) -> bool:
        """Return whether the model finds the weights of the largest likelihood by itself."""
        return is_estimable(model)

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model these weights; return the mean log w of the training items."""
        estimate(model, self._samples, rng)
        x = self._samples.train
        with torch.no_grad():
            action = torch.as_tensor(self.target.action(x))
            return Loss((-action.to(torch.float64) - model.log_prob(x)).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return log w / n_sites of the configurations held out, (n_validation,)."""
        q, target = problem(model, self.target)
        x = learned_part(model, self._samples.validation)
        if is_joint(q):
            with torch.no_grad():
                x, noise = x.to(device_of(q), q.dtype), self._noise(q, Stream(0))
                parts = [forward_weights(q, target, part, noise) for part in x.split(q.block)]
            return torch.cat(parts).cpu().numpy() / self.n_sites
        with torch.no_grad():
            log_w = -to_numpy(target.action(x)) - to_numpy(q.log_prob(x))
        return log_w / self.n_sites

    @staticmethod
    def _noise(q: Any, rng: Stream) -> torch.Generator:
        return rng.child("latents").torch(device_of(q))


class MixedKL:
    """A mixture of both divergences.

    Parameters
    ----------
    reverse : ReverseKL
    forward : ForwardKL
        Of the same target.
    share : float
        Share a of the forward divergence, in (0, 1).

    Raises
    ------
    InputError
        If the share is out of range, or the targets differ.
    """

    loss_name, label, item, unit = "mixed", "mixed KL", "draws", "nat"

    def __init__(self, reverse: ReverseKL, forward: ForwardKL, share: float = 0.5) -> None:
        if reverse.target is not forward.target:
            raise InputError(
                f"both divergences must have one target, got {reverse.target!r} and "
                f"{forward.target!r}"
            )
        if not 0 < check_finite("share", share) < 1:
            raise InputError(f"share of the forward divergence must lie in (0, 1), got {share}")
        self.reverse, self.forward, self.share = reverse, forward, float(share)
        self.n_sites, self.n_train = forward.n_sites, forward.n_train
        self.n_validation = reverse.n_validation + forward.n_validation

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """The smaller of both effective shares."""
        return {"ess": self._smaller_share}

    def at(self, progress: float) -> MixedKL:
        """Return the objective at this share of the steps."""
        now = self.reverse.at(progress)
        return self if now is self.reverse else MixedKL(now, self.forward, self.share)

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch of configurations in training order."""
        return self.forward.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing, as a step remembers nothing of the last; refuse what has no density."""
        del rng
        check_density(model, "MixedKL")
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mixture of both losses, from as many draws as configurations."""
        a = self.share
        drawn = self.reverse.loss(model, index, rng.child("reverse"), carry)
        given = self.forward.loss(model, index, rng.child("forward"), carry)
        return Loss((1 - a) * drawn.value + a * given.value)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return losses per site: of draws, then of configurations held out.

        Each is scaled so that the mean of all is the mixture of the two means.
        """
        n = self.n_validation
        drawn, given = self.reverse.evaluate(model), self.forward.evaluate(model)
        return np.concatenate([
            drawn * ((1 - self.share) * n / max(len(drawn), 1)),
            given * (self.share * n / len(given)),
        ])  # fmt: skip

    def _smaller_share(self, losses: np.ndarray) -> float:
        n, m = self.n_validation, self.reverse.n_validation
        given = losses[m:] / (self.share * n / (n - m))
        shares = [self.forward.merits["ess"](given)]
        if m:
            drawn = losses[:m] / ((1 - self.share) * n / m)
            shares.append(self.reverse.merits["ess"](drawn))
        return min(shares)
