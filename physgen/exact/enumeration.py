r"""Small Ising models by summing over all :math:`2^N` configurations, N <= 25.

.. math::
    Z = \sum_s e^{-\beta H(s)}, \qquad
    \langle O \rangle = \frac1Z \sum_s O(s) \, e^{-\beta H(s)}, \qquad
    g(E, M) = \#\{s : H_0(s) = E, \textstyle\sum_x s_x = M\},

for any lattice, couplings and fields (H_0 is H without field).  The flips follow a Gray code; with
h = 0 only half of the configurations are visited, since s and -s are equivalent.  2^25
configurations take a third of a second.  Results are exact up to rounding: 1e-14 relative in log Z
and the energy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr

from physgen.core.errors import InputError
from physgen.exact.labels import ising_dataset
from physgen.kernels.cpu.gray_code import count_levels, weigh_levels

if TYPE_CHECKING:
    from physgen.targets.ising import Ising

__all__ = [
    "MAX_SITES",
    "density_of_states",
    "enumerated_observables",
    "probabilities",
    "spins_of",
]

MAX_SITES = 25
_MAX_LISTED = 20  # largest number of sites for a table of all probabilities
_MAX_LEVELS = 10**7


def enumerated_observables(target: Ising) -> xr.Dataset:
    """Return log Z, energy, specific heat and the moments of the magnetization.

    Parameters
    ----------
    target : Ising
        At most 25 sites.

    Returns
    -------
    xarray.Dataset
        ``log_z``, ``energy_per_site``, ``specific_heat``, ``magnetization`` <m>,
        ``abs_magnetization`` <|m|>, ``m2``, ``m4``, ``susceptibility``, ``chi_abs``, ``binder``
        and derived quantities (see :func:`physgen.exact.exact_ising`); and ``p_magnetization``
        (m), the distribution of m.

    Raises
    ------
    InputError
        If there are more than 25 sites.
    """
    neighbours, J, h = _model(target, MAX_SITES)
    n = target.n_sites
    mirrored = not np.any(h)
    sums, shift = weigh_levels(neighbours, J, h, target.beta, n - mirrored)
    if mirrored:
        sums = sums + sums[:, ::-1]
    Z, energy, energy2 = sums.sum(axis=1)
    mean = energy / Z
    p, m = sums[0] / Z, np.arange(-n, n + 1, 2) / n
    ds = ising_dataset(
        target,
        method="enumeration of all configurations",
        log_z=shift + np.log(Z),
        energy=mean,
        energy_variance=max(energy2 / Z - mean**2, 0.0),
        moments={"m": 0.0 if mirrored else p @ m, "abs": p @ np.abs(m), 2: p @ m**2, 4: p @ m**4},
    )
    ds["p_magnetization"] = ("m", p, {"long_name": "probability of each magnetization per site"})
    return ds.assign_coords(m=("m", m, {"long_name": "magnetization per site"}))


def density_of_states(target: Ising) -> xr.DataArray:
    """Count the configurations of every energy and magnetization.

    Parameters
    ----------
    target : Ising
        At most 25 sites, with couplings that are integer multiples of the smallest one (+-J, say).
        beta and h do not matter.

    Returns
    -------
    xarray.DataArray
        g (energy, spin_sum), int64; coords ``energy``, without field and in units of J, only
        levels that occur; ``spin_sum``, sum of all spins.

    Raises
    ------
    InputError
        If there are more than 25 sites, or couplings are not integer multiples of one number.

    Examples
    --------
    >>> from physgen.targets import Ising
    >>> g = density_of_states(Ising(L=4)).sum("spin_sum")
    >>> g.sel(energy=[-32, -24, -20, -16]).values.tolist()
    [2, 32, 64, 424]
    """
    neighbours, J, _ = _model(target, MAX_SITES)
    unit = np.min(np.abs(J[J != 0]), initial=np.inf)
    unit = 1.0 if np.isinf(unit) else unit
    whole = np.rint(J / unit)
    bound = int(np.abs(whole).sum() / 2)
    if not np.allclose(J, whole * unit, rtol=1e-12, atol=0) or bound > _MAX_LEVELS:
        raise InputError(
            "couplings must be whole multiples of the smallest for a density of states, "
            f"got {np.unique(np.abs(J[J != 0]))[:4]}...; use enumerated_observables"
        )
    n = target.n_sites
    counts = count_levels(neighbours, whole, bound, n - 1)
    counts = counts + counts[:, ::-1]
    present = np.flatnonzero(counts.any(axis=1))
    return xr.DataArray(
        counts[present],
        dims=("energy", "spin_sum"),
        coords={
            "energy": ("energy", unit * (present - bound), {"units": "J"}),
            "spin_sum": np.arange(-n, n + 1, 2),
        },
        name="density_of_states",
        attrs={"long_name": "number of configurations", "exactness": "exact"},
    )


def probabilities(target: Ising) -> np.ndarray:
    """Return the probability of every configuration, shape (2**n_sites,), at most 20 sites.

    Entry k belongs to ``spins_of(k, target.event_shape)``.

    Parameters
    ----------
    target : Ising
        Of at most 20 sites.
    """
    _model(target, _MAX_LISTED)
    n_states = 2**target.n_sites
    action = np.empty(n_states)
    for start in range(0, n_states, 2**16):
        index = np.arange(start, min(start + 2**16, n_states))
        action[index] = target.action(spins_of(index, target.event_shape))
    weight = np.exp(action.min() - action)
    return weight / weight.sum()


def spins_of(index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the configurations with these numbers, int8, shape (*index.shape, *shape).

    Site 0 is the most significant bit; a bit 0 is a spin +1, as for qubits.
    """
    index = np.asarray(index, dtype=np.int64)
    n = int(np.prod(shape))
    bits = (index[..., None] >> np.arange(n - 1, -1, -1)) & 1
    return (1 - 2 * bits).astype(np.int8).reshape(*index.shape, *shape)


def _model(target: Ising, max_sites: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Neighbours, J and h of each site in the form that the kernels expect."""
    n = target.n_sites
    if n > max_sites:
        raise InputError(
            f"n_sites must be at most {max_sites} to sum over 2^n_sites configurations, got {n}; "
            "use exact_ising, which knows other ways, or a sampler"
        )
    _, (neighbours, J, h) = target.at(beta=1.0).kernel
    return np.where(neighbours < 0, 0, neighbours), np.ascontiguousarray(J), h
