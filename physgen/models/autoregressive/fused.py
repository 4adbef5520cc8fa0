r"""Recurrent sequences on one CPU core: matrix products by BLAS, everything between them fused.

For a layer with input projection x_t, recurrent weight W (G, H) and bias b (G,),

.. math:: g_t = W h_{t-1} + b, \qquad (h_t, c_t) = \mathrm{cell}(x_t, g_t, h_{t-1}, c_{t-1}),

with h_0 = c_0 = 0.  :func:`sequence` is this map as a differentiable torch function; its weight
gradient is :math:`\partial_W = \sum_t (\partial g_t)^T h_{t-1}`.
:func:`draw` is ancestral sampling with the state of every layer kept, O(L) cell steps for L sites.

Cost: a GRU step for a batch of B is 6 B H^2 flops of matrix product, and on the machine of
RESULTS.md the cell between costs as much time as 0.4 of that product at H = 100.  Both agree with
``torch.nn.GRU`` (and LSTM, RNN) to float32 rounding; that is a contract test.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit

from physgen.kernels.cpu.recurrent import KERNELS, Kernel, scatter_add
from physgen.kernels.cpu.vecmath import CONTRACT, exp2

__all__ = ["LayerWeights", "draw", "sequence"]


def sequence(x: torch.Tensor, rows: torch.Tensor, w: torch.Tensor, b: torch.Tensor, cell: str):
    """Return the hidden states of one layer, differentiable in x, w and b.

    Parameters
    ----------
    x : tensor (T, R, G) float32
        Input projections, bias included.
    rows : tensor (T, B) int64
        Batch element b at time t reads ``x[t, rows[t, b]]``.
    w, b : tensors (G, H) and (G,) float32
        Recurrent weight and bias.
    cell : {"rnn", "gru", "lstm"}

    Returns
    -------
    tensor (T, B, H) float32
    """
    return _Sequence.apply(x, rows, w, b, KERNELS[cell])


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x, rows, w, b, kernel: Kernel):
        (T, B), H = rows.shape, w.shape[1]
        # Only a backward pass needs the gates of every step; without it one slot is reused.
        training = any(ctx.needs_input_grad)
        states = x.new_empty(T + 1, B, kernel.state * H)
        states[0] = 0
        saved = x.new_empty(T if training else 1, B, kernel.saved * H)
        g = x.new_empty(B, kernel.gates * H)
        wT = w.detach().t()
        x_np, rows_np, g_np, states_np, saved_np = _arrays(x.contiguous(), rows, g, states, saved)
        for t in range(T):
            torch.addmm(b, states[t, :, :H], wT, out=g)
            slot = saved_np[t if training else 0]
            kernel.forward(x_np[t], rows_np[t], g_np, states_np[t], slot, states_np[t + 1])
        ctx.save_for_backward(rows, w, states, saved)
        ctx.kernel, ctx.x_shape = kernel, x.shape
        return states[1:, :, :H]

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs):
        d_h = grad_outputs[0]
        rows, w, states, saved = ctx.saved_tensors
        kernel, (T, B), H = ctx.kernel, rows.shape, w.shape[1]
        dx, dw, db = torch.zeros(ctx.x_shape), torch.zeros_like(w), torch.zeros(1, w.shape[0])
        dx_t, dg = torch.empty(B, kernel.gates * H), torch.empty(B, kernel.gates * H)
        d_out = torch.zeros(B, kernel.state * H)
        d_state = torch.empty_like(d_out)
        arrays = _arrays(dx, dx_t, dg, db, rows, states, saved)
        dx_np, dx_t_np, dg_np, db_np, rows_np, states_np, saved_np = arrays
        wd, dgT, row_0 = w.detach(), dg.t(), np.zeros(B, dtype=np.int64)
        for t in range(T - 1, -1, -1):
            d_out[:, :H] += d_h[t]
            kernel.backward(
                d_out.numpy(), saved_np[t], states_np[t], dx_t_np, dg_np, d_state.numpy()
            )
            scatter_add(dx_t_np, rows_np[t], dx_np[t])
            scatter_add(dg_np, row_0, db_np)
            # At once, while dg is in cache: one product over all t would stream it from memory.
            dw.addmm_(dgT, states[t, :, :H])
            d_state[:, :H].addmm_(dg, wd)
            d_out, d_state = d_state, d_out
        return dx, None, dw, db[0], None


def _arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [t.detach().numpy() for t in tensors]


@dataclass(frozen=True)
class LayerWeights:
    """What one layer needs to advance a step.

    Attributes
    ----------
    w, b : (G, H), (G,)
        Recurrent weight and bias.
    table : (T, R, G) or None
        First layer: input projection by site and previous outcome.
    w_in, b_in : (G, H), (G,) or None
        Higher layers: projection of the layer below.
    """

    w: torch.Tensor
    b: torch.Tensor
    table: torch.Tensor | None = None
    w_in: torch.Tensor | None = None
    b_in: torch.Tensor | None = None


@njit(**CONTRACT)
def _softmax(logits, weights):
    """Write e^(logits - max) to weights; return the max and the sum of weights."""
    log2e, floor = np.float32(1.4426950408889634), np.float32(-100.0)
    top = logits.max()
    total = np.float32(0.0)
    for k in range(logits.size):
        weights[k] = exp2(max(log2e * (logits[k] - top), floor))
        total += weights[k]
    return top, total


@njit(**CONTRACT)
def _draw_outcomes(logits, u, outcomes, log_q):
    """Inverse-CDF draw from softmax(logits) (B, K); adds its log probability to log_q."""
    K = logits.shape[1]
    weights = np.empty(K, dtype=np.float32)
    for i in range(u.size):
        top, total = _softmax(logits[i], weights)
        mark, k, cumulated = u[i] * total, 0, weights[0]
        while cumulated <= mark and k < K - 1:
            k += 1
            cumulated += weights[k]
        outcomes[i] = k
        log_q[i] += np.float64(logits[i, k] - top) - math.log(total)


@njit(**CONTRACT)
def _score_outcomes(logits, outcomes, log_q):
    """Add log softmax(logits)[outcome] to log_q."""
    weights = np.empty(logits.shape[1], dtype=np.float32)
    for i in range(outcomes.size):
        top, total = _softmax(logits[i], weights)
        log_q[i] += np.float64(logits[i, outcomes[i]] - top) - math.log(total)


class _Products:
    """Matrix products h W^T + b of one layer, in float32 or with bfloat16 factors."""

    def __init__(self, w: torch.Tensor, b: torch.Tensor, B: int, precision: str) -> None:
        self.b, self.out = b, torch.empty(B, w.shape[0])
        self.bfloat16 = precision == "bfloat16"
        if self.bfloat16:
            self.wT = w.t().to(torch.bfloat16).contiguous()
            self.h = torch.empty(B, w.shape[1], dtype=torch.bfloat16)
            self.g = torch.empty(B, w.shape[0], dtype=torch.bfloat16)
        else:
            self.wT = w.t()

    def __call__(self, h: torch.Tensor) -> torch.Tensor:
        if not self.bfloat16:
            return torch.addmm(self.b, h, self.wT, out=self.out)
        self.h.copy_(h)
        torch.mm(self.h, self.wT, out=self.g)
        return torch.add(self.g, self.b, out=self.out)


def draw(
    layers: list[LayerWeights],
    head: tuple[torch.Tensor, torch.Tensor],
    cell: str,
    *,
    u: np.ndarray | None = None,
    given: np.ndarray | None = None,
    precision: str = "float32",
) -> tuple[np.ndarray, np.ndarray]:
    """Sample outcomes site by site, or score `given` ones with the very same arithmetic.

    Parameters
    ----------
    layers : list of LayerWeights
    head : (w, b) of shapes (K, H), (K,)
        Logits of the next outcome.
    cell : {"rnn", "gru", "lstm"}
    u : array (T, B) float32 in [0, 1)
        Draw, with one uniform for each site and sample.
    given : array (T, B) of integers
        Score these instead; exactly one of `u` and `given` is needed.
    precision : {"float32", "bfloat16"}
        Factors of the products with h; they are accumulated in float32.

    Returns
    -------
    outcomes : array (T, B) int64
    log_q : array (B,) float64, in nats
    """
    kernel, (K, H) = KERNELS[cell], head[0].shape
    T, B = u.shape if given is None else given.shape  # type: ignore[union-attr]
    everyone = np.arange(B)
    recurrent = [_Products(layer.w, layer.b, B, precision) for layer in layers]
    inputs = [
        None if layer.w_in is None else _Products(layer.w_in, layer.b_in, B, precision)  # type: ignore[arg-type]
        for layer in layers
    ]
    to_logits = _Products(*head, B, "float32")
    states = [torch.zeros(B, kernel.state * H) for _ in layers]
    news = [torch.zeros(B, kernel.state * H) for _ in layers]
    saved = np.empty((B, kernel.saved * H), dtype=np.float32)
    outcomes = np.empty((T, B), dtype=np.int64)
    log_q = np.zeros(B)
    previous = np.full(B, K)  # row K of the table: nothing has been measured yet
    tables = [None if layer.table is None else layer.table.numpy() for layer in layers]
    for t in range(T):
        for i, table in enumerate(tables):
            g = recurrent[i](states[i][:, :H]).numpy()
            if table is not None:
                x, rows = table[t], previous
            else:
                x, rows = inputs[i](news[i - 1][:, :H]).numpy(), everyone  # type: ignore[misc]
            kernel.forward(x, rows, g, states[i].numpy(), saved, news[i].numpy())
        logits = to_logits(news[-1][:, :H]).numpy()
        if given is None:
            _draw_outcomes(logits, u[t], outcomes[t], log_q)  # type: ignore[index]
        else:
            outcomes[t] = given[t]
            _score_outcomes(logits, outcomes[t], log_q)
        previous = outcomes[t]
        states, news = news, states
    return outcomes, log_q
