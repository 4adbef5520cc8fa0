r"""Generators of every family side by side, on one target and against one baseline.

=============  =========================  ===================  =======================
a generator    draws                      likelihood           corrected observables
=============  =========================  ===================  =======================
density        independent                exact                by :math:`e^{-S} / q`
joint density  independent                lower bound (IWAE)   in the space of both
energy         Markov chains              up to its log Z      by :math:`e^{S_m - S}`
simulator      independent                none                 none
samples        as they were given         none                 none
=============  =========================  ===================  =======================

A sample file of another program is a generator too.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Density, JointDensity, Simulator, Target
from physgen.core.random import Stream, as_stream
from physgen.samplers.draws import draws_of, log_weights_of
from physgen.samplers.estimates import estimates
from physgen.samplers.found_start import default_move
from physgen.samplers.importance_sampling import log_weights
from physgen.samplers.run import run
from physgen.samplers.unweighted_draws import labelled, values_on
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations
from physgen.validation.assessment import TESTS, Drawn, assess
from physgen.validation.features import features_of
from physgen.validation.sample_sets import SampleSet, sample_set
from physgen.validation.suite import TESTS as KNOWN_TESTS

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["compare", "configurations_of", "kind_of", "likelihood_of", "series_of"]

_CHAINS = 64
_AT_ONCE = 2**12
_PARTICLES = 64  # of the bound of a joint density
_BOUNDED = 2048  # configurations that it is computed for, evenly spaced; NaN elsewhere
_FILES = (str, PathLike, np.ndarray)


def compare(
    generators: Mapping[str, Any],
    target: Any = None,
    baseline: Any = None,
    *,
    n: int = 16_384,
    tests: Sequence[str] = TESTS,
    n_max: int = 2000,
    rng: Stream | int = 0,
) -> xr.Dataset:
    """Return every generator's numbers, each with its error and how far it can be trusted.

    Parameters
    ----------
    generators : mapping of str to model, array, Dataset or path
        Models of any kind, or samples of any program, shape (n, *event_shape) (what `two_sample`
        takes).
    target : Target, optional
        What all of them should draw; without one nothing is weighed.
    baseline : array, Dataset, Configurations or path
        Converged draws of the target, shape (n, *event_shape), such as a run with
        ``keep="configurations"``.
    n : int
        Draws of each model, >= 128.
    tests, n_max
        As for `two_sample`.
    rng : Stream or int

    Returns
    -------
    Dataset
        The variables of :func:`~physgen.validation.assessment.assess` along ``generator``;
        ``reference`` and ``reference_error`` by ``quantity``; ``n_parameters``, and ``draw_ms``,
        CPU milliseconds a draw.  Coords ``kind`` and ``likelihood`` say what each one is.

    Raises
    ------
    InputError
        If there is no generator or no baseline, or shapes or supports differ.

    Examples
    --------
    >>> from physgen import FreeField
    >>> p = FreeField(L=4, m2=0.5)
    >>> ds = compare({"wide": FreeField(L=4, m2=0.4)}, p, p.sample(4000, 1), n=4096,
    ...              tests=["observables"])
    >>> float(ds.fidelity.sel(generator="wide")) > 0.98, str(ds.kind.values[0])
    (True, 'density')
    """
    import xarray as xr

    if not generators:
        raise InputError("compare needs at least one generator, got none")
    if baseline is None:
        raise InputError(
            "compare needs a baseline, converged draws of the target, got none; e.g. a run with "
            "keep='configurations'"
        )
    for test in tests:
        check_choice("tests", test, KNOWN_TESTS)
    check_positive_int("n", n, 128)
    stream = as_stream(rng).child("compare")
    aim = None if target is None else checked_target(target)
    base = sample_set("baseline", baseline, target=aim)
    reference = estimates(series_of(base, aim))
    rows: list[xr.Dataset] = []
    for name, generator in generators.items():
        drawn, ms, size = _drawn(name, generator, aim, base, n, stream.child(name))
        found = assess(
            drawn, base, reference, target=aim, tests=tests, n_max=n_max,
            rng=stream.child(name, "tests"),
        )  # fmt: skip
        found = found.assign(n_parameters=size, draw_ms=((), ms, {"units": "ms"}))
        words = {key: ((), text) for key, text in _words(found).items()}
        rows.append(found.assign_coords(generator=name).assign(words).drop_attrs(deep=False))
    joined = xr.concat(rows, "generator", join="exact", data_vars="all", coords="minimal",
                       compat="override")  # fmt: skip
    return joined.assign_attrs(
        n_baseline=len(base), exactness="asymptotic", exactness_for="the target"
    )


def _words(found: xr.Dataset) -> dict[str, str]:
    return {k: str(found.attrs[k]) for k in ("kind", "likelihood", "notes", "warnings")}


def kind_of(generator: Any) -> str:
    """Return what a generator is: "density", "joint", "energy", "simulator" or "samples".

    Raises
    ------
    InputError
        If it is none of them.
    """
    if isinstance(generator, (*_FILES, SampleSet, Configurations)) or hasattr(generator, "dims"):
        return "samples"
    for kind, protocol in (("density", Density), ("joint", JointDensity), ("energy", Target),
                           ("simulator", Simulator)):  # fmt: skip
        if isinstance(generator, protocol):
            return kind
    if hasattr(generator, "shape"):  # a tensor
        return "samples"
    raise InputError(
        "a generator must be a model (sample, or action), samples, or a file of them, got "
        f"{type(generator).__name__}"
    )


def configurations_of(model: Any, n: int, rng: Stream) -> np.ndarray:
    """Return at least n draws of a model without weights, (chain, draw, *event_shape).

    Independent draws are one chain; an energy is sampled by 64 Markov chains.
    """
    if kind_of(model) == "energy":
        draws = -(-n // _CHAINS)
        ds = run(
            default_move(model), model, n_chains=_CHAINS, n_draws=draws, rng=rng, thin=2,
            keep="configurations", quiet=True,
        )  # fmt: skip
        return sample_set("samples", ds).x
    joint = isinstance(model, JointDensity)
    parts: list[np.ndarray] = []
    for k in range(-(-n // _AT_ONCE)):
        x = model.sample(min(_AT_ONCE, n - k * _AT_ONCE), rng.at(k))
        parts.append(to_numpy(x[0] if joint else x))
    return np.concatenate(parts)[None]


def likelihood_of(
    model: Any,
    baseline: SampleSet,
    target: Any = None,
    *,
    log_z: float | None = None,
    rng: Stream,
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return log q of configurations, or its bound, and their log weights, each (chain, draw).

    Each is None where the model does not know it.  A bound is dear: it is NaN for all but about
    2,000 of the configurations.

    Parameters
    ----------
    model : generator
    baseline : SampleSet
    target : Target, optional
    log_z : float, optional
        Of an energy.
    rng : Stream
        For the latent variables of a bound.
    """
    x, kind = baseline.flat, kind_of(model)
    log_q = log_w = None
    if kind == "density" and target is None:
        log_q = _in_parts(model.log_prob, x)
    elif kind == "density":
        log_w = log_weights(model, target, x)
        log_q = -to_numpy(target.action(x)) - log_w
    elif kind == "energy":
        log_w = None if target is None else log_weights_of(model, target)(x)
        log_q = None if log_z is None else -_in_parts(model.action, x) - log_z
    elif kind == "joint" and hasattr(model, "log_prob_bound"):
        log_w = None if target is None else log_weights(model, target, x)
        log_q, some = np.full(len(x), np.nan), slice(None, None, -(-len(x) // _BOUNDED))
        log_q[some] = to_numpy(model.log_prob_bound(x[some], _PARTICLES, rng))
    shape = baseline.x.shape[:2]
    return _shaped(log_q, shape), _shaped(log_w, shape)


def _shaped(values: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray | None:
    return None if values is None else values.reshape(shape)


def _in_parts(function: Any, x: np.ndarray) -> np.ndarray:
    parts = [to_numpy(function(x[k : k + _AT_ONCE])) for k in range(0, len(x), _AT_ONCE)]
    return np.concatenate(parts).astype(np.float64)


def series_of(samples: SampleSet, target: Any) -> xr.Dataset:
    """Return observables of configurations, as `run` returns them.

    Parameters
    ----------
    samples : SampleSet
    target : Target or None
        Its observables; features of configurations if it has none.
    """
    known = {} if target is None else declared(target).observables
    if known:
        series = values_on(known, samples.flat, target)
        shaped = {k: v.reshape(*samples.x.shape[:2], *v.shape[1:]) for k, v in series.items()}
        return labelled(shaped, target, known, event_shape=list(samples.event_shape))
    found = features_of(samples, target)
    return labelled(found, None, {}, event_shape=list(samples.event_shape))


def _drawn(
    name: str, generator: Any, target: Any, base: SampleSet, n: int, rng: Stream
) -> tuple[Drawn, float, int]:
    """Return what is known of a generator, CPU ms a draw, and the number of its parameters."""
    kind = kind_of(generator)
    if kind == "samples":
        samples = sample_set(name, generator, target=target, event_shape=base.event_shape)
        return Drawn(kind, series_of(samples, target), samples), float("nan"), 0
    begun = time.process_time()
    configurations = configurations_of(generator, n, rng.child("draw"))
    ms = 1e3 * (time.process_time() - begun) / (len(configurations) * configurations.shape[1])
    samples = sample_set(name, configurations, target=target, event_shape=base.event_shape)
    draws = _weighed(generator, samples, target, n, rng.child("weights"))
    log_z = _log_z(generator) if kind == "energy" else None
    log_q, log_w = likelihood_of(generator, base, target, log_z=log_z, rng=rng.child("bound"))
    size = sum(p.numel() for p in getattr(generator, "parameters", list)())
    return Drawn(kind, draws, samples, log_q, log_w), ms, size


def _weighed(generator: Any, samples: SampleSet, target: Any, n: int, rng: Stream) -> xr.Dataset:
    """Return series of observables, with log weights where the generator can be weighed."""
    kind, raw = kind_of(generator), series_of(samples, target)
    if target is None or kind == "simulator":
        return raw
    if kind == "energy":  # chains of their own would cost as much again
        log_w = log_weights_of(generator, target)(samples.flat).reshape(samples.x.shape[:2])
        weighed = raw.assign(log_weight=(("chain", "draw"), log_w, {"units": "nat"}))
        return weighed.assign_attrs(weights="importance")
    try:
        return draws_of(generator, target, n, rng, ess_floor=1.0, quiet=True)
    except InputError as error:  # no weight counts, or the density contradicts itself
        return raw.assign_attrs(warnings=f"weights are refused: {error}")


def _log_z(model: Any) -> float | None:
    """Return log Z of an energy where it can be summed; None: annealing is the user's choice."""
    total = getattr(model, "log_z_exact", None)
    try:
        return None if total is None else float(total())
    except InputError:  # too many units
        return None
