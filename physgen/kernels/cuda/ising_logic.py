r"""One Ising spin of 64 chains as Boolean algebra, on a CUDA device.

The formulas of :mod:`physgen.kernels.cpu.ising_logic`, one word a thread: digits of the number n
of neighbours up, excitations with probability t + remainder for every class n, the new spin.
A class is encoded in one number, its ``code``: bits 0-7 are the digits of t, bit 8 the complement,
bit 9 the favoured spin :math:`g_n`, bit 10 a tie.  There are no branches.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.counting import majority

__all__ = ["COMPLEMENT", "FAVOURED", "TIE", "add_bit", "below", "class_codes", "mask", "selector"]

_U64 = np.uint64
_ALL, _ONE = _U64(2**64 - 1), _U64(1)
COMPLEMENT, FAVOURED, TIE = _U64(8), _U64(9), _U64(10)
_0, _1, _2, _3, _4, _5, _6, _7 = (_U64(k) for k in range(8))


def class_codes(masks: np.ndarray) -> np.ndarray:
    """Return the codes, uint64 (n_kinds, n_classes), of the CPU's masks (..., 11)."""
    return ((masks & _ONE) << np.arange(masks.shape[-1], dtype=np.uint64)).sum(-1, dtype=np.uint64)


@cuda.jit(device=True)
def mask(code, k):
    """Return 64 times bit k of `code`."""
    return ((code >> k) & _ONE) * _ALL


@cuda.jit(device=True)
def below(code, a, b, c, d, e, f, g, h):
    """Return the bits with (random number of the eight words) < t, both lowest digit first."""
    r = a & mask(code, _0)
    r = majority(b, r, mask(code, _1))
    r = majority(c, r, mask(code, _2))
    r = majority(d, r, mask(code, _3))
    r = majority(e, r, mask(code, _4))
    r = majority(f, r, mask(code, _5))
    r = majority(g, r, mask(code, _6))
    return majority(h, r, mask(code, _7))


@cuda.jit(device=True)
def add_bit(d0, d1, d2, d3, d4, bit):
    """Return the digits of n after adding one bit; n <= 31."""
    c0 = d0 & bit
    c1 = d1 & c0
    c2 = d2 & c1
    c3 = d3 & c2
    return d0 ^ bit, d1 ^ c0, d2 ^ c1, d3 ^ c2, d4 ^ c3


@cuda.jit(device=True)
def selector(d0, d1, d2, d3, d4, n):
    """Return the bits whose digits spell n."""
    m = n ^ _ALL
    low = (d0 ^ mask(m, _0)) & (d1 ^ mask(m, _1)) & (d2 ^ mask(m, _2))
    return low & (d3 ^ mask(m, _3)) & (d4 ^ mask(m, _4))
