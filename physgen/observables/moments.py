r"""Functions of moments: quantities derived from ensemble averages.

With m the magnetization per site of V sites, E the total energy and :math:`\langle\cdot\rangle`
the average over the ensemble,

.. math::
    \chi &= V (\langle m^2 \rangle - \langle m \rangle^2), \qquad
    \chi_{\rm abs} = V (\langle m^2 \rangle - \langle |m| \rangle^2), \\
    U &= 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}, \qquad
    c = \beta^2 \frac{\langle E^2 \rangle - \langle E \rangle^2}{V}, \qquad
    \xi = \frac{1}{2 \sin(\pi / L)} \sqrt{\frac{S(0)}{S(k_{\min})} - 1} .

:math:`\chi` has no factor :math:`\beta`.  Arguments are numbers or arrays of averages, so the
jackknife can pass all its blocks at once; nothing is averaged here.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = [
    "binder",
    "chi_abs",
    "connected_two_point",
    "second_moment_correlation_length",
    "specific_heat",
    "susceptibility",
]


def susceptibility(m: Any, m2: Any, V: int) -> Any:
    """Return chi = V (<m^2> - <m>^2); where a symmetry makes <m> = 0, pass m = 0.

    Parameters
    ----------
    m, m2 : float or array
        Averages of m and m^2, m per site.
    V : int
        Sites.
    """
    return V * (m2 - m**2)


def chi_abs(abs_m: Any, m2: Any, V: int) -> Any:
    """Return chi_abs = V (<m^2> - <|m|>^2), which peaks at a finite-size transition.

    Parameters
    ----------
    abs_m, m2 : float or array
        Averages of |m| and m^2, m per site.
    V : int
        Sites.
    """
    return V * (m2 - abs_m**2)


def binder(m2: Any, m4: Any) -> Any:
    """Return U = 1 - <m^4> / (3 <m^2>^2): 2/3 in an ordered phase, 0 for Gaussian m.

    Parameters
    ----------
    m2, m4 : float or array
        Averages of m^2 and m^4, m per site.
    """
    return 1 - m4 / (3 * m2**2)


def specific_heat(e: Any, e2: Any, beta: Any, V: int) -> Any:
    """Return c = beta^2 (<E^2> - <E>^2) / V per site, E the total energy; units of k_B.

    Parameters
    ----------
    e, e2 : float or array
        Averages of E and E^2, in units of J.
    beta : float or array
        Inverse temperature, in units of 1/J.
    V : int
        Sites.
    """
    return beta**2 * (e2 - e**2) / V


def connected_two_point(G: Any, m: Any) -> Any:
    """Return G_c(r) = <G(r)> - <m>^2.

    Parameters
    ----------
    G : array, shape (..., *shape)
        Averages of :func:`~physgen.observables.two_point`.
    m : array, shape (...)
        Averages of the magnetization of the same ensembles.
    """
    m = np.asarray(m)
    G = np.asarray(G)
    return G - (m**2).reshape(m.shape + (1,) * (G.ndim - m.ndim))


def second_moment_correlation_length(S0: Any, S_kmin: Any, L: int) -> Any:
    """Return xi in lattice units; NaN where noise makes S(k_min) > S(0).

    Parameters
    ----------
    S0, S_kmin : float or array
        Averages of the structure factor at k = 0, V <m^2>, and at |k| = 2 pi / L.  In an ordered
        phase S0 needs its connected part, chi_abs.
    L : int
        The extent that defines k_min (the largest one).
    """
    ratio = np.asarray(S0) / np.asarray(S_kmin) - 1
    with np.errstate(invalid="ignore"):
        xi = np.sqrt(ratio) / (2 * np.sin(np.pi / L))
    return xi[()]
