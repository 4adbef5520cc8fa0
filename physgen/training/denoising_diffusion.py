r"""Denoising score matching, with and without the force of the clean field.

A :class:`~physgen.models.diffusion.score.ScoreModel` has the score
:math:`s = -x / D - \gamma N` of :math:`x = x_0 + \lambda z`.  Two identities give the score as an
expectation given x, of the noise and of the clean force (:math:`\partial S` the gradient of the
action):

.. math:: s = -E[z] / \lambda \qquad\text{and}\qquad s = -E[\partial S(x_0)] .

The first has infinite variance where :math:`\lambda \to 0`; the second keeps the variance of the
force, in which the slow modes drown.  Mixed with weights :math:`1 - c` and c, mode by mode, they
regress on

.. math:: N \leftarrow \kappa \, \big( \partial S(x_0) - C^{-1} x_0 \big)
          + (1 - \kappa) \, \big( z / \lambda - C^{-1} x_0 \big) , \qquad c = \kappa \gamma .

With kappa = 1 no noise z is left at all.  The variance given x, about :math:`c^2 v + (c -
\gamma)^2 / P` with :math:`v = \langle (\partial S)^2 \rangle - C^{-1}` of the force that is left
and :math:`P = \gamma \lambda^2` of :math:`x_0`, is least at :math:`\kappa = 1 / (1 + v P)`: the
force where noise is weak, the noise where it covers a mode.  This is "mixed".  "force" is kappa =
1, which sees no noise; "noise" is kappa = 0, which needs no action; "explicit" takes the mean of
"force" given x (:mod:`physgen.training.explicit_score`), in small systems.  All have the same
optimum.  A ``force_weight`` w adds :math:`w \sum_k (N_k - \hat N_k)^2` at :math:`\lambda = 0`
to every item: there the score is the force itself (force-regularised matching).  The loss of an
item is

.. math:: \mathcal L = \int d\lambda \, \lambda \, h \sum_k \gamma_k^2 (N_k - \hat N_k)^2 ,

with one random :math:`\lambda` an item, spread evenly over a batch in
:math:`\tau = \frac12 \ln(\lambda^2 + \delta^2)`, and h a weighting
(:mod:`physgen.training.noise_weightings`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.core.checks import check_choice, check_finite
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss
from physgen.core.random import Stream
from physgen.models.diffusion.sampling import DELTA
from physgen.models.diffusion.score import ScoreModel
from physgen.training.explicit_score import REFERENCES, check_small, posterior_mean
from physgen.training.noise_weightings import WEIGHTINGS, weight_of
from physgen.training.noised_data import NoisedData, check_scaling
from physgen.training.output_filters import solve_out
from physgen.training.problem import device_of
from physgen.training.thermalised import check_thermalised

__all__ = ["DenoisingDiffusion"]

# Noised items that output filters are solved on in the end: fewer of larger fields, which hold
# more modes; a quarter of them in the beginning.
SOLVED, LEAST_SOLVED, MOST_SOLVED, BATCH = 2**22, 2**13, 2**16, 256
REGRESSED = ("mixed", "force", "noise", "explicit")
FORCED = ("mixed", "force", "explicit")


class Regression(NamedTuple):
    """Items of a regression: scale * N(x, weights) should be goal; all (B, n) but the second.

    Attributes
    ----------
    x, scale, goal : tensor (B, n)
    weights : tensor (B, times)
    """

    x: torch.Tensor
    weights: torch.Tensor
    scale: torch.Tensor
    goal: torch.Tensor


class DenoisingDiffusion:
    """Regression of the score of noised configurations.

    Parameters
    ----------
    source : Target or Configurations
    samples : array (n, *event_shape), optional
        Configurations of a target, from converged chains; left out with Configurations.
    validation_fraction : float
        Share held out, in (0, 1): the end of the chains.
    weighting : {"likelihood", "balanced", "flow", "edm"}
    regression : {"auto", "mixed", "force", "noise", "explicit"}
        "auto": "mixed" where the target has a force, else "noise".
    force_weight : float
        w >= 0, of the force of clean fields; needs a target with a force.
    thermalised : {"refuse", "warn", "ignore"}
        What to do about configurations that fail the tests of
        :mod:`physgen.training.thermalised`.
    scaling : {"spectrum"}
        The units of the field; "extremes" of the sample are refused.
    locality : float
        >= 0; about 1e-6 for weights that will go to a larger lattice, whose momenta lie between
        those of this one (:mod:`physgen.training.output_filters`).  The loss is hardly worse.

    Raises
    ------
    InputError
        If the configurations are spins or have not thermalised, or a force is asked for where
        none is known.
    """

    loss_name, label, item, unit = "score_loss", "score matching", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        source: Any,
        samples: Any = None,
        validation_fraction: float = 0.1,
        *,
        weighting: str = "balanced",
        regression: str = "auto",
        force_weight: float = 0.0,
        thermalised: str = "refuse",
        scaling: str = "spectrum",
        locality: float = 0.0,
    ) -> None:
        self.data = NoisedData(source, samples, validation_fraction)
        self.weighting = check_choice("weighting", weighting, WEIGHTINGS)
        check_choice("regression", regression, ("auto", *REGRESSED))
        check_scaling(scaling)
        self.force_weight = check_finite("force_weight", force_weight)
        if self.force_weight < 0:
            raise InputError(f"force_weight must be a number >= 0, got {force_weight}")
        self.locality = check_finite("locality", locality)
        if self.locality < 0:
            raise InputError(f"locality must be a number >= 0, e.g. 1e-6, got {locality}")
        asked = f"regression {regression!r}" if regression in FORCED else "force_weight"
        if not self.data.has_force and (regression in FORCED or self.force_weight):
            raise InputError(
                f"{asked} needs a target with a force, got none; use 'noise', which needs "
                "configurations alone"
            )
        check_thermalised(source, samples, thermalised)
        known = "mixed" if self.data.has_force else "noise"
        self.regression = known if regression == "auto" else regression
        if self.regression == "explicit":
            check_small(math.ceil(self.data.n_sites / 2))  # a model may leave the odd sites out
        held = self.data.samples
        self.n_train, self.n_validation = held.n_train, held.n_validation
        self.n_sites = self.data.n_sites

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return self.data.samples.epoch_order(stream)

    def prepare(self, model: Any) -> None:
        """Set the spectrum to that of the training items, and solve for the output filters."""
        q = self._scored(model)
        q.standardise(self.data.part(model).x)
        self._solve(model, q, Stream(0).child("prepare"), 0.25)

    def solve(self, model: Any) -> None:
        """Adapt the spectrum and the output filters alone: the other layers keep their meaning."""
        q = self._scored(model)
        q.standardise(self.data.part(model).x, keep_units=True)
        self._solve(model, q, Stream(0).child("finish"), 1.0)

    def finish(self, model: Any) -> None:
        """Solve for the output filters once more, unless held-out items lose by it.

        Local filters stay even then: steps of the loss have made them less so.
        """
        q = self._scored(model)
        if self.locality:
            self._solve(model, q, Stream(0).child("finish"), 1.0)
            return
        kept, before = copy.deepcopy(q.state_dict()), self.evaluate(model)
        self._solve(model, q, Stream(0).child("finish"), 1.0)
        if before.size and not self.evaluate(model).mean() <= before.mean():
            q.load_state_dict(kept)

    def _solve(self, model: Any, q: ScoreModel, rng: Stream, share: float) -> None:
        """Minimise the loss in the filters A, in which N is linear, on many noised items."""
        data, device = self.data.part(model), device_of(model)
        generator, sites = rng.torch(), data.x.shape[1]
        n = share * min(max(SOLVED // sites, LEAST_SOLVED), MOST_SOLVED)

        def batches() -> Iterator[Regression]:
            for _ in range(math.ceil(n / BATCH)):
                rows = torch.randint(len(data.x), (BATCH,), generator=generator)
                place = torch.randperm(BATCH, generator=generator)
                level = (place + torch.rand(BATCH, generator=generator)) / BATCH
                z = torch.randn(BATCH, sites, generator=generator)
                force = None if data.force is None else data.force[rows].to(device)
                yield self.regression_at(
                    q, data.x[rows].to(device), force, level.to(device), z.to(device)
                )

        solve_out(q.network, batches(), locality=self.locality)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean weighted error of the items, at one noise level each."""
        del carry
        q, device = self._scored(model), device_of(model)
        x, force = self.data.batch(model, index, rng, device)
        generator = rng.child("noise").torch()
        place = torch.randperm(len(x), generator=generator)
        share = (place + torch.rand(len(x), generator=generator)) / len(x)
        z = torch.randn(x.shape, generator=generator).to(device)
        return Loss(self.errors(q, x, force, share.to(device), z).mean())

    def errors(
        self,
        q: ScoreModel,
        x: torch.Tensor,
        force: torch.Tensor | None,
        share: torch.Tensor,
        z: torch.Tensor,
    ) -> torch.Tensor:
        """Return the weighted squared error of every item, (B,), in nats.

        Parameters
        ----------
        q : ScoreModel
        x, force, z : tensor (B, sites)
            Clean fields, their forces, and normal deviates of modes.
        share : tensor (B,)
            Places of the noise levels in the range of tau, in [0, 1].
        """
        now = self.regression_at(q, x, force, share, z)
        found = (now.scale * q.network(now.x, now.weights) - now.goal).square().sum(1)
        if self.force_weight:
            clean, goal = self._clean(q, x, force)
            least = torch.full((len(x),), q.range[0], dtype=q.dtype, device=x.device)
            off = (q.network(clean, q.weights(least)) - goal).square().sum(1)
            found = found + self.force_weight * off
        return found

    @staticmethod
    def _clean(
        q: ScoreModel, x: torch.Tensor, force: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return clean fields in modes and the force that is left of them, (B, n) each."""
        assert force is not None
        size, c = q.units
        clean = (x.to(q.dtype) - q.centre) @ q.modes / size
        return clean, -size * (force.to(q.dtype) @ q.modes) - clean / c

    def regression_at(
        self,
        q: ScoreModel,
        x: torch.Tensor,
        force: torch.Tensor | None,
        share: torch.Tensor,
        z: torch.Tensor,
    ) -> Regression:
        """Return what the network of q is to do with noised items; arguments as of `errors`."""
        (size, c), (low, high) = q.units, q.range
        x, z = x.to(q.dtype), z.to(q.dtype)
        clean = (x - q.centre) @ q.modes / size
        tau = low + (high - low) * share.double()
        lam2 = (torch.exp(2 * tau) - DELTA**2).clamp(min=0)[:, None]
        root = (weight_of(self.weighting, lam2) * (high - low)).sqrt().to(q.dtype)
        lam2 = lam2.to(q.dtype)
        gamma, lam = c / (c + lam2), lam2.sqrt()
        seen = gamma * (clean + lam * z)
        if self.regression == "mixed":
            assert force is not None
            v = self.data.force_power(q.modes).to(q.spectrum) * size**2 - 1 / c
            v = v.clamp(min=0)
            kappa = 1 / (1 + v * gamma * lam2)
            scale = root * gamma * (lam2 + DELTA**2).sqrt()
            pull = -size * (force.to(q.dtype) @ q.modes)
            goal = scale * (kappa * (pull + v * gamma * lam * z) - clean / c)
        elif self.regression in FORCED:
            scale = root * gamma * (lam2 + DELTA**2).sqrt()
            goal = self._clean(q, x, force)[1]
            if self.regression == "explicit":
                check_small(x.shape[1])
                known = self.data.references(x.shape[1], REFERENCES)
                others = self._clean(q, known.x.to(x), known.force)
                goal = posterior_mean(clean + lam * z, lam2, (clean, goal), others)
            goal = scale * goal
        else:
            scale = root * gamma * lam
            goal = root * gamma * (z - lam * clean / c)
        return Regression(seen, q.weights(tau.to(q.dtype)), scale, goal)

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the error of every held-out item per site, at fixed noise, (n_validation,)."""
        q, device = self._scored(model), device_of(model)
        x, force = self.data.part(model, held_out=True)
        generator = Stream(0).child("held out").torch()
        share = (torch.randperm(len(x), generator=generator) + 0.5) / len(x)
        z, found = torch.randn(x.shape, generator=generator), []
        with torch.no_grad():
            for rows in torch.arange(len(x)).split(q.block):
                parts = (x[rows], None if force is None else force[rows], share[rows], z[rows])
                on = [None if t is None else t.to(device) for t in parts]
                found.append(self.errors(q, *on))  # type: ignore[arg-type]
        return torch.cat(found).double().cpu().numpy() / self.n_sites

    def _scored(self, model: Any) -> ScoreModel:
        q = self.data.learned(model)
        if not isinstance(q, ScoreModel):
            raise InputError(
                f"denoising trains a ScoreModel, got {type(q).__name__}; for an EquivariantCNF "
                "take FlowMatching, and for other densities ForwardKL"
            )
        return q
