r"""Stochastic flows: alternating maps and Markov chains, weighted by the work they do.

From draws of a density :math:`e^{-S_0}` (so :math:`S_0 = -\log q`) stage k = 1..K maps x to
:math:`y = T_k(x)` and moves y by a Markov chain that leaves :math:`e^{-S_k}` invariant.  With

.. math:: \log w = \sum_k \big[ S_{k-1}(x_{k-1}) - S_k(T_k(x_{k-1}))
          + \log |\det \partial T_k(x_{k-1})| \big]

every draw has :math:`E[w] = Z_K` and :math:`E[w \, O] = Z_K \langle O \rangle_K`, whatever the
maps are and however short the chains (Jarzynski, PRL 78, 2690 (1997); with maps: Wu, Köhler and
Noé, NeurIPS 2020; Caselle et al., JHEP 07, 015 (2022)).  Without maps this is annealed importance
sampling; without moves, importance sampling of one deep flow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.arrays import to_numpy
from physgen.core.chains import Sampler
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Transform
from physgen.core.random import Stream, as_stream
from physgen.samplers.loop.recording import named
from physgen.samplers.plain import default_observables

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Stage", "carried", "stochastic_flow"]

Stage = tuple[Any, Any]  # (Transform or None, Target)
_BLOCKS = 64  # of draws: the jackknife's


def stochastic_flow(
    start: Density,
    stages: Sequence[Stage],
    move: Any,
    *,
    n: int = 16_384,
    n_moves: int = 1,
    tuning: dict[str, float] | None = None,
    ess_floor: float = 200.0,
    seed: Stream | int = 0,
) -> xr.Dataset:
    """Return observables and log Z of the last target, with errors.

    Parameters
    ----------
    start : Density
        Drawn exactly, e.g. a `FreeField` or a trained flow.
    stages : sequence of (Transform or None, Target)
        The last target is the one to be sampled.
    move : Sampler
        Of every stage, e.g. ``HMC(step_size=0.1)``.
    n : int
        Draws, >= 128; rounded up to a multiple of 64.
    n_moves : int
        Steps of the sampler per stage, >= 0.
    tuning : dict, optional
        Values for the sampler's ``with_tuning``: nothing is tuned here, as that would bias the
        weights.
    ess_floor : float
        Least number of effective draws.
    seed : int or Stream

    Returns
    -------
    Dataset
        Dims (chain, draw): the observables and ``log_weight`` of every draw; `estimates` takes it.
        Scalars log_z, log_z_error, free_energy, ess_reverse, k_hat, largest_share, and by
        ``stage`` the effective share ``ess_stage`` up to there.

    Raises
    ------
    InputError
        If an argument breaks its rule, or too few effective draws are left.

    Examples
    --------
    >>> from physgen import HMC, FreeField
    >>> stages = [(None, FreeField(4, m2=m2)) for m2 in (1.2, 1.1, 1.0)]
    >>> found = stochastic_flow(
    ...     FreeField(4, m2=1.3), stages, HMC(step_size=0.2), n=1024, seed=1
    ... )
    >>> bool(abs(found.log_z - FreeField(4, m2=1.0).log_z) < 4 * found.log_z_error)
    True
    """
    import xarray as xr

    if not isinstance(start, Density):
        raise InputError(f"start must be a density, got {type(start).__name__}")
    if not stages:
        raise InputError("stages must hold at least the target, got none")
    check_positive_int("n", n, 128)
    check_positive_int("n_moves", n_moves, 0)
    check_positive("ess_floor", ess_floor)
    if not isinstance(move, Sampler):
        raise InputError(f"move must be a sampler, e.g. HMC(), got {move!r}")
    rng, n = as_stream(seed), _BLOCKS * math.ceil(n / _BLOCKS)
    target = stages[-1][1]
    x, log_w, shares = carried(start, stages, move, n, rng, n_moves, tuning)
    reverse = shares[-1]
    if n * reverse < ess_floor:
        raise InputError(
            f"a stochastic flow needs at least {ess_floor:g} effective draws, got "
            f"{n * reverse:.3g} of {n:,}; take more stages, more moves, or train the maps further"
        )
    value, error = weights.log_z(log_w)
    data: dict[str, Any] = {
        name: (("chain", "draw"), np.reshape(values, (_BLOCKS, -1)))
        for name, values in default_observables(target, x).items()
    }
    data["log_weight"] = (("chain", "draw"), log_w.reshape(_BLOCKS, -1))
    scalars = {
        "log_z": value, "log_z_error": error, "free_energy": -value, "free_energy_error": error,
        "ess_reverse": reverse, "k_hat": weights.pareto_k(log_w),
        "largest_share": weights.largest_share(log_w),
    }  # fmt: skip
    data |= {name: ((), number, {"units": "1"}) for name, number in scalars.items()}
    data["ess_stage"] = ("stage", shares, {"units": "1", "long_name": "effective share"})
    attrs = {
        "event_shape": list(target.event_shape), "target": named(target),
        "sampler": f"stochastic flow, {len(stages)} stages of {type(move).__name__}",
        "weights": "importance", "symmetries": " ".join(declared(target).symmetries),
        "exactness": "asymptotic", "exactness_for": "the target", "seed": rng.seed, "n": n,
    }  # fmt: skip
    return xr.Dataset(data, attrs=attrs)


def carried(
    start: Density,
    stages: Sequence[Stage],
    move: Any,
    n: int,
    rng: Stream,
    n_moves: int = 1,
    tuning: dict[str, float] | None = None,
) -> tuple[np.ndarray, np.ndarray, list[float]]:
    """Return draws (n, *event_shape), their log w (n,), and the effective share at each stage."""
    drawn, log_q = start.sample_and_log_prob(n, rng.child("start"))
    x, action = to_numpy(drawn), -to_numpy(log_q).astype(np.float64)
    log_w, shares = np.zeros(n), []
    for k, (transform, target) in enumerate(stages):
        if tuple(target.event_shape) != x.shape[1:]:
            raise InputError(
                f"target of stage {k} must have configurations of shape {x.shape[1:]}, got "
                f"{tuple(target.event_shape)}"
            )
        if transform is not None:
            if not isinstance(transform, Transform):
                raise InputError(
                    f"stage {k} needs a transform with forward, inverse and log_abs_det, or None, "
                    f"got {type(transform).__name__}"
                )
            log_w += to_numpy(transform.log_abs_det(x)).astype(np.float64)
            x = to_numpy(transform.forward(x))
        log_w += action - to_numpy(target.action(x))
        shares.append(weights.ess(log_w))
        if n_moves:
            bound: Any = move.bind(target)
            bound = bound.with_tuning(tuning) if tuning else bound
            here = rng.child("stage", k)
            state = bound.init(here.child("init"), n, x)
            x = bound.configurations(bound.step(here.child("move"), state, n_moves)[0])
        action = to_numpy(target.action(x))
    return x, log_w, shares
