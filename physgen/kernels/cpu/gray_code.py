r"""All configurations of a few spins, one flip apart.

The reflected Gray code visits :math:`2^n` configurations such that successive ones differ in one
spin, given by the lowest set bit of the counter.  A flip needs only the neighbours: spin i changes

.. math:: E = -\tfrac12 \sum_{xy} J_{xy} s_x s_y - \sum_x h_x s_x
          \quad \text{by} \quad 2 s_i \Big( \sum_y J_{iy} s_y + h_i \Big) .

Blocks of :math:`2^{12}` configurations start from a fresh sum, so rounding errors of E and of the
totals do not grow with the number of configurations.
"""

from __future__ import annotations

import numba
import numpy as np

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["count_levels", "weigh_levels"]

_BLOCK = 12  # log2 of the configurations between two fresh sums


@numba.njit(**CONTRACT)
def _begin(block, low, s, neighbours, J, h):
    """Set the spins of the first configuration of a block; return its energy and spin sum."""
    n = s.shape[0]
    for i in range(n):
        s[i] = 1.0
        if i >= low and (block >> (i - low)) & 1:
            s[i] = -1.0
    energy, total = 0.0, 0
    for i in range(n):
        field = 0.0
        for j in range(neighbours.shape[1]):
            field += J[i, j] * s[neighbours[i, j]]
        energy -= s[i] * (0.5 * field + h[i])
        total += int(s[i])
    return energy, total


@numba.njit(**CONTRACT)
def _lowest_bit(t):
    bit = 0
    while t & 1 == 0:
        t >>= 1
        bit += 1
    return bit


@numba.njit(**CONTRACT)
def weigh_levels(neighbours, J, h, beta, n_free):
    """Return sums of e^{-beta E}, E e^{-beta E} and E^2 e^{-beta E} for each spin sum.

    Parameters
    ----------
    neighbours : int array (n, z)
        Neighbours of each site; any site where J is 0.
    J : float64 array (n, z)
        Coupling to each neighbour.
    h : float64 array (n,)
        Field.
    beta : float
        Inverse temperature.
    n_free : int
        Sites 0..n_free-1 take both values, the others stay up.

    Returns
    -------
    sums : float64 array (3, n + 1)
        Entry [k, (n + sum s)/2]: sum of E^k e^{-beta E - shift}.
    shift : float
        The largest exponent met, or close to it.
    """
    n, z = neighbours.shape
    low = min(_BLOCK, n_free)
    s = np.empty(n)
    sums, part = np.zeros((3, n + 1)), np.zeros((3, n + 1))
    shift = -np.inf
    for block in range(1 << (n_free - low)):
        energy, total = _begin(block, low, s, neighbours, J, h)
        part[:] = 0.0
        for t in range(1, (1 << low) + 1):
            exponent = -beta * energy - shift
            if exponent > 0.0:
                sums *= np.exp(-exponent)
                part *= np.exp(-exponent)
                shift = -beta * energy
                exponent = 0.0
            weight = np.exp(exponent)
            m = (n + total) >> 1
            part[0, m] += weight
            part[1, m] += weight * energy
            part[2, m] += weight * energy * energy
            if t == 1 << low:
                break
            i = _lowest_bit(t)
            field = h[i]
            for j in range(z):
                field += J[i, j] * s[neighbours[i, j]]
            energy += 2.0 * s[i] * field
            total -= 2 * int(s[i])
            s[i] = -s[i]
        sums += part
    return sums, shift


@numba.njit(**CONTRACT)
def count_levels(neighbours, J, bound, n_free):
    """Return how many configurations have each energy and spin sum, for integer couplings.

    Parameters
    ----------
    neighbours, n_free
        As for `weigh_levels`.
    J : float64 array (n, z)
        Couplings, with integer values.
    bound : int
        Upper bound on the modulus of the energy.

    Returns
    -------
    int64 array (2 bound + 1, n + 1)
        Entry [bound + E, (n + sum s)/2].
    """
    n, z = neighbours.shape
    low = min(_BLOCK, n_free)
    s, no_field = np.empty(n), np.zeros(n)
    counts = np.zeros((2 * bound + 1, n + 1), dtype=np.int64)
    for block in range(1 << (n_free - low)):
        energy, total = _begin(block, low, s, neighbours, J, no_field)
        level = int(energy)
        for t in range(1, (1 << low) + 1):
            counts[bound + level, (n + total) >> 1] += 1
            if t == 1 << low:
                break
            i = _lowest_bit(t)
            field = 0.0
            for j in range(z):
                field += J[i, j] * s[neighbours[i, j]]
            level += int(2.0 * s[i] * field)
            total -= 2 * int(s[i])
            s[i] = -s[i]
    return counts
