r"""Training on a target known up to its normalisation: no data.

The variational free energy of a model q,

.. math:: F_q = E_q[\log q(x) + S(x)] = -\log Z + D_{KL}(q \| p) \ge F ,

is estimated from draws of the model itself, and its gradient in one of three ways:

==========  ======================================================================================
path        :math:`E[(\partial_x \log q + \partial_x S)^T \, \partial_\theta x]` at
            :math:`x = x_\theta(\epsilon)`: its variance goes to zero with the divergence (Roeder,
            Wu, Duvenaud, NeurIPS 2017; Vaitl et al., ICML 2022)
reparam     :math:`E[\partial_\theta (\log q(x_\theta(\epsilon)) + S(x_\theta(\epsilon)))]`
reinforce   :math:`E[(f - \bar f) \, \partial_\theta \log q(x)]`, :math:`f = \log q + S`, with
            :math:`\bar f` the mean of the other draws: needs neither a force nor continuous x
==========  ======================================================================================

With ``anneal`` = a the action is multiplied by a number that grows linearly from ``start`` to 1
over the first share a of the steps: the modes of a broken phase are found while they still
overlap.  With ``along`` the path is a sequence of targets instead: ``along(s)``,
:math:`0 \le s < 1`, in STAGES steps.  Held-out "items" are draws with fixed random numbers; their
losses give the effective sample size of the weights :math:`w = e^{-S} / q` beside F_q.

A joint model has the divergence, the weights and the effective share of pairs (x, z)
(:mod:`physgen.training.pairs`), which bounds those of x.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from physgen.analysis.weights import ess
from physgen.core.checks import check_choice, check_finite, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss, Scored
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream, as_stream
from physgen.targets.checked import checked_target
from physgen.training.pairs import is_joint, reverse_loss, reverse_weights
from physgen.training.problem import check_density, device_of, problem

__all__ = ["ReverseKL"]

GRADIENTS = ("path", "reparam", "reinforce")
MANY_PASSES = 32  # of a flow that draws in one pass: 128 numbers took 20 s a step by paths
STAGES = 20  # of couplings: the tables of a target are not rebuilt at every step


class ReverseKL:
    """Kullback-Leibler divergence D(q || p) from a target, up to log Z.

    Parameters
    ----------
    target : Target
        On the configurations of the model; for a decimated model, the whole target.
    gradient : {"path", "reparam", "reinforce"}, optional
        By default "path" for real fields with a force, else "reinforce"; "reparam" for flows that
        draw in one pass and score in more than 32, which paths would need at every step.
    anneal : float
        Share of the steps over which the action grows to its full size, in [0, 1).
    start : float
        First multiple of the action, in (0, 1].
    along : callable(float) -> Target, optional
        Targets on the path, on the same lattice, instead of multiples of the action; needs
        ``anneal`` > 0.
    n_validation : int
        Draws with fixed random numbers, used in every validation.
    draws_per_epoch : int
        Training draws between two validations.
    rng : Stream or int
        Random numbers of the validation.

    Raises
    ------
    InputError
        If a number is out of range, or the target lacks what the gradient needs.
    """

    loss_name, label, item, unit = "free_energy", "variational F", "draws", "nat"

    def __init__(
        self,
        target: Any,
        gradient: str | None = None,
        *,
        anneal: float = 0.0,
        start: float = 0.3,
        along: Callable[[float], Any] | None = None,
        n_validation: int = 1024,
        draws_per_epoch: int = 6400,
        rng: Stream | int = 0,
    ) -> None:
        target = checked_target(target)
        real = target.support.kind == "reals"
        self.chosen = gradient is not None
        gradient = gradient or ("path" if real and _has_force(target) else "reinforce")
        self.gradient = check_choice("gradient", gradient, GRADIENTS)
        if gradient != "reinforce" and not real:
            raise InputError(
                f"gradient {gradient!r} needs real fields, got {target.support.kind}; use "
                "'reinforce'"
            )
        if gradient == "path" and not _has_force(target):
            raise InputError("gradient 'path' needs a target with a force; use 'reinforce'")
        if not 0 <= check_finite("anneal", anneal) < 1:
            raise InputError(f"anneal must be a share of the steps in [0, 1), got {anneal}")
        if check_positive("start", start) > 1:
            raise InputError(f"start must be a factor of the action in (0, 1], got {start}")
        if along is not None and anneal == 0:
            raise InputError("along needs anneal > 0, the share of the steps on the way, got 0")
        self.target, self.anneal, self.start = target, float(anneal), float(start)
        self.along = None if along is None else lru_cache(STAGES)(along)
        self.stage: Any = None
        self.n_validation = check_positive_int("n_validation", n_validation, 0)
        self.n_train = check_positive_int("draws_per_epoch", draws_per_epoch)
        self.n_sites = math.prod(target.event_shape)
        self.factor = 1.0
        self._rng = as_stream(rng).child("validation")

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """Effective share of the held-out draws, from their losses per site."""
        return {"ess": lambda losses: ess(-losses * self.n_sites) if losses.size else math.nan}

    def at(self, progress: float) -> ReverseKL:
        """Return the objective at this share of the steps: the action is smaller at first."""
        if progress >= self.anneal:
            return self
        now, s = copy.copy(self), progress / self.anneal
        if self.along is None:
            now.factor = self.start + (1 - self.start) * s
        else:
            now.stage = self.along(math.floor(s * STAGES) / STAGES)
        return now

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return 0..n_train-1: draws have no order."""
        del stream
        return np.arange(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing, as a step remembers nothing of the last; refuse what has no density."""
        del rng
        check_density(model, "ReverseKL")
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return F_q of as many draws as there are positions, with the chosen gradient."""
        del carry
        q, target = problem(model, self.target, self.stage)
        n = len(index)
        if is_joint(q):
            generator, how = rng.torch(device_of(q)), self.gradient == "reinforce"
            return Loss(reverse_loss(q, target, n, generator, self.factor, how))
        if self.gradient == "reinforce":
            return Loss(self._reinforce(q, target, n, rng))
        generator = rng.torch(device_of(model))
        if self.gradient == "reparam" or (not self.chosen and _is_slow_to_score(q)):
            x, log_q = q.draw(n, generator)
            return Loss((log_q + self.factor * target.action(x)).mean())
        x, log_q, score = _scored(q, n, generator)
        at = x.detach()
        with torch.no_grad():
            value = (log_q + self.factor * target.action(at)).mean()
            cotangent = (score - self.factor * target.force(at).to(score.dtype)) / n
        along = (cotangent * x).sum()
        return Loss(along + (value - along).detach())

    def replays(self, model: Any) -> bool:
        """Return whether updates read nothing from the host: those of a density do not."""
        return not is_joint(model)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return (log q + S) / n_sites of draws with fixed random numbers, (n_validation,)."""
        if self.n_validation == 0:
            return np.empty(0)
        q, target = problem(model, self.target)
        if is_joint(q):
            log_w = reverse_weights(q, target, self.n_validation, self._rng)
            return -log_w.cpu().numpy() / self.n_sites
        x, log_q = q.sample_and_log_prob(self.n_validation, self._rng)
        with torch.no_grad():
            losses = log_q + torch.as_tensor(target.action(x))
        return losses.cpu().numpy() / self.n_sites

    def _reinforce(self, q: Any, target: Any, n: int, rng: Stream) -> torch.Tensor:
        if q.support.kind == "reals":
            x, _ = q.sample_and_log_prob(n, rng)
            log_q = q.forward(x)
        else:  # spins do not move with the weights: differentiate log q of the draw
            x, log_q = q.draw(n, rng.torch(device_of(q)))
        with torch.no_grad():
            f = log_q + self.factor * torch.as_tensor(target.action(x))
            advantage = (f - f.mean()) / max(n - 1, 1)
        along = (advantage * log_q).sum()
        return along + (f.mean() - along).detach()


def _has_force(target: Any) -> bool:
    return isinstance(target, Differentiable)


def _is_slow_to_score(q: Any) -> bool:
    """Whether a score of the draws, which a path gradient needs, takes many passes."""
    return not isinstance(q, Scored) and getattr(q, "passes", 1) > MANY_PASSES


def _scored(q: Any, n: int, generator: torch.Generator) -> tuple[Any, Any, Any]:
    """Return draws, their log q and score: in one pass if the flow can, else in two."""
    if isinstance(q, Scored):
        return q.draw_with_score(n, generator)
    x, _ = q.draw(n, generator)
    at = x.detach().requires_grad_(True)
    parameters = [p for p in q.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        log_q = q.forward(at)
        (score,) = torch.autograd.grad(log_q.sum(), at)
    finally:
        for p in parameters:
            p.requires_grad_(True)
    return x, log_q.detach(), score
