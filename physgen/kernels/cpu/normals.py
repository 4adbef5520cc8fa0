r"""Standard normal deviates by Box and Muller, in loops that LLVM turns into vector instructions.

Two uniform words make two independent deviates,

.. math:: r = \sqrt{-2 \ln u}, \qquad (z_0, z_1) = r\,(\cos\theta, \sin\theta) ,

with u in (0, 1] and theta in one octant; three more bits of the second word swap the two and
choose their signs.  ln, sin and cos are polynomials (calls to the C library do not vectorise).

=======  ==================  ================  ==========================  =============
type     bits of u, theta    largest abs(z)    rounding of z, relative     words a pair
=======  ==================  ================  ==========================  =============
float32  32, 32              6.76              2e-7                        2 of 32 bits
float64  53, 64              8.65              5e-16                       2 of 64 bits
=======  ==================  ================  ==========================  =============

Below the largest value the tails are normal; the normal distribution has a probability of 1.4e-11
(float32) and 5e-18 (float64) beyond it.

**Words and sites.**  The deviates of a block of W interleaved chains, ``z[site, chain]``, are made
from Philox words with counter c0 = q, c1 = step, c2 = chain, c3 = call (:mod:`.philox`).  In
float32 a call makes four deviates, for the sites q, Q + q, 2Q + q and 3Q + q with Q = ceil(V / 4);
in float64 two, for the sites q and Q + q with Q = ceil(V / 2).  They depend neither on W nor on
the number of threads.  In fast mode the same loops use words of xoshiro256++ lanes instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic, overload

from physgen.kernels.cpu.philox import philox4x32
from physgen.kernels.cpu.philox_calls import words32, words64
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT
from physgen.kernels.cpu.xoshiro import draw8

__all__ = [
    "CHUNK",
    "draw_normals",
    "fill_normals",
    "fill_words",
    "padded_sites",
    "uniforms",
]

CHUNK = 1024  # calls a pass: long loops over words that stay in the first-level cache

_F, _D = np.float32, np.float64
_I32, _U32, _I64, _U64 = np.int32, np.uint32, np.int64, np.uint64

# Interpolants at Chebyshev nodes, computed with 40 digits.  float32, with 1 + f in [sqrt(1/2),
# sqrt(2)]: (ln(1 + f) - f + f^2/2) / f^3, relative error of ln 2e-8.
_L0, _L1, _L2, _L3 = _F(0.33333331), _F(-0.25000306), _F(0.20001045), _F(-0.16641281)
_L4, _L5, _L6, _L7 = _F(0.14214496), _F(-0.12998184), _F(0.1262232), _F(-0.079027438)
# sin(x) = x + x y S(y), cos(x) = 1 - y/2 + y^2 C(y) with y = x^2 and x in [0, pi/4].
_S0, _S1, _S2 = _F(-0.16666665), _F(0.0083327483), _F(-0.00019587891)
_C0, _C1, _C2 = _F(0.041666665), _F(-0.0013888303), _F(2.4547942e-5)
# float64: with s = f / (2 + f), z = s^2, ln(1 + f) = 2 s + s z R(z), relative error 5e-18.
_R0, _R1, _R2 = 0.666666666666667, 0.39999999999899505, 0.28571428625975487
_R3, _R4, _R5, _R6 = (
    0.2222221113479508,
    0.18182889125261723,
    0.15331721600556042,
    0.14616449685043406,
)
_P0, _P1, _P2 = -0.16666666666666666, 0.008333333333330948, -0.00019841269836758574
_P3, _P4, _P5 = 2.755731610255244e-06, -2.5051131845003624e-08, 1.5918129294866608e-10
_Q0, _Q1, _Q2 = 0.041666666666666664, -0.0013888888888887398, 2.480158729876569e-05
_Q3, _Q4, _Q5 = -2.7557317271729793e-07, 2.08761462684032e-09, -1.1382632425521717e-11

_LN2, _LN2D = _F(0.6931471805599453), 0.6931471805599453
_ROOT, _MANTISSA = _U32(0x3F3504F3), _U32(0x7FFFFF)  # bits of sqrt(1/2)
_ROOT_D, _MANTISSA_D = _U64(0x3FE6A09E667F3BCD), _U64(0xFFFFFFFFFFFFF)
_SIGN, _SIGN_D = _U32(1 << 31), _U64(1 << 63)


def _reinterpret(source, target) -> Any:
    @intrinsic
    def cast(typingctx, x):
        def codegen(context, builder, signature, args):
            return builder.bitcast(args[0], context.get_value_type(target))

        return target(source), codegen

    return cast


_bits, _float = (
    _reinterpret(types.float32, types.uint32),
    _reinterpret(types.uint32, types.float32),
)
_bits_d = _reinterpret(types.float64, types.uint64)
_double = _reinterpret(types.uint64, types.float64)


@njit(**CONTRACT)
def _pairs32(w, v, z0, z1):
    """Turn uint32 words (radius, angle) into pairs of float32 deviates."""
    restrict()
    for j in range(w.size):
        i = _U32(_bits((_F(w[j]) + _F(0.5)) * _F(2.0**-32)) - _ROOT)
        e = _F(_I32(_I32(i) >> _I32(23)))
        f = _float(_U32(_U32(i & _MANTISSA) + _ROOT)) - _F(1.0)
        p = _L0 + f * (_L1 + f * (_L2 + f * (_L3 + f * (_L4 + f * (_L5 + f * (_L6 + f * _L7))))))
        r = np.sqrt(_F(-2.0) * (f * f * (f * p - _F(0.5)) + f + e * _LN2))
        a = v[j]
        x = (_F(_U32(a >> _U32(3))) + _F(0.5)) * _F(np.pi / 4 * 2.0**-29)
        y = x * x
        s = r * (x + x * y * (_S0 + y * (_S1 + y * _S2)))
        c = r * (_F(1.0) + y * (_F(-0.5) + y * (_C0 + y * (_C1 + y * _C2))))
        swap = _U32(a & _U32(1)) != _U32(0)
        first, second = (s, c) if swap else (c, s)
        z0[j] = _float(_U32(_bits(first) ^ _U32(_U32(a << _U32(30)) & _SIGN)))
        z1[j] = _float(_U32(_bits(second) ^ _U32(_U32(a << _U32(29)) & _SIGN)))


@njit(**CONTRACT)
def _pairs64(w, v, z0, z1):
    """Turn uint64 words (radius, angle) into pairs of float64 deviates."""
    restrict()
    for j in range(w.size):
        i = _bits_d((_D(w[j] >> _U64(11)) + 0.5) * 2.0**-53) - _ROOT_D
        e = _D(_I64(i) >> _I64(52))
        f = _double((i & _MANTISSA_D) + _ROOT_D) - 1.0
        s = f / (2.0 + f)
        z = s * s
        p = _R0 + z * (_R1 + z * (_R2 + z * (_R3 + z * (_R4 + z * (_R5 + z * _R6)))))
        r = np.sqrt(-2.0 * (2.0 * s + s * z * p + e * _LN2D))
        a = v[j]
        x = _D(a >> _U64(3)) * (np.pi / 4 * 2.0**-61)
        y = x * x
        p = _P0 + y * (_P1 + y * (_P2 + y * (_P3 + y * (_P4 + y * _P5))))
        q = _Q0 + y * (_Q1 + y * (_Q2 + y * (_Q3 + y * (_Q4 + y * _Q5))))
        sine, cosine = r * (x + x * y * p), r * (1.0 + y * (y * q - 0.5))
        swap = (a & _U64(1)) != _U64(0)
        first, second = (sine, cosine) if swap else (cosine, sine)
        z0[j] = _double(_bits_d(first) ^ ((a << _U64(62)) & _SIGN_D))
        z1[j] = _double(_bits_d(second) ^ ((a << _U64(61)) & _SIGN_D))


@njit(**CONTRACT)
def _fast_words(lanes, words, n):
    """Fill words[:n], n rounded up to a multiple of 64, from the generators `lanes` (32,)."""
    for start in range(0, n, 64):
        draw8(lanes, 0, words, start)  # pyright: ignore[reportCallIssue]


def padded_sites(n_sites: int, dtype) -> int:
    """Return the number of sites that a buffer of deviates needs: a multiple of 4 or 2."""
    m = 4 if np.dtype(dtype) == np.float32 else 2
    return -(-n_sites // m) * m


def fill_normals(z, shift, chain0, step, call, key, lanes, words):
    """Fill the deviates of one block of W = 2**shift chains; for use in compiled code only.

    Parameters
    ----------
    z : float32 or float64 array (m * Q * W,)
        Out: sites by chains, the sites padded to a multiple m of 4 (float32) or 2 (float64).
    shift : int
        log2 W.
    chain0, step, call : int
        Number of the first chain; counter words c1 and c3.
    key : uint64 array (2,)
        The two halves of the Philox key.
    lanes : uint64 array (32,) or (0,)
        Generators of fast mode; empty for Philox.
    words : uint64 array (2 * CHUNK,)
        Scratch.
    """
    raise NotImplementedError("fill_normals runs in compiled code only")


_OPTIONS: Any = CONTRACT


@overload(fill_normals, jit_options=_OPTIONS)
def _fill_normals(z, shift, chain0, step, call, key, lanes, words):
    def fill32(z, shift, chain0, step, call, key, lanes, words):
        n = z.size // 4
        halves = words.view(np.uint32)
        for start in range(0, n, CHUNK):
            m = min(CHUNK, n - start)
            w0, w1 = halves[:m], halves[m : 2 * m]
            w2, w3 = halves[2 * m : 3 * m], halves[3 * m : 4 * m]
            if lanes.size > 0:
                _fast_words(lanes, words, 2 * m)
            else:
                words32(
                    _U64(start), _U64(shift), _U64(chain0), _U64(step), _U64(call),
                    key[0], key[1], w0, w1, w2, w3,
                )  # fmt: skip
            end = start + m
            _pairs32(w0, w1, z[start:end], z[n + start : n + end])
            _pairs32(w2, w3, z[2 * n + start : 2 * n + end], z[3 * n + start : 3 * n + end])

    def fill64(z, shift, chain0, step, call, key, lanes, words):
        n = z.size // 2
        for start in range(0, n, CHUNK):
            m = min(CHUNK, n - start)
            w, v = words[:m], words[m : 2 * m]
            if lanes.size > 0:
                _fast_words(lanes, words, 2 * m)
            else:
                words64(
                    _U64(start), _U64(shift), _U64(chain0), _U64(step), _U64(call),
                    key[0], key[1], w, v,
                )  # fmt: skip
            _pairs64(w, v, z[start : start + m], z[n + start : n + start + m])

    return fill32 if z.dtype == types.float32 else fill64


@njit(**CONTRACT)
def fill_words(first, second, shift, chain0, step, call, key, lanes, words):
    """Fill two uint32 arrays with words, ``first[site, chain]`` and ``second[site, chain]``.

    As :func:`fill_normals` in float32, of a lattice padded to 2Q sites: a call makes the words of
    the sites q and Q + q, first and second of each.
    """
    n = first.size // 2
    halves = words.view(np.uint32)
    for start in range(0, n, CHUNK):
        m, end = min(CHUNK, n - start), min(n, start + CHUNK)
        if lanes.size > 0:
            _fast_words(lanes, words, 2 * m)
            first[start:end], second[start:end] = halves[:m], halves[m : 2 * m]
            first[n + start : n + end] = halves[2 * m : 3 * m]
            second[n + start : n + end] = halves[3 * m : 4 * m]
        else:
            words32(
                _U64(start), _U64(shift), _U64(chain0), _U64(step), _U64(call), key[0], key[1],
                first[start:end], second[start:end],
                first[n + start : n + end], second[n + start : n + end],
            )  # fmt: skip


@njit(**CONTRACT)
def draw_normals(z, step, call, key, lanes):
    """Fill ``z[block, site, chain]``, sites padded (:func:`padded_sites`), with normal deviates.

    Arguments as in :func:`fill_normals`; lanes (n_blocks, 32) or (n_blocks, 0); the number of
    chains of a block is a power of two.
    """
    words = np.empty(2 * CHUNK, np.uint64)
    width = z.shape[2]
    shift = 0
    while 1 << shift < width:
        shift += 1
    for b in range(z.shape[0]):
        fill_normals(z[b].reshape(-1), shift, b * width, step, call, key, lanes[b], words)


@njit(**CONTRACT)
def uniforms(c0, step, chain0, call, k0, k1, out):
    """Fill out[chain - chain0] with deviates uniform in (0, 1), 53 bits of a Philox call each.

    All arguments but `out` are uint64.
    """
    restrict()
    for j in range(out.size):
        a, b, _, _ = philox4x32(c0, step, chain0 + _U64(j), call, k0, k1)
        out[j] = (_D((a | (b << _U64(32))) >> _U64(11)) + 0.5) * 2.0**-53
