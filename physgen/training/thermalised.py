r"""Whether configurations come from chains that have forgotten where they began.

A model learns an unthermalised ensemble as gladly as any other, and nothing in its loss says so.
Four tests, each named in the complaint:

==============  ==================================================================================
stationarity    the action is known: Markov chains of the target begin at the configurations.
                A thermalised ensemble stays where it is; with :math:`d_i` the change of an
                observable from configuration i,

                .. math:: z = \bar d \, \sqrt n / s_d .
hot/cold        half of the chains began hot, and the means of both halves differ
drift           the second half of the chains differs from the first
R-hat           fewer than 64 chains disagree (:mod:`physgen.analysis.convergence`)
==============  ==================================================================================

Observables that are odd under a symmetry enter as \|x\|.  The first test sees independent
configurations that were all stopped too early, in which no trend within a chain gives it away; the
others need chains.  It looks at 512 configurations, and once more, with other random numbers and
up to 2,048, before it complains: a false alarm in :math:`10^7` for independent configurations.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from physgen.analysis.autocorrelation import MANY_CHAINS
from physgen.analysis.convergence import r_hat
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_choice
from physgen.core.declared import declared
from physgen.core.errors import InputError, PhysgenError
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream
from physgen.samplers.found_start import default_move
from physgen.samplers.loop.agreement import drift_p, even_observables, hot_cold_p
from physgen.samplers.phi4_cluster import Phi4Cluster
from physgen.samplers.plain import default_observables
from physgen.samplers.run import run
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations

__all__ = ["check_thermalised", "complaints"]

FIRST, AGAIN = 1e-3, 1e-4  # of all observables together
LOOKED_AT, LOOKED_AT_AGAIN, STEPS, WARMUP = 512, 2048, 20, 30
_LEAST, _LONG = 4, 50  # draws of a chain; so many that R-hat may be judged
# Data of others are what they are: not 1.01, as for our chains, but 1.1 (Gelman and Rubin).
MAX_R_HAT = 1.1


def check_thermalised(source: Any, samples: Any = None, action: str = "refuse") -> None:
    """Raise InputError, or warn, if an ensemble fails a test.

    Parameters
    ----------
    source : Target or Configurations
    samples : array (n, *event_shape), optional
        Of a target.
    action : {"refuse", "warn", "ignore"}

    Raises
    ------
    InputError
        If a test fails and action is "refuse".
    """
    check_choice("thermalised", action, ("refuse", "warn", "ignore"))
    found = [] if action == "ignore" else complaints(source, samples)
    if not found:
        return
    text = f"configurations must have thermalised; {'; '.join(found)}"
    if action == "refuse":
        raise InputError(
            f"{text}. Draw them from longer chains (run says when they are), or pass "
            "thermalised='warn'"
        )
    warnings.warn(text, stacklevel=3)


def complaints(source: Any, samples: Any = None, start: Any = None) -> list[str]:
    """Return what speaks against an ensemble, a line for each test and observable.

    Parameters
    ----------
    source : Target or Configurations
        Configurations in chains are tested as chains.
    samples : array (n, *event_shape), optional
        Of a target.
    start : array of {"hot", "cold"} (n_chains,), optional
        Where the chains of Configurations began.
    """
    if isinstance(source, Configurations):
        return _of_chains(source, start)
    target = checked_target(source)
    if samples is None or target.support.kind != "reals" or not isinstance(target, Differentiable):
        return []  # nothing can move them, and there are no chains
    x = to_numpy(samples).astype(np.float64)
    if x.shape[1:] != tuple(target.event_shape):
        return []  # refused elsewhere, with its reason
    first = _changes(target, x, LOOKED_AT, Stream(0).child("stationarity", 0))
    suspects = [name for name, p, _ in first if p < FIRST / len(first)]
    if not suspects:
        return []
    again = _changes(target, x, LOOKED_AT_AGAIN, Stream(0).child("stationarity", 1))
    return [
        f"stationarity: {name} moves by {z:+.1f} errors in {STEPS} steps of Markov chains that "
        f"begin there (p = {p:.1g})"
        for name, p, z in again
        if name in suspects and p < AGAIN / len(again)
    ]


def _changes(target: Any, x: np.ndarray, n: int, rng: Stream) -> list[tuple[str, float, float]]:
    """Return name, p-value and z of the change of each observable."""
    from scipy.special import ndtr

    rows = np.unique(np.linspace(0, len(x) - 1, n).astype(int))
    x, known = x[rows], declared(target).observables
    move, warmup = _move(target)
    how = {"n_chains": len(x), "n_draws": 1, "thin": STEPS, "warmup": warmup, "rng": rng}
    try:
        ds = run(move, target, start=x, quiet=True, **how)
    except PhysgenError as error:
        return [(f"the move ({error})", 0.0, float("nan"))]
    words = " ".join(declared(target).symmetries)
    before = even_observables(default_observables(target, x), words)
    names = known or before
    after = even_observables({k: ds[k].values.ravel() for k in names if k in ds}, words)
    found = []
    for name in before.keys() & after.keys():
        d = np.ravel(after[name]) - np.ravel(before[name])
        error = float(d.std(ddof=1)) / len(d) ** 0.5
        z = float(d.mean()) / error if error > 0 else 0.0
        found.append((name, float(2 * ndtr(-abs(z))), z))
    return sorted(found)


def _move(target: Any) -> tuple[Any, int]:
    """Return a sampler and the steps that tune it: clusters where there are any."""
    try:
        Phi4Cluster().bind(target)
    except PhysgenError:
        return default_move(target), WARMUP
    return Phi4Cluster(), 5


def _of_chains(source: Configurations, start: Any) -> list[str]:
    n_chains, n_draws = source.x.shape[:2]
    if n_chains < 2 or n_draws < _LEAST:
        return []
    flat = source.x.reshape(-1, *source.event_shape).astype(np.float64)
    plain = {k: np.asarray(o(flat)) for k, o in source.observables.items()}
    words = " ".join(source.symmetries)
    series = {k: v.reshape(n_chains, n_draws) for k, v in even_observables(plain, words).items()}
    level, lines = FIRST * AGAIN / max(len(series), 1), []
    for name, x in series.items():
        if start is not None and (p := hot_cold_p(x, np.asarray(start) == "hot")) < level:
            lines.append(f"hot/cold: hot and cold starts disagree in {name} (p = {p:.1g})")
        if (p := drift_p(x)) < level:
            lines.append(f"drift: {name} still drifts (p = {p:.1g})")
        # Chains so short that R-hat must exceed its bound are judged by their drift.
        if n_chains < MANY_CHAINS and n_draws >= _LONG and (value := r_hat(x)) > MAX_R_HAT:
            lines.append(f"R-hat of {name} is {value:.3f} > {MAX_R_HAT:g}")
    return lines
