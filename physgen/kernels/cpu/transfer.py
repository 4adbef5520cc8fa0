r"""Transfer-matrix steps on moments of the energy.

A vector over the states of one layer of spins carries, for each state, the sums

.. math:: M_k = \sum E^k e^{-\beta E}, \qquad k = 0, 1, 2,

over all spins already summed.  A bond or field that adds the energy epsilon acts on them as

.. math:: M_0 \to w M_0, \quad M_1 \to w (M_1 + \epsilon M_0), \quad
          M_2 \to w (M_2 + 2\epsilon M_1 + \epsilon^2 M_0), \qquad w = e^{-\beta\epsilon} ,

so log Z and its first two derivatives are obtained together, without differences of large numbers.
"""

from __future__ import annotations

import numba

from physgen.kernels.cpu.vecmath import CONTRACT

__all__ = ["couple_layers", "weigh_layer"]


@numba.njit(**CONTRACT)
def couple_layers(moments, weight, energy, ferromagnetic):
    """Sum over one spin, joined by a bond to the spin that replaces it, in place.

    Parameters
    ----------
    moments : float64 array (3, before, 2, after)
        M_k over the spins before this one, its two values, and those after it.
    weight, energy : float
        e^{-beta epsilon} and epsilon >= 0 of the less favourable of the two alignments.
    ferromagnetic : bool
        Whether equal spins are the favourable alignment.
    """
    for i in range(moments.shape[1]):
        for j in range(moments.shape[3]):
            a0, a1, a2 = moments[0, i, 0, j], moments[1, i, 0, j], moments[2, i, 0, j]
            b0, b1, b2 = moments[0, i, 1, j], moments[1, i, 1, j], moments[2, i, 1, j]
            c2 = weight * (a2 + energy * (2.0 * a1 + energy * a0))
            d2 = weight * (b2 + energy * (2.0 * b1 + energy * b0))
            c1, d1 = weight * (a1 + energy * a0), weight * (b1 + energy * b0)
            c0, d0 = weight * a0, weight * b0
            if ferromagnetic:
                c0, c1, c2, d0, d1, d2 = b0 + c0, b1 + c1, b2 + c2, a0 + d0, a1 + d1, a2 + d2
            else:
                c0, c1, c2, d0, d1, d2 = a0 + d0, a1 + d1, a2 + d2, b0 + c0, b1 + c1, b2 + c2
            moments[0, i, 0, j], moments[1, i, 0, j], moments[2, i, 0, j] = d0, d1, d2
            moments[0, i, 1, j], moments[1, i, 1, j], moments[2, i, 1, j] = c0, c1, c2


@numba.njit(**CONTRACT)
def weigh_layer(moments, weights, energies):
    """Give every state of the layer its weight, in place.

    Parameters
    ----------
    moments : float64 array (3, states, columns)
        M_k of each state; the columns are independent vectors.
    weights, energies : float64 array (states,)
        e^{-beta epsilon} and epsilon of each state.
    """
    for i in range(moments.shape[1]):
        w, e = weights[i], energies[i]
        for j in range(moments.shape[2]):
            m0, m1, m2 = moments[0, i, j], moments[1, i, j], moments[2, i, j]
            moments[0, i, j] = w * m0
            moments[1, i, j] = w * (m1 + e * m0)
            moments[2, i, j] = w * (m2 + e * (2.0 * m1 + e * m0))
