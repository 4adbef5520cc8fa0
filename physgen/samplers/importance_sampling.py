r"""Neural importance sampling: numbers of the target from draws of any density.

.. math:: \langle O \rangle = \frac{\sum_i w_i O(x_i)}{\sum_i w_i}, \qquad
          \log Z = \log \frac1N \sum_i w_i , \qquad \log w_i = -S(x_i) - \log q(x_i) ,

consistent for any q that is positive where e^{-S} is, good or bad, with an error estimated from
the weights (Nicoli et al., PRE 101, 023304 (2020); :mod:`physgen.analysis.weights`).  The weights
cannot show what q never draws.  So the effective share ``ess_share`` is the smaller of the reverse
share and, where draws of the target are given, the forward share.  It is 0 where log Z contradicts
an independent value; the ln 2 of a lost mode is named.  Without either, particles are annealed to
the target as a check (:mod:`physgen.samplers.forward_check`); what was checked, or that nothing
was, is in the attr ``forward_check``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.checks import check_choice, check_positive
from physgen.core.random import Stream
from physgen.samplers.estimates import estimates
from physgen.samplers.forward_check import ForwardCheck, check_forward
from physgen.samplers.weighing import Weighing
from physgen.samplers.weighted_draws import ESS_FLOOR, WeightedDraws

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ESS_FLOOR", "importance", "log_weights"]


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
    observables: Mapping[str, Callable[[Any], Any]] | Iterable[str] | None = None,
    forward_check: bool = True,
) -> xr.Dataset:
    """Return the target's observables, log Z and the quality of the weights.

    Parameters
    ----------
    density : Density or JointDensity
        Draws and scores: a trained model, or anything with `sample_and_log_prob`.  A joint model
        is weighed in pairs (x, z).
    target : Target
    n : int
        Draws, >= 128; rounded up to a multiple of 64.
    seed : int or Stream
    samples : array, shape (m, *event_shape), optional
        Configurations of the target, from MCMC, to measure the forward share on.
    log_z : (value, error), optional
        An independent log Z, as `smc` gives it, to compare with.
    exact : mapping or Dataset, optional
        Reference values, as for `estimates`.
    ess_floor : float
        Least number of effective draws.
    keep : {None, "draws"}
        "draws": the observables and ``log_weight`` of every draw, dims (chain, draw), instead of
        the table, and ``sample_log_weight`` of `samples`; `estimates` takes it.
    observables : mapping of name to callable, or names, optional
        Functions of configurations, instead of the target's own; spins come as float64.  They
        return (n,) or (n, ...).  Names are those that `run` takes.
    forward_check : bool
        Anneal a few particles to the target where neither `samples` nor `log_z` are given.  It
        takes about a second on lattices of 100 sites, and is given up after 20 s of CPU time.

    Returns
    -------
    Dataset
        Dim ``quantity``: value, error, ess (in draws), unit and estimator, as of `estimates`.
        Scalars: log_z, free_energy and entropy (<S> + log Z) with errors,
        variational_free_energy, ess_share, ess_reverse, ess_forward, k_hat, largest_share,
        round_trip, discretisation.  The attr ``warnings`` lists what contradicts the weights, a
        line each; ``forward_check`` says what the draws were compared with.

    Raises
    ------
    InputError
        If density and target do not match, fewer effective draws than the floor are left, or the
        density draws with one log q and scores the same draws with another.
    """
    import xarray as xr

    check_positive("ess_floor", ess_floor)
    check_choice("keep", str(keep), ("None", "draws"))
    work = WeightedDraws.prepare(density, target, n, seed, observables)
    whole = xr.concat(work.blocks(), "sample", combine_attrs="override")
    checked = None
    if forward_check and samples is None and log_z is None:
        checked = _checked(work, whole["log_weight"].values)
    draws = work.result(whole, samples=samples, log_z=log_z, ess_floor=ess_floor, checked=checked)
    if keep == "draws":
        return draws
    table = estimates(draws, exact)
    numbers = {k: v for k, v in draws.data_vars.items() if v.ndim == 0}
    return table.assign(numbers).assign_attrs({**draws.attrs, **table.attrs})


def _checked(work: WeightedDraws, log_w: np.ndarray) -> ForwardCheck | None:
    """Return the forward check, unless too few draws count anyway."""
    if log_w.size * weights.ess(log_w) < 2:
        return None
    weighing, rng = work.weighing, work.rng.child("forward check")
    x, _ = weighing.draw_block(0, min(weighing.block, work.n), work.rng)
    x = weighing.whole(x, work.rng.child("rest").at(0))
    return check_forward(weighing, x, log_w, rng)


def log_weights(density: Any, target: Any, x: Any) -> np.ndarray:
    """Return log w = -S - log q of configurations (n, *event_shape), float64 (n,).

    Parameters
    ----------
    density : Density
    target : Target
    x : array, shape (n, *event_shape)
        Configurations, of the density or of anything else.
    """
    return Weighing.of(density, target).log_weights(x)
