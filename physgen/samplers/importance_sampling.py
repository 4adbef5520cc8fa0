r"""Neural importance sampling: numbers of the target from draws of any density.

.. math:: \langle O \rangle = \frac{\sum_i w_i O(x_i)}{\sum_i w_i}, \qquad
          \log Z = \log \frac1N \sum_i w_i , \qquad \log w_i = -S(x_i) - \log q(x_i) ,

consistent for any q that is positive where e^{-S} is, whatever q's quality, and with an error that
the weights tell (Nicoli et al., PRE 101, 023304 (2020); :mod:`physgen.analysis.weights`).  What
they cannot tell is what q never draws.  So the effective share ``ess_share`` is the smaller of the
reverse one and, where draws of the target are at hand, of the forward one; and 0 where log Z
contradicts an independent one, with the ln 2 of a lost mode named.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed, Density, Target
from physgen.core.random import Stream, as_stream
from physgen.samplers.estimates import estimates
from physgen.samplers.plain import default_observables

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ESS_FLOOR", "importance", "log_weights"]

ESS_FLOOR = 200.0  # effective draws below which nothing is returned
K_HAT_MAX = 0.7
ROUND_TRIP_MAX = 0.05  # rms of log q drawn less log q scored, nats
ALARM = 4.0  # standard errors by which log Z may miss an independent one
_BLOCKS = 64  # of draws: the jackknife's
_CHECKED = 512  # draws that are scored again
_STEPS_MAX = 0.2  # of the error of log Z: how much the steps of a flow may shift it
_REFINEMENTS = 5
_AT_ONCE = 2**13


def importance(
    density: Any,
    target: Any,
    n: int = 100_000,
    seed: Stream | int = 0,
    *,
    samples: Any = None,
    log_z: tuple[float, float] | None = None,
    exact: Mapping[str, float | tuple[float, float]] | xr.Dataset | None = None,
    ess_floor: float = ESS_FLOOR,
    keep: str | None = None,
) -> xr.Dataset:
    """Return the target's observables, log Z and the quality of the weights.

    Parameters
    ----------
    density : Density
        Draws and scores: a trained model, or anything with `sample_and_log_prob`.
    target : Target
    n : int
        Draws, >= 128; rounded up to a multiple of 64.
    seed : int or Stream
    samples : array, shape (m, *event_shape), optional
        Configurations of the target, from MCMC, to measure the forward share on.
    log_z : (value, error), optional
        An independent log Z, as `smc` gives it, to compare with.
    exact : mapping or Dataset, optional
        References to stand beside the estimates, as for `estimates`.
    ess_floor : float
        Effective draws that there must be.
    keep : {None, "draws"}
        "draws": the observables and ``log_weight`` of every draw, dims (chain, draw), instead of
        the table, and ``sample_log_weight`` of `samples`; `estimates` takes it.

    Returns
    -------
    Dataset
        Dim ``quantity``: value, error, ess (in draws), unit and estimator, as of `estimates`.
        Scalars: log_z and free_energy with errors, ess (share), ess_reverse, ess_forward,
        k_hat, largest_share, round_trip.

    Raises
    ------
    InputError
        If density and target do not match, fewer effective draws than the floor are left, or log q
        of draws is not what the density says when it scores them.
    """
    import xarray as xr

    _check_match(density, target)
    check_positive_int("n", n, 2 * _BLOCKS)
    check_positive("ess_floor", ess_floor)
    check_choice("keep", str(keep), ("None", "draws"))
    rng = as_stream(seed)
    n = _BLOCKS * math.ceil(n / _BLOCKS)
    density, shift = _resolved(density, target, n, rng.child("steps"))
    round_trip = _round_trip(density, rng.child("round trip"))
    log_w, values = _drawn(density, target, n, rng)
    reverse = weights.ess(log_w)
    if n * reverse < ess_floor:
        raise InputError(
            f"importance sampling needs at least {ess_floor:g} effective draws, got "
            f"{n * reverse:.3g} of {n:,} (ess {reverse:.2g}); train the model further, or draw "
            "more"
        )
    forward_w = None if samples is None else log_weights(density, target, samples)
    alarms = _alarms(log_w, forward_w, log_z)
    forward = math.nan if forward_w is None else weights.forward_ess(forward_w)
    contradicted = any(fatal for _, fatal in alarms)
    known = getattr(target, "observables", {})
    data: dict[str, Any] = {
        name: (("chain", "draw"), x.reshape(_BLOCKS, -1), {"units": _unit(known, name)})
        for name, x in values.items()
    }
    data["log_weight"] = (("chain", "draw"), log_w.reshape(_BLOCKS, -1))
    value, error = weights.log_z(log_w)
    scalars = {
        "log_z": (value, "log Z"),
        "log_z_error": (error, "error of log_z"),
        "free_energy": (-value, "free energy -log Z"),
        "free_energy_error": (error, "error of free_energy"),
        "variational_free_energy": (-float(log_w.mean()), "E_q[log q + S] >= -log Z"),
        "ess_share": (
            0.0 if contradicted else float(np.nanmin([reverse, forward])),
            "effective share: the smaller of reverse and forward; 0 if log Z is contradicted",
        ),
        "ess_reverse": (reverse, "(sum w)^2 / (N sum w^2) of draws of the model"),
        "ess_forward": (forward, "1 / (<w> <1/w>) of draws of the target"),
        "k_hat": (weights.pareto_k(log_w), "shape of the tail of the weights"),
        "largest_share": (weights.largest_share(log_w), "share of the largest weight"),
        "round_trip": (round_trip, "rms of log q drawn less log q scored"),
        "discretisation": (shift, "change of log Z where steps are halved; 0 without steps"),
    }
    lines = [text for text, _ in alarms]
    k_hat = scalars["k_hat"][0]
    if k_hat > K_HAT_MAX:
        lines.append(
            f"k-hat {k_hat:.2f} is above {K_HAT_MAX}: the weights have a heavy tail, and errors "
            "are not to be trusted; train the model further"
        )
    attrs = {
        "event_shape": list(target.event_shape),
        "target": repr(target),
        "sampler": "importance sampling",
        "weights": "importance",
        "symmetries": " ".join(sorted(getattr(target, "symmetries", ()))),
        "exactness": "asymptotic",
        "exactness_of": "target",
        "seed": rng.seed,
        "n": n,
        "warnings": "\n".join(lines),
    }
    coords = {"beta": float(target.beta)} if hasattr(target, "beta") else {}
    draws = xr.Dataset(data, coords, attrs)
    numbers = {
        name: ((), number, {"long_name": text, "units": "1"})
        for name, (number, text) in scalars.items()
    }
    if keep == "draws":
        if forward_w is not None:
            draws["sample_log_weight"] = ("sample", forward_w)
        return draws.assign(numbers)
    table = estimates(draws, exact)
    return table.assign(numbers).assign_attrs({**attrs, **table.attrs})


def log_weights(density: Any, target: Any, x: Any) -> np.ndarray:
    """Return log w = -S - log q of configurations (n, *event_shape), float64 (n,)."""
    _check_match(density, target)
    x = to_numpy(x)
    if isinstance(density, Collapsed):
        # The weights of the rest are those of the whole.
        x = to_numpy(density.rest(x))
        density, target = density.collapsed
    parts = []
    for first in range(0, len(x), _AT_ONCE):
        block = x[first : first + _AT_ONCE]
        parts.append(-to_numpy(target.action(block)) - to_numpy(density.log_prob(block)))
    return np.concatenate(parts)


def _resolved(density: Any, target: Any, n: int, rng: Stream) -> tuple[Any, float]:
    """Return the density with steps so fine that half of them would not matter, and the change.

    Same random numbers, so that the change of the mean log weight is that of the steps alone.
    """
    now: Any = density
    if not hasattr(now.collapsed[0] if isinstance(density, Collapsed) else now, "refined"):
        return density, 0.0
    log_w = _drawn(density, target, _CHECKED, rng, observe=False)[0]
    error = max(float(log_w.std()), 1e-3) / math.sqrt(n)
    shift = math.nan
    for _ in range(_REFINEMENTS):
        finer = now.refined()
        finer_w = _drawn(finer, target, _CHECKED, rng, observe=False)[0]
        shift = float(np.mean(finer_w - log_w))
        if abs(shift) < _STEPS_MAX * error:
            return now, shift
        now, log_w = finer, finer_w
    return now, shift


def _drawn(
    density: Any, target: Any, n: int, rng: Stream, observe: bool = True
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return log weights (n,) and observables of whole configurations."""
    q, rest = density.collapsed if isinstance(density, Collapsed) else (density, target)
    collapsed = q is not density
    parts: list[np.ndarray] = []
    values: dict[str, list[np.ndarray]] = {}
    for k, first in enumerate(range(0, n, _AT_ONCE)):
        size = min(_AT_ONCE, n - first)
        x, log_q = q.sample_and_log_prob(size, rng.child("draw").at(k))
        x = to_numpy(x)
        parts.append(-to_numpy(rest.action(x)) - to_numpy(log_q))
        if not observe:
            continue
        # Whole configurations: |m| or E^2 of an average over what was integrated out is another.
        whole = density.complete(x, rng.child("rest").at(k)) if collapsed else x
        found = default_observables(target, to_numpy(whole))
        for name, value in found.items():
            values.setdefault(name, []).append(to_numpy(value))
    return np.concatenate(parts), {name: np.concatenate(v) for name, v in values.items()}


def _round_trip(density: Any, rng: Stream) -> float:
    """Return the rms of log q as drawn less log q as scored, and refuse a broken density."""
    q = density.collapsed[0] if isinstance(density, Collapsed) else density
    x, log_q = q.sample_and_log_prob(_CHECKED, rng)
    off = to_numpy(q.log_prob(x)) - to_numpy(log_q)
    rms = float(np.sqrt(np.mean(off**2)))
    if not rms <= ROUND_TRIP_MAX:
        raise InputError(
            f"log q of a draw must be what the density says when it scores it, within "
            f"{ROUND_TRIP_MAX} nat; got a difference of {rms:.2g} (rms). The log-determinant, the "
            "inverse or the number of steps of the flow is at fault"
        )
    return rms


def _alarms(
    log_w: np.ndarray, forward: np.ndarray | None, log_z: tuple[float, float] | None
) -> list[tuple[str, bool]]:
    """Return what contradicts the weights, and whether it is fatal to them."""
    found = []
    value, error = weights.log_z(log_w)
    if log_z is not None:
        off, sigma = value - log_z[0], math.hypot(error, log_z[1])
        if abs(off) > ALARM * sigma:
            half = abs(off + math.log(2)) < max(ALARM * sigma, 0.1)
            why = "; it is ln 2: the model holds one of two modes" if half else ""
            found.append(
                (
                    f"log Z = {value:.4f}({error:.1g}) contradicts the independent "
                    f"{log_z[0]:.4f}({log_z[1]:.1g}) by {off:+.3f}{why}",
                    True,
                )
            )
    if forward is not None and len(forward) > 1:
        # D(p || q) = <log w>_p - log Z is never negative.
        kl = float(forward.mean()) - value
        sigma = math.hypot(float(forward.std(ddof=1)) / math.sqrt(len(forward)), error)
        if kl < -ALARM * sigma:
            found.append(
                (
                    f"the divergence of the samples from the model is {kl:.3f}({sigma:.1g}), and "
                    "none is negative: the samples are not of this target, or log Z is too large",
                    True,
                )
            )
        share, reverse = weights.forward_ess(forward), weights.ess(log_w)
        if share < 0.5 * reverse:
            found.append(
                (
                    f"the forward share {share:.2g} is far below the reverse one {reverse:.2g}: "
                    "configurations of the target are missing from the model",
                    False,
                )
            )
    return found


def _check_match(q: Any, target: Any) -> None:
    if not isinstance(q, Density):
        raise InputError(
            f"density must have log_prob, sample and sample_and_log_prob, got {type(q).__name__}"
        )
    if not isinstance(target, Target):
        raise InputError(f"target must have an action, got {type(target).__name__}")
    if tuple(q.event_shape) != tuple(target.event_shape) or q.support != target.support:
        raise InputError(
            f"density must live on the configurations of the target, {target.support.kind} of "
            f"shape {tuple(target.event_shape)}, got {q.support.kind} of shape "
            f"{tuple(q.event_shape)}"
        )


def _unit(known: Mapping[str, Any], name: str) -> str:
    return known[name].unit if name in known else "1"
