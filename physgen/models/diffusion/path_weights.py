r"""Weights of paths: exact numbers from a sampler with noise, which has no density.

A path :math:`x_T \to \ldots \to x_0` of the reverse process is drawn with
:math:`q = q_T(x_T) \prod q_\theta(x_s | x_t)`.  In the space of all paths the target is extended
by the forward noising, which is normalised, so with

.. math:: \log w = -S(x_0) - \log q_T(x_T) + \sum_{t \to s} \log
          \frac{p(x_t | x_s)}{q_\theta(x_s | x_t)} ,
          \qquad E[w] = Z , \quad E[w \, O(x_0)] = Z \langle O \rangle ,

for any score and any number of steps (Jarzynski 1997; annealed importance sampling with learned
steps, Doucet et al. 2022).  No divergence is needed, and nothing is solved.  Bad scores and long
steps cost effective draws: with the exact score of a free field at 16 x 16, ordinary reverse steps
have a share of 0.002 after 200 steps.  "posterior" steps
(:mod:`physgen.models.diffusion.path_kernels`) have 1 after any number.

Paths are drawn in islands, and resampled within them where the weights of

.. math:: \pi_t(x) = N(x; \alpha^2 C + \sigma^2) \,
          e^{- \langle V(\gamma x / \alpha + P^{1/2} \xi_m) \rangle_m} , \qquad
          V = S + \log N(\,\cdot\, ; C) , \quad P = \frac{C \lambda^2}{C + \lambda^2} ,

have grown apart: a guess of the law of :math:`x_t` from the action averaged over what
:math:`x_0` may be, with a few :math:`\xi_m` that never change.  It is exact at t = 0, where no
average is left, and it cancels between; so resampling biases nothing.  Errors are those of
independent islands.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physgen.analysis import weights
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite, check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import normal
from physgen.models.diffusion.path_kernels import Kernel, kernels
from physgen.models.diffusion.samplers import LEAST, times
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers.loop.recording import target_attrs
from physgen.samplers.plain import default_observables
from physgen.samplers.smc_results import Islands, jackknife
from physgen.samplers.weighing import Weighing
from physgen.samplers.weight_alarms import alarms

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Paths", "path_importance"]

ISLANDS = 64
LOOKS = 8  # times at which islands may be resampled
GUESSES = 4  # xi_m of the guess, in pairs of opposite sign
AT_ONCE = 2**13  # paths


@dataclass(frozen=True)
class Paths:
    """The reverse process of a score model as a chain of weighted steps.

    Attributes
    ----------
    model : ScoreModel
    steps : list of Kernel
    law : tensor (n,)
        Variances of the modes at the first time, float64.
    """

    model: ScoreModel
    steps: list[Kernel]
    law: torch.Tensor

    @classmethod
    def of(
        cls,
        model: ScoreModel,
        n_steps: int,
        method: str = "posterior",
        spacing: str = "geometric",
        start: float | None = None,
    ) -> Paths:
        """Return the paths of a model that begin where noise covers its slowest mode."""
        process, size = model.schedule, model.units[0]
        first = model.first_time if start is None else start
        grid = times(process, n_steps, spacing, start=first, least=LEAST * size)
        steps = kernels(process, model.spectrum, grid, method)
        law = process.variance(grid[0], to_numpy(model.spectrum.double()))
        return cls(model, steps, torch.as_tensor(law).to(model.spectrum.device))

    def centre(self, t: float) -> torch.Tensor:
        """Return the mean of the modes at time t, (n,) float64."""
        waves = self.model.modes.double().sum(0) * float(self.model.centre)
        return waves * float(self.model.schedule.alpha(t))

    def begin(self, n: int, rng: Stream) -> torch.Tensor:
        """Return modes at the first time, (n, sites) float64."""
        z, _ = normal(n, self.law.shape, rng.torch(self.law.device), torch.float64)
        return z * self.law.sqrt() + self.centre(self.steps[0].t)

    def log_law(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q_T of modes at the first time, (B,)."""
        return _log_normal(x - self.centre(self.steps[0].t), self.law)

    def score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the score in modes, (B, n), of modes x."""
        return self.model.mode_score(x, t)

    def field(self, x: torch.Tensor) -> torch.Tensor:
        """Return configurations (B, *event_shape) float64 of modes."""
        return (x @ self.model.modes.double().t()).reshape(len(x), *self.model.event_shape)


def path_importance(
    model: Any,
    target: Any,
    n: int = 16_384,
    seed: Stream | int = 0,
    *,
    n_steps: int = 50,
    method: str = "posterior",
    spacing: str = "geometric",
    resample: float = 0.5,
    ess_floor: float = 200.0,
) -> xr.Dataset:
    """Return the target's observables and log Z from paths of the reverse process.

    Parameters
    ----------
    model : ScoreModel, or Decimated with one
    target : Target
    n : int
        Paths, >= 128; rounded up to a multiple of 64, the number of islands.
    seed : Stream or int
    n_steps : int
        Steps of a path, >= 2.  Few steps cost effective draws, and bias nothing.
    method : {"posterior", "frozen", "euler-maruyama"}
    spacing : {"geometric", "uniform", "rho"}
    resample : float
        Effective share of an island under which it is resampled, in [0, 1); 0: never.
    ess_floor : float
        Least number of effective draws.

    Returns
    -------
    Dataset
        Dims (chain, draw), a chain an island: observables and ``log_weight``; `estimates` takes
        it.  Scalars log_z, log_z_error, free_energy, ess_share, k_hat, largest_share and n_steps;
        by ``look`` the effective share and the share of islands that were resampled.

    Raises
    ------
    InputError
        If an argument breaks its rule, or too few effective draws are left.
    """
    check_positive_int("n", n, 2 * ISLANDS)
    check_positive_int("n_steps", n_steps, 2)
    check_positive("ess_floor", ess_floor)
    if not 0 <= check_finite("resample", resample) < 1:
        raise InputError(f"resample must be a share in [0, 1), got {resample}; 0 is never")
    weighing, rng = Weighing.of(model, target), as_stream(seed)
    if not isinstance(weighing.q, ScoreModel):
        raise InputError(
            f"paths are those of a ScoreModel, got {type(weighing.q).__name__}; for a density "
            "take importance(...)"
        )
    paths = Paths.of(weighing.q, n_steps, method, spacing)
    each = math.ceil(n / ISLANDS)
    at_once = max(1, min(ISLANDS, AT_ONCE // each))
    xs, log_ws, looks = [], [], []
    for k, first in enumerate(range(0, ISLANDS, at_once)):
        count = min(at_once, ISLANDS - first)
        x, log_w, look = _islands(
            paths, weighing.S, count, each, resample, rng.child("paths").at(k)
        )
        xs.append(weighing.whole(to_numpy(paths.field(x)), rng.child("rest").at(k)))
        log_ws.append(log_w)
        looks.append(np.repeat(look[None], count, 0))
    log_w, whole = np.concatenate(log_ws), np.concatenate(xs)
    return _labelled(weighing, paths, whole, log_w, np.concatenate(looks).mean(0), {
        "n_steps": n_steps, "method": method, "resample": resample, "seed": rng.seed,
        "ess_floor": ess_floor,
    })  # fmt: skip


@torch.no_grad()
def _islands(
    paths: Paths, S: Any, count: int, each: int, below: float, rng: Stream
) -> tuple[torch.Tensor, np.ndarray, np.ndarray]:
    """Return the ends of paths (modes), their log weights (islands, each), and what looks saw."""
    islands, n = Islands(count, each), count * each
    x = paths.begin(n, rng.child("start"))
    known = -paths.log_law(x)  # log of weight over guess so far, since the last look
    guess = _Guess(paths, S, rng.child("guess"))
    looks = _looks(len(paths.steps)) if below > 0 else ()
    seen = []
    generator = rng.child("noise").torch(x.device)
    for k, kernel in enumerate(paths.steps):
        xi = torch.randn(x.shape, generator=generator, dtype=torch.float64, device=x.device)
        new = kernel.drawn(x, paths.score(x, kernel.t), xi)
        known = known + kernel.log_ratio(x, new, xi)
        x = new
        if k in looks:
            here = guess(x, kernel.s)
            islands.weigh(-to_numpy(known + here), 1.0)
            share, source = islands.ess.mean(), islands.resample(below, rng.child("choice", k))
            again = 0.0
            if source is not None:
                moved = source != np.arange(n)
                again = float(moved.reshape(count, each).any(1).mean())
                rows = torch.as_tensor(source, device=x.device)
                x, here = x[rows], here[rows]
            known = -here
            seen.append([kernel.s, float(share), again])
    last = -np.asarray(to_numpy(S.action(to_numpy(paths.field(x)))), np.float64)
    islands.weigh(-(to_numpy(known) + last), 1.0)
    log_w = islands.log_weight + islands.log_z[:, None] + math.log(each)
    return x, log_w, np.array(seen).reshape(-1, 3)


class _Guess:
    """log pi_t of modes: a Gaussian, and the action averaged over the clean field."""

    def __init__(self, paths: Paths, S: Any, rng: Stream) -> None:
        self.paths, self.S = paths, S
        half = rng.numpy().standard_normal((GUESSES // 2, len(paths.law)))
        self.xi = torch.as_tensor(np.concatenate([half, -half])).to(paths.law.device)

    def __call__(self, x: torch.Tensor, t: float) -> torch.Tensor:
        process, c = self.paths.model.schedule, self.paths.model.spectrum.double()
        alpha, lam2 = float(process.alpha(t)), float(process.ratio(t)) ** 2
        mean, clean = self.paths.centre(t), self.paths.centre(0.0)
        D = c + lam2
        centred = x - mean
        best, width = clean + c / D * centred / alpha, (c * lam2 / D).sqrt()
        V = torch.zeros(len(x), dtype=torch.float64, device=x.device)
        for xi in self.xi:
            x0 = best + width * xi
            action = to_numpy(self.S.action(to_numpy(self.paths.field(x0))))
            V = V + torch.as_tensor(action).to(V) + _log_normal(x0 - clean, c)
        return _log_normal(centred, alpha**2 * D) - V / len(self.xi)


def _log_normal(x: torch.Tensor, variance: torch.Tensor) -> torch.Tensor:
    whole = (x.square() / variance).sum(1) + variance.log().sum()
    return -0.5 * (whole + x.shape[1] * math.log(2 * math.pi))


def _looks(n_steps: int) -> tuple[int, ...]:
    """Return the steps after which islands may be resampled; not the last one."""
    at = np.linspace(0, n_steps, LOOKS + 2)[1:-1]
    return tuple(sorted({round(k) - 1 for k in at if 1 <= round(k) < n_steps}))


def _labelled(
    weighing: Any,
    paths: Paths,
    x: np.ndarray,
    log_w: np.ndarray,
    looks: np.ndarray,
    about: dict[str, Any],
) -> xr.Dataset:
    import xarray as xr

    top, n = float(log_w.max()), log_w.size
    Z = np.exp(log_w - top).mean(1)
    value, error = jackknife(lambda i: math.log(Z[i].mean()) + top, len(Z))
    # Resampled paths have common ancestors: only islands know how many of them count.
    resampled = bool(len(looks)) and looks[:, 2].any()
    share = weights.ess(log_w)
    if resampled:
        share = min(share, 1 / (1 + n * error**2))
    floor = about.pop("ess_floor")
    if n * share < floor:
        raise InputError(
            f"weights of paths need at least {floor:g} effective draws, got {n * share:.3g} of "
            f"{n:,} after {about['n_steps']} steps; take more steps, method = 'posterior', or "
            "train the model further"
        )
    known = declared(weighing.target).observables
    data: dict[str, Any] = {
        name: (
            ("chain", "draw"),
            np.reshape(values, log_w.shape),
            {"units": getattr(known.get(name), "unit", "1")},
        )
        for name, values in default_observables(weighing.target, x).items()
    }
    data["log_weight"] = (("chain", "draw"), log_w, {"units": "nat"})
    scalars = {
        "log_z": (value, "log Z"),
        "log_z_error": (error, "error of log_z, of islands"),
        "free_energy": (-value, "free energy -log Z"),
        "free_energy_error": (error, "error of free_energy"),
        "ess_share": (share, "effective share of the paths"),
        "k_hat": (weights.pareto_k(log_w), "shape of the tail of the weights"),
        "largest_share": (weights.largest_share(log_w), "share of the largest weight"),
        "n_steps": (about["n_steps"], "steps of a path: evaluations of the score"),
    }
    data |= {
        name: ((), number, {"long_name": text, "units": "1"})
        for name, (number, text) in scalars.items()
    }
    for place, (name, text) in enumerate(
        (("time", "time of the process"), ("ess_look", "effective share in an island"),
         ("resampled", "share of islands that were resampled"))
    ):  # fmt: skip
        data[name] = ("look", looks[:, place], {"long_name": text, "units": "1"})
    found = [a.text for a in alarms(log_w.ravel(), None, None)]
    attrs = {
        **target_attrs(weighing.target), "sampler": f"paths, {about['method']}",
        "weights": "importance", "exactness": "asymptotic", "exactness_for": "the target", "n": n,
        "warnings": "\n".join(found), **about,
    }  # fmt: skip
    return xr.Dataset(data, attrs=attrs)
