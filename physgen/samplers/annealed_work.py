r"""The work of chains that are carried along a path of actions, in either direction.

.. math:: W = \sum_{k=1}^{K} \big[ S_{\lambda_k}(x_{k-1}) - S_{\lambda_{k-1}}(x_{k-1}) \big] ,

where :math:`x_k` follows from :math:`x_{k-1}` by moves that leave :math:`e^{-S_{\lambda_k}}`
invariant, for k < K.  From draws of :math:`e^{-S_{\lambda_0}} / Z_{\lambda_0}`,
:math:`E[e^{-W}] = Z_{\lambda_K} / Z_{\lambda_0}` however few the moves (Jarzynski, PRL 78, 2690
(1997)).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.analysis import weights
from physgen.core.chains import State
from physgen.core.errors import NonFiniteActionError
from physgen.core.random import Stream
from physgen.samplers.exchange import carried_over
from physgen.samplers.smc_checkpoint import Stage
from physgen.samplers.smc_paths import work_along

__all__ = ["Passage", "passage"]


@dataclass(frozen=True)
class Passage:
    """Chains that went along a path.

    Attributes
    ----------
    work : ndarray (n,)
        W of every chain.
    ess : list of float
        Effective share of the weights e^{-W} after each step.
    cess : list of float
        Effective share of the weights of each step alone.
    accepted : list of float
        Mean acceptance at each temperature in between; NaN where nothing is rejected.
    exactness : str
        Of the moves: "approximate" if they leave another law invariant.
    """

    work: np.ndarray
    ess: list[float]
    cess: list[float]
    accepted: list[float]
    exactness: str


def passage(
    path: Any,
    move: Any,
    ladder: list[Stage],
    x: np.ndarray,
    rng: Stream,
    n_moves: int,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Passage:
    """Carry configurations along the stages of a ladder.

    Parameters
    ----------
    path : Path
    move : Sampler
    ladder : list of Stage
        At least two values of lambda, in the order of the passage, with the tuned values of the
        move there.
    x : ndarray (n, *event_shape)
        Draws at the first stage.
    rng : Stream
    n_moves : int
        Steps of the move at every stage but the first and the last.
    told : callable(done, total)
        Called after every stage.

    Raises
    ------
    NonFiniteActionError
        If a difference of actions is NaN or infinite.
    """
    bound = _bound(path, move, ladder[0])
    state = bound.init(rng.child("first"), len(x), x)
    work, found = np.zeros(len(x)), Passage(np.zeros(0), [], [], [], bound.exactness)
    for k in range(1, len(ladder)):
        before, stage = ladder[k - 1], ladder[k]
        difference = work_along(path, bound, state, before.fraction)
        with np.errstate(over="ignore", invalid="ignore"):
            done = difference(stage.fraction - before.fraction)
        _check(done, before.fraction, stage.fraction, state)
        work = work + done
        found.ess.append(weights.ess(-work))
        found.cess.append(weights.ess(-done))
        if k < len(ladder) - 1:
            old, bound = bound, _bound(path, move, stage)
            state = carried_over(bound, old, state, None)
            state, info = bound.step(rng.child("move", k), state, n_moves)
            rate = np.nan if info.accepted is None else float(np.mean(info.accepted))
            found.accepted.append(rate)
        told(k, len(ladder) - 1)
    return Passage(work, found.ess, found.cess, found.accepted, found.exactness)


def _bound(path: Any, move: Any, stage: Stage) -> Any:
    bound = move.bind(path.at(stage.fraction))
    return bound.with_tuning(stage.tuning) if stage.tuning else bound


def _check(done: np.ndarray, before: float, after: float, state: State) -> None:
    bad = ~np.isfinite(done)
    if bad.any():
        chain = int(np.argmax(bad))
        raise NonFiniteActionError(
            f"the action must stay finite along the path, got a difference of {done[chain]} for "
            f"chain {chain} from lambda = {before:.6g} to {after:.6g} ({int(bad.sum())} of "
            f"{bad.size} chains); check the weights of the model, or give start=, a density that "
            "covers it",
            chain=chain,
            draw=-1,
            state=state,
        )
