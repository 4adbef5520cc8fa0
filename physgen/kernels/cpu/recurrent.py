r"""One time step of a recurrent cell for a batch, forward and backward, in float32.

With :math:`x` the input projection, :math:`g = W h` the recurrent one, and all biases in x except
the one inside the reset gate, :math:`b_n`,

.. math::

   \text{tanh:}\quad & h' = \tanh(x + g) \\
   \text{GRU:}\quad & r, z = \sigma(x + g),\;
                      n = \tanh(x_n + r\, (g_n + b_n)),\; h' = n + z\,(h - n) \\
   \text{LSTM:}\quad & i, f, o = \sigma(x + g),\; u = \tanh(x + g),\;
                      c' = f c + i u,\; h' = o \tanh c'

with the gate order (r, z, n) and (i, f, u, o) of ``torch.nn``.  BLAS does the matrix products; the
kernels fuse everything between them, which would otherwise cost as much again in passes over
memory.

All kernels have the same arguments, so the sequence loop needs no case distinctions:

``forward(x, rows, g, b_n, state, saved, out)``
    Row ``rows[b]`` of `x` belongs to batch element b: a table indexed by outcome, or
    ``arange(B)``.  `state` and `out` are (B, S) with S = H (tanh, GRU) or 2H (LSTM: h, c).
    `saved` has B rows if a backward pass follows; otherwise one row is enough and stays in
    cache.  Only the GRU reads b_n (H,), and adds it to its part of g in place.
``backward(d_out, saved, state, dx, dg, d_state)``
    `d_out` (B, S) is the gradient of `out`.  Writes dx and dg (B, G) and the part of
    `d_state` that does not pass through g; the caller adds dg W.

Rows are processed in short passes of at most five arrays each: a loop over more arrays needs so
many run-time overlap tests that LLVM does not vectorise it (measured: 9.9 against 1.3 ns for a GRU
element on AVX-512 hardware).  A pass with operands and result in slices of the same row is also
not vectorised, because LLVM cannot distinguish them (2.0 against 1.3 ns); hence the copies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

from physgen.kernels.cpu.vecmath import CONTRACT, sigmoid, tanh

__all__ = ["KERNELS", "Kernel", "scatter_add"]

_ONE = np.float32(1.0)


@njit(**CONTRACT)
def _copy(a, out):
    for j in range(out.size):
        out[j] = a[j]


@njit(**CONTRACT)
def _add(a, out):
    for j in range(out.size):
        out[j] += a[j]


@njit(**CONTRACT)
def _product(a, b, out):
    for j in range(out.size):
        out[j] = a[j] * b[j]


@njit(**CONTRACT)
def _sigmoid_of_sum(a, b, out):
    for j in range(out.size):
        out[j] = sigmoid(a[j] + b[j])


@njit(**CONTRACT)
def _tanh_of_sum(a, b, out):
    for j in range(out.size):
        out[j] = tanh(a[j] + b[j])


@njit(**CONTRACT)
def _through_sigmoid(d, m, s, out):
    """Pass d back through m s with s a sigmoid: d m s (1 - s)."""
    for j in range(out.size):
        out[j] = d[j] * m[j] * s[j] * (_ONE - s[j])


@njit(**CONTRACT)
def _through_tanh(d, m, t, out):
    """Pass d back through m t with t a tanh: d m (1 - t^2)."""
    for j in range(out.size):
        out[j] = d[j] * m[j] * (_ONE - t[j] * t[j])


# --- tanh cell: saved = h' ------------------------------------------------------------------


@njit(**CONTRACT)
def tanh_forward(x, rows, g, b_n, state, saved, out):
    for b in range(rows.size):
        _tanh_of_sum(x[rows[b]], g[b], out[b])
        _copy(out[b], saved[b % saved.shape[0]])


@njit(**CONTRACT)
def tanh_backward(d_out, saved, state, dx, dg, d_state):
    one = np.ones(d_out.shape[1], dtype=np.float32)
    for b in range(saved.shape[0]):
        _through_tanh(d_out[b], one, saved[b], dx[b])
        _copy(dx[b], dg[b])
        d_state[b] = np.float32(0.0)


# --- GRU: saved = (r, z, n, g_n + b_n) ------------------------------------------------------


@njit(**CONTRACT)
def _gru_candidate(x_n, r, g_n, out):
    for j in range(out.size):
        out[j] = tanh(x_n[j] + r[j] * g_n[j])


@njit(**CONTRACT)
def _gru_mix(n, z, h, out):
    for j in range(out.size):
        out[j] = n[j] + z[j] * (h[j] - n[j])


@njit(**CONTRACT)
def gru_forward(x, rows, g, b_n, state, saved, out):
    H = out.shape[1]
    for b in range(rows.size):
        xb, gb, s = x[rows[b]], g[b], saved[b % saved.shape[0]]
        r, z, n, g_n = s[:H], s[H : 2 * H], s[2 * H : 3 * H], gb[2 * H :]
        _sigmoid_of_sum(xb[: 2 * H], gb[: 2 * H], s[: 2 * H])
        _add(b_n, g_n)
        _gru_candidate(xb[2 * H :], r, g_n, n)
        _gru_mix(n, z, state[b], out[b])
        _copy(g_n, s[3 * H :])


@njit(**CONTRACT)
def _gru_d_candidate(d, z, n, out):
    for j in range(out.size):
        out[j] = d[j] * (_ONE - z[j]) * (_ONE - n[j] * n[j])


@njit(**CONTRACT)
def _gru_d_mix(d, z, h, n, out):
    for j in range(out.size):
        out[j] = d[j] * (h[j] - n[j]) * z[j] * (_ONE - z[j])


@njit(**CONTRACT)
def gru_backward(d_out, saved, state, dx, dg, d_state):
    H = d_out.shape[1]
    for b in range(saved.shape[0]):
        d, s, dxb, dgb = d_out[b], saved[b], dx[b], dg[b]
        r, z, n, g_n = s[:H], s[H : 2 * H], s[2 * H : 3 * H], s[3 * H :]
        dn = d_state[b]  # until the last line
        _gru_d_candidate(d, z, n, dn)
        _gru_d_mix(d, z, state[b], n, dxb[H : 2 * H])
        _through_sigmoid(dn, g_n, r, dxb[:H])
        _copy(dn, dxb[2 * H :])
        _copy(dxb[: 2 * H], dgb[: 2 * H])
        _product(dn, r, dgb[2 * H :])
        _product(d, z, d_state[b])


# --- LSTM: saved = (i, f, u, o, tanh c'); state = (h, c) ------------------------------------


@njit(**CONTRACT)
def _lstm_cell(f, c, i, u, out):
    for j in range(out.size):
        out[j] = f[j] * c[j] + i[j] * u[j]


@njit(**CONTRACT)
def _tanh(a, out):
    for j in range(out.size):
        out[j] = tanh(a[j])


@njit(**CONTRACT)
def lstm_forward(x, rows, g, b_n, state, saved, out):
    H = out.shape[1] // 2
    for b in range(rows.size):
        xb, gb, s = x[rows[b]], g[b], saved[b % saved.shape[0]]
        i, f, u, o, t = s[:H], s[H : 2 * H], s[2 * H : 3 * H], s[3 * H : 4 * H], s[4 * H :]
        _sigmoid_of_sum(xb[: 2 * H], gb[: 2 * H], s[: 2 * H])
        _tanh_of_sum(xb[2 * H : 3 * H], gb[2 * H : 3 * H], u)
        _sigmoid_of_sum(xb[3 * H :], gb[3 * H :], o)
        _lstm_cell(f, state[b, H:], i, u, out[b, H:])
        _tanh(out[b, H:], t)
        _product(o, t, out[b, :H])


@njit(**CONTRACT)
def _lstm_d_cell(dh, o, t, dc, out):
    for j in range(out.size):
        out[j] = dh[j] * o[j] * (_ONE - t[j] * t[j]) + dc[j]


@njit(**CONTRACT)
def lstm_backward(d_out, saved, state, dx, dg, d_state):
    H = d_out.shape[1] // 2
    dc = np.empty(H, dtype=np.float32)
    for b in range(saved.shape[0]):
        s, dxb, dh = saved[b], dx[b], d_out[b, :H]
        i, f, u, o, t = s[:H], s[H : 2 * H], s[2 * H : 3 * H], s[3 * H : 4 * H], s[4 * H :]
        _through_sigmoid(dh, t, o, dxb[3 * H :])
        _lstm_d_cell(dh, o, t, d_out[b, H:], dc)
        _through_sigmoid(dc, u, i, dxb[:H])
        _through_sigmoid(dc, state[b, H:], f, dxb[H : 2 * H])
        _through_tanh(dc, i, u, dxb[2 * H : 3 * H])
        _copy(dxb, dg[b])
        d_state[b, :H] = np.float32(0.0)
        _product(dc, f, d_state[b, H:])


@njit(**CONTRACT)
def scatter_add(dx, rows, table):
    """Add row b of dx (B, G) to row ``rows[b]`` of table (K, G): the gradient of a look-up."""
    for b in range(rows.size):
        t = table[rows[b]]
        d = dx[b]
        for j in range(t.size):
            t[j] += d[j]


@dataclass(frozen=True)
class Kernel:
    """The two kernels of a cell, and its sizes in units of the hidden width H.

    Attributes
    ----------
    forward, backward : compiled functions (see the module's opening)
    gates : G / H
    state : S / H
    saved : width of `saved` / H
    """

    forward: Callable[..., Any]
    backward: Callable[..., Any]
    gates: int
    state: int
    saved: int


KERNELS = {
    "rnn": Kernel(tanh_forward, tanh_backward, 1, 1, 1),
    "gru": Kernel(gru_forward, gru_backward, 3, 1, 4),
    "lstm": Kernel(lstm_forward, lstm_backward, 4, 2, 5),
}
