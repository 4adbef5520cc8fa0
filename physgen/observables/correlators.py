r"""Two-point functions along the axes: time slices at zero momentum, and G in momentum space.

With :math:`\phi_p(t) = \sum_{\vec x} \phi_{\vec x, t}` the sum over a slice of an axis of extent
T, V sites in all, and :math:`p_n = 2 \pi n / T`,

.. math::
    G(t) = \frac1V \sum_{t_0} \phi_p(t_0)\, \phi_p(t_0 + t), \qquad
    \tilde G(p_n) = \frac1V \Big| \sum_t \phi_p(t) e^{i p_n t} \Big|^2
                  = \sum_{t=0}^{T-1} G(t) \cos p_n t ,

for t and n from 0 to T/2, averaged over translations and over all axes of the largest extent.
:math:`\tilde G(0) = V m^2 = \sum_t G(t)`, and a free field has
:math:`\langle \tilde G(p) \rangle = 1 / (4 \sin^2(p/2) + m^2)`.  Each is the value of one
configuration on a periodic lattice, not connected: of the ensemble
:math:`\langle G(t) \rangle - (V/T) \langle m \rangle^2` and
:math:`\langle \tilde G(0) \rangle - V \langle m \rangle^2` are.  `dim` is the number of lattice
axes, the last axes of the array.  NumPy or torch in, float64 out.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from physgen.core.errors import InputError

__all__ = ["correlator", "propagator"]


def correlator(x: Any, dim: int) -> Any:
    """Return G(t) at t = 0 .. T/2, shape (..., T // 2 + 1).

    Parameters
    ----------
    x : array, shape (..., *shape)
        Spins or fields, one configuration or many.
    dim : int
        Number of lattice axes, the last ones of x.

    Raises
    ------
    InputError
        If the largest extent is 1: there is no distance but zero.
    """
    xp, T = array_namespace(x), _extent(x, dim)
    G = xp.fft.irfft(xp.astype(propagator(x, dim), xp.complex128), n=T, axis=-1)
    return G[..., : T // 2 + 1]


def propagator(x: Any, dim: int) -> Any:
    """Return G~(p_n) at n = 0 .. T/2, shape (..., T // 2 + 1).

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
    xp, T, total = array_namespace(x), _extent(x, dim), 0.0
    shape = tuple(x.shape)[-dim:]
    V, longest = 1, [axis - dim for axis, n in enumerate(shape) if n == T]
    for n in shape:
        V *= n
    for axis in longest:
        others = tuple(a for a in range(-dim, 0) if a != axis)
        slices = xp.astype(x, xp.float64)
        slices = xp.sum(slices, axis=others) if others else slices
        wave = xp.fft.rfft(slices, axis=-1)
        total = total + xp.real(wave) ** 2 + xp.imag(wave) ** 2
    return total / (V * len(longest))


def _extent(x: Any, dim: int) -> int:
    """Return the largest extent T."""
    if not 1 <= dim <= x.ndim:
        raise InputError(
            f"dim must be the number of lattice axes, at most the {x.ndim} of x, got {dim}"
        )
    T = max(tuple(x.shape)[-dim:])
    if T < 2:
        raise InputError(
            f"a correlator needs an extent of at least 2, got shape {tuple(x.shape)[-dim:]}"
        )
    return T
