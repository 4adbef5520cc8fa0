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
from physgen.core.checks import check_choice, check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.samplers.estimates import estimates
from physgen.samplers.loop.recording import named
from physgen.samplers.plain import default_observables
from physgen.samplers.weighing import Weighing
from physgen.samplers.weight_alarms import Alarm, alarms

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ESS_FLOOR", "importance", "log_weights"]

ESS_FLOOR = 200.0  # effective draws below which nothing is returned
_BLOCKS = 64  # of draws: the jackknife's


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
        Scalars: log_z, free_energy and entropy (<S> + log Z) with errors,
        variational_free_energy, ess_share, ess_reverse, ess_forward, k_hat, largest_share,
        round_trip, discretisation.  What contradicts the weights is told in the attr
        ``warnings``, a line each.

    Raises
    ------
    InputError
        If density and target do not match, fewer effective draws than the floor are left, or log q
        of draws is not what the density says when it scores them.
    """
    import xarray as xr

    weighing = Weighing.of(density, target)
    check_positive_int("n", n, 2 * _BLOCKS)
    check_positive("ess_floor", ess_floor)
    check_choice("keep", str(keep), ("None", "draws"))
    rng = as_stream(seed)
    n = _BLOCKS * math.ceil(n / _BLOCKS)
    weighing, shift, fine = weighing.resolved(n, rng.child("steps"))
    round_trip = weighing.round_trip(rng.child("round trip"))
    x, log_w = weighing.draw(n, rng)
    reverse = weights.ess(log_w)
    if n * reverse < ess_floor:
        raise InputError(
            f"importance sampling needs at least {ess_floor:g} effective draws, got "
            f"{n * reverse:.3g} of {n:,} (ess {reverse:.2g}); train the model further, or draw "
            "more"
        )
    # Whole configurations: |m| or E^2 of an average over what was integrated out is another.
    whole = weighing.whole(x, rng)
    values = default_observables(target, whole)
    entropy = weights.entropy(log_w, target.action(whole))
    forward_w = None if samples is None else weighing.log_weights(samples)
    forward = math.nan if forward_w is None else weights.forward_ess(forward_w)
    found = alarms(log_w, forward_w, log_z)
    if not fine:
        text = f"finer steps of the flow still shift log Z by {shift:+.2g}: it is too stiff"
        found.append(Alarm(text, False))
    contradicted = any(alarm.fatal for alarm in found)
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
        "entropy": (entropy[0], "entropy <S> + log Z"),
        "entropy_error": (entropy[1], "error of entropy"),
        "variational_free_energy": (-float(log_w.mean()), "E_q[log q + S] >= -log Z"),
        "ess_share": (
            0.0 if contradicted else float(np.nanmin([reverse, forward])),
            "effective share: the smaller of reverse and forward; 0 if log Z is contradicted",
        ),
        "ess_reverse": (reverse, "(sum w)^2 / (N sum w^2) of draws of the model"),
        "ess_forward": (forward, "1 / (<w> <1/w>) of draws of the target"),
        "k_hat": (weights.pareto_k(log_w), "shape of the tail of the weights; NaN: they repeat"),
        "largest_share": (weights.largest_share(log_w), "share of the largest weight"),
        "round_trip": (round_trip, "rms of log q drawn less log q scored"),
        "discretisation": (shift, "change of log Z where steps are halved; 0 without steps"),
    }
    attrs = {
        "event_shape": list(target.event_shape),
        "target": named(target),
        "sampler": "importance sampling",
        "weights": "importance",
        "symmetries": " ".join(sorted(getattr(target, "symmetries", ()))),
        "exactness": "asymptotic",
        "exactness_of": "target",
        "seed": rng.seed,
        "n": n,
        "warnings": "\n".join(alarm.text for alarm in found),
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
    return Weighing.of(density, target).log_weights(x)


def _unit(known: Mapping[str, Any], name: str) -> str:
    return known[name].unit if name in known else "1"
