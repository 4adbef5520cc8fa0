r"""Annealed importance sampling both ways: log Z between two bounds.

Along a path :math:`S_{\lambda_0}, \dots, S_{\lambda_K}` from a start whose :math:`Z_0` is known
to the target, chains x that are moved at every :math:`\lambda_k` collect

.. math:: \log w = \log Z_0 - \sum_{k=1}^{K} \big[ S_{\lambda_k}(x_{k-1})
          - S_{\lambda_{k-1}}(x_{k-1}) \big], \qquad E[w] = Z, \qquad E[\log w] \le \log Z

from draws of the start (Neal, Stat. Comput. 11, 125 (2001)).  Chains that begin at draws of the
*target* and go back to the start have :math:`E[1/w] = 1/Z` and :math:`E[\log w] \ge \log Z`
(Grosse, Ghahramani & Adams, arXiv:1511.02543: bidirectional Monte Carlo).  So

.. math:: E[\log w]_{\rm forward} \le \log E[w]_{\rm forward} = \log Z
          = -\log E[1/w]_{\rm reverse} \le E[\log w]_{\rm reverse} ,

and the sandwich closes when both estimates of log Z agree within their errors.  The value
reported is their mean: they are independent, and their biases of order 1/n, which the jackknife
removes, have opposite signs.

The temperatures are equidistant in the length of the path, :math:`\int \sqrt{\mathrm{Var}\,
\dot S}\, d\lambda`: a pilot run takes steps of equal conditional effective share, and its stages
are interpolated (:mod:`physgen.samplers.annealing_ladder`).

**What it cannot see.**  A mode that neither the forward chains nor the draws at the target reach.
Where the draws are given (`samples`: data that the model was trained on, chains of parallel
tempering), such a mode opens the sandwich.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import Sampler
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.core.random import Stream, as_stream
from physgen.samplers.annealed_work import Passage, passage
from physgen.samplers.annealing_ladder import Pilot, pilot_run
from physgen.samplers.found_start import default_move
from physgen.samplers.log_z_results import BLOCKS, Sandwich, label
from physgen.samplers.loop.memory import check_memory
from physgen.samplers.loop.progress import Progress, Reporter
from physgen.samplers.smc_checkpoint import Stage
from physgen.samplers.smc_paths import Path, path_to
from physgen.targets.checked import checked_target

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["log_z_sandwich"]

_MOST_VARIANCE = 0.5  # of log w that a choice of temperatures aims at, at most
_CORRELATION = 2.0  # first guess of the variance of log w over its value for independent steps
_GROWTH = (1.5, 8.0)  # least and largest factor by which temperatures are added
_ROUNDS = 6


def log_z_sandwich(
    target: Any,
    *,
    path: Path | None = None,
    start: Density | None = None,
    move: Any = None,
    n_chains: int = 512,
    n_temperatures: int | None = None,
    tolerance: float | None = None,
    n_moves: int = 1,
    samples: Any = None,
    n_equilibrate: int = 50,
    max_temperatures: int = 20_000,
    progress: Callable[[Progress], None] | None = None,
    seed: int | None = None,
    rng: Stream | int | None = None,
) -> xr.Dataset:
    """Estimate log Z by annealing from a normalised start to the target, and back.

    Parameters
    ----------
    target : Target
        Energy models, Ising, phi^4, and any other action that a sampler moves.
    path : Path, optional
        By default the usual one of :mod:`physgen.samplers.smc_paths`: from independent sites for
        Boltzmann machines, Ising and phi^4.
    start : Density, optional
        Where to anneal from instead, e.g. ``IndependentSites.matched(x, support)``.
    move : Sampler, optional
        Moves the chains at every temperature.
    n_chains : int
        Chains in each direction, >= 64; rounded up to a multiple of 32 blocks.
    n_temperatures : int, optional
        Steps of the path, >= 1.
    tolerance : float, optional
        Instead: add temperatures until the error of log Z is below this, > 0; by default 0.01.
    n_moves : int
        Steps of the move at each temperature, >= 1.
    samples : array (n, *event_shape), optional
        Draws of the target for the way back, at least 32; independent ones, or neighbours in the
        array where they are correlated.  By default those of the pilot run, resampled by their
        weights and moved `n_equilibrate` steps.
    n_equilibrate : int
        Steps of the move at the target before the way back, where there are no `samples`, >= 0.
    max_temperatures : int
        Where a search for the tolerance ends.
    progress : callable(Progress), optional
        Called about five times a second, in phases "forward" and "reverse".
    seed, rng : int, Stream
        One of the two.

    Returns
    -------
    Dataset
        ``log_z`` and ``free_energy``; ``log_z_forward``, ``log_z_reverse``, ``log_z_lower`` =
        E[log w] forward, ``log_z_upper`` = E[log w] in reverse, each with ``..._error``; ``gap`` =
        upper - lower; ``closes``; ``ess_forward``, ``ess_reverse`` and ``largest_share`` of the
        weights; by ``temperature`` the ``fraction`` lambda, and up to there ``ess_forward_to``,
        ``ess_reverse_to``, and ``cess``, the effective share of its step alone.
        ``attrs["warnings"]`` says what speaks against it.

    Raises
    ------
    InputError
        If an argument breaks its rule, or no normalised start is known.
    NonFiniteActionError
        If an action becomes NaN or infinite; the message names chain and temperature.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> ds = log_z_sandwich(Ising(L=4, beta=0.3), n_chains=128, n_temperatures=40, seed=1)
    >>> bool(ds["closes"]), abs(ds["log_z"].item() - 12.78552332571) < 0.05
    (True, True)
    """
    if (seed is None) == (rng is None):
        raise InputError("seed or rng must be given, and not both, e.g. seed=1")
    n = BLOCKS * math.ceil(check_positive_int("n_chains", n_chains, 2 * BLOCKS) / BLOCKS)
    if n_temperatures is not None and tolerance is not None:
        raise InputError(
            f"n_temperatures or tolerance may be given, and not both, got {n_temperatures} and "
            f"{tolerance}"
        )
    check_positive_int("n_moves", n_moves)
    check_positive_int("n_equilibrate", n_equilibrate, 0)
    check_positive_int("max_temperatures", max_temperatures)
    if n_temperatures is not None:
        check_positive_int("n_temperatures", n_temperatures)
    wanted = check_positive("tolerance", 0.01 if tolerance is None else tolerance)
    if path is not None and start is not None:
        raise InputError("path or start may be given, and not both")
    whole = checked_target(target)
    stream = as_stream(rng if rng is not None else seed)  # type: ignore[arg-type]
    check_memory(32 * n * math.prod(whole.event_shape), f"n_chains = {n_chains}", "lower it")
    way = path or path_to(target if start is None else whole, start)
    move = default_move(way.at(1.0)) if move is None else move
    if not isinstance(move, Sampler):
        raise InputError(f"move must be a sampler, e.g. HeatBath(), got {move!r}")
    pilot = pilot_run(way, move, n, n_equilibrate, stream.child("pilot"))
    back = pilot.draws if samples is None else _spread(samples, n, whole.event_shape)
    reporter = Reporter(progress, 16 * n * math.prod(whole.event_shape))

    def both(n_steps: int, here: Stream) -> Sandwich:
        ladder = pilot.ladder(n_steps)
        x = way.sample(here.child("start"), n)
        up = _pass(way, move, ladder, x, here.child("forward"), n_moves, reporter, "forward")
        down = _pass(
            way, move, ladder[::-1], back, here.child("reverse"), n_moves, reporter, "reverse"
        )
        return Sandwich(way.log_z, ladder, up, down)

    if n_temperatures is not None:
        found = both(n_temperatures, stream.child("round", 0))
    else:
        found = _to_tolerance(both, pilot, wanted, n, max_temperatures, stream)
    return label(
        found, whole, way, move, stream, n_moves, samples is not None,
        None if n_temperatures is not None else wanted,
    )  # fmt: skip


def _to_tolerance(
    both: Callable[[int, Stream], Sandwich],
    pilot: Pilot,
    wanted: float,
    n: int,
    most: int,
    rng: Stream,
) -> Sandwich:
    """Return the first sandwich whose error is below `wanted`; each try draws afresh."""
    variance = min(2 * n * wanted**2, _MOST_VARIANCE)  # two directions, and their mean
    n_steps = math.ceil(_CORRELATION * pilot.length**2 / variance)
    k, found = 0, None
    while True:
        n_steps = min(max(n_steps, pilot.n_stages), most)
        found = both(n_steps, rng.child("round", k))
        k += 1
        if (found.error <= wanted and found.closes) or n_steps == most or k == _ROUNDS:
            return found
        growth = 1.3 * (found.error / wanted) ** 2
        n_steps = math.ceil(n_steps * min(max(growth, _GROWTH[0]), _GROWTH[1]))


def _pass(
    path: Path,
    move: Any,
    ladder: list[Stage],
    x: np.ndarray,
    rng: Stream,
    n_moves: int,
    reporter: Reporter,
    phase: str,
) -> Passage:
    def told(done: int, total: int) -> None:
        reporter.report(phase, done, total, final=done == total)

    return passage(path, move, ladder, x, rng, n_moves, told)


def _spread(samples: Any, n: int, shape: tuple[int, ...]) -> np.ndarray:
    """Return n of the given draws, evenly spaced; copies of a draw are neighbours."""
    x = np.asarray(to_numpy(samples))
    if x.ndim == 0 or x.shape[1:] != tuple(shape) or len(x) < BLOCKS:
        raise InputError(
            f"samples must be at least {BLOCKS} configurations of shape {tuple(shape)}, got "
            f"{x.shape}"
        )
    return x[np.arange(n) * len(x) // n]
