r"""Missing sites filled in: draws of p(x_missing | x_seen) of any target, energy or density.

.. math:: p(x_m \mid x_s) \propto e^{-S(x_s, x_m)} , \qquad S = -\log q \text{ for a density} .

What is normalised drops out, so the missing sites are a target of their own, and every sampler
runs on it: HMC where there is a force, Metropolis for spins and outcomes.  It is exact once the
chains have converged, and says by R-hat whether they have.  Draws of a simulator know no
density; of a joint density the latent variables would have to be integrated: both are refused.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.convergence import r_hat
from physgen.analysis.errors import mean_estimate
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Density, Differentiable, Target
from physgen.core.random import Stream
from physgen.samplers.found_start import default_move
from physgen.samplers.loop.recording import unpack_configurations
from physgen.samplers.run import run
from physgen.targets.own import as_target

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["conditioned", "inpaint"]


def conditioned(model: Any, seen: Any, missing: Any) -> Any:
    """Return the target of the missing sites, given the others.

    Parameters
    ----------
    model : Target or Density
        Over whole configurations.
    seen : array, shape event_shape
        One configuration; what it has at missing sites does not matter.
    missing : array of bool, shape event_shape

    Returns
    -------
    Target
        Of configurations (..., n_missing), in the order of ``seen[missing]``.

    Raises
    ------
    InputError
        If the model has neither action nor log_prob, shapes differ, or nothing is missing.
    """
    shape = tuple(getattr(model, "event_shape", ()))
    if not isinstance(model, Target | Density):
        raise InputError(
            "model must have an action or a log_prob to condition on what was seen, got "
            f"{type(model).__name__}"
        )
    x, gone = to_numpy(seen), to_numpy(missing)
    if gone.dtype != bool or gone.shape != shape or x.shape != shape:
        raise InputError(
            f"seen and missing must be a configuration and a mask of bool of shape {shape}, got "
            f"shapes {x.shape} and {gone.shape} ({gone.dtype})"
        )
    n = int(gone.sum())
    if n in (0, gone.size):
        raise InputError(f"missing must be some of the {gone.size} sites, got {n}")
    if not np.isfinite(x[~gone]).all():
        raise InputError("seen must be finite where it is not missing, got NaN or infinity")
    kind = model.support.kind
    dtype = {"spins": np.int8, "outcomes": np.uint8}.get(kind, np.float64)
    base = np.where(gone, np.zeros_like(x), x).astype(dtype)

    def whole(y: np.ndarray) -> np.ndarray:
        z = np.broadcast_to(base, (*y.shape[:-1], *shape)).copy()
        z[..., gone] = y.astype(dtype, copy=False)
        return z

    def action(y: np.ndarray) -> np.ndarray:
        if isinstance(model, Target):
            return to_numpy(model.action(whole(y)))
        return -to_numpy(model.log_prob(whole(y)))

    return as_target(action, (n,), _force_of(model, whole, gone), support=model.support)


def _force_of(
    model: Any, whole: Callable[[np.ndarray], np.ndarray], gone: np.ndarray
) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return the force on the missing sites, None where there is none."""
    if model.support.kind != "reals":
        return None
    if isinstance(model, Differentiable):
        return lambda y: to_numpy(model.force(whole(y)))[..., gone]
    if not hasattr(model, "parameters"):  # a density of NumPy
        return None

    def slope(y: np.ndarray) -> np.ndarray:
        import torch

        x = torch.as_tensor(whole(y)).requires_grad_()
        (found,) = torch.autograd.grad(model.log_prob(x).sum(), x)
        return to_numpy(found)[..., gone]

    return slope


def inpaint(
    model: Any,
    seen: Any,
    missing: Any,
    n: int,
    rng: Stream | int,
    *,
    sampler: Any = None,
    n_chains: int = 64,
    thin: int = 5,
) -> xr.Dataset:
    """Return draws of whole configurations that agree with what was seen.

    Parameters
    ----------
    model, seen, missing
        As for :func:`conditioned`.
    n : int
        Draws in all, rounded up to a multiple of `n_chains`.
    rng : Stream or int
    sampler : Sampler, optional
        By default HMC where the model has a force, else Metropolis.
    n_chains, thin
        As for `run`.

    Returns
    -------
    Dataset
        ``configurations`` (chain, draw, x0, ...); ``mean`` and ``error`` of every site (x0, ...),
        0 where it was seen; attrs ``r_hat`` (the largest) and ``warnings``.

    Raises
    ------
    InputError
        If `n` or `n_chains` is not positive.

    Examples
    --------
    >>> from physgen.targets import FreeField
    >>> p, gone = FreeField(L=4, m2=1.0), np.zeros((4, 4), bool)
    >>> gone[1:3, 1:3] = True
    >>> ds = inpaint(p, np.ones((4, 4)), gone, n=4096, rng=1)
    >>> 0.3 < float(ds["mean"][1, 1]) < 0.7, float(ds["mean"][0, 0])
    (True, 1.0)
    """
    import xarray as xr

    target = conditioned(model, seen, missing)
    n_draws = -(-check_positive_int("n", n) // check_positive_int("n_chains", n_chains))
    ds = run(
        default_move(target) if sampler is None else sampler, target, n_chains=n_chains,
        n_draws=max(n_draws, 2), thin=thin, rng=rng, keep="configurations", quiet=True,
    )  # fmt: skip
    y = unpack_configurations(ds).transpose("chain", "draw", ...).values
    gone, x = to_numpy(missing), to_numpy(seen)
    dtype = np.float64 if y.dtype.kind == "f" else y.dtype
    filled = np.broadcast_to(x.astype(dtype), (*y.shape[:2], *x.shape)).copy()
    filled[..., gone] = y
    mean, error = x.astype(np.float64), np.zeros(x.shape)
    sites = [mean_estimate(y[..., k].astype(np.float64)) for k in range(y.shape[-1])]
    mean[gone] = [site.value for site in sites]
    error[gone] = [site.error for site in sites]
    hats = [r_hat(y[..., k].astype(np.float64)) for k in range(y.shape[-1])]
    axes = [f"x{k}" for k in range(x.ndim)]
    return xr.Dataset(
        {
            "configurations": (("chain", "draw", *axes), filled),
            "mean": (axes, mean),
            "error": (axes, error),
        },
        attrs={
            "r_hat": float(np.nanmax(hats)) if np.isfinite(hats).any() else float("nan"),
            "warnings": str(ds.attrs.get("warnings", "")),
            "exactness": "asymptotic",
            "exactness_for": "the model, given what was seen",
        },
    )
