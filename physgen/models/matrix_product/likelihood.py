r"""log q of outcomes as a differentiable function of the site tensors.

.. math:: \log q(a) = \log W(a) - \log W(\cdot), \qquad
          W(a) = \langle A| \bigotimes_i M_{a_i} |A\rangle ,

with the norm :math:`W(\cdot)` as the weight of one more string, all of whose elements are the
identity.  This string is in the same block of shots, so normalising costs one lane and no extra
code.

Training in float32 repeats the blocks in float64 whose shots need it, because their amplitudes
cancel (kappa of :mod:`physgen.kernels.cpu.matrix_product`): first steps on long chains, while the
left and the right part of a shot exclude each other.  A shot that is noise in float64 too has no
slope, and its log q is the level of the noise: too high, but finite.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.kernels.cpu.matrix_product import LANES, log_weights

__all__ = ["Bonds", "log_likelihood"]


ACCURACY = 1e-2  # of the log weight of a shot, at which its block is repeated in float64


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
        self.n, L = outcomes.shape
        padded = -(-(self.n + 1) // LANES) * LANES
        rows = coefficients.reshape(-1, 4)
        self.shots = np.full((L, padded), len(rows), np.int64)  # identity
        self.shots[:, : self.n] = outcomes.T
        if coefficients.ndim == 3:  # outcome a of site i has row i K + a
            self.shots[:, : self.n] += coefficients.shape[1] * np.arange(L)[:, None]
        identity = np.array([[1.0, 0.0, 0.0, 0.0]])
        self.elements, self.bonds = np.concatenate([rows, identity]), bonds

    def __call__(self, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
        """Return log q, and the gradient of sum_n weights_n log q_n."""
        kind = self.A.dtype
        if weights is None:
            logs, gradient, _ = self._blocks(self.shots, None, kind, np.inf)
            return self._normalised(logs), gradient
        lanes = np.zeros(self.shots.shape[1])
        lanes[: self.n], lanes[self.n] = weights, -weights.sum()
        logs, gradient, lost = self._blocks(self.shots, lanes, kind, _limit(kind))
        if kind != np.float64 and lost.any():
            again = _whole_blocks(lost)
            logs[again], more, lost[again] = self._blocks(
                self.shots[:, again], lanes[again], np.float64, _limit(np.float64)
            )
            gradient += more.astype(kind)
        if lost.any():  # rare: also the norm has other weights then
            lanes[: self.n][lost[: self.n]] = 0.0
            lanes[self.n] = -lanes[: self.n].sum()
            gradient = self._blocks(self.shots, lanes, np.float64, np.inf)[1].astype(kind)
        return self._normalised(logs), gradient

    def _normalised(self, logs: np.ndarray) -> np.ndarray:
        return logs[: self.n] - logs[self.n]

    def _blocks(self, shots: np.ndarray, lanes: np.ndarray | None, kind: Any, limit: float):
        """Return log W, the gradient of the blocks below the limit, and which shots are not."""
        A, n = self.A.astype(kind, copy=False), shots.shape[1]
        logs, lost = np.empty(n), np.empty(n, np.bool_)
        gradient = np.zeros((0, *A.shape[1:]), kind) if lanes is None else np.zeros_like(A)
        weights = np.zeros(n, kind) if lanes is None else lanes.astype(kind)
        sizes, even, flips, start = self.bonds
        log_weights(
            A, sizes, even, flips, start.astype(kind), self.elements.astype(kind), shots, weights,
            logs, gradient, limit, lost,
        )  # fmt: skip
        return logs, gradient, lost


def _limit(kind: Any) -> float:
    return ACCURACY / float(np.finfo(kind).eps)


def _whole_blocks(lost: np.ndarray) -> np.ndarray:
    """Return the positions of all shots in blocks that have a lost one."""
    return np.flatnonzero(np.repeat(lost.reshape(-1, LANES).any(axis=1), LANES))
