r"""Gaussian scalar fields in closed form, in any convention.

An action :math:`S = \sum_x [-{\rm hop} \sum_\mu \phi_x \phi_{x+\mu} + {\rm quad}\,\phi_x^2 +
{\rm const}]` is :math:`\tfrac12 \phi \Lambda \phi + V {\rm const}` with eigenvalues

.. math:: \lambda_k = 2\,{\rm quad} - 2\,{\rm hop} \sum_\mu \cos k_\mu \qquad
          (= \hat k^2 + m^2 \text{ for } \tfrac12(\partial\phi)^2 + \tfrac12 m^2\phi^2),

with k_mu = 2 pi j/L (periodic) or pi (j+1)/(L+1) (open, with field 0 outside), so

.. math:: \log Z = \tfrac V2 \log 2\pi - \tfrac12 \sum_k \log \lambda_k - V {\rm const}, \qquad
          \langle\phi^2\rangle = \frac1V \sum_k \frac1{\lambda_k}, \qquad
          G(r) = \frac1V \sum_k \frac{\cos k r}{\lambda_k} .

The unadjusted Langevin chain :math:`\phi \to \phi - \epsilon\,\partial S + \sqrt{2\epsilon}\,\xi`
has another Gaussian as stationary distribution: :math:`\lambda_k \to \lambda_k (1 -
\epsilon\lambda_k/2)`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr

from physgen.core.checks import check_positive
from physgen.core.errors import InputError
from physgen.exact.labels import labelled, moment_values
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.effective_mass import effective_mass
from physgen.observables.moments import second_moment_correlation_length

__all__ = ["free_field_observables", "mode_eigenvalues", "ula_observables"]


def free_field_observables(target: Any) -> xr.Dataset:
    """Return log Z and expectation values of a Gaussian field.

    Parameters
    ----------
    target : FreeField or Phi4
        With quart = 0, on a Hypercubic lattice with any boundaries.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``free_energy``, ``action_per_site``, ``phi2``, ``phi4``, ``magnetization``
        (0), ``abs_magnetization``, ``m2``, ``m4``, ``susceptibility``, ``chi_abs``, ``binder``
        (0); on periodic lattices also ``two_point`` G(r), one dim an axis, r = 0..L-1, and along
        the longest axes ``correlator``, ``propagator``, ``effective_mass``, and
        ``correlation_length``.
    """
    eigenvalues = mode_eigenvalues(target)
    return _gaussian(target, eigenvalues, "Gaussian modes")


def ula_observables(target: Any, step_size: float) -> xr.Dataset:
    """Return the expectation values to which unadjusted Langevin converges on a Gaussian field.

    Parameters
    ----------
    target : FreeField or Phi4
        With quart = 0.
    step_size : float
        epsilon of phi -> phi - epsilon dS/dphi + sqrt(2 epsilon) xi.

    Returns
    -------
    xarray.Dataset
        The names of :func:`free_field_observables` without log Z; action_per_site is the mean of
        the target's action.

    Raises
    ------
    InputError
        If step_size is not below 2 / lambda_max, where the chain diverges.
    """
    check_positive("step_size", step_size)
    eigenvalues = mode_eigenvalues(target)
    limit = 2 / eigenvalues.max()
    if step_size >= limit:
        raise InputError(f"step_size must be below 2 / lambda_max = {limit:g}, got {step_size}")
    stationary = eigenvalues * (1 - step_size * eigenvalues / 2)
    ds = _gaussian(target, stationary, f"unadjusted Langevin, step_size = {step_size:g}")
    return ds.drop_vars(["log_z", "free_energy"])


def mode_eigenvalues(target: Any) -> np.ndarray:
    """Return lambda_k > 0, the eigenvalues of the Hessian of the action; the lattice's shape."""
    lattice = target.lattice
    hop, quad, quart, _ = _numbers(target)
    if quart != 0 or not isinstance(lattice, Hypercubic):
        raise InputError(
            f"a Gaussian field must have no quartic term (lam or quart = 0) and a Hypercubic "
            f"lattice, got {target!r}"
        )
    cosines = np.zeros(lattice.shape)
    for axis, (L, boundary) in enumerate(zip(lattice.shape, lattice.boundaries)):
        k = _momenta(L, boundary)
        cosines += np.cos(k).reshape([-1 if a == axis else 1 for a in range(lattice.dim)])
    return 2 * quad - 2 * hop * cosines


def _numbers(target: Any) -> np.ndarray:
    name, arrays = target.kernel
    if name != "phi4":
        raise InputError(f"a Gaussian field must be a FreeField or a Phi4, got {target!r}")
    return arrays[1]


def _momenta(L: int, boundary: str) -> np.ndarray:
    periodic = boundary == "periodic"
    return 2 * np.pi * np.arange(L) / L if periodic else np.pi * np.arange(1, L + 1) / (L + 1)


def _zero_momentum_share(L: int, boundary: str) -> np.ndarray:
    """Squared overlap of each mode of one axis with the constant vector of ones."""
    if boundary == "periodic":
        return np.where(np.arange(L) == 0, float(L), 0.0)
    site = np.arange(1, L + 1)
    modes = np.sqrt(2 / (L + 1)) * np.sin(_momenta(L, boundary)[:, None] * site)
    return modes.sum(axis=1) ** 2


def _gaussian(target: Any, precision: np.ndarray, method: str) -> xr.Dataset:
    """Return expectation values where mode k has variance 1 / precision_k."""
    lattice, const = target.lattice, float(_numbers(target)[3])
    V = lattice.n_sites
    share = np.ones(())
    for L, boundary in zip(lattice.shape, lattice.boundaries):
        share = np.multiply.outer(share, _zero_momentum_share(L, boundary))
    log_z = 0.5 * (V * np.log(2 * np.pi) - np.log(precision).sum()) - V * const
    m2 = float(np.sum(share / precision)) / V**2
    moments = {"m": 0.0, "abs": np.sqrt(2 * m2 / np.pi), 2: m2, 4: 3 * m2**2}
    phi2 = np.mean(1 / precision)
    values = {
        "log_z": log_z,
        "free_energy": -log_z,
        "action_per_site": 0.5 * np.mean(mode_eigenvalues(target) / precision) + const,
        "phi2": phi2,
    }
    if lattice.is_periodic:
        values["phi4"] = 3 * phi2**2  # open: the variance depends on the site
    values |= moment_values(moments, V)
    ds = labelled(values, target=repr(target), method=method, exactness="exact")
    if lattice.is_periodic:
        dims = tuple(f"r{axis}" for axis in range(lattice.dim))
        G = np.fft.ifftn(1 / precision).real
        ds["two_point"] = (dims, G, {"units": "1", "long_name": "G(r) = <phi_x phi_{x+r}>"})
        if max(lattice.shape) > 1:
            ds = ds.assign(_along_axes(1 / precision))
    return ds


def _along_axes(G: np.ndarray) -> dict[str, Any]:
    """Return what follows from G~(k) along the longest axes, under the names of the estimates."""
    T = max(G.shape)
    longest = [axis for axis, n in enumerate(G.shape) if n == T]
    lines = [np.moveaxis(G, axis, -1)[(0,) * (G.ndim - 1)] for axis in longest]
    p = np.mean(lines, axis=0)
    t = np.fft.ifft(p).real[: T // 2 + 1]
    masses = [effective_mass(t[k], t[k + 1], k, T) for k in range(T // 2)]
    xi = second_moment_correlation_length(p[0], p[1], T)
    inverse = "1 / lattice spacing"
    return {
        "correlator": ("distance", t, {"units": "1", "long_name": "G(t), zero momentum"}),
        "propagator": ("momentum", p[: T // 2 + 1], {"units": "1", "long_name": "G(p)"}),
        "effective_mass": ("pair", masses, {"units": inverse, "long_name": "m_eff(t)"}),
        "correlation_length": ((), xi, {"units": "lattice spacing", "long_name": "xi"}),
    }
