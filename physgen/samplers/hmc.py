r"""Hybrid Monte Carlo: Hamiltonian trajectories of all sites at once, accepted or rejected.

.. math:: H(\phi, \pi) = S(\phi) + \tfrac12 \sum_x \pi_x^2 , \qquad
          p_{\mathrm{accept}} = \min(1, e^{-\Delta H}) ,

with fresh normal momenta for every trajectory and leapfrog steps in between (Duane, Kennedy,
Pendleton and Roweth, Phys. Lett. B 195, 216 (1987)).  The step size is tuned to a mean acceptance
by dual averaging over all chains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_finite, check_positive, check_positive_int
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.fields.dual_averaging import DualAveraging
from physgen.samplers.fields.moves import Moves, check_settings, fields_of

__all__ = ["HMC", "TrajectoryChains"]

_MOST_STEPS = 256  # of a trajectory while the step size is tuned
_MOST_LEAPS = 1 << 14  # of a trajectory afterwards


@final
@dataclass(frozen=True, kw_only=True)
class HMC:
    """Hybrid Monte Carlo for real fields.

    Compiled loops run phi^4 and free fields, other local actions, and small dense energies; any
    other target needs ``force`` and runs through NumPy (or torch, for `as_target` functions of
    tensors).  One step is one trajectory.

    Parameters
    ----------
    trajectory_length : float
        Molecular-dynamics time of a trajectory, > 0; ignored where `n_leapfrog` is given and the
        step size is tuned.
    n_leapfrog : int, optional
        Leapfrog steps of a trajectory; by default as many as the length takes.
    step_size : float, optional
        Leapfrog step; by default it is tuned in the warm-up.
    target_accept : float
        Mean acceptance that the step size is tuned to, in (0, 1).
    jitter : float
        The step size of every trajectory is multiplied by a number uniform in 1 - jitter .. 1 +
        jitter, the same for all chains, 0 <= jitter < 1.  Without it a mode whose period divides
        the trajectory length returns to its starting point every time: HMC is then not ergodic.
    dtype : {None, "float32", "float64"}
        Of fields and momenta; None is float32 in compiled loops and float64 in NumPy.  Actions
        are summed in float64 in any case.
    rng : {"philox", "fast"}
        In compiled loops: the same chains for any number of threads, or xoshiro256++, twice as
        fast but dependent on the number of chains.
    device : {"cpu", "cuda"}
        "cuda": phi^4 and free fields on a GPU, from the same random words; fields agree with the
        CPU's to rounding.

    Raises
    ------
    InputError
        If a length or number is not positive, a share or the jitter not in its range, or dtype,
        rng or device is unknown.

    Notes
    -----
    ``Info.metrics``: ``acceptance_probability`` and ``delta_h`` (means), ``divergent`` (number of
    trajectories whose energy changed by more than 1000 or became NaN; they are rejected).

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> chains = HMC(n_leapfrog=10, step_size=0.1).bind(Phi4.from_halved(L=8, m2=1.0, lam=0.1))
    """

    cites: ClassVar[tuple[str, ...]] = ("Duane1987", "Hoffman2014")

    trajectory_length: float = 1.0
    n_leapfrog: int | None = None
    step_size: float | None = None
    target_accept: float = 0.8
    jitter: float = 0.2
    dtype: str | None = None
    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_positive("trajectory_length", self.trajectory_length)
        if self.n_leapfrog is not None:
            check_positive_int("n_leapfrog", self.n_leapfrog)
        if self.step_size is not None:
            check_positive("step_size", self.step_size)
        check_share("target_accept", self.target_accept)
        if not 0 <= check_finite("jitter", self.jitter) < 1:
            raise InputError(f"jitter must be at least 0 and less than 1, got {self.jitter}")
        check_settings(self.dtype, self.rng, self.device)

    def bind(self, target: Target) -> TrajectoryChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target has no real fields or no force, or its force is not -dS/dx.
        """
        fields = fields_of(target, "HMC", self.dtype, self.rng, self.device)
        n_sites = math.prod(target.event_shape)
        first = n_sites**-0.25  # at fixed acceptance the step scales like this with the volume
        return TrajectoryChains(self, target, fields, self.step_size or first)


@final
@dataclass(frozen=True)
class TrajectoryChains:
    """Chains of fields moved by leapfrog trajectories.

    Parameters
    ----------
    sampler : HMC or MALA
    target : Target
    fields : Moves
        Computes the trajectories.
    step_size : float
        Leapfrog step h; with `langevin` the Langevin step eps = h^2 / 2.
    langevin : bool
        Whether trajectories are Langevin proposals, of one step each.
    """

    sampler: Any
    target: Target
    fields: Moves
    step_size: float
    langevin: bool = False
    exactness: str = "asymptotic"

    @property
    def n_leapfrog(self) -> int:
        """Leapfrog steps of a trajectory."""
        if self.sampler.n_leapfrog is not None:
            return self.sampler.n_leapfrog
        return max(1, math.ceil(self.sampler.trajectory_length / self.step_size - 1e-9))

    @property
    def _leap(self) -> float:
        return math.sqrt(2 * self.step_size) if self.langevin else self.step_size

    @property
    def tuning(self) -> Mapping[str, float]:
        """The step size."""
        return {"step_size": self.step_size}

    def with_tuning(self, tuning: Mapping[str, float]) -> TrajectoryChains:
        """Return these chains with this step size."""
        return replace(self, step_size=float(tuning["step_size"]))

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions, for Langevin steps with their forces."""
        state = self.fields.init(rng, n_chains, start)
        return self.fields.mala(rng, state, np.empty(0))[0] if self.langevin else state

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n trajectories."""
        check_positive_int("n", n)
        u = rng.child("jitter").numpy().random(n)
        steps = self._leap * (1 + self.sampler.jitter * (2 * u - 1))
        return self._move(rng, state, steps, self.n_leapfrog)

    def tune(self, rng: Stream, state: State, n: int) -> tuple[TrajectoryChains, State]:
        """Adapt the step size over n trajectories, unless it was given."""
        if self.sampler.step_size is not None:
            return self, self.step(rng, state, n)[0]
        adaptation = DualAveraging(self.step_size, self.sampler.target_accept)
        for i in range(n):
            trial = replace(self, step_size=adaptation.trial)
            steps = min(trial.n_leapfrog, _MOST_STEPS)
            state, info = self._move(rng.at(i), state, np.array([trial._leap]), steps)
            adaptation.update(float(np.mean(info.metrics["acceptance_probability"])))
        tuned = replace(self, step_size=adaptation.result)
        if tuned.n_leapfrog > _MOST_LEAPS:
            raise UnboundedTargetError(
                f"a trajectory must take at most {_MOST_LEAPS} steps, got {tuned.n_leapfrog:.3g} "
                f"of the step size {tuned.step_size:.3g} that the warm-up came to: hardly any "
                "move is accepted. Check the action and its sign, or give step_size="
            )
        if self.sampler.n_leapfrog is None:  # whole steps that make up the length
            length = self.sampler.trajectory_length
            tuned = replace(tuned, step_size=length / tuned.n_leapfrog)
        return tuned, state

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return self.fields.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        return self.fields.configurations(state)

    def _move(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, Info]:
        if self.langevin:
            state, sums = self.fields.mala(rng, state, steps)
        else:
            state, sums = self.fields.trajectories(rng, state, steps, n_leapfrog)
        taken, probability, change, divergent = sums
        metrics = {
            "acceptance_probability": probability / len(steps),
            "delta_h": change / len(steps),
            "divergent": divergent,
        }
        return state, Info(taken / len(steps), metrics)


def check_share(name: str, value: object) -> float:
    """Return `value` as a float in (0, 1), or raise InputError."""
    if not 0 < check_finite(name, value) < 1:
        raise InputError(f"{name} must be between 0 and 1, got {value}")
    return float(value)  # type: ignore[arg-type]
