r"""The coupling of two-dimensional phi^4 that stays finite in the continuum.

The action :math:`\sum \tfrac12 (\partial\phi)^2 + \tfrac{\mu_0^2}{2} \phi^2 + \tfrac\lambda4
\phi^4` has one divergent diagram, the tadpole.  With it the mass is

.. math:: \mu^2 = \mu_0^2 + 3 \lambda A(\mu^2), \qquad
          A(\mu^2) = \int_{-\pi}^{\pi} \frac{d^2 p}{(2\pi)^2} \frac{1}{\hat p^2 + \mu^2}
          = \frac{2 K(k)}{\pi (4 + \mu^2)} , \quad k = \frac{4}{4 + \mu^2} ,

on the infinite lattice, :math:`\hat p^2 = \sum_\mu (2 - 2 \cos p_\mu)`, K the complete elliptic
integral of the first kind.  So :math:`f = \lambda / \mu^2` is a number: at the critical line it
tends to f_c as :math:`\lambda \to 0` (Loinaz and Willey, Phys. Rev. D 58 (1998) 076003), and
:math:`\mu^2 > 0` in both phases.
"""

from __future__ import annotations

import math
from typing import Any

from physgen.core.checks import check_finite, check_positive
from physgen.core.errors import InputError

__all__ = ["renormalised_coupling", "renormalised_mass", "tadpole"]


def tadpole(m2: float) -> float:
    """Return A, the two-point function of a free field at distance 0, on the infinite lattice.

    Parameters
    ----------
    m2 : float
        Squared mass in lattice units; > 0.

    Examples
    --------
    >>> round(tadpole(1.0), 6)
    0.25405
    """
    from scipy.special import ellipkm1

    check_positive("m2", m2)
    # K of 1 - k^2, which small masses leave exact where k^2 would round to 1.
    return float(2 * ellipkm1(m2 * (8 + m2) / (4 + m2) ** 2) / (math.pi * (4 + m2)))


def renormalised_mass(m2: float, lam: float) -> float:
    """Return mu^2 > 0 of the bare `m2` and `lam` > 0, in the convention "quarter".

    Parameters
    ----------
    m2, lam : float
        Squared bare mass and self-coupling in lattice units.

    Raises
    ------
    InputError
        If mu^2 is too small for double precision: far in the ordered phase.

    Examples
    --------
    >>> round(renormalised_mass(-0.7, 0.5), 6)
    0.055166
    """
    from scipy.optimize import brentq

    check_finite("m2", m2)
    check_positive("lam", lam)
    # Rising in mu^2 from -inf at 0, so there is one root; A < 1 / mu^2 bounds it from above.
    upper = max(m2, 0.0) + math.sqrt(3 * lam) + 1e-9
    lower = upper
    while lower - m2 - 3 * lam * tadpole(lower) > 0:
        lower /= 16
        if lower < 1e-280:
            raise InputError(
                f"mu^2 must be a number of double precision, got less than 1e-280 for m2 = {m2:g} "
                f"and lam = {lam:g}"
            )
    root: Any = brentq(lambda x: x - m2 - 3 * lam * tadpole(x), lower, upper, xtol=1e-300)
    return float(root)


def renormalised_coupling(target: Any) -> float:
    """Return f = lambda / mu^2 of a phi^4 target in two dimensions, in any convention.

    Parameters
    ----------
    target : Phi4
        Its size does not matter: mu^2 is that of the infinite lattice.

    Raises
    ------
    InputError
        If it is not two-dimensional, or has no self-coupling.

    Examples
    --------
    >>> import physgen as pg
    >>> round(renormalised_coupling(pg.Phi4.from_hopping(8, kappa=0.27088, lam=0.022)), 4)
    10.3209
    """
    if target.lattice.dim != 2:
        raise InputError(
            f"f = lambda / mu^2 is a number of two dimensions, got {target.lattice.dim}"
        )
    if target.quart == 0:
        raise InputError(f"f = lambda / mu^2 needs a self-coupling, got {target!r}")
    same = target.to("quarter")
    m2, lam = same.couplings["m2"], same.couplings["lam"]
    return lam / renormalised_mass(m2, lam)
