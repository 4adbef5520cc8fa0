r"""Training the maps of a stochastic flow, one after another.

A map T from draws of :math:`e^{-S_{k-1}}` towards :math:`e^{-S_k}` minimises

.. math:: E_{x \sim p_{k-1}}\big[ S_k(T(x)) - S_{k-1}(x) - \log |\det \partial T(x)| \big]
          = \log \frac{Z_{k-1}}{Z_k} + D_{KL}(T p_{k-1} \| p_k) ,

the mean work of the stage.  Nothing is differentiated through a Markov chain: a map is trained on
draws from the trained maps and the chains before it (Arbel, Matthews and Doucet, ICML 2021;
Matthews et al., ICML 2022).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from physgen.analysis.weights import ess
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream, as_stream
from physgen.samplers.jarzynski import Stage, carried
from physgen.training.fitting import fit
from physgen.training.problem import device_of
from physgen.training.samples import Samples
from physgen.training.settings import FitSettings

__all__ = ["TransportKL", "fit_layers"]


class TransportKL:
    """Mean work of one map between two targets.

    Parameters
    ----------
    samples : array, shape (n, *event_shape)
        Draws of the first target; the last tenth is held out.
    actions : array, shape (n,)
        Their S_{k-1}.
    target : Target
        The second target.

    Raises
    ------
    InputError
        If there are fewer than 100 draws.
    """

    loss_name, label, item, unit = "free_energy", "mean work", "draws", "nat"

    def __init__(self, samples: Any, actions: Any, target: Any) -> None:
        x = to_numpy(samples).astype(np.float32)
        if len(x) < 100:
            raise InputError(f"a map needs at least 100 draws to be trained on, got {len(x)}")
        self.target, self.n_sites = target, math.prod(target.event_shape)
        held_out = np.arange(len(x) - len(x) // 10, len(x))
        # Both are split alike, so a position is a draw in one and its action in the other.
        self._draws = Samples(x, held_out)
        self._actions = Samples(to_numpy(actions).astype(np.float64), held_out)
        self.n_train, self.n_validation = self._draws.n_train, self._draws.n_validation

    @property
    def merits(self) -> Mapping[str, Callable[[np.ndarray], float]]:
        """Effective share of the weights of this stage."""
        return {"ess": lambda losses: ess(-losses * self.n_sites)}

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self._draws.epoch_order(stream)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean work of the draws at these positions."""
        del carry
        x, action = self._draws.batch(index, rng).x, self._actions.batch(index, rng).x
        return Loss(self._work(model, x, action).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the work per site of the draws held out."""
        with torch.no_grad():
            work = self._work(model, self._draws.validation, self._actions.validation)
        return work.cpu().numpy() / self.n_sites

    def _work(self, model: Any, x: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
        device = device_of(model)
        y, log_det = model.mapped(x.to(device))
        return self.target.action(y) - action.to(device) - log_det


def fit_layers(
    start: Any,
    targets: Sequence[Any],
    make: Callable[[Stream], Any],
    move: Any,
    *,
    n: int = 8192,
    n_moves: int = 1,
    tuning: dict[str, float] | None = None,
    settings: FitSettings | None = None,
    rng: Stream | int = 0,
) -> list[Stage]:
    """Train the maps of a stochastic flow along targets, as stages for `stochastic_flow`.

    Parameters
    ----------
    start : Density
    targets : sequence of Target
        Targets of the stages; the last one is the one to be sampled.
    make : callable(Stream) -> module
        A fresh map, e.g. ``lambda rng: FlowLayer((8, 8), rng=rng)``.
    move : Sampler
        Of every stage.
    n : int
        Draws that every map is trained on.
    n_moves, tuning
        As for `stochastic_flow`.
    settings : FitSettings, optional
        Of every fit.
    rng : Stream or int

    Returns
    -------
    list of (Transform, Target)

    Raises
    ------
    InputError
        If `n` is less than 100.
    """
    check_positive_int("n", n, 100)
    stream = as_stream(rng)
    settings = settings or FitSettings(
        n_epochs=8, batch_size=128, learning_rate=1e-2, clip_norm=5.0, beta2=0.95, ema_decay=0.9
    )
    stages: list[Stage] = []
    for k, target in enumerate(targets):
        here = stream.child("layer", k)
        if stages:
            x, _, _ = carried(start, stages, move, n, here.child("draws"), n_moves, tuning)
            actions = stages[-1][1].action(x)
        else:
            x, log_q = start.sample_and_log_prob(n, here.child("draws"))
            actions = -to_numpy(log_q)
        layer = make(here.child("init"))
        fit(layer, TransportKL(x, actions, target), settings, rng=here.child("fit"))
        stages.append((layer, target))
    return stages
