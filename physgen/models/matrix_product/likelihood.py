r"""log q of outcomes as a differentiable function of the site tensors.

.. math:: \log q(a) = \log W(a) - \log W(\cdot), \qquad
          W(a) = \langle A| \bigotimes_i M_{a_i} |A\rangle ,

with the norm :math:`W(\cdot)` as the weight of one more string, all of whose elements are the
identity.  This string is in the same block of shots, so normalising costs one lane and no extra
code.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.kernels.cpu.matrix_product import LANES, log_weights

__all__ = ["Bonds", "log_likelihood"]


class Bonds(NamedTuple):
    """Structure of the tensors, for the kernel (:mod:`physgen.kernels.cpu.matrix_product`)."""

    sizes: np.ndarray
    even: np.ndarray
    flips: bool
    start: np.ndarray


def log_likelihood(
    A: torch.Tensor, bonds: Bonds, coefficients: np.ndarray, outcomes: np.ndarray
) -> torch.Tensor:
    """Return log q in nats, shape (n,), float64, differentiable in A.

    Parameters
    ----------
    A : tensor (L, chi, 2 K, chi)
        Site tensors [i, a, 2k + s, b] of float32 or float64, which sets the arithmetic.
    bonds : Bonds
    coefficients : array (n_outcomes, 4), or (L, n_outcomes, 4) of one measurement a site
        c_I, c_X, c_Y, c_Z of each element.
    outcomes : integer array (n, L)
    """
    return _LogLikelihood.apply(A, bonds, coefficients, outcomes)  # type: ignore[return-value]


class _LogLikelihood(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, A: torch.Tensor, bonds: Bonds, coefficients, outcomes):
        ctx.call, n = _Call(A, bonds, coefficients, outcomes), len(outcomes)
        # Losses are mostly the mean over a batch, so its gradient is computed in the same pass.
        weights = np.full(n, 1.0 / max(n, 1))
        ctx.weights = weights if ctx.needs_input_grad[0] else None
        log_q, ctx.gradient = ctx.call(ctx.weights)
        return torch.from_numpy(log_q)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grad_outputs):
        wanted = grad_outputs[0].numpy()
        factor = wanted[0] / ctx.weights[0]
        if np.all(wanted == wanted[0]):
            return torch.from_numpy(ctx.gradient * np.asarray(factor, ctx.gradient.dtype)), *_NONE
        return torch.from_numpy(ctx.call(wanted)[1]), *_NONE


_NONE = (None, None, None)


class _Call:
    """One call of the kernel, with everything but the weights of the shots."""

    def __init__(self, A: torch.Tensor, bonds: Bonds, coefficients, outcomes) -> None:
        self.A = np.ascontiguousarray(A.detach().numpy())
        kind = self.A.dtype
        self.n, L = outcomes.shape
        self.padded = -(-(self.n + 1) // LANES) * LANES
        rows = coefficients.reshape(-1, 4)
        self.shots = np.full((L, self.padded), len(rows), np.int64)  # identity
        self.shots[:, : self.n] = outcomes.T
        if coefficients.ndim == 3:  # outcome a of site i has row i K + a
            self.shots[:, : self.n] += coefficients.shape[1] * np.arange(L)[:, None]
        identity = np.array([[1.0, 0.0, 0.0, 0.0]])
        self.elements = np.concatenate([rows, identity]).astype(kind)
        self.bonds = (bonds.sizes, bonds.even, bonds.flips, bonds.start.astype(kind))

    def __call__(self, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return log q, and the gradient of sum_n weights_n log q_n."""
        kind, logs = self.A.dtype, np.empty(self.padded)
        lanes = np.zeros(self.padded, kind)
        gradient = np.zeros((0, *self.A.shape[1:]), kind)
        if weights is not None:
            lanes[: self.n], lanes[self.n] = weights, -weights.sum()
            gradient = np.zeros_like(self.A)
        log_weights(self.A, *self.bonds, self.elements, self.shots, lanes, logs, gradient)
        return logs[: self.n] - logs[self.n], gradient
