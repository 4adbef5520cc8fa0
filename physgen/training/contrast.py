r"""What objectives with a negative phase share: its moves, the loss, regularisers and a monitor.

.. math:: \mathcal L = \langle S_\theta \rangle_\mathrm{data}
                      - \langle S_\theta \rangle_\mathrm{chains}
                      + \alpha V \, \tfrac12 \Big[ \langle (S/V)^2 \rangle_\mathrm{data}
                      + \langle (S/V)^2 \rangle_\mathrm{chains} \Big]
                      + \lambda V \, \tfrac12 |\theta|^2

with ``magnitude`` :math:`\alpha` and ``l2`` :math:`\lambda`, both 0 unless they are given.  The
sums behind them are in the history under these names, without their strengths.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.checks import check_finite, check_positive_int
from physgen.core.declared import declared
from physgen.core.energies import Moving
from physgen.core.errors import InputError, TrainingDivergedError
from physgen.core.learning import Carry
from physgen.core.random import Stream
from physgen.training.conditionals import conditional_nll
from physgen.training.from_data import FromData, mean_of
from physgen.training.hyvarinen import hyvarinen
from physgen.training.negative_phase import FIRST_STEP, Moved, Spectrum, moved
from physgen.training.problem import device_of

__all__ = ["PATIENCE", "Contrast", "is_even"]

FROZEN, PATIENCE = 0.01, 50  # an acceptance, and updates that it is averaged over
MANY_BROKEN = 1e-3  # share of proposals whose energy is not finite, from which on a fit warns
SITES_SHOWN = 16  # of a held-out item, whose conditional probabilities are looked at


class Contrast(FromData):
    """An objective that compares data with chains of the model.

    Parameters
    ----------
    data, validation_fraction, temperature, augment
        As in :class:`~physgen.training.from_data.FromData`.
    k : int
        Steps of a chain in an update, >= 1.
    n_leapfrog : int
        Leapfrog steps of a trajectory of real fields.
    magnitude, l2 : float
        Strengths of the regularisers, >= 0.
    """

    loss_name, label = "contrast", "contrast"

    def __init__(
        self,
        data: Any,
        k: int,
        validation_fraction: float,
        *,
        n_leapfrog: int,
        magnitude: float,
        l2: float,
        temperature: float,
        augment: bool,
    ) -> None:
        super().__init__(data, validation_fraction, temperature, augment)
        self.k = check_positive_int("k", k)
        self.n_leapfrog = check_positive_int("n_leapfrog", n_leapfrog)
        self.magnitude, self.l2 = (
            _not_negative(name, x) for name, x in (("magnitude", magnitude), ("l2", l2))
        )
        real, even = self.support.kind == "reals", self.augment and self.samples.even
        self.spectrum = Spectrum.of(self.samples.train, self.lattice, even=even) if real else None

    @property
    def monitor(self) -> str:
        """What `evaluate` returns."""
        return "pseudo_nll" if self.spectrum is None else "score_matching"

    def check(self, model: Any) -> None:
        """Raise InputError unless the model is an energy of data like these, at this T."""
        super().check(model)
        if isinstance(model, Moving) and self.temperature != 1:
            raise InputError(
                f"a model that moves its own units needs temperature 1, got {self.temperature}"
            )

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the monitor per site of the held-out items, (n_validation,)."""
        energy = self.energy(model)
        if self.spectrum is not None:
            probes = "rademacher" if self.lattice is None else "checkerboard"
            return self.held_out(
                model, lambda x, rng: hyvarinen(energy, x, probes, self.lattice, rng)
            )
        with torch.no_grad():
            n, V = min(SITES_SHOWN, self.n_sites), self.n_sites
            return self.held_out(
                model, lambda x, rng: V * conditional_nll(energy, x, model.support, n, rng)
            )

    # --- for subclasses -------------------------------------------------------------------

    def _first_moves(self) -> dict[str, torch.Tensor]:
        """Return what is carried of the moves."""
        found = {"log_step": math.log(FIRST_STEP), "acceptance": 1.0, "age": 0.0}
        found |= {"broken": 0.0, "proposed": 0.0}
        return {name: torch.tensor(x, dtype=torch.float64) for name, x in found.items()}

    def _moved(
        self, model: Any, x: torch.Tensor, rng: Stream, carry: Carry
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return chains after k steps, and what is carried of the moves.

        Raises
        ------
        TrainingDivergedError
            If the chains froze.
        """
        done: Moved = moved(
            model,
            self.energy(model),
            x,
            self.k,
            rng.child("moves"),
            log_step=float(carry["log_step"]),
            spectrum=self.spectrum,
            n_leapfrog=self.n_leapfrog,
        )
        age, weight = float(carry["age"]), 1 / min(float(carry["age"]) + 1, PATIENCE)
        acceptance = (1 - weight) * float(carry["acceptance"]) + weight * done.acceptance
        if age >= PATIENCE and acceptance < FROZEN:
            raise TrainingDivergedError(
                f"chains of the negative phase must move, got a mean acceptance of "
                f"{acceptance:.2g} over {PATIENCE} updates at a step of "
                f"{math.exp(float(carry['log_step'])):.2g}; the energy has become too rough: "
                "lower learning_rate, or begin with ScoreMatching",
                step=rng.counter,
            )
        numbers = {
            "log_step": done.log_step,
            "acceptance": acceptance,
            "broken": float(carry["broken"]) + done.broken,
            "proposed": float(carry["proposed"]) + self.k * len(x),
            "age": age + 1,
        }
        new = {name: torch.tensor(x, dtype=torch.float64) for name, x in numbers.items()}
        return done.x.detach(), new

    def _begun(self, model: Any, n: int, rng: Stream, start: str = "data") -> torch.Tensor:
        """Return n chains at items of the data, or hot; in the type of the data."""
        if start == "hot":
            x = torch.as_tensor(model.hot(rng, n))
        else:
            # Flipped at random where p is even: data of one sign are half of it.
            x = self.samples.batch(rng.numpy().integers(self.n_train, size=n), rng).x
        return x.to(device_of(model), self.samples.train.dtype)

    def _contrast(
        self, model: Any, index: np.ndarray, rng: Stream, chains: torch.Tensor
    ) -> tuple[torch.Tensor, dict[str, float]]:
        """Return the loss and the metrics of chains that have been moved."""
        x, weights = self.batch(model, index, rng)
        S = self.energy(model)(torch.cat([x, chains]))
        up, down = S[: len(x)], S[len(x) :]
        value, metrics = mean_of(up, weights) - down.mean(), dict[str, float]()
        if self.magnitude:
            V = self.n_sites
            size = 0.5 * (mean_of((up / V).square(), weights) + (down / V).square().mean())
            value, metrics["magnitude"] = value + V * self.magnitude * size, float(size.detach())
        if self.l2:
            squares = [p.double().square().sum() for p in model.parameters() if p.requires_grad]
            size = 0.5 * torch.stack(squares).sum()
            value, metrics["l2"] = value + self.n_sites * self.l2 * size, float(size.detach())
        return value, metrics

    def _told(self, moves: Carry, tau: float) -> dict[str, float]:
        """Return the metrics of the moves."""
        found = {"tau": tau}
        if self.spectrum is not None:
            found |= {name: float(moves[name]) for name in ("acceptance", "broken")}
            found["step_size"] = math.exp(float(moves["log_step"]))
        return found

    def _settings(self, carry: Carry, tau: float) -> dict[str, Any]:
        """Return how the chains moved, for the stored model."""
        found = {"k": self.k, "tau": tau, "temperature": self.temperature}
        if self.spectrum is None:
            return found
        step = math.exp(float(carry["log_step"]))
        return found | {
            "moves": "hmc",
            "n_leapfrog": self.n_leapfrog,
            "step_size": step,
            "acceptance": float(carry["acceptance"]),
        }

    def _warnings(self, carry: Carry) -> list[str]:
        found = []
        share = float(carry["broken"]) / max(float(carry["proposed"]), 1)
        if share > MANY_BROKEN:
            found.append(
                f"{100 * share:.2g} % of the proposals of the negative phase had no finite energy "
                "and were rejected; lower learning_rate"
            )
        constant = (self.samples.train == self.samples.train[:1]).all(0).flatten()
        if bool(constant.any()):
            sites = constant.nonzero().flatten().tolist()
            named = ", ".join(map(str, sites[:5])) + ", ..." * (len(sites) > 5)
            found.append(
                f"constant in the data: site {named}; its weights grow as long as the fit goes on"
            )
        return found


def is_even(model: Any) -> bool:
    """Whether a model declares that S(-x) = S(x)."""
    return declared(model).is_even


def _not_negative(name: str, value: float) -> float:
    if check_finite(name, value) < 0:
        raise InputError(f"{name} must be a number >= 0, got {value}")
    return float(value)
