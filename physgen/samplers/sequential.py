r"""Sequential Monte Carlo: log Z, and samples, by annealing weighted particles.

Particles with normalised weights :math:`W_i` follow :math:`S_\lambda = S_0 + \lambda U`
(:mod:`physgen.samplers.smc_paths`).  The step from :math:`\lambda` to :math:`\lambda + \Delta`
gives

.. math:: \hat Z_{\lambda+\Delta} = \hat Z_\lambda \sum_i W_i\, e^{-\Delta U(x_i)} ,

after which the particles are resampled (systematically) where their effective number falls below a
share, and moved by a Markov chain that leaves :math:`e^{-S_{\lambda+\Delta}}` invariant (Del
Moral, Doucet & Jasra, J. R. Stat. Soc. B 68, 411 (2006)).  Without resampling this is annealed
importance sampling (Neal, Stat. Comput. 11, 125 (2001)).

**Errors.**  The particles are split into islands that never meet.  The steps :math:`\Delta` and
the step sizes of the moves come from a pilot run and are fixed from then on, so every island's
:math:`\hat Z_i` is an unbiased, independent estimate; log Z is the logarithm of their mean, with
bias and error by the jackknife.  (The mean of :math:`\log \hat Z_i` would be low by half their
variance.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from physgen.core.chains import Sampler
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Target
from physgen.core.random import Stream, as_stream
from physgen.samplers.annealer import Annealer
from physgen.samplers.found_start import default_move
from physgen.samplers.loop.memory import check_memory
from physgen.samplers.loop.progress import Progress, Reporter
from physgen.samplers.loop.recording import named
from physgen.samplers.smc_checkpoint import ISLANDS, PILOT, Annealing
from physgen.samplers.smc_paths import path_to
from physgen.samplers.smc_results import Islands, label
from physgen.targets.checked import checked_target
from physgen.targets.fingerprint import fingerprint

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["smc"]

_PILOT = 4096  # particles of the pilot run, at most


def smc(
    target: Target,
    *,
    n_particles: int = 512,
    n_islands: int = 32,
    move: Any = None,
    n_moves: int = 8,
    cess: float = 0.95,
    resample_below: float = 0.5,
    start: Density | None = None,
    max_stages: int = 1000,
    progress: Callable[[Progress], None] | None = None,
    seed: int | None = None,
    rng: Stream | int | None = None,
    keep: str | None = None,
    on_stage: Callable[[Annealing], None] | None = None,
    checkpoint: xr.Dataset | None = None,
) -> xr.Dataset:
    """Estimate log Z and the observables of a target.

    Parameters
    ----------
    target : Target
        Ising, Phi4 and Boltzmann machines begin at independent sites, other spins and outcomes
        at infinite temperature, other fields at a Gaussian that a pilot run finds.
    n_particles : int
        Particles of an island, >= 2.
    n_islands : int
        Independent islands, >= 8: their spread is the error.
    move : Sampler, optional
        By default HeatBath for Ising, HMC for real fields with a force, else Metropolis.
    n_moves : int
        Steps of the move per stage (sweeps, trajectories), >= 1.
    cess : float
        Conditional effective share of the particles that a stage keeps, in (0, 1); nearer to 1
        means more stages.
    resample_below : float
        Effective share of an island's particles below which it is resampled, in [0, 1]; 0 never
        (annealed importance sampling), 1 always.
    start : Density, optional
        Where to anneal from instead: it can be drawn exactly and covers the target, e.g.
        ``FreeField(lattice, m2=1.0)`` or a trained model.
    max_stages : int
        Stages after which it gives up, >= 1.
    progress : callable(Progress), optional
        Called after every stage, with `done` of 100 percent of the way, for phase "pilot" (which
        fixes the stages) and phase "islands".
    seed, rng : int, Stream
        One of the two.
    keep : None or "configurations"
        Keep the particles at the end, with their log weights.
    on_stage : callable(Annealing), optional
        Called after every stage; ``to_dataset()`` of its argument is a checkpoint.
    checkpoint : Dataset, optional
        Continue from here, with the other arguments as they were, to the same result bit for bit.

    Returns
    -------
    Dataset
        ``log_z`` and ``free_energy`` = -log Z with ``..._error``, and the target's observables as
        weighted means, likewise; ``log_z_island`` (island); of every ``stage`` its ``fraction``
        lambda, ``ess`` (share, mean over islands), ``acceptance_rate`` and ``n_ancestors``, how
        many of an island's first particles still have descendants; with `keep`,
        ``configurations`` and ``log_weight`` (island, particle).  ``attrs["warnings"]`` says what
        speaks against the result.

    Raises
    ------
    InputError
        If an argument breaks its rule, the target cannot be normalized or is not reached within
        `max_stages`, or the checkpoint belongs to another run.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> ds = smc(Ising(L=4, beta=0.3), n_particles=128, seed=1)
    >>> abs(ds["log_z"].item() - 12.78552332571) < 5 * ds["log_z_error"].item()
    True
    """
    if (seed is None) == (rng is None):
        raise InputError("seed or rng must be given, and not both, e.g. seed=1")
    if keep not in (None, "configurations"):
        raise InputError(f"keep must be None or 'configurations', got {keep!r}")
    n_particles = check_positive_int("n_particles", n_particles, 2)
    n_islands = check_positive_int("n_islands", n_islands, 8)
    check_positive_int("n_moves", n_moves)
    if not 0 < check_finite("cess", cess) < 1:
        raise InputError(f"cess must be between 0 and 1, got {cess}")
    if not 0 <= check_finite("resample_below", resample_below) <= 1:
        raise InputError(f"resample_below must be in [0, 1], got {resample_below}")
    check_positive_int("max_stages", max_stages)
    if progress is not None and not callable(progress):
        raise InputError(f"progress must be a function of a Progress, or None, got {progress!r}")
    whole = checked_target(target)
    stream = as_stream(rng if rng is not None else seed)  # type: ignore[arg-type]
    n = n_particles * n_islands
    check_memory(
        32 * n * math.prod(target.event_shape),
        f"n_particles = {n_particles} and n_islands = {n_islands}",
        "lower n_particles",
    )
    path = path_to(target if start is None else whole, start)
    move = default_move(path.at(1.0)) if move is None else move
    if not isinstance(move, Sampler):
        raise InputError(f"move must be a sampler, e.g. HeatBath(), got {move!r}")
    identity = {
        "target": named(whole), "fingerprint": fingerprint(whole), "move": named(move),
        "n_islands": n_islands, "n_moves": n_moves, "cess": cess, "rng": repr(stream),
        "resample_below": resample_below,
    }  # fmt: skip
    reporter = Reporter(progress, 8 * n * math.prod(whole.event_shape))

    def staged(now: Annealing) -> None:
        done = int(100 * now.fraction)
        reporter.report(now.phase, done, 100, final=now.fraction >= 1)
        if on_stage is not None:
            on_stage(now)

    run = Annealer(path, move, n_moves, identity, staged, max_stages)
    begun = None if checkpoint is None else Annealing.from_dataset(checkpoint, identity)
    if begun is None or begun.phase == PILOT:
        pilot = Islands(1, min(n, _PILOT))
        below = max(resample_below, 0.5)
        plan = run.anneal(PILOT, pilot, below, stream.child("pilot"), cess, begun).stages
        begun = None
    else:
        plan = begun.plan
    islands = Islands(n_islands, n_particles)
    done = run.anneal(ISLANDS, islands, resample_below, stream.child("islands"), plan, begun)
    return label(
        whole,
        move,
        done.bound or run.bound(done.stages[-1]),
        done.state,
        done.islands,
        keep,
        run.path.log_z,
        stream,
    )
