r"""Adversarial training: a generator against a critic, and other terms beside it.

.. math:: \mathcal L(\theta) = \sum_k w_k \, \ell_k , \qquad
          \ell \in \{ \text{adversarial, moments, likelihood, features} \}

- *adversarial*: what the generator of the game loses (:mod:`~physgen.training.divergences`), after
  ``n_critic`` updates of the critic on this batch.  The critic's weights and its optimiser are the
  carry of the fit, so that a resumed fit repeats the uninterrupted one bit for bit.
- *moments*: squared differences of mean observables from the data, relative to their size.
  A critic whose slope is penalised does not fix a scale.
- *likelihood*: -log q per site, of models that are densities (a flow as generator keeps its own).
- *features*: squared differences of mean features of a trained network, in units of their spread.

The value of the game says little, so weights are chosen, and a fit with ``patience`` stopped, by
another figure of the held-out configurations: the energy score of raw observables,

.. math:: \mathrm{ES} = E_q | f(y) - f(x) | - \tfrac12 E_q | f(y) - f(y') | ,

whose mean is least at the true law of f (Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359
(2007)).  A collapse is looked for at the end, and named (:mod:`~physgen.training.collapse`).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss, Remarks
from physgen.core.protocols import Density
from physgen.core.random import Stream
from physgen.models.adversarial.critics import default_critic
from physgen.training.collapse import collapsed
from physgen.training.critic_state import CriticState, Scores, decay
from physgen.training.divergence_names import DIVERGENCES
from physgen.training.divergences import KERNEL_FEATURES, divergence, mmd2, witness
from physgen.training.energy_score import energy_scores
from physgen.training.from_data import FromData
from physgen.training.hybrid_terms import Part, of_game, of_kernel, of_means, surrogate
from physgen.training.penalties import between, gradient_penalty, r1
from physgen.training.problem import device_of
from physgen.training.site_moments import SiteMoments
from physgen.training.standardised import Functions, Standardised
from physgen.training.term_weights import term_weights

__all__ = ["Adversarial"]

STRENGTHS = {"r1": 0.1, "gradient": 10.0, "clip": 0.01}
LAZY = 4  # R1 is taken in every fourth update, four times as strong
JUDGED = 2048  # draws that validation and the search for a collapse take


class Adversarial(FromData):
    """A game against a critic, with moments, a likelihood or features beside it.

    Parameters
    ----------
    data : Configurations, or (target, samples)
        Spins or real fields.
    divergence : str
        A key of ``DIVERGENCES``: "non-saturating", "minimax", "wasserstein", "f-gan-kl", ...
    validation_fraction : float
        Share held out, in (0, 1).
    terms : mapping of str to float, optional
        Weights of "adversarial", "moments", "likelihood" and "features"; 1, 3, 0 and 0 where not
        given, but "features" is 1 if there are any.
    critic : nn.Module, optional
        D(x) -> (B,), or features (B, F) for "mmd-gan"; its parameters are where the fit begins.
        By default one for the lattice of the data.
    spectral : bool
        Divide every linear map of the default critic by its norm.
    features : callable, optional
        x (B, *event_shape) -> (B, F), e.g. the hidden units of a trained network.
    moments : callable, optional
        x -> (B, n) for the term of that name, instead of the usual observables.
    strength : float, optional
        Of the penalty, >= 0, or the bound of clipped weights: 0.1 for R1, 10 for the gradient,
        0.01 for clipping.
    n_critic : int, optional
        Updates of the critic in a step: 5 for the Wasserstein distances, else 1.
    critic_rate : float
        Learning rate of the critic, > 0, at the start; it falls as a half cosine.
    augment : bool
        Transform every item at random by the symmetries that the source declares.
    beside : float, optional
        A number that the critic, which must be given, sees beside x: a coupling.

    Raises
    ------
    InputError
        If a name is unknown, a number out of range, or a term has nothing to work on.
    """

    learner = "a generator"
    loss_name, label, validated_by = "adversarial_loss", "adversarial loss", "energy_score"

    def __init__(
        self,
        data: Any,
        divergence: str = "non-saturating",
        validation_fraction: float = 0.1,
        *,
        terms: Mapping[str, float] | None = None,
        critic: nn.Module | None = None,
        spectral: bool = False,
        features: Functions | None = None,
        moments: Functions | None = None,
        strength: float | None = None,
        n_critic: int | None = None,
        critic_rate: float = 2e-3,
        augment: bool = True,
        beside: float | None = None,
    ) -> None:
        super().__init__(data, validation_fraction, 1.0, augment)
        if self.support.K is not None:
            raise InputError(
                "adversarial training needs spins or real fields, got outcomes; take a model of "
                "strings and its likelihood"
            )
        self.divergence = check_choice("divergence", divergence, tuple(DIVERGENCES))
        self.terms = term_weights(terms, features is not None)
        self.features = features
        self.even = self.samples.even
        x = self.samples.train.to(torch.float32)
        self.scale = float(x.std()) if self.support.kind == "reals" else 1.0
        check_positive("the standard deviation of the data", self.scale)
        given = moments or SiteMoments(self.lattice, self.support, even=self.even)
        self._observed = Standardised(given, x, "moments", centred=False)
        self._judged = Standardised(SiteMoments(self.lattice, self.support, even=self.even), x, "")
        self._seen = None if features is None else Standardised(features, x, "features")
        self._held_out_values = self._judged(self.samples.validation.to(torch.float32))
        self.penalty = DIVERGENCES[self.divergence]
        self.strength = STRENGTHS[self.penalty] if strength is None else float(strength)
        if not 0 <= self.strength < math.inf or (self.penalty == "clip" and self.strength == 0):
            raise InputError(f"strength must be a finite number >= 0, got {strength}")
        usual = 5 if self.divergence.endswith("wasserstein") else 1
        self.n_critic = check_positive_int("n_critic", usual if n_critic is None else n_critic)
        self.spectral, self.progress, self.beside = bool(spectral), 0.0, beside
        if critic is None:
            outputs = KERNEL_FEATURES if self.divergence == "mmd-gan" else 1
            critic = default_critic(
                self.event_shape, self.lattice, even=self.even, scale=self.scale,
                rng=Stream(0).child("critic"), outputs=outputs, spectral=self.spectral,
            )  # fmt: skip
        self.critic = CriticState(
            copy.deepcopy(critic), check_positive("critic_rate", critic_rate)
        )

    # --- a fit ----------------------------------------------------------------------------

    def check(self, model: Any) -> None:
        """Raise InputError unless the model draws such configurations, with what terms need."""
        super().check(model)
        if not callable(getattr(model, "draw", None)):
            raise InputError(
                "adversarial training needs a model whose draws depend on its weights (a draw), "
                f"got {type(model).__name__}"
            )
        if self.support.kind == "spins" and not hasattr(model, "draw_scored"):
            raise InputError(
                "draws of spins have no gradients: adversarial training needs a generator with an "
                f"estimator ('spin-gan'), got {type(model).__name__}"
            )
        if self.terms["likelihood"] and not isinstance(model, Density):
            raise InputError(
                "the term 'likelihood' needs a density, and a generator only draws; take a flow "
                f"as generator, or set its weight to 0, got {type(model).__name__}"
            )

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the critic at its start, and its optimiser."""
        super().begin(model, rng)
        return self.critic.begin(device_of(model))

    def at(self, progress: float) -> Adversarial:
        """Return the objective at a share of the steps: the critic learns slower and slower."""
        found = copy.copy(self)
        found.progress = progress
        return found

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the weighted terms of fresh draws, after the updates of the critic."""
        told: dict[str, float] = {}
        batch = self.batch(model, index, rng).x
        state = dict(carry)
        if self.terms["adversarial"]:
            state, told = self._criticised(model, batch, rng, state)
        y, log_p = self._drawn(model, 2 * len(index), rng.child("draws"))
        total = y.new_zeros((), dtype=torch.float64)
        for name, part in self._parts(model, batch, y, state).items():
            value = surrogate(part, log_p) if isinstance(part, Part) else part
            told[name] = float(value.detach())
            total = total + self.terms[name] * value
        return Loss(total, told, state)

    def _criticised(
        self, model: Any, batch: torch.Tensor, rng: Stream, state: dict[str, torch.Tensor]
    ) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
        """Return the state of the critic after its updates, and what it was told."""
        game = lost = 0.0
        for k in range(self.n_critic):
            own = rng.child("critic").at(k)
            x = batch if k == 0 else self._more(model, len(batch), own)
            with torch.no_grad():
                y, _ = self._drawn(model, len(x), own.child("draws"))
            told: dict[str, float] = {}

            def against(
                w: torch.Tensor,
                x: torch.Tensor = x,
                y: torch.Tensor = y,
                own: Stream = own,
                count: int = int(state["critic_steps"]),
                told: dict[str, float] = told,
            ) -> torch.Tensor:
                scores = self.critic.scores(w, self.beside)
                value = self.value(scores, x, y)
                told["game"] = float(value.detach())
                return self._bound(scores, x, y, own, count) - value

            state, loss = self.critic.updated(state, against, decay(self.progress))
            if self.penalty == "clip":
                state = self.critic.clipped(state, self.strength)
            game, lost = game + told["game"], lost + loss
        means = {"critic_value": game / self.n_critic, "critic_loss": lost / self.n_critic}
        return state, means

    def value(self, scores: Scores, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Return what the critic maximises: a lower bound of the divergence, but for a constant.

        Parameters
        ----------
        scores : callable
            D, as a critic's ``forward``.
        x, y : tensor (B, *event_shape)
            Configurations of the data, and draws.
        """
        if self.divergence == "mmd-gan":
            return mmd2(scores(x), scores(y))
        return divergence(self.divergence).value(scores(x), scores(y))

    def _bound(
        self, scores: Scores, x: torch.Tensor, y: torch.Tensor, rng: Stream, count: int
    ) -> torch.Tensor | float:
        """Return the penalty of an update of the critic."""
        if self.penalty == "clip" or self.strength == 0:
            return 0.0
        if self.penalty == "r1":
            return LAZY * self.strength * r1(scores, x, self.scale) if count % LAZY == 0 else 0.0
        points = between(x, y, rng.child("between").torch(x.device))
        if self.divergence != "mmd-gan":
            return self.strength * gradient_penalty(scores, points)
        fx, fy = scores(x), scores(y)
        return self.strength * gradient_penalty(lambda t: witness(fx, fy, scores(t)), points)

    def _parts(
        self, model: Any, batch: torch.Tensor, y: torch.Tensor, state: Carry
    ) -> dict[str, Part | torch.Tensor]:
        """Return the terms whose weight is not 0."""
        found: dict[str, Part | torch.Tensor] = {}
        if self.terms["adversarial"]:
            scores = self.critic.scores(state["critic"].detach(), self.beside)
            if self.divergence == "mmd-gan":
                with torch.no_grad():
                    seen = scores(batch)
                found["adversarial"] = of_kernel(seen, scores(y))
            else:
                losses = divergence(self.divergence).generator(scores(y))
                found["adversarial"] = of_game(losses.double())
        if self.terms["moments"]:
            found["moments"] = of_means(self._observed(y))
        if self.terms["features"] and self._seen is not None:
            found["features"] = of_means(self._seen(y))
        if self.terms["likelihood"]:
            found["likelihood"] = -model(batch).mean() / self.n_sites
        return found

    def _drawn(self, model: Any, n: int, rng: Stream) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return n draws of any model that draws, and log P of spins that need it."""
        generator = rng.torch(device_of(model))
        if hasattr(model, "draw_scored"):
            return model.draw_scored(n, generator)
        found = model.draw(n, generator)  # a density draws (x, log q), a model of (x, z) likewise
        return (found[0] if isinstance(found, tuple) else found), None

    def _more(self, model: Any, n: int, rng: Stream) -> torch.Tensor:
        rows = rng.child("rows").numpy().integers(self.n_train, size=n)
        return self.batch(model, rows, rng).x

    # --- judged ---------------------------------------------------------------------------

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the energy score of raw observables of every held-out item, per site."""
        y = self._sampled(model)
        return energy_scores(self._judged(y), self._held_out_values) / self.n_sites

    def judge(self, model: Any) -> Remarks:
        """Return how the model was trained, and whether its draws have collapsed."""
        y, x = self._sampled(model), self.samples.validation
        found = collapsed(y.cpu().numpy(), x.numpy(), even=self.even)
        settings = {
            "objective": f"adversarial, {self.divergence}",
            "penalty": self.penalty,
            "strength": self.strength,
            "terms": {name: w for name, w in self.terms.items() if w},
        }
        if getattr(model, "estimator", None) is not None:
            settings["estimator"] = model.estimator
        return Remarks("\n".join(found), settings)

    def _sampled(self, model: Any) -> torch.Tensor:
        """Return draws of fixed random numbers, in float32 on the CPU."""
        y = model.sample(JUDGED, Stream(0).child("judged"))
        y = y[0] if isinstance(y, tuple) else y
        return torch.as_tensor(y).detach().cpu().to(torch.float32)
