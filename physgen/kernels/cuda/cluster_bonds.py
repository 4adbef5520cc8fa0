r"""When a bond is occupied, of Ising spins and of the signs of a phi^4 field, on a CUDA device.

A satisfied bond, :math:`K s s' > 0`, is occupied with probability :math:`1 - e^{-2 |K|}`.  Between
spins it is compared with 64 bits, :math:`w < 2^{64} p`, as on the CPU.  Between fields K = hop
:math:`|\phi \phi'|` and s is the sign of phi (:mod:`physgen.kernels.cpu.phi4_cluster`):

.. math:: u \geq e^{-t}, \qquad t = 2\, \mathrm{hop}\, \phi \phi' > 0 ,

in float32, accurate to 1e-7.

Both take the values of the ends, the kind of the bond, ``strengths`` and ``signs`` of all kinds,
and the word of the bond.
"""

from __future__ import annotations

import math

import numpy as np

from physgen.kernels.cuda._numba import cuda

__all__ = ["between_fields", "between_spins"]

_F, _U32, _U64 = np.float32, np.uint32, np.uint64
_ZERO, _HALF, _UNIT, _MOST = _F(0.0), _F(0.5), _F(2.0**-32), _F(69.0)
_32 = _U64(32)


@cuda.jit(device=True)
def between_spins(here, there, kind, strengths, signs, word):
    """Whether a bond is occupied: strengths uint64 2^64 (1 - e^{-2 |K|}), signs int8 of K."""
    return here * there * signs[kind] > 0 and word < strengths[kind]


@cuda.jit(device=True)
def between_fields(here, there, kind, strengths, signs, word):
    """Whether a bond is occupied: ``strengths[0]`` float32 is 2 hop; there is one kind."""
    t = strengths[0] * _F(here) * _F(there)
    if not t > _ZERO:  # never occupied, however u is rounded; nor if t is NaN
        return False
    u = (_F(_U32(word >> _32)) + _HALF) * _UNIT
    return u >= _F(math.exp(-(t if t < _MOST else _MOST)))
