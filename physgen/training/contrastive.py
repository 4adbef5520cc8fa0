r"""Contrastive divergence: the gradient of the likelihood, with chains in place of Z.

.. math:: -\nabla_\theta E_p[\log p_\theta] = E_p[\nabla_\theta S_\theta]
          - E_{p_\theta}[\nabla_\theta S_\theta] , \qquad
          \mathcal L = \langle S_\theta \rangle_\mathrm{data}
                      - \langle S_\theta \rangle_\mathrm{chains}

The chains move k steps under the current weights (:mod:`~physgen.training.negative_phase`), then
the gradient is taken at where they are.  `ContrastiveDivergence` begins them at the batch in every
step (Hinton, Neural Computation 14, 1771 (2002)): a biased gradient, unless k is long.
`PersistentContrastiveDivergence` goes on from the last step (Tieleman, ICML 2008): each chain
returns to its own slot.

The value of the contrast says nothing about the likelihood, and has no minimum to look for.
Validation therefore shows another figure of the held-out items, which needs no Z: the
score-matching loss of real fields, the pseudo-likelihood of other sites.  The result is the last
average of the weights.  A fit whose chains froze (an acceptance of almost 0) is stopped: it would
print the moments of the data, which the chains began with.

Two regularisers can be switched on, and are then in the history: ``magnitude`` times the mean of
:math:`(S / V)^2` over data and chains, and ``l2`` times half the sum of squares of the weights,
both per site.  At temperature T, S / T stands for S.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.learning import Carry, Loss, Remarks
from physgen.core.random import Stream
from physgen.samplers.loop.memory import check_memory
from physgen.training import mixing
from physgen.training.contrast import PATIENCE, Contrast, is_even
from physgen.training.from_data import as_input

__all__ = ["ContrastiveDivergence", "PersistentContrastiveDivergence"]

COPIES = 6  # chains and their reference: of this step, of the next, and of the best weights


class ContrastiveDivergence(Contrast):
    """Contrastive divergence (CD-k): chains of k steps from every batch.

    Parameters
    ----------
    data : Configurations, or (target, samples), or outcomes
    k : int
        Steps of a chain, >= 1: Gibbs sweeps, or trajectories of real fields.
    validation_fraction : float
        Share held out, in (0, 1).
    n_leapfrog : int
        Leapfrog steps of a trajectory.
    magnitude, l2 : float
        Strengths of the regularisers, >= 0.
    temperature : float
        The data are samples of e^{-S / temperature}.
    augment : bool
        Transform every item at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        data: Any,
        k: int = 1,
        validation_fraction: float = 0.1,
        *,
        n_leapfrog: int = 5,
        magnitude: float = 0.0,
        l2: float = 0.0,
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        super().__init__(
            data, k, validation_fraction, n_leapfrog=n_leapfrog, magnitude=magnitude, l2=l2,
            temperature=temperature, augment=augment,
        )  # fmt: skip

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the first step size, and no memory of chains."""
        super().begin(model, rng)
        return {**self._first_moves(), "overlap": torch.tensor(0.0, dtype=torch.float64)}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the contrast of the items with chains that begin at them."""
        start = self.batch(model, index, rng).x
        chains, moves = self._moved(model, start, rng, carry)
        rho = mixing.overlap(start, chains, model.support, even=is_even(model))
        weight = 1 / min(float(moves["age"]), PATIENCE)
        new = torch.tensor(
            (1 - weight) * float(carry["overlap"]) + weight * rho, dtype=torch.float64
        )
        value, metrics = self._contrast(model, index, rng, chains)
        told = self._told(moves, _exponential(float(new), self.k))
        return Loss(value, metrics | told, {**moves, "overlap": new})

    def remarks(self, carry: Carry) -> Remarks:
        """Return the settings of the chains, and whether they were too short."""
        tau, found = _exponential(float(carry["overlap"]), self.k), self._warnings(carry)
        if tau > self.k:
            found.append(
                f"out of equilibrium: chains of {self.k} steps began at the data, and need about "
                f"{tau:.3g} to forget it; samples may look right only if they are made alike. "
                "Raise k"
            )
        settings = {"objective": "contrastive divergence", **self._settings(carry, tau)}
        return Remarks("\n".join(found), settings)


class PersistentContrastiveDivergence(Contrast):
    """Persistent contrastive divergence (PCD): chains that go on from step to step.

    Parameters
    ----------
    data : Configurations, or (target, samples), or outcomes
    k : int
        Steps of a chain in an update, >= 1: Gibbs sweeps, or trajectories of real fields.
    n_chains : int
        Chains, >= 2.
    validation_fraction : float
        Share held out, in (0, 1).
    start : {"data", "hot"}
        Where chains begin: at configurations of the data, or at those of ``model.hot``.
    chains_per_step : int, optional
        Chains that one step moves, a divisor of `n_chains`: the blocks take turns.  All of them by
        default.
    reinit : float
        Share of the moved chains that begin anew in each step, in [0, 1).
    n_leapfrog : int
        Leapfrog steps of a trajectory.
    magnitude, l2 : float
        Strengths of the regularisers, >= 0.
    temperature : float
        The data are samples of e^{-S / temperature}.
    augment : bool
        Transform every item at random by the symmetries that the source declares.

    Raises
    ------
    InputError
        If a number is out of range.
    """

    def __init__(
        self,
        data: Any,
        k: int = 10,
        n_chains: int = 1000,
        validation_fraction: float = 0.1,
        *,
        start: str = "data",
        chains_per_step: int | None = None,
        reinit: float = 0.0,
        n_leapfrog: int = 5,
        magnitude: float = 0.0,
        l2: float = 0.0,
        temperature: float = 1.0,
        augment: bool = True,
    ) -> None:
        super().__init__(
            data, k, validation_fraction, n_leapfrog=n_leapfrog, magnitude=magnitude, l2=l2,
            temperature=temperature, augment=augment,
        )  # fmt: skip
        self.n_chains = check_positive_int("n_chains", n_chains, 2)
        self.start = check_choice("start", start, ("data", "hot"))
        moving = self.n_chains if chains_per_step is None else chains_per_step
        self.chains_per_step = check_positive_int("chains_per_step", moving)
        if self.n_chains % self.chains_per_step:
            raise InputError(
                f"chains_per_step must divide n_chains, got {moving} and {self.n_chains}"
            )
        if not 0 <= check_finite("reinit", reinit) < 1:
            raise InputError(f"reinit must be a share in [0, 1), got {reinit}")
        self.reinit = float(reinit)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return the first chains, and the step size of their moves.

        Raises
        ------
        InputError
            If model and data differ, or the chains do not fit in memory.
        """
        super().begin(model, rng)
        each = self.n_sites * self.samples.train.element_size()
        needed = COPIES * self.n_chains * each
        check_memory(needed, f"n_chains = {self.n_chains} in the carry of a fit", "take fewer")
        chains = self._begun(model, self.n_chains, rng.child("chains"), self.start)
        return {"chains": chains, **mixing.begun(chains), **self._first_moves()}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the contrast of the items with the chains, and the chains after their moves."""
        n, blocks = self.chains_per_step, self.n_chains // self.chains_per_step
        block = int(carry["age"]) % blocks
        slots = slice(block * n, (block + 1) * n)
        now = carry["chains"][slots]
        if self.reinit:
            fresh = self._begun(model, n, rng.child("fresh"), self.start)
            anew = torch.rand(n, generator=rng.child("anew").torch()) < self.reinit
            now = torch.where(anew.to(now.device).view(-1, *[1] * (now.ndim - 1)), fresh, now)
        x, moves = self._moved(model, as_input(model, now), rng, carry)
        chains = carry["chains"].clone()
        chains[slots] = x.to(chains.dtype)
        memory = {name: carry[name] for name in ("reference", "sum", "tau", "windows")}
        if block == blocks - 1:
            even = is_even(model)
            memory = dict(mixing.followed(memory, chains, model.support, self.k, even=even))
        value, metrics = self._contrast(model, index, rng, x)
        tau, _ = mixing.needed(memory, self.k)
        return Loss(value, metrics | self._told(moves, tau), {"chains": chains, **memory, **moves})

    def remarks(self, carry: Carry) -> Remarks:
        """Return the settings of the chains, and whether they were out of equilibrium."""
        (tau, bound), found = mixing.needed(carry, self.k), self._warnings(carry)
        if tau > self.k:
            found.append(
                f"out of equilibrium: the chains move {self.k} steps an update and need "
                f"{'at least' if bound else 'about'} {tau:.3g} to forget where they were; samples "
                "may look right only if they are made as in training. Raise k, or check the model "
                "with chains of its own"
            )
        settings = {
            "objective": "persistent contrastive divergence",
            "n_chains": self.n_chains,
            "start": self.start,
            **self._settings(carry, tau),
        }
        return Remarks("\n".join(found), settings)


def _exponential(rho: float, k: int) -> float:
    """Return tau of an overlap rho = e^{-k / tau}; 10^6 k stands for more."""
    return k / max(-math.log(min(max(rho, 1e-300), 1.0)), 1e-6)
