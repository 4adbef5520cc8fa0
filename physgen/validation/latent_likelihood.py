r"""The likelihood of a joint model q(x, z), configuration by configuration, in five ways.

=======  =========================================================================================
elbo     :math:`E_r[\log q(x, z) - \log r(z|x)]`, a lower bound
iwae     :math:`\log \frac1k \sum_i q(x, z_i) / r(z_i|x)`, z from the encoder: on average a lower
         bound, which rises with k to log q(x)
naive    :math:`\log \frac1k \sum_i p(x|z_i)`, z from the prior: the same limit, but almost no
         draw of the prior explains x, so that a few of them decide (`naive_ess`)
ais      annealed importance sampling from r to q(x, z), along :math:`r^{1-b} q^b` with
         Hamiltonian moves: on average a lower bound, the tightest
exact    the sum over all latents that are bits, if they are few
=======  =========================================================================================

The logarithm is that of the mean, never the mean of logarithms.  ``gap`` is the best of the
estimates less the ELBO, :math:`D_{KL}(r(z|x) \| q(z|x))`.  All hold for any weights: also for
those that were trained with another loss, as a beta-VAE.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed, JointDensity
from physgen.core.random import Stream, as_stream

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["METHODS", "latent_likelihood"]

METHODS = ("elbo", "iwae", "naive", "ais", "exact")
MOST_BITS = 16  # latents whose values are all summed
_LEAPS, _AT_ONCE = 5, 2**14  # leapfrog steps of a move; pairs (x, z) at once
_ACCEPTED = (0.6, 0.9)  # rates of a pilot between which a step size stays


def latent_likelihood(
    model: Any,
    x: Any,
    methods: Iterable[str] = ("elbo", "iwae", "naive"),
    *,
    k: int = 1000,
    n_chains: int = 16,
    n_stages: int = 50,
    rng: Stream | int = 0,
) -> xr.Dataset:
    """Return estimates of log q(x) of given configurations.

    Parameters
    ----------
    model : JointModel
        E.g. a :class:`~physgen.models.VAE`, or one whose odd sites are drawn exactly.
    x : array (n, *event_shape)
    methods : iterable of {"elbo", "iwae", "naive", "ais", "exact"}
    k : int
        Draws of z for each x, >= 2.
    n_chains, n_stages : int
        Of annealing, for each x.
    rng : Stream or int

    Returns
    -------
    Dataset
        Dim ``configuration``: each method in nats, ``<method>_error`` of one standard error,
        ``iwae_ess`` and ``naive_ess`` the effective numbers of z, ``gap``.  Attrs
        ``<method>_is``: "lower bound", "estimate" or "exact".

    Raises
    ------
    InputError
        If the model is no joint model of tensors, a method does not suit its latents, or a number
        is out of range.
    """
    import torch
    import xarray as xr

    from physgen.models.joint import JointModel
    from physgen.models.latent.latent_laws import Bits

    wanted = list(methods)
    for name in wanted:
        if name not in METHODS:
            raise InputError(f"methods must be of {METHODS}, got {name!r}")
    check_positive_int("k", k, 2)
    check_positive_int("n_chains", n_chains, 2)
    check_positive_int("n_stages", n_stages)
    if not isinstance(model, JointDensity):
        raise InputError(
            f"the likelihood by latents is that of a joint model, got {type(model).__name__}; a "
            "density has log_prob, a simulator has no likelihood"
        )
    x, offset, q = to_numpy(x), 0.0, model
    if isinstance(model, Collapsed):  # log p of the sites that are drawn exactly
        whole: Any = model
        x_even = to_numpy(whole.rest(x))
        offset = to_numpy(whole.target.action_even(x_even)) - to_numpy(whole.target.action(x))
        q, x = whole.even, x_even
    if not isinstance(q, JointModel):
        raise InputError(f"a model of tensors is needed, got {type(q).__name__}")
    bits = isinstance(q.prior_law(), Bits)
    if "ais" in wanted and bits:
        raise InputError("annealing moves real latents, got bits; take 'exact' or 'iwae'")
    if "exact" in wanted and not (bits and q.n_latent <= MOST_BITS):
        raise InputError(
            f"all latents are summed if they are bits, at most {MOST_BITS}; take 'iwae' or 'ais'"
        )
    stream, found = as_stream(rng), {}
    tensor = torch.as_tensor(x).to(q.device)
    if q.support.K is None:
        tensor = tensor.to(q.dtype)
    with torch.no_grad():
        if "elbo" in wanted or "iwae" in wanted:
            log_w = _encoded(q, tensor, k, stream.child("encoder"))
            if "elbo" in wanted:
                found |= {"elbo": log_w.mean(0), "elbo_error": log_w.std(0, ddof=1) / math.sqrt(k)}
            if "iwae" in wanted:
                found |= _log_mean("iwae", log_w)
        if "naive" in wanted:
            found |= _log_mean("naive", _blind(q, tensor, k, stream.child("prior")))
        if "exact" in wanted:
            found["exact"] = _summed(q, tensor)
    if "ais" in wanted:
        found |= _annealed(q, tensor, n_chains, n_stages, stream.child("anneal"))
    best = next((name for name in ("exact", "ais", "iwae") if name in found), None)
    if best and "elbo" in found:
        found["gap"] = found[best] - found["elbo"]
    shifted = {name: a + offset if name in METHODS else a for name, a in found.items()}
    kinds = {"elbo": "lower bound", "exact": "exact"}
    units = "nat of a density" if q.support.kind == "reals" else "nat of a probability"
    attrs = {f"{name}_is": kinds.get(name, "lower bound on average") for name in wanted}
    data = {
        name: ("configuration", a, {"units": "1" if name.endswith("_ess") else units})
        for name, a in shifted.items()
    }
    return xr.Dataset(data, attrs=attrs | {"k": k, "gap_from": best or ""})


def _encoded(q: Any, x: Any, k: int, rng: Stream) -> np.ndarray:
    """Return log q(x, z) - log r(z|x), (k, n), with z from the encoder."""

    def weigh(part: Any, n: int, noise: Any) -> Any:
        law = q.encode(part)
        z = law.draw(n, noise)
        return q(part, z) - law.log_prob(z)

    return _in_parts(q, x, k, rng, weigh)


def _blind(q: Any, x: Any, k: int, rng: Stream) -> np.ndarray:
    """Return log p(x|z), (k, n), with z from the prior."""

    def weigh(part: Any, n: int, noise: Any) -> Any:
        z = q.prior_law().draw(n * len(part), noise)[:, 0].reshape(n, len(part), -1)
        return q.log_likelihood(part, z)

    return _in_parts(q, x, k, rng, weigh)


def _in_parts(q: Any, x: Any, k: int, rng: Stream, weigh: Any) -> np.ndarray:
    size = max(1, _AT_ONCE // k)
    rows = [
        to_numpy(weigh(part, k, rng.at(i).torch(q.device))) for i, part in enumerate(x.split(size))
    ]
    return np.concatenate(rows, axis=1)


def _log_mean(name: str, log_w: np.ndarray) -> dict[str, np.ndarray]:
    top = log_w.max(axis=0)
    w = np.exp(log_w - top)
    mean = w.mean(axis=0)
    error = w.std(axis=0, ddof=1) / math.sqrt(len(w)) / mean
    ess = w.sum(axis=0) ** 2 / (w**2).sum(axis=0)
    return {name: top + np.log(mean), f"{name}_error": error, f"{name}_ess": ess}


def _summed(q: Any, x: Any) -> np.ndarray:
    import torch

    n = q.n_latent
    numbers = torch.arange(2**n, device=q.device)[:, None] >> torch.arange(n, device=q.device)
    z = (2 * (numbers & 1) - 1).to(q.dtype)
    rows = [
        torch.logsumexp(q(part, z[:, None].expand(-1, len(part), -1)), 0)
        for part in x.split(max(1, _AT_ONCE // len(z)))
    ]
    return to_numpy(torch.cat(rows))


def _annealed(q: Any, x: Any, n_chains: int, n_stages: int, rng: Stream) -> dict[str, np.ndarray]:
    """Return log q(x) by annealing from the encoder; the step size is that of a pilot."""
    step, size = 0.3, max(1, _AT_ONCE // (4 * n_chains))
    for trial in range(8):
        rate = _path(q, x[:16], n_chains, min(n_stages, 10), step, rng.child("pilot").at(trial))[1]
        if _ACCEPTED[0] <= rate <= _ACCEPTED[1]:
            break
        step *= 1.4 if rate > _ACCEPTED[1] else 0.6
    rows = [
        _path(q, part, n_chains, n_stages, step, rng.child("path").at(i))[0]
        for i, part in enumerate(x.split(size))
    ]
    return _log_mean("ais", np.concatenate(rows, axis=1))


def _path(
    q: Any, x: Any, n_chains: int, n_stages: int, step: float, rng: Stream
) -> tuple[np.ndarray, float]:
    """Return the log weights (n_chains, n) of one annealing, and how often moves were accepted."""
    import torch

    noise = rng.torch(q.device)
    with torch.no_grad():
        law = q.encode(x)
        z = law.draw(n_chains, noise)
        base = getattr(law, "base", law)
        widths = base.variance().sqrt().clamp(max=1.0)

    def log_f(z: Any, b: float) -> tuple[Any, Any]:
        at = z.detach().requires_grad_(True)
        with torch.enable_grad():
            gap = q(x, at) - law.log_prob(at)
            value = law.log_prob(at) + b * gap
            slope = torch.autograd.grad(value.sum(), at)[0]
        return (value.detach(), gap.detach()), slope

    log_w = torch.zeros(z.shape[:-1], dtype=torch.float64, device=q.device)
    taken = []
    for t in range(n_stages):
        b = (t + 1) / n_stages
        (value, gap), slope = log_f(z, b)
        log_w += gap / n_stages  # at the old place, to the new power
        p = torch.randn(z.shape, generator=noise, device=q.device, dtype=z.dtype)
        y, r, s = z, p + 0.5 * step * widths * slope, slope
        new = value
        for leap in range(_LEAPS):
            y = y + step * widths * r
            (new, _), s = log_f(y, b)
            r = r + (0.5 if leap == _LEAPS - 1 else 1.0) * step * widths * s
        off = new - value - 0.5 * (r.double() ** 2 - p.double() ** 2).sum(-1)
        u = torch.rand(off.shape, generator=noise, device=q.device, dtype=torch.float64)
        accepted = u.log() < off
        z = torch.where(accepted[..., None], y, z)
        taken.append(float(accepted.double().mean()))
    return to_numpy(log_w), float(np.mean(taken))
