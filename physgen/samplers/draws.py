r"""Draws of any model, weighted and labelled according to what the model can do.

=================  ===========================  =========================================
the model is       draws                        log weight, where a target is given
=================  ===========================  =========================================
a Density q        independent                  :math:`-S(x) - \log q(x)`
a JointDensity     independent pairs (x, z)     :math:`-S(x) + \log r(z|x) - \log q(x, z)`
a Target, S_m      Markov chains                :math:`-S(x) + S_m(x)`
a Simulator        independent                  none: its density is not known
=================  ===========================  =========================================

The first two give log Z of the target, because q is normalised and r(z|x) is normalised in z:

.. math:: \sum_z \int dx\, q(x, z)\, \frac{e^{-S(x)}\, r(z|x)}{q(x, z)} = \int dx\, e^{-S(x)} .

Weights of a chain are known up to a constant factor, which cancels in self-normalised means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import Density, JointDensity, Simulator, Target
from physgen.core.random import Stream, as_stream
from physgen.observables.evaluate import check_names
from physgen.observables.shelf import functions_of
from physgen.samplers.found_start import default_move
from physgen.samplers.importance_sampling import ESS_FLOOR, importance
from physgen.samplers.loop.recording import named, target_attrs
from physgen.samplers.loop.warmup import AutoWarmup
from physgen.samplers.run import run
from physgen.samplers.unweighted_draws import (
    GROUPS,
    Observables,
    UnweightedDraws,
    check_fit,
    units_of,
)
from physgen.samplers.weight_alarms import alarms
from physgen.targets.checked import checked_target
from physgen.targets.configurations import Configurations
from physgen.targets.own import whole_target

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["draws_of", "log_weights_of"]

_CHAINS = GROUPS
_AT_ONCE = 2**13


def draws_of(
    model: Any,
    target: Target | Configurations | None,
    n: int = 100_000,
    rng: Stream | int = 0,
    *,
    observables: Observables | Iterable[str] | None = None,
    ess_floor: float = ESS_FLOOR,
    samples: Any = None,
    log_z: tuple[float, float] | None = None,
    sampler: Any = None,
    n_chains: int = _CHAINS,
    thin: int = 1,
    warmup: str | int | AutoWarmup = "auto",
    quiet: bool = False,
) -> xr.Dataset:
    """Return observables of draws of a model, with log weights where they can be computed.

    Parameters
    ----------
    model : Density, JointDensity, Target or Simulator
        The first of these that it is decides how draws are made.
    target : Target, Configurations or None
        The target that the draws are weighted for.  Configurations of an unknown action: no
        weights; the draws are approximate for them.  None: the draws follow the model.
    n : int
        Draws in all, >= 128; rounded up to a multiple of 64, or of `n_chains`.
    rng : Stream or int
    observables : mapping of name to callable, or names, optional
        Functions of configurations (n, *event_shape), spins as float64 and outcomes as int64,
        returning (n,) or (n, ...), or names that `run` takes; the target's own if not given.
    ess_floor : float
        Effective draws below which weights are refused.
    samples, log_z
        As for `importance`, for a Density or JointDensity.
    sampler : Sampler, optional
        Moves the chains if the model has an action only; by default HeatBath for spins, HMC for
        real fields.
    n_chains, thin, warmup, quiet
        Of these chains, as for `run`.

    Returns
    -------
    Dataset
        Each observable with dims (chain, draw), and ``log_weight`` likewise; attrs ``exactness``
        ("asymptotic", "approximate", or "exact" for draws of a density itself) and
        ``exactness_for`` ("the target" or "the model").  `estimates` takes it.

    Raises
    ------
    InputError
        If the model is none of the four, has other configurations than the target, or too few
        effective draws are left.
    ChainTooShortError
        If chains have not converged.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> ds = draws_of(Ising(L=4, beta=0.25), Ising(L=4, beta=0.3), n=2**13)
    >>> ds.attrs["exactness"], ds.attrs["exactness_for"], "log_weight" in ds
    ('asymptotic', 'the target', True)
    """
    check_positive_int("n", n, 2 * _CHAINS)
    observables = functions_of(model if target is None else target, observables)
    if isinstance(target, Configurations):
        ds = draws_of(
            model, None, n, rng, observables=observables or target.observables, sampler=sampler,
            n_chains=n_chains, thin=thin, warmup=warmup, quiet=quiet,
        )  # fmt: skip
        check_fit(ds.attrs["event_shape"], target)
        about = {"exactness": "approximate", "exactness_for": "the target"}
        return ds.assign_attrs(target_attrs(target) | about)
    stream = as_stream(rng)
    check_names(observables or (), ("log_weight",))
    aim: Target | None = None if target is None else checked_target(target)
    if hasattr(model, "action") and not isinstance(model, Density | JointDensity):
        model = whole_target(model)
    found = dict(observables or declared(model if aim is None else aim).observables)
    if not found:
        if aim is None:
            raise InputError(
                "observables must be given where no target names any, got none; e.g. "
                'observables={"magnetization": lambda x: x.mean(axis=(1, 2))}'
            )
        found = {"action": aim.action}
    if isinstance(model, Density | JointDensity) and aim is not None:
        return importance(
            model, aim, n, stream, observables=observables, ess_floor=ess_floor,
            samples=samples, log_z=log_z, keep="draws",
        )  # fmt: skip
    if isinstance(model, Density | JointDensity):
        return _unweighted(model, None, n, stream, found)
    if isinstance(model, Target):
        chains = partial(
            run, default_move(model) if sampler is None else sampler, model, n_chains=n_chains,
            n_draws=math.ceil(n / check_positive_int("n_chains", n_chains)), thin=thin,
            warmup=warmup, rng=stream, quiet=quiet,
        )  # fmt: skip
        return _weighted_chains(chains, model, aim, found, ess_floor)
    if isinstance(model, Simulator):
        return _unweighted(model, aim, n, stream, found)
    raise InputError(
        "model must be a density (log_prob, sample), a joint density, a target (action) or a "
        f"simulator (sample), got {type(model).__name__}"
    )


def _weighted_chains(
    chains: Callable[..., xr.Dataset],
    model: Any,
    target: Target | None,
    observables: Observables,
    ess_floor: float,
) -> xr.Dataset:
    """Return Markov chains of the model, weighted for the target."""
    functions: dict[str, Any] = dict(observables)
    if target is not None:
        functions["log_weight"] = log_weights_of(model, target)
    ds = chains(observables=functions)
    if target is None:
        return _with_units(ds.assign_attrs(exactness_for="the model"), observables)
    # Weights do not remove a bias of the chains.
    exactness = "asymptotic" if ds.attrs["exactness"] == "exact" else ds.attrs["exactness"]
    ds = ds.drop_vars([name for name in declared(model).numbers if name in ds.coords])
    ds = _with_units(ds, observables).assign_coords(dict(declared(target).numbers))
    own = {**target_attrs(target), "model": named(model), "exactness": exactness}
    share = float(ds["log_weight"].attrs["ess"]) / ds["log_weight"].size
    log_w = ds["log_weight"].transpose("chain", "draw").values
    return _weighted(ds.assign_attrs(own), log_w, share, ess_floor)


def log_weights_of(model: Any, target: Target) -> Callable[[np.ndarray], np.ndarray]:
    """Return the function x -> S_m(x) - S(x), the log weight of draws of a model for a target.

    Raises
    ------
    InputError
        If the model draws other configurations than those of the target.
    """
    check_fit(model.event_shape, target)
    dtype = {"spins": np.int8, "outcomes": np.uint8}.get(target.support.kind, np.float64)

    def log_weight(x: np.ndarray) -> np.ndarray:
        x = x.astype(dtype, copy=False)
        return to_numpy(model.action(x)) - to_numpy(target.action(x))

    return log_weight


def _weighted(ds: xr.Dataset, log_w: np.ndarray, share: float, ess_floor: float) -> xr.Dataset:
    """Return `ds` with weights and their diagnostics; `share` of the draws are independent."""
    reverse = weights.ess(log_w)
    effective = log_w.size * reverse * min(share, 1.0)
    if effective < ess_floor:
        raise InputError(
            f"weights need at least {ess_floor:g} effective draws, got {effective:.3g} of "
            f"{log_w.size:,} (ess {reverse:.2g}); train the model further, or draw more"
        )
    found = [ds.attrs.get("warnings", ""), *(a.text for a in alarms(log_w.ravel(), None, None))]
    numbers = {
        "ess_share": (reverse, "effective share of the weights"),
        "k_hat": (weights.pareto_k(log_w), "shape of the tail of the weights"),
        "largest_share": (weights.largest_share(log_w), "share of the largest weight"),
    }
    data: dict[str, Any] = {
        name: ((), value, {"long_name": text, "units": "1"})
        for name, (value, text) in numbers.items()
    }
    labels = {"units": "nat", "long_name": "log weight"}
    data["log_weight"] = (("chain", "draw"), log_w, labels)
    return ds.assign(data).assign_attrs(
        weights="importance", warnings="\n".join(filter(None, found))
    )


def _unweighted(
    model: Any, target: Target | None, n: int, rng: Stream, observables: Observables
) -> xr.Dataset:
    import xarray as xr

    work = UnweightedDraws.prepare(model, target, n, rng, observables)
    return work.result(xr.concat(list(work.blocks()), "sample"))


def _with_units(ds: xr.Dataset, observables: Observables) -> xr.Dataset:
    for name in observables:
        ds[name].attrs |= units_of(name, observables)
    return ds
