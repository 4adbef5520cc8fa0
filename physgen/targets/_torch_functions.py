"""The torch part of function targets; imported only if torch is already in use."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from physgen.core.errors import InputError

__all__ = ["action", "as_returned", "force", "numpy_action"]


def action(function: Callable[[Any], Any], x: Any) -> Any:
    """Return S(x) of a torch function, NumPy for NumPy and differentiable for torch."""
    if isinstance(x, torch.Tensor):
        return function(x).double()
    return as_returned(function, x).double().cpu().numpy()


def as_returned(function: Callable[[Any], Any], x: np.ndarray) -> torch.Tensor:
    """Return S(x) of a NumPy batch as the function gives it."""
    with torch.no_grad():
        return function(_tensor(x))


def force(
    function: Callable[[Any], Any], given: Callable[[Any], Any] | None, x: Any
) -> torch.Tensor | np.ndarray:
    """Return -dS/dx, from `given` if it is not None, else by automatic differentiation."""
    at = x if isinstance(x, torch.Tensor) else _tensor(x)
    if given is not None:
        F = given(at)
    else:
        with torch.enable_grad():
            F = -_gradient(function, at.detach().clone().requires_grad_(True))
    F = F.detach()
    return F if isinstance(x, torch.Tensor) else F.cpu().numpy()


def _gradient(function: Callable[[Any], Any], leaf: torch.Tensor) -> torch.Tensor:
    try:
        S = function(leaf)
        if S.requires_grad:
            return torch.autograd.grad(S.sum(), leaf)[0]
    except RuntimeError as error:
        if "inplace" not in str(error) and "in-place" not in str(error):
            raise
        raise InputError(
            "a torch action must not overwrite what its gradient needs, got an operation in "
            "place; write x = x * x rather than x *= x or x.mul_(x)"
        ) from None
    raise InputError(
        "a torch action must be differentiable, got a result without a gradient; compute with "
        "torch functions only, or pass library='numpy'"
    )


def numpy_action(
    function: Callable[[Any], Any], force: Callable[[Any], Any] | None, x: torch.Tensor
) -> torch.Tensor:
    """Return S(x) of a NumPy function for a tensor that needs gradients: backward is -force."""
    if force is None:
        raise InputError(
            "a NumPy action must come with a force to be differentiated, got none; give "
            "force=..., or write the action in torch and pass library='torch'"
        )
    if x.device.type != "cpu":
        warnings.warn(
            f"a NumPy action of tensors on {x.device} copies every batch to the CPU and back; "
            "write it in torch to avoid that",
            stacklevel=4,
        )
    return _NumpyAction.apply(x, function, force)  # type: ignore[return-value]


class _NumpyAction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, function: Any, force: Any) -> torch.Tensor:
        values = x.detach().cpu().numpy()
        ctx.force, ctx.values = force, values
        S = np.asarray(function(values), dtype=np.float64)
        return torch.from_numpy(S).to(x.device)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        (grad,) = grad_outputs
        F = torch.from_numpy(np.ascontiguousarray(ctx.force(ctx.values))).to(grad.device)
        shape = (-1,) + (1,) * (F.ndim - 1)
        return -F * grad.reshape(shape).to(F.dtype), None, None


def _tensor(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x))
