r"""Path-space training from the action alone: the variance of the log weights of paths.

A path of the reverse process has the weight (:mod:`physgen.models.diffusion.path_weights`)

.. math:: \log w = -S(x_0) - \log q_T(x_T) + \sum_{t \to s} \log
          \frac{p(x_t | x_s)}{q_\theta(x_s | x_t)} , \qquad
          \mathcal L = \tfrac12 \operatorname{Var}_r [ \log w ] .

The loss is 0 if and only if the paths are the noising of the target reversed; log Z drops out.
Paths r are drawn by the model itself and then held fixed, so nothing is differentiated through
the action or the steps: the target needs no force and the memory is that of one step of the
network (Richter, Boustati, Nüsken, Ruiz and Akyildiz, NeurIPS 2020; the family of DIS and of the
SPS sampler).  For paths of the model the gradient is that of the divergence of the paths,

.. math:: \partial_\theta \mathcal L = - E\big[ (\log w - \overline{\log w}) \;
          \partial_\theta \textstyle\sum \log q_\theta(x_s | x_t) \big] .

The spectrum C, which a regression measures, is that of the Gaussian of least divergence: from
:math:`C_k^{-1} = E_{N(0, C)}[x_k \partial_k S] / C_k` by iteration, with a force or, without one,
left at the size of the field.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from physgen.analysis.weights import ess
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream, as_stream
from physgen.models.diffusion.path_weights import Paths
from physgen.models.diffusion.score import ScoreModel
from physgen.targets.checked import checked_target
from physgen.training.problem import device_of, problem

__all__ = ["LogVariance", "gaussian_spectrum"]

_ROUNDS, _DRAWS = 80, 256


class LogVariance:
    """Half of the variance of the log weights of the model's own paths.

    Parameters
    ----------
    target : Target
        Of real fields.
    n_steps : int
        Steps of a path, >= 2.
    n_validation : int
        Paths with fixed random numbers, used in every validation.
    draws_per_epoch : int
        Training paths between two validations.
    rng : Stream or int
        Random numbers of the validation.

    Raises
    ------
    InputError
        If the target has spins, or a number is out of range.
    """

    loss_name, label, item, unit = "path_variance", "log variance", "paths", "nat"

    def __init__(
        self,
        target: Any,
        n_steps: int = 16,
        *,
        n_validation: int = 1024,
        draws_per_epoch: int = 6400,
        rng: Stream | int = 0,
    ) -> None:
        self.target = checked_target(target)
        if self.target.support.kind != "reals":
            raise InputError(
                f"noise is added to real fields, got {self.target.support.kind}; for spins take "
                "the family 'coloured-net'"
            )
        self.n_steps = check_positive_int("n_steps", n_steps, 2)
        self.n_validation = check_positive_int("n_validation", n_validation, 0)
        self.n_train = check_positive_int("draws_per_epoch", draws_per_epoch)
        self.n_sites = math.prod(self.target.event_shape)
        self._rng = as_stream(rng).child("validation")

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """Effective share of the held-out paths, from their losses per site."""
        return {"ess": lambda losses: ess(-losses * self.n_sites) if losses.size else math.nan}

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return 0..n_train-1: paths have no order."""
        del stream
        return np.arange(self.n_train)

    def prepare(self, model: Any) -> None:
        """Set the spectrum to that of the Gaussian of least divergence from the target."""
        q, S = self._parts(model)
        if isinstance(S, Differentiable):
            q.assign_spectrum(gaussian_spectrum(q, S))

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return half of the variance of log w of as many paths as there are positions."""
        del carry
        q, S = self._parts(model)
        paths, path, log_w = self._drawn(q, S, len(index), rng)
        pull = (log_w - log_w.mean()) / max(len(index) - 1, 1)
        # log q of the steps, at paths that do not move with the weights.
        along = torch.zeros((), dtype=torch.float64, device=log_w.device)
        for k, kernel in enumerate(paths.steps):
            score = paths.score(path[k], kernel.t)
            off = kernel.deviates(path[k], score, path[k + 1])
            along = along + (pull * 0.5 * off.square().sum(1)).sum()
        value = 0.5 * (pull * (log_w - log_w.mean())).sum()
        return Loss(along + (value - along).detach())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return -log w / n_sites of paths with fixed random numbers, (n_validation,)."""
        if self.n_validation == 0:
            return np.empty(0)
        q, S = self._parts(model)
        log_w = self._drawn(q, S, self.n_validation, self._rng)[2]
        return -to_numpy(log_w) / self.n_sites

    @torch.no_grad()
    def _drawn(
        self, q: ScoreModel, S: Any, n: int, rng: Stream
    ) -> tuple[Paths, list[torch.Tensor], torch.Tensor]:
        """Return the steps, the fields on the way (modes), and log w (n,) float64."""
        paths = Paths.of(q, self.n_steps)
        x = paths.begin(n, rng.child("start"))
        log_w, path = -paths.log_law(x), [x]
        generator = rng.child("noise").torch(device_of(q))
        for kernel in paths.steps:
            xi = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
            new = kernel.drawn(x, paths.score(x, kernel.t), xi)
            log_w = log_w + kernel.log_ratio(x, new, xi)
            x = new
            path.append(x)
        return paths, path, log_w - torch.as_tensor(S.action(paths.field(x))).to(log_w)

    def _parts(self, model: Any) -> tuple[ScoreModel, Any]:
        q, S = problem(model, self.target)
        if not isinstance(q, ScoreModel):
            raise InputError(
                f"paths are those of a ScoreModel, got {type(q).__name__}; for other densities "
                "take ReverseKL"
            )
        return q, S


def gaussian_spectrum(q: ScoreModel, S: Any) -> np.ndarray:
    r"""Return the spectrum of the Gaussian N(0, C) of least divergence from e^{-S}, (n,).

    Of :math:`F = E[S] - \frac12 \sum \ln C_k`, by damped iteration at fixed random numbers.
    """
    z = Stream(0).child("gaussian").numpy().standard_normal((_DRAWS // 2, q.geometry.n))
    z = np.concatenate([z, -z])
    modes = to_numpy(q.modes.double())
    c = to_numpy(q.spectrum.double()).copy()
    for _ in range(_ROUNDS):
        x = z * np.sqrt(c)
        field = (x @ modes.T).reshape(_DRAWS, *q.event_shape)
        slope = -to_numpy(S.force(field)).reshape(_DRAWS, -1).astype(np.float64) @ modes
        # E[x dS] = C E[d^2 S]; by z, whose squares sum to 1 on average and so scatter less.
        curvature = (x * slope).mean(0) / (c * (z * z).mean(0))
        curvature = q.symmetric(curvature)
        wanted = 1 / np.maximum(curvature, 0.2 / c)  # at most five times as wide at once
        c = np.exp(0.5 * np.log(c) + 0.5 * np.log(np.maximum(wanted, 0.2 * c)))
    return c
