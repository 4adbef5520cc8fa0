r"""Stein identities (Schwinger-Dyson equations): samples against an action, without a reference.

For a target with a force :math:`F = -\partial S / \partial\phi` and any smooth vector field v that
does not grow too fast, partial integration gives

.. math:: \Big\langle v(\phi) \cdot F(\phi) + \nabla \cdot v(\phi) \Big\rangle = 0 .

With :math:`\tilde\phi_k = V^{-1/2} \sum_x \phi_x e^{-ikx}`, the identities here are

=====================  ==========================================================================
``sum``                :math:`\langle \frac1V \sum_x \phi_x F_x \rangle + 1 = 0`
``k = (a, b)``         :math:`\langle \tilde\phi_k \tilde F_{-k} \rangle + 1 = 0`, over the momenta
                       of one length; (a, b) in units of 2 pi / L
``zero mode, w``       v along :math:`m = \tilde\phi_0`, of length :math:`m\,e^{-m^2 / 2 w^2}`,
                       w in units of the root mean square of m in the samples (1, 0.71, 0.5)
=====================  ==========================================================================

averaged over the components of a field.  Every error knows the autocorrelation of the samples.
The joint chi^2 (Hotelling's T^2 of block means) knows that identities are correlated, and a
bootstrap that their terms have long tails: without it 3 % of null tests of 400 fields are below a
p-value of 1 %.

*What they see.*  Thermalisation that stopped early shows in the zero mode: 1,000 configurations of
a 16 x 16 phi^4 field, 129 trajectories after a hot start, are 3.4 to 4.9 errors off in k = (0, 0)
and 5.4 to 6.8 in the zero mode with w = 0.71 (goal: 3), but only 1.3 to 2.5 in ``sum``.

*What they are blind to.*  A Stein test sees a slow mode only by its drift.  Samples that lost one
of two separate wells, or hold the wells in a wrong ratio, fulfil every identity up to the tiny
drift between the wells: within each well the force is right.  Only a reference sample, exact
values, or a sampler that tunnels can show it.  A wrong additive constant of S, which changes
log Z, is invisible too.

References
----------
Stein (1972); Gorham and Mackey, "Measuring sample quality with Stein's method", NeurIPS 2015.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis.autocorrelation import tau_int
from physgen.analysis.errors import Blocks, choose_blocks, mean_estimate
from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError
from physgen.core.protocols import Differentiable
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.validation.observable_tests import slowest_time

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["force_of", "low_modes", "stein_identities"]

WIDTHS = (1.0, 0.5, 0.25)  # of the squared width of the zero mode, in <m^2>
LEAST_BLOCKS = 2  # an identity of the joint chi^2
N_BOOTSTRAP = 800


def stein_identities(x: Any, target: Any, *, n_shells: int = 4) -> xr.Dataset:
    """Return the Stein identities of samples and a target, each with its error.

    Parameters
    ----------
    x : array (n, *event_shape) or (chain, draw, *event_shape)
        Real fields.
    target : Differentiable
        With a force; an energy model will do.
    n_shells : int
        Lengths of momentum, from 0 on, on a periodic lattice; without one only ``sum`` and the
        zero mode are tested.

    Returns
    -------
    Dataset
        By ``identity``: ``value`` (0 if the samples are right), ``error``, ``z`` and ``tau_int``;
        ``chi2``, ``n_identities`` and ``p_value`` of all jointly (NaN where there are too few
        independent draws for that).

    Raises
    ------
    InputError
        If the target has no force, the support is not real, a force is not finite, or there are
        fewer than 20 samples, or copies of one.
    """
    import xarray as xr

    check_positive_int("n_shells", n_shells)
    series = _chains(x, target)
    n_chains, n_draws = series.shape[:2]
    flat = series.reshape(-1, *target.event_shape)
    F = force_of(target, flat)
    if (flat == flat[0]).all():
        raise InputError(
            f"samples must vary, got {len(flat)} copies of one configuration; a model that always "
            "gives the same has collapsed"
        )
    values = _identities(flat, F, target, n_shells)
    rows = {name: v.reshape(n_chains, n_draws) for name, v in values.items()}
    estimates = [mean_estimate(v) for v in rows.values()]
    value, error = (np.array([e[i] for e in estimates]) for i in (0, 1))
    times = [tau_int(v).value if n_draws > 1 else 0.5 for v in rows.values()]
    chi2, p = _joint(list(rows.values()))
    return xr.Dataset(
        {
            "value": ("identity", value, {"units": "1", "long_name": "<v F + div v>; 0 if right"}),
            "error": ("identity", error, {"units": "1"}),
            "z": ("identity", value / error, {"units": "1"}),
            "tau_int": ("identity", times, {"units": "draws"}),
            "chi2": ((), chi2, {"units": "1", "long_name": "Hotelling's T^2 of block means"}),
            "n_identities": ((), len(rows), {"units": "1"}),
            "p_value": ((), p, {"units": "1"}),
        },
        coords={"identity": list(rows)},
        attrs={
            "n": len(flat),
            "exactness": "asymptotic",
            "exactness_for": "the samples, against the target",
            "blind_to": "lost or wrongly weighed wells that are far apart",
        },
    )


def force_of(target: Any, x: np.ndarray) -> np.ndarray:
    """Return the force at x, float64.

    Raises
    ------
    InputError
        If there is none, or it is not finite.
    """
    if not isinstance(target, Differentiable) or target.support.kind != "reals":
        raise InputError(
            f"Stein tests need a target of real fields with a force, got {target!r}; compare with "
            "a reference sample instead"
        )
    F = to_numpy(target.force(x)).astype(np.float64)
    if not np.isfinite(F).all():
        raise InputError(
            f"the force must be finite on all samples, got NaN or infinity: {target!r}"
        )
    return F


def low_modes(x: np.ndarray, F: np.ndarray, target: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return samples and forces projected on the zero mode of each component, (n, n_components).

    The identities of the projections hold as those of the whole field do.
    """
    sites = len(site_shape(target))
    rows = [np.moveaxis(_by_component(a, target), 1, -1) for a in (x, F)]
    axes = tuple(range(1, 1 + sites))
    root = float(np.sqrt(np.prod(rows[0].shape[1 : 1 + sites])))
    projected = [row.sum(axis=axes).reshape(len(x), -1) / root for row in rows]
    return projected[0], projected[1]


def _by_component(x: np.ndarray, target: Any) -> np.ndarray:
    """Return x as (n, components, *sites)."""
    sites = tuple(site_shape(target))
    return np.moveaxis(x.reshape(len(x), *sites, -1), -1, 1)


def _chains(x: Any, target: Any) -> np.ndarray:
    event = tuple(int(n) for n in target.event_shape)
    array = to_numpy(x)
    lead = array.ndim - len(event)
    if lead not in (1, 2) or tuple(array.shape[lead:]) != event:
        raise InputError(
            f"samples must have shape (n, *{event}) or (chain, draw, *{event}) for this target, "
            f"got {array.shape}"
        )
    array = array.astype(np.float64)
    array = array[None] if lead == 1 else array
    if array.shape[0] * array.shape[1] < 20:
        raise InputError(
            f"Stein identities need at least 20 samples, got {array.shape[0] * array.shape[1]}"
        )
    if not np.isfinite(array).all():
        raise InputError("samples must be finite numbers, got NaN or infinity")
    return array


def _identities(x: np.ndarray, F: np.ndarray, target: Any, n_shells: int) -> dict[str, np.ndarray]:
    """Return v . F + div v of every identity and sample."""
    phi, force = _by_component(x, target), _by_component(F, target)
    sites = tuple(range(2, phi.ndim))
    found = {"sum": (phi * force).mean(axis=(1, *sites)) + 1}
    lattice = declared(target).lattice
    V = int(np.prod(phi.shape[2:]))
    if isinstance(lattice, Hypercubic) and lattice.is_periodic:
        wave, push = (np.fft.fftn(a, axes=sites) for a in (phi, force))
        product = (wave * push.conj()).real.mean(axis=1) / V + 1
        for name, chosen in _shells(phi.shape[2:], n_shells):
            found[name] = product.reshape(len(x), -1)[:, chosen].mean(axis=1)
    m, push0 = (a.sum(axis=sites) / np.sqrt(V) for a in (phi, force))
    for share in WIDTHS:
        square = share * float((m**2).mean())
        near = np.exp(-(m**2) / (2 * square))
        terms = m * near * push0 + (1 - m**2 / square) * near
        found[f"zero mode, w = {np.sqrt(share):.2f}"] = terms.mean(axis=1)
    return found


def _shells(shape: tuple[int, ...], n_shells: int) -> list[tuple[str, np.ndarray]]:
    """Return the name and the flat positions of the momenta of each of the shortest lengths."""
    numbers = np.stack(np.meshgrid(*(np.fft.fftfreq(n, 1 / n) for n in shape), indexing="ij"))
    lengths = np.sqrt(((numbers.T / np.array(shape)) ** 2).sum(axis=-1)).T.ravel().round(9)
    shells = []
    for length in np.unique(lengths)[:n_shells]:
        chosen = np.flatnonzero(lengths == length)
        k = sorted(np.abs(numbers.reshape(len(shape), -1)[:, chosen[0]]).astype(int), reverse=True)
        shells.append((f"k = ({', '.join(map(str, k))})", chosen))
    return shells


def _joint(rows: list[np.ndarray]) -> tuple[float, float]:
    """Return Hotelling's T^2 of the means and its p-value."""
    from scipy.stats import f

    # Draws that show no autocorrelation are blocks of their own: the more blocks, the better the
    # covariance is known.
    independent = slowest_time({str(i): row for i, row in enumerate(rows)})[0] <= 0.5
    blocks = Blocks(1, rows[0].shape[1], 1.0) if independent else choose_blocks(rows)
    means = np.stack([blocks.means(row) for row in rows], axis=1)
    n, p = means.shape
    if n < LEAST_BLOCKS * p:
        return float("nan"), float("nan")
    # Identities may be almost dependent: on a lattice of few momenta the shells make the sum.
    values, vectors = np.linalg.eigh(np.cov(means.T))
    kept = values > 1e-10 * values[-1]
    rank = int(kept.sum())
    white = means @ vectors[:, kept] / np.sqrt(values[kept])
    t2 = n * float((white.mean(axis=0) ** 2).sum()) / blocks.inflation**2
    normal = f(rank, n - rank)
    scale = rank * (n - 1) / (n - rank)
    # Terms are skewed and have long tails, so that T^2 is larger than for normal ones: by the
    # factor that a bootstrap shows at its 99th percentile.
    wide = float(np.quantile(_bootstrapped(white), 0.99)) / (scale * float(normal.ppf(0.99)))
    return t2, float(normal.sf(t2 / max(1.0, wide) / scale))


def _bootstrapped(white: np.ndarray) -> np.ndarray:
    """Return T^2 about the mean, of blocks drawn with replacement, always the same ones."""
    n, p = white.shape
    generator = Stream(0, ("stein identities",)).numpy()
    counts = generator.multinomial(n, np.full(n, 1 / n), size=N_BOOTSTRAP)
    centred = white - white.mean(axis=0)
    mean = counts @ centred / n
    squares = (counts @ (centred[:, :, None] * centred[:, None]).reshape(n, -1) / n).reshape(
        -1, p, p
    )
    covariance = (squares - mean[:, :, None] * mean[:, None]) * n / (n - 1)
    covariance += 1e-9 * np.eye(p)
    return n * np.einsum("rp,rp->r", mean, np.linalg.solve(covariance, mean[..., None])[..., 0])
