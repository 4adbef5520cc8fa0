r"""Functions of configurations :math:`\phi`, shape ``(..., *shape)``, on V sites.

.. math::
    m = \frac1V \sum_x \phi_x, \qquad
    G(r) = \frac1V \sum_x \phi_x \phi_{x+r}, \qquad
    S(k) = \frac1V \Big| \sum_x \phi_x e^{ikx} \Big|^2 = \sum_r G(r) e^{ikr}, \qquad
    q = \frac1V \sum_x \phi_x \phi'_x .

Each is the value of one configuration, neither averaged over an ensemble nor connected:
:math:`S(0) = V m^2`.  `dim` is the number of lattice axes, the last axes of the array; the axes
before them are kept.  G and S assume a periodic lattice.  NumPy or torch in, float64 out.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from array_api_compat import array_namespace, device

from physgen.core.errors import InputError

__all__ = [
    "magnetization",
    "mean_square",
    "overlap",
    "structure_factor",
    "structure_factor_kmin",
    "two_point",
]


def magnetization(x: Any, dim: int) -> Any:
    """Return the mean spin or field m per site, shape (...).

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.
    """
    xp = array_namespace(x)
    return xp.sum(x, axis=_axes(x, dim), dtype=xp.float64) / _volume(x, dim)


def mean_square(x: Any, dim: int) -> Any:
    """Return the mean of phi_x^2 over the sites, shape (...).

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.
    """
    xp = array_namespace(x)
    return xp.mean(xp.astype(x, xp.float64) ** 2, axis=_axes(x, dim))


def two_point(x: Any, dim: int) -> Any:
    """Return G(r), averaged over translations, shape (..., *shape); r in FFT order.

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.
    """
    xp = array_namespace(x)
    axes = _axes(x, dim)
    S = structure_factor(x, dim)
    # S is real and even in k, so this inverse transform is real.
    return xp.real(xp.fft.ifftn(xp.astype(S, xp.complex128), axes=axes))


def structure_factor(x: Any, dim: int) -> Any:
    """Return S(k), shape (..., *shape); k in FFT order, k = 2 pi n / L.

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.
    """
    xp = array_namespace(x)
    axes = _axes(x, dim)
    wave = xp.fft.fftn(xp.astype(x, xp.complex128), axes=axes)
    return (xp.real(wave) ** 2 + xp.imag(wave) ** 2) / _volume(x, dim)


def structure_factor_kmin(x: Any, dim: int) -> Any:
    """Return S at |k| = 2 pi / L, averaged over the axes of the largest extent L; shape (...).

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.

    Raises
    ------
    InputError
        If the largest extent is 1: there is no momentum but zero.
    """
    xp = array_namespace(x)
    axes, shape = _axes(x, dim), tuple(x.shape)[-dim:]
    L = max(shape)
    if L < 2:
        raise InputError(f"structure_factor_kmin needs an extent of at least 2, got shape {shape}")
    phase = 2 * np.pi * np.arange(L) / L
    cos, sin = (xp.asarray(f(phase), device=device(x)) for f in (np.cos, np.sin))
    longest = [a for a, n in zip(axes, shape) if n == L]
    total: Any = 0.0
    for axis in longest:
        others = tuple(a for a in axes if a != axis)
        profile = xp.astype(x, xp.float64)
        profile = xp.sum(profile, axis=others) if others else profile
        total = total + (profile @ cos) ** 2 + (profile @ sin) ** 2
    return total / (_volume(x, dim) * len(longest))


def overlap(x: Any, y: Any, dim: int) -> Any:
    """Return q, the mean over sites of the product of two replicas x and y; shape (...).

    Parameters
    ----------
    x, y : array, shape (..., *shape)
        Two replicas of spins or fields.
    dim : int
        Number of lattice axes, the last ones.
    """
    xp = array_namespace(x, y)
    return xp.mean(xp.astype(x, xp.float64) * xp.astype(y, xp.float64), axis=_axes(x, dim))


def _axes(x: Any, dim: int) -> tuple[int, ...]:
    if not 1 <= dim <= x.ndim:
        raise InputError(
            f"dim must be the number of lattice axes, at most the {x.ndim} of x, got {dim}"
        )
    return tuple(range(-dim, 0))


def _volume(x: Any, dim: int) -> int:
    return int(np.prod(tuple(x.shape)[-dim:]))
