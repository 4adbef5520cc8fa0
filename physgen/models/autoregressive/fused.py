r"""Recurrent sequences on one CPU core: matrix products by BLAS, everything between them fused.

For a layer with input projection x_t and recurrent weight W (G, H),

.. math:: g_t = W h_{t-1}, \qquad (h_t, c_t) = \mathrm{cell}(x_t, g_t, b_n, h_{t-1}, c_{t-1}),

with h_0 = c_0 = 0.  :func:`sequence` is this map as a differentiable torch function; its weight
gradient is :math:`\partial_W = \sum_t (\partial g_t)^T h_{t-1}`.
:func:`draw` is ancestral sampling that keeps the state of every layer, O(L) cell steps for L
sites.

Cost: a GRU step for a batch of B is 6 B H^2 flops of matrix product, and on the machine of
RESULTS.md the cell adds 0.4 of the time of that product at H = 100.  A contract test checks that
both agree with ``torch.nn.GRU`` (and LSTM, RNN) to float32 rounding.
"""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit

from physgen.kernels.cpu.recurrent import KERNELS, Kernel, scatter_add
from physgen.kernels.cpu.vecmath import CONTRACT, exp2

__all__ = ["LayerWeights", "draw", "sequence"]


def sequence(
    x: torch.Tensor, rows: torch.Tensor, w: torch.Tensor, b_n: torch.Tensor, cell: str
) -> torch.Tensor:
    """Return the hidden states of one layer, differentiable in x, w and b_n.

    Parameters
    ----------
    x : tensor (T, R, G) float32
        Input projections, with all biases but b_n.
    rows : tensor (T, B) int64
        Batch element b at time t reads ``x[t, rows[t, b]]``.
    w : tensor (G, H) float32
        Recurrent weight.
    b_n : tensor (H,) float32
        Bias inside the reset gate of a GRU; other cells ignore it.
    cell : {"rnn", "gru", "lstm"}

    Returns
    -------
    tensor (T, B, H) float32
    """
    return _Sequence.apply(x, rows, w, b_n, KERNELS[cell])  # type: ignore[return-value]


class _Sequence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x, rows, w, b_n, kernel: Kernel):
        (T, B), H = rows.shape, w.shape[1]
        # Only a backward pass needs the gates of every step; without it one row is reused.
        training = any(ctx.needs_input_grad)
        states = x.new_empty(T + 1, B, kernel.state * H)
        states[0] = 0
        saved = x.new_empty(T if training else 1, B if training else 1, kernel.saved * H)
        g = x.new_empty(B, kernel.gates * H)
        wT = w.detach().t()
        arrays = _arrays(x.contiguous(), rows, g, b_n.contiguous(), states, saved)
        x_np, rows_np, g_np, b_np, states_np, saved_np = arrays
        for t in range(T):
            torch.mm(states[t, :, :H], wT, out=g)
            slot = saved_np[t if training else 0]
            kernel.forward(x_np[t], rows_np[t], g_np, b_np, states_np[t], slot, states_np[t + 1])
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
        reset = w.shape[0] == 3 * H
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
            if reset:
                scatter_add(dg_np, row_0, db_np)
            # At once, while dg is in cache: one product over all t would stream it from memory.
            dw.addmm_(dgT, states[t, :, :H])
            d_state[:, :H].addmm_(dg, wd)
            d_out, d_state = d_state, d_out
        return dx, None, dw, db[0, -H:], None


def _arrays(*tensors: torch.Tensor) -> list[np.ndarray]:
    return [t.detach().numpy() for t in tensors]


@dataclass(frozen=True)
class LayerWeights:
    """The arrays that one layer needs to advance a step.

    Attributes
    ----------
    w : (G, H)
        Recurrent weight.
    b_n : (H,)
        Bias inside the reset gate; zero for other cells.
    table : (T, R, G) or None
        First layer: input projection by site and previous outcome, other biases included.
    w_in, b_in : (G, H), (G,) or None
        Higher layers: projection of the layer below, other biases included.
    """

    w: torch.Tensor
    b_n: torch.Tensor
    table: torch.Tensor | None = None
    w_in: torch.Tensor | None = None
    b_in: torch.Tensor | None = None


@njit(**CONTRACT)
def _add_table(table, rows, logits):
    """Add row ``rows[b]`` of table (R, K) to column b of logits (K, B)."""
    for i in range(rows.size):
        for k in range(logits.shape[0]):
            logits[k, i] += table[rows[i], k]


@njit(**CONTRACT)
def _softmax(logits, weights, total):
    """Write e^(logits - max) (K, B) to weights and their sum over outcomes to total (B,)."""
    K, B = logits.shape
    log2e, floor = np.float32(1.4426950408889634), np.float32(-100.0)
    top = logits[0].copy()
    for k in range(1, K):
        row = logits[k]
        for i in range(B):
            top[i] = max(top[i], row[i])
    total[:] = np.float32(0.0)
    for k in range(K):
        row, out = logits[k], weights[k]
        for i in range(B):
            out[i] = exp2(max(log2e * (row[i] - top[i]), floor))
        for i in range(B):
            total[i] += out[i]


@njit(**CONTRACT)
def _draw_outcomes(weights, total, u, outcomes):
    """Inverse-CDF draw from weights / total, for uniforms u (B,)."""
    K, B = weights.shape
    cumulated = np.zeros(B, dtype=np.float32)
    outcomes[:] = 0
    for k in range(K - 1):
        row = weights[k]
        for i in range(B):
            cumulated[i] += row[i]
        for i in range(B):
            outcomes[i] += cumulated[i] <= u[i] * total[i]


@njit(**CONTRACT)
def _chosen(weights, total, outcomes, probability):
    """Write the probability (B,) of the outcomes."""
    for i in range(outcomes.size):
        probability[i] = weights[outcomes[i], i] / total[i]


class _Product:
    """The product h W^T (+ b) of one layer, in float32 or with bfloat16 factors."""

    def __init__(
        self, w: torch.Tensor, B: int, precision: str, b: torch.Tensor | None = None
    ) -> None:
        self.wT, self.b, self.out = w.t(), b, torch.empty(B, w.shape[0])
        self.bfloat16 = precision == "bfloat16"
        if self.bfloat16:
            self.wT = self.wT.to(torch.bfloat16)
            self.h = torch.empty(B, w.shape[1], dtype=torch.bfloat16)
            self.g = torch.empty(B, w.shape[0], dtype=torch.bfloat16)

    def __call__(self, h: torch.Tensor) -> np.ndarray:
        if self.bfloat16:
            self.h.copy_(h)
            torch.mm(self.h, self.wT, out=self.g)
            self.out.copy_(self.g)
        else:
            torch.mm(h, self.wT, out=self.out)
        if self.b is not None:
            self.out.add_(self.b)
        return self.out.numpy()


@functools.cache
def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 numbers (AVX512-BF16, AMX, or Arm's)."""
    return any(there for name, there in torch.cpu.get_capabilities().items() if "bf16" in name)


def precision_here(precision: str) -> str:
    """Return the precision of the products; float32, with a warning, where it is faster."""
    if precision == "float32" or has_bfloat16():
        return precision
    warnings.warn(
        "precision 'bfloat16' is fast only on processors with instructions for it (AVX512-BF16, "
        "AMX), which this one lacks; products are made in float32 here, which is faster and exact",
        stacklevel=3,
    )
    return "float32"


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
    head : (w, table) of shapes (K, H), (T, K+1, K)
        Logits of the next outcome: w h plus the table by site and previous outcome.
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
    precision = precision_here(precision)
    kernel, (K, H) = KERNELS[cell], head[0].shape
    T, B = u.shape if given is None else given.shape  # type: ignore[union-attr]
    everyone = np.arange(B)
    recurrent = [_Product(layer.w, B, precision) for layer in layers]
    inputs = [None if w.w_in is None else _Product(w.w_in, B, precision, w.b_in) for w in layers]
    to_logits, logit_tables = head[0].contiguous(), head[1].numpy()
    logits, total = torch.empty(K, B), np.empty(B, dtype=np.float32)
    logits_np, weights = logits.numpy(), np.empty((K, B), dtype=np.float32)
    biases = [layer.b_n.numpy() for layer in layers]
    # Two buffers per layer, for the state before and after a step; they are swapped.
    old, new = ([torch.zeros(B, kernel.state * H) for _ in layers] for _ in range(2))
    old_np, new_np = [t.numpy() for t in old], [t.numpy() for t in new]
    saved = np.empty((1, kernel.saved * H), dtype=np.float32)
    outcomes = np.empty((T, B), dtype=np.int64)
    probability = np.empty((T, B))
    previous = np.full(B, K)  # row K of the table: nothing has been measured yet
    tables = [None if layer.table is None else layer.table.numpy() for layer in layers]
    for t in range(T):
        for i, table in enumerate(tables):
            g = recurrent[i](old[i][:, :H])
            if table is not None:
                x, rows = table[t], previous
            else:
                x, rows = inputs[i](new[i - 1][:, :H]), everyone  # type: ignore[misc]
            kernel.forward(x, rows, g, biases[i], old_np[i], saved, new_np[i])
        torch.mm(to_logits, new[-1][:, :H].t(), out=logits)
        _add_table(logit_tables[t], previous, logits_np)
        _softmax(logits_np, weights, total)
        if given is None:
            _draw_outcomes(weights, total, u[t], outcomes[t])  # type: ignore[index]
        else:
            outcomes[t] = given[t]
        _chosen(weights, total, outcomes[t], probability[t])
        previous = outcomes[t]
        old, new, old_np, new_np = new, old, new_np, old_np
    return outcomes, np.log(probability).sum(axis=0)
