r"""Block Gibbs sweeps of restricted Boltzmann machines: two BLAS products, one fused pass each.

Visible units v and hidden units h have the joint energy
:math:`E(v, h) = -a \cdot v - b \cdot h - v^T W h` (and squares of the Gaussian units).  Given one
layer, the units of the other are independent, each with its input x: an entry of
:math:`b + W^T v`, or of :math:`a + W h`.

======  ===============  ==========================================================
code    unit             law, given its input x
======  ===============  ==========================================================
0       spin, -1 or +1   :math:`P(+1) = \sigma(2x)`
1       Gaussian         :math:`N(s^2 x, s^2)`, width s
2       0 or 1           :math:`P(1) = \sigma(x)`
K > 2   outcome 0..K-1   :math:`P(k) = e^{x_k} / \sum_l e^{x_l}`, K rows, one of them 1
======  ===============  ==========================================================

A sweep draws h given v, then v given h.  The arrays are (units, chains), so all loops run along
chains.  A unit of two values compares a word u in (0, 1) with the probability of the value that
its input does not favour,

.. math:: u\,(1 + e^{|t|}) < 1 , \qquad t = 2x \text{ or } x ,

which has no division and resolves probabilities down to :math:`2^{-33}` on either side.  An
outcome is found in the sums of :math:`u \sum_l e^{x_l}`: its probability has an absolute error of
about 1e-7.  Inputs and fields are float32.

**Words.**  Philox counter: c0 = q, c1 = sweep, c2 = chain, c3 = 0 for hidden and 1 for visible
units.  The four words of a call belong to the units q, Q + q, 2Q + q and 3Q + q with Q = ceil(n /
4); an outcome takes one word, and normal deviates are those of :mod:`.normals`.  They depend
neither on the number of chains nor on the machine.  In fast mode the same loops use the words of
xoshiro256++ lanes.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from physgen.kernels.cpu.normals import CHUNK, fill_normals
from physgen.kernels.cpu.philox_calls import words32
from physgen.kernels.cpu.restrict import restrict
from physgen.kernels.cpu.vecmath import CONTRACT, exp2
from physgen.kernels.cpu.xoshiro import draw8

__all__ = ["BINARY", "GAUSSIAN", "HIDDEN", "SPIN", "VISIBLE", "draw_units", "gibbs", "n_sites_of"]

SPIN, GAUSSIAN, BINARY = 0, 1, 2
HIDDEN, VISIBLE = 0, 1  # counter word c3

_F, _U32, _U64 = np.float32, np.uint32, np.uint64
_LOG2E = _F(1.4426950408889634)
_UNIT, _HALF = _F(2.0**-32), _F(0.5)
_LARGEST = _F(60.0)  # of log2 of odds: u is never below 2^-33


@njit(**CONTRACT)
def _fast_words(lanes, words):
    """Fill words, a multiple of 64 of them, from the generators `lanes` (32,)."""
    for start in range(0, words.size, 64):
        draw8(lanes, 0, words, start)  # pyright: ignore[reportCallIssue]


@njit(**CONTRACT)
def _two_values(x, bias, words, slope, low):
    """Turn inputs (rows, chains) into units: 1 or `low`."""
    restrict()
    for i in range(x.shape[0]):
        c = bias[i]
        for j in range(x.shape[1]):
            t = slope * (x[i, j] + c)
            e = exp2(min(abs(t) * _LOG2E, _LARGEST))
            u = (_F(words[i, j]) + _HALF) * _UNIT
            against = u * (_F(1.0) + e) < _F(1.0)
            x[i, j] = _F(1.0) if against != (t > _F(0.0)) else low


@njit(**CONTRACT)
def _outcomes(x, bias, words, most, total):
    """Turn inputs (K, chains) of one site into K rows of which one is 1."""
    restrict()
    K, width = x.shape
    for j in range(width):
        most[j] = x[0, j] + bias[0]
        total[j] = _F(0.0)
    for k in range(1, K):
        for j in range(width):
            most[j] = max(most[j], x[k, j] + bias[k])
    for k in range(K):
        for j in range(width):
            e = exp2(max((x[k, j] + bias[k] - most[j]) * _LOG2E, _F(-100.0)))
            x[k, j] = e
            total[j] += e
    for j in range(width):
        # From here on, what is left of u times the total; negative when the outcome is found.
        total[j] *= (_F(words[j]) + _HALF) * _UNIT
    for k in range(K - 1):
        for j in range(width):
            left = total[j] - x[k, j]
            x[k, j] = _F(1.0) if (left < _F(0.0)) and (total[j] >= _F(0.0)) else _F(0.0)
            total[j] = left if total[j] >= _F(0.0) else total[j]
    for j in range(width):
        x[K - 1, j] = _F(1.0) if total[j] >= _F(0.0) else _F(0.0)


@njit(**CONTRACT)
def _gaussians(x, bias, scale, z):
    """Turn inputs (rows, chains) into fields, with deviates z in the same order."""
    restrict()
    for i in range(x.shape[0]):
        c, s = bias[i], scale[i]
        for j in range(x.shape[1]):
            x[i, j] = s * (s * (x[i, j] + c) + z[i, j])


@njit(**CONTRACT)
def _draw(x, bias, scale, code, step, call, chain0, key, lanes):
    width = x.shape[1]
    shift = 0
    while 1 << shift < width:
        shift += 1
    if code == GAUSSIAN:
        quarter = -(-x.shape[0] // 4)
        z = np.empty(4 * quarter * width, _F)
        buffer = np.empty(2 * CHUNK, np.uint64)
        fill_normals(z, shift, chain0, step, call, key, lanes, buffer)
        _gaussians(x, bias, scale, z.reshape(4 * quarter, width))
        return
    K = code if code > BINARY else 1
    n = x.shape[0] // K
    quarter = -(-n // 4)
    at_once = max(1, CHUNK >> shift)  # units of each quarter
    words = np.empty((4, at_once * width), np.uint32)
    pairs = words.reshape(-1).view(np.uint64)
    most, total = np.empty(width, _F), np.empty(width, _F)
    slope, low = (_F(2.0), _F(-1.0)) if code == SPIN else (_F(1.0), _F(0.0))
    for q in range(0, quarter, at_once):
        m = min(at_once, quarter - q)
        if lanes.size > 0:
            _fast_words(lanes, pairs)
        else:
            k = m * width
            words32(
                _U64(q << shift), _U64(shift), _U64(chain0), _U64(step), _U64(call), key[0],
                key[1], words[0, :k], words[1, :k], words[2, :k], words[3, :k],
            )  # fmt: skip
        for r in range(4):
            first = r * quarter + q
            last = min(first + m, n)
            if last <= first:
                continue
            own = words[r, : (last - first) * width].reshape(last - first, width)
            if K == 1:
                _two_values(x[first:last], bias[first:last], own, slope, low)
            else:
                for i in range(first, last):
                    rows = slice(K * i, K * i + K)
                    _outcomes(x[rows], bias[rows], own[i - first], most, total)


def n_sites_of(n_rows: int, code: int) -> int:
    """Return how many units n rows of a layer are."""
    return n_rows // code if code > BINARY else n_rows


def draw_units(x, bias, scale, code, step, call, chain0, key, lanes):
    """Turn inputs, without their biases, into units, in place.

    Parameters
    ----------
    x : float32 array (n_rows, width)
        C-contiguous; width is a power of two, >= 16.
    bias, scale : float32 arrays (n_rows,)
        The scale (width of the unit) of Gaussian units is read.
    code : int
        Kind of the units.
    step, call, chain0 : int
        Counter words c1 and c3, and the number of the first chain.
    key : uint64 array (2,)
        Halves of the Philox key.
    lanes : uint64 array (32,) or (0,)
        Generators of fast mode, advanced; empty for Philox.
    """
    _draw(x, bias, scale, code, step, call, chain0, key, lanes)


def gibbs(W, WT, a, b, v, n, key, *, visible, hidden, scale, lanes, chain0=0, first=0):
    """Make n sweeps of a block of chains; v is changed in place.

    Parameters
    ----------
    W, WT : float32 arrays (n_rows, n_hidden) and its transpose
        Both C-contiguous; rows of outcomes: ``K * site + outcome``.
    a, b : float32 arrays (n_rows,), (n_hidden,)
    v : float32 array (n_rows, width)
        Visible units, outcomes as K rows; the width is a power of two, >= 16.
    n : int
    key : uint64 array (2,)
    visible, hidden : int
        Codes of the units; hidden Gaussian units have width 1.
    scale : float32 array (n_rows,)
        Widths of Gaussian visible units.
    lanes : uint64 array (32,) or (0,)
    chain0, first : int
        Number of the first chain, and of the first sweep.

    Returns
    -------
    h : float32 array (n_hidden, width)
        The hidden units that the last v was drawn from: not units drawn given the last v.
    """
    h = np.empty((W.shape[1], v.shape[1]), _F)
    ones = np.ones(len(h), _F)
    for t in range(first, first + n):
        np.matmul(WT, v, out=h)
        draw_units(h, b, ones, hidden, t, HIDDEN, chain0, key, lanes)
        np.matmul(W, h, out=v)
        draw_units(v, a, scale, visible, t, VISIBLE, chain0, key, lanes)
    return h
