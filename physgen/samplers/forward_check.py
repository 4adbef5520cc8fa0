r"""A forward check of importance weights where no draws of the target were given.

Weights cannot show what q never draws.  So particles are annealed to the target, from independent
sites or from a Gaussian that covers the draws and short chains from a hot start, and scored by q.
For any threshold c the share of the target with :math:`\log w > c` is known twice,

.. math:: \frac{\sum_i w_i \, [\log w_i > c]}{\sum_i w_i} \ \text{(draws of q)}, \qquad
          \langle [\log w > c] \rangle_p \ \text{(particles)}.

If a part f of the target lies where q does not draw, f of the particles have weights above all
draws: log Z is then too low by :math:`-\log(1 - f)`.  The particles are few and the moves short:
0.3 s of CPU time for phi^4 on 4 x 4 sites, 1.3 s on 16 x 16, 1 s for two numbers in NumPy,
4 s for a torch action of 32.  It is given up after TIME, or where its islands disagree.
"""

from __future__ import annotations

import math
import time
from typing import Any, NamedTuple

import numpy as np

from physgen.analysis import weights
from physgen.core.errors import PhysgenError
from physgen.core.random import Stream
from physgen.samplers.found_start import default_move, found_start
from physgen.samplers.hmc import HMC
from physgen.samplers.joint_weighing import JointWeighing
from physgen.samplers.sequential import smc
from physgen.samplers.smc_checkpoint import Annealing
from physgen.samplers.weighing import Weighing
from physgen.targets.own import is_own

__all__ = ["MADE", "NONE", "ForwardCheck", "check_forward"]

TIME = 20.0  # seconds of CPU time
ISLANDS, MOVES, CESS, STAGES = 16, 4, 0.8, 150
NUMBERS, LEAST, MOST = 1024, 16, 512  # numbers of an island; its particles
_ALARM = 4.0  # errors
_SCATTER = 1.0  # of log Z of the islands
_FROM_DRAWS, _LEAPS = 64, 5
MADE = "annealed particles"
NONE = "no forward check was made"


class ForwardCheck(NamedTuple):
    """What was checked, in words, and what speaks against the weights: "" if nothing does."""

    made: str
    alarm: str = ""


class _TooLong(Exception):
    """The time for a check is over."""


def check_forward(
    weighing: Weighing | JointWeighing, x: np.ndarray, log_w: np.ndarray, rng: Stream
) -> ForwardCheck:
    """Compare weights with those of annealed particles.

    Parameters
    ----------
    weighing : Weighing or JointWeighing
    x : ndarray (m, *event_shape)
        Some whole configurations that the density drew.
    log_w : ndarray (n,)
        The weights of all of them.
    rng : Stream
    """
    target = weighing.target
    if target.support.kind not in ("spins", "reals"):
        return ForwardCheck(f"{NONE}: it needs spins or real fields; pass samples=")
    begun, n_sites = time.process_time(), math.prod(target.event_shape)
    n = min(max(NUMBERS // n_sites, LEAST), MOST)

    def in_time(now: Annealing) -> None:
        if time.process_time() - begun > TIME:
            raise _TooLong

    try:
        start = None
        if target.support.kind == "reals" and is_own(target):
            start = found_start(target, x[:_FROM_DRAWS])
        move = default_move(target)
        move = HMC(n_leapfrog=_LEAPS) if isinstance(move, HMC) else move
        found = smc(
            target, n_particles=n, move=move, n_islands=ISLANDS, n_moves=MOVES, cess=CESS, rng=rng,
            start=start, max_stages=STAGES, keep="configurations", on_stage=in_time,
        )  # fmt: skip
        scored = weighing.log_weights(_flat(found))
    except _TooLong:
        return ForwardCheck(
            f"{NONE}: it took more than {TIME:g} s of CPU time; pass samples= of Markov chains"
        )
    except PhysgenError as error:
        return ForwardCheck(f"{NONE}: {error}")
    scatter = float(found["log_z_island"].std(ddof=1))
    if scatter > _SCATTER or not np.isfinite(scored).any():
        return ForwardCheck(
            f"{NONE} that tells: log Z of its islands scatters by {scatter:.2f}; pass samples="
        )
    text = f"{MADE}, {ISLANDS * n:,} in {found.sizes['stage']} stages"
    return ForwardCheck(text, _missed(log_w, scored, found))


def _flat(found: Any) -> np.ndarray:
    x = found["configurations"].values
    return x.reshape(-1, *x.shape[2:])


def _missed(log_w: np.ndarray, scored: np.ndarray, found: Any) -> str:
    """Return that more of the target has large weights than the draws say, or ""."""
    w = weights.relative(log_w)
    w = w / w.sum()
    order = np.argsort(log_w)
    above = np.cumsum(w[order][::-1])[::-1]  # share of the draws from each weight on
    shape = found["log_weight"].shape
    W = np.exp(found["log_weight"].values)
    Z = np.exp(found["log_z_island"].values - float(found["log_z_island"].max()))
    Z = Z / Z.sum()
    for share in (0.0, 0.01, 0.1, 0.5):
        k = int(np.searchsorted(-above, -share)) if share else len(order) - 1
        k = min(k, len(order) - 1)
        c = float(log_w[order[k]])
        expected = float(w[log_w > c].sum())
        noise = math.sqrt(float(np.sum(w[log_w > c] ** 2)) + float(w.max()) ** 2)
        f = np.sum(W * (scored > c).reshape(shape), axis=1)
        mean = float(np.sum(Z * f))
        # Particles of an island share ancestors: at best they are independent.
        error = max(
            math.sqrt(float(np.sum((Z * (f - mean)) ** 2)) * ISLANDS / (ISLANDS - 1)),
            math.sqrt(max(mean, 1 / W.size) / W.size),
        )
        if mean - expected > _ALARM * math.hypot(error, noise):
            low = -math.log1p(-min(mean - expected, 0.999))
            return (
                f"annealed particles find {mean:.2g} of the target where the draws of the model "
                f"have {expected:.2g}: it misses some, and log Z is low by about {low:.2g}; "
                "train the model further, or pass samples= of Markov chains"
            )
    return ""
