r"""Predictor and corrector: Langevin steps at every noise level, with a Metropolis test.

At time t, between two steps of the reverse process, modes move by a Langevin step with the law of
a Gaussian field as its metric, :math:`D = \alpha^2 C + \sigma^2`,

.. math:: x' = x + \tfrac12 h^2 D s(x) + h D^{1/2} \xi , \qquad
          \log a = \int_x^{x'} s \cdot dx + \tfrac12 \big( |\xi|^2 - |\xi'|^2 \big) ,
          \qquad \xi' = \frac{x - x' - \frac12 h^2 D s(x')}{h D^{1/2}} ,

and x' is kept with probability min(1, a).  A score has no density, so its integral along the
straight line is a sum over Gauss nodes: exact for a score that is a cubic polynomial along the
line, a Gaussian among them.  A learned score is no gradient, so the test is approximate for t > 0,
and so are the draws.

They become exact at t = 0, where the action is known: :func:`annealed_finish` hands them to
Markov chains of the target with a Metropolis test on the true action.  These converge to the
target whatever the score, and the tests of `run` say whether they have.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream, as_stream
from physgen.models.diffusion.path_weights import AT_ONCE
from physgen.models.diffusion.samplers import LEAST, SAMPLERS, diffused, times
from physgen.models.diffusion.score import ScoreModel
from physgen.models.diffusion.starts import started
from physgen.samplers.mala import MALA
from physgen.samplers.run import run
from physgen.samplers.weighing import Weighing

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Corrected", "annealed_finish", "langevin_step", "predictor_corrector"]

_NODE = 0.5 * (1 + np.array([-1, 1]) / math.sqrt(3))  # of Gauss on [0, 1], with weights 1/2
STEP = 1.2  # h n^(1/6): acceptance near 0.6 for a Gaussian field


class Corrected(NamedTuple):
    """Draws, and the mean acceptance of the corrector at each time.

    Attributes
    ----------
    x : tensor (n, *event_shape)
    times : ndarray (n_steps,)
    acceptance : ndarray (n_steps,)
    """

    x: torch.Tensor
    times: np.ndarray
    acceptance: np.ndarray


def langevin_step(
    score: Any, x: torch.Tensor, metric: torch.Tensor, h: float, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return modes after one Langevin step with a Metropolis test, and which of them moved.

    Parameters
    ----------
    score : callable (x) -> tensor (B, n)
        In modes.
    x : tensor (B, n) float64
    metric : tensor (n,)
        D.
    h : float
    generator : torch.Generator
    """
    root = h * metric.sqrt()
    xi = torch.randn(x.shape, generator=generator, dtype=x.dtype, device=x.device)
    u = torch.rand(len(x), generator=generator, dtype=x.dtype, device=x.device)
    pull = 0.5 * h * h * metric
    new = x + pull * score(x) + root * xi
    back = (x - new - pull * score(new)) / root
    way = new - x
    along = sum(0.5 * (score(x + float(c) * way) * way).sum(1) for c in _NODE)
    log_a = along + 0.5 * (xi.square() - back.square()).sum(1)
    moved = torch.log(u) < log_a  # False where log a is not a number
    return torch.where(moved[:, None], new, x), moved


@torch.no_grad()
def predictor_corrector(
    model: ScoreModel,
    n: int,
    rng: Stream | int,
    *,
    n_steps: int = 50,
    n_corrections: int = 1,
    method: str = "ancestral",
    spacing: str = "geometric",
    step_size: float | None = None,
    start: float | None = None,
    configurations: Any = None,
) -> Corrected:
    """Return draws by a sampler of the process, corrected at every time but the last.

    Parameters
    ----------
    model : ScoreModel
    n : int
    rng : Stream or int
    n_steps : int
        Steps of the process, >= 1.
    n_corrections : int
        Langevin steps after each of them, >= 0.
    method : {"euler-maruyama", "frozen", "ancestral", "euler", "heun"}
    spacing : {"geometric", "uniform", "rho"}
    step_size : float, optional
        h; by default 1.2 / n_sites^(1/6).
    start, configurations
        As for :func:`~physgen.models.diffusion.starts.started`.

    Raises
    ------
    InputError
        If an argument is out of range.
    """
    check_choice("method", method, SAMPLERS)
    check_positive_int("n", n)
    check_positive_int("n_corrections", n_corrections, 0)
    h = STEP * model.geometry.n ** (-1 / 6) if step_size is None else step_size
    check_positive("step_size", h)
    stream = as_stream(rng)
    generator, process = stream.child("steps").torch(model.device), model.schedule
    x, first = started(model, n, stream.child("start"), start, configurations)
    grid = times(process, n_steps, spacing, start=first, least=LEAST * model.units[0])
    rates = []
    for t, s in pairwise(grid):
        x = diffused(process, model.score, x, np.array([t, s]), method, generator)
        rate = math.nan
        if s > 0 and n_corrections:
            law = process.variance(s, to_numpy(model.spectrum.double()))
            metric = torch.as_tensor(law).to(model.device)
            at = float(s)
            y = x.flatten(1).double() @ model.modes.double()
            share = []
            for _ in range(n_corrections):
                score = partial(_score_at, model, at)
                y, moved = langevin_step(score, y, metric, h, generator)
                share.append(float(moved.double().mean()))
            x = (y @ model.modes.double().t()).to(x).reshape(x.shape)
            rate = float(np.mean(share))
        rates.append(rate)
    return Corrected(x.reshape(n, *model.event_shape), grid[1:], np.array(rates))


def _score_at(model: ScoreModel, t: float, y: torch.Tensor) -> torch.Tensor:
    return model.mode_score(y, t).double()


def annealed_finish(
    model: Any,
    target: Any,
    n: int = 1024,
    seed: Stream | int = 0,
    *,
    move: Any = None,
    n_draws: int = 32,
    thin: int = 5,
    warmup: int = 100,
    quiet: bool = False,
    keep: str | None = None,
    **how: Any,
) -> xr.Dataset:
    """Return Markov chains of the target that begin at draws of a score model.

    Annealed Langevin dynamics with a Metropolis test on the true action at t = 0: exact once the
    chains have forgotten the model, which the drift of their n independent starts tests.

    Parameters
    ----------
    model : ScoreModel, Decimated with one, FewSteps or SumOfScores
    target : Target
        With a force, if the move needs one.
    n : int
        Chains, one from each draw of the model.
    seed : Stream or int
    move : Sampler, optional
        By default ``MALA()``.
    n_draws, thin, warmup, quiet, keep
        Of the chains, as for `run`; the warm-up tunes the move and is not kept.
    **how
        n_steps, n_corrections, method, spacing and step_size of `predictor_corrector`.

    Returns
    -------
    Dataset
        As of `run`, asymptotically exact for the target.

    Raises
    ------
    ChainTooShortError
        If the chains still drift.
    """
    rng = as_stream(seed)
    check_positive_int("n", n, 2)
    if isinstance(model, Density):
        weighing = Weighing.of(model, target)
        if not isinstance(weighing.q, ScoreModel):
            raise InputError(
                f"a finish begins at draws of a ScoreModel, got {type(weighing.q).__name__}"
            )
        sizes = [min(AT_ONCE, n - first) for first in range(0, n, AT_ONCE)]
        parts = [
            to_numpy(predictor_corrector(weighing.q, size, rng.child("model").at(k), **how).x)
            for k, size in enumerate(sizes)
        ]
        x = weighing.whole(np.concatenate(parts).astype(np.float64), rng.child("rest"))
    else:
        if how:
            raise InputError(
                f"{', '.join(sorted(how))} are for a ScoreModel, got {type(model).__name__}"
            )
        x = to_numpy(model.sample(n, rng.child("model"))).astype(np.float64)
    ds = run(
        MALA() if move is None else move, target, n_chains=n, n_draws=n_draws, thin=thin,
        warmup=warmup, rng=rng.child("chains"), start=x, quiet=quiet, keep=keep,
    )  # fmt: skip
    return ds.assign_attrs(started_from=f"draws of {type(model).__name__}")
