r"""How long the chains of a model take to forget where they began.

Chains that begin at data (or cold) and chains that begin hot, at independent sites, are moved
until their means of the action, of the magnetisation and of its square agree,

.. math:: z(t) = \frac{ |\langle O \rangle_{\rm data}(t) - \langle O \rangle_{\rm hot}(t)| }
                      { \sqrt{ s^2_{\rm data} / n + s^2_{\rm hot} / n } } < 3
          \quad \text{for all } t \ge t_{\rm mix} .

Two starts on both sides of equilibrium bound it; one alone may sit in a metastable state and look
stationary.  Over the second half of the chains :math:`\tau_{\rm int}` of the action and of the
magnetisation is measured: chains that never change from mode to mode have a time beyond their
length, however well their starts agree.  Where S(-x) = S(x) the sign means nothing, and |m| stands
for the magnetisation.
A model whose chains need longer than the k steps that it is sampled or trained with is *out of
equilibrium for k* (Decelle, Furtlehner & Seoane, NeurIPS 2021, arXiv:2105.13889): what such chains
show is not the model.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.autocorrelation import tau_int
from physgen.core.arrays import to_numpy
from physgen.core.chains import Sampler, Tunable
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.samplers.found_start import default_move
from physgen.samplers.loop.recording import named
from physgen.samplers.tempered_path import action_of
from physgen.targets.checked import checked_target

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["mixing_time"]

_APART = 3.0
_TUNING = 60


def mixing_time(
    model: Any,
    n_chains: int = 128,
    *,
    data: Any = None,
    k: int | None = None,
    move: Any = None,
    max_steps: int = 1000,
    n_measured: int = 100,
    seed: int | None = None,
    rng: Stream | int | None = None,
) -> xr.Dataset:
    """Return the steps after which chains of two starts agree, and how long they remember.

    Parameters
    ----------
    model : Target
    n_chains : int
        Chains of each start, >= 16.
    data : array (n, *event_shape), optional
        Where one half begins, e.g. the training data; by default cold.
    k : int, optional
        Steps that the model is sampled or trained with, >= 1: the verdict is for k.
    move : Sampler, optional
        By default the usual one of the model.  Tuned first where it can be.
    max_steps : int
        Steps of every chain, >= `n_measured`.
    n_measured : int
        Times at which the chains are measured, evenly spaced, >= 8.
    seed, rng : int, Stream
        One of the two.

    Returns
    -------
    Dataset
        ``mixing_time`` in steps, infinite if the starts never agree; ``tau_int`` of the action in
        steps, ``tau_int_magnetization``, each with error, and ``tau_is_lower_bound``; by ``step``
        and ``start`` ("data", "hot") the means of ``action``, ``magnetization`` (or
        ``abs_magnetization``) and ``m2`` with errors.  ``attrs["label"]`` is
        "equilibrium", "out of equilibrium for k = ..." or "not mixed in ... steps", and
        ``attrs["warnings"]`` says so too where it speaks against the model.

    Raises
    ------
    InputError
        If an argument breaks its rule.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> ds = mixing_time(Ising(L=4, beta=0.2), k=50, max_steps=200, seed=1)
    >>> ds.attrs["label"]
    'equilibrium'
    """
    import xarray as xr

    if (seed is None) == (rng is None):
        raise InputError("seed or rng must be given, and not both, e.g. seed=1")
    n = check_positive_int("n_chains", n_chains, 16)
    n_measured = check_positive_int("n_measured", n_measured, 8)
    check_positive_int("max_steps", max_steps, n_measured)
    if k is not None:
        check_positive_int("k", k)
    target = checked_target(model)
    stream = as_stream(rng if rng is not None else seed)  # type: ignore[arg-type]
    move = default_move(target) if move is None else move
    if not isinstance(move, Sampler):
        raise InputError(f"move must be a sampler, e.g. HeatBath(), got {move!r}")
    bound: Any = move.bind(target)
    hot = bound.configurations(bound.init(stream.child("hot"), n, "hot"))
    if isinstance(bound, Tunable):
        tuned = bound.init(stream.child("tune"), n, hot)
        bound, _ = bound.tune(stream.child("tune"), tuned, _TUNING)
    first = _first(target, bound, data, n, stream)
    state = bound.init(stream.child("init"), 2 * n, np.concatenate([first, hot]))
    every = max_steps // n_measured
    series = [_measured(target, bound.configurations(state))]
    for i in range(n_measured):
        state, _ = bound.step(stream.child("step").at(i), state, every)
        series.append(_measured(target, bound.configurations(state)))
    values = {name: np.stack([s[name] for s in series], axis=1) for name in series[0]}
    steps = every * np.arange(n_measured + 1)
    apart = np.max([_apart(x[:n], x[n:]) for x in values.values()], axis=0)
    mixed = _settled(steps, apart)
    half = 1 + n_measured // 2
    times = {name: tau_int(x[:, half:]) for name, x in values.items() if name != "m2"}
    data_vars: dict[str, Any] = {}
    for name, x in values.items():
        groups = np.stack([x[:n], x[n:]])
        data_vars[name] = (("start", "step"), groups.mean(axis=1), {"units": "1"})
        error = groups.std(axis=1, ddof=1) / math.sqrt(n)
        data_vars[f"{name}_error"] = (("start", "step"), error, {"units": "1"})
    data_vars["apart"] = ("step", apart, {"long_name": "largest difference in errors"})
    data_vars["mixing_time"] = ((), mixed, {"units": "steps"})
    for name, tau in times.items():
        own = "tau_int" if name == "action" else "tau_int_magnetization"
        data_vars[own] = ((), every * tau.value, {"units": "steps", "long_name": f"of {name}"})
        data_vars[f"{own}_error"] = ((), every * tau.error, {"units": "steps"})
    short = any(tau.lower_bound for tau in times.values())
    data_vars["tau_is_lower_bound"] = ((), short)
    known = [every * tau.value for tau in times.values() if math.isfinite(tau.value)]
    label, said = _verdict(mixed, max(known, default=0.0), short, k, max_steps)
    attrs = {
        "label": label, "warnings": said, "target": named(target), "sampler": repr(move),
        "n_chains": n, "seed": stream.seed, "rng": repr(stream), "start": "data"
        if data is not None else "cold",
    }  # fmt: skip
    return xr.Dataset(data_vars, coords={"step": steps, "start": ["data", "hot"]}, attrs=attrs)


def _first(target: Any, bound: Any, data: Any, n: int, rng: Stream) -> np.ndarray:
    if data is None:
        return bound.configurations(bound.init(rng.child("cold"), n, "cold"))
    x, shape = np.asarray(to_numpy(data)), tuple(target.event_shape)
    if x.ndim == 0 or x.shape[1:] != shape or not len(x):
        raise InputError(f"data must be configurations of shape (n, *{shape}), got {x.shape}")
    index = rng.child("data").numpy().permutation(len(x))
    return x[np.resize(index, n)]


def _measured(target: Any, x: np.ndarray) -> dict[str, np.ndarray]:
    """Return S, and the mean over sites with its square (of outcomes, their labels)."""
    m = x.reshape(len(x), -1).astype(np.float64).mean(axis=1)
    even = declared(target).is_even
    odd = {"abs_magnetization": np.abs(m)} if even else {"magnetization": m}
    return {"action": action_of(target, x), **odd, "m2": m**2}


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return |z| of two groups of chains at every time, 0 where nothing varies or differs."""
    difference = np.abs(a.mean(axis=0) - b.mean(axis=0))
    spread = np.sqrt(a.var(axis=0, ddof=1) / len(a) + b.var(axis=0, ddof=1) / len(b))
    rounding = 1e-12 * (1 + np.abs(a).max())
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference <= rounding, 0.0, difference / spread)


def _settled(steps: np.ndarray, apart: np.ndarray) -> float:
    """Return the first step from which on both starts agree; a last tenth has to be left."""
    # Of many looks one in a few hundred exceeds three errors by chance: so may one in twenty.
    for i in range(len(steps) - max(len(steps) // 10, 2)):
        rest = apart[i:]
        if apart[i] < _APART and np.mean(rest >= _APART) <= 0.05:
            return float(steps[i])
    return math.inf


def _verdict(mixed: float, tau: float, short: bool, k: int | None, most: int) -> tuple[str, str]:
    remedy = "sample it by tempering along its training (TrajectoryTempering)"
    if math.isinf(mixed) or short:
        label = f"not mixed in {most} steps"
        why = f"remember more than {tau:.3g} steps" if short else "still differ by their starts"
        return label, f"chains {why} after {most} steps: the model is {label}; {remedy}"
    if k is not None and max(mixed, tau) > k:
        label = f"out of equilibrium for k = {k}"
        return label, (
            f"chains forget their start after {mixed:.0f} steps, and their tau_int is {tau:.3g}: "
            f"the model is {label}; take more steps, or {remedy}"
        )
    return "equilibrium", ""
