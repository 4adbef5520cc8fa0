r"""Base classes of all models: kinds of arrays, checked batches, a config and a fingerprint.

A model is one of

- a density: :math:`\log q(x)`, normalised, and draws (:class:`DensityModel`; its two kinds are
  :mod:`~physgen.models.strings` and :mod:`~physgen.models.configurations`),
- an energy: an action S(x) with weights, which every sampler runs on (:class:`EnergyModel`),
- a generator: draws, and no density (:class:`Generator`).

Gradients follow one contract: NumPy in gives NumPy out, without gradients; a tensor gives a
tensor, differentiable in the weights (and in real fields) wherever gradients are enabled.
Logarithms and actions are float64, in nats.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError, NoDensityError
from physgen.core.protocols import Support
from physgen.core.random import Stream
from physgen.models.families import FAMILIES, name_of
from physgen.models.precision import without_tf32

__all__ = ["DensityModel", "EnergyModel", "Generator", "Model"]


class Model(nn.Module, ABC):
    """A network over configurations of one shape and support.

    Every argument of a family's constructor, `rng` apart, is an attribute of the same name:
    :attr:`config` reads them there.

    Parameters
    ----------
    event_shape : tuple of int
        Shape of one configuration.
    support : Support
        Outcomes, real numbers or spins.
    """

    def __init__(self, event_shape: tuple[int, ...], support: Support) -> None:
        super().__init__()
        self._event_shape = tuple(check_positive_int("each extent", n) for n in event_shape)
        self._support = support

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return self._event_shape

    @property
    def support(self) -> Support:
        """Outcomes, real numbers or spins."""
        return self._support

    @property
    def dtype(self) -> torch.dtype:
        """Type of the weights, and of fields that are drawn."""
        return next(self.parameters()).dtype

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return next(self.parameters()).device

    @property
    @abstractmethod
    def block(self) -> int:
        """Configurations that are computed at once without gradients."""

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        """Move or convert the weights, as ``to`` does; on CUDA devices without TF32."""
        moved = super()._apply(fn, recurse)
        if any(p.is_cuda for p in self.parameters()):
            without_tf32()
        return moved

    # --- identity ---------------------------------------------------------------------------

    @property
    def arguments(self) -> dict[str, Any]:
        """Arguments of the constructor (JSON types) that the family does not fix."""
        names = FAMILIES[name_of(self)].arguments
        return {name: _plain(getattr(self, name)) for name in names}

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build`` (JSON types) that give the same architecture again."""
        return {"family": name_of(self), **self.arguments}

    @property
    def fingerprint(self) -> str:
        """Digest of architecture and weights: models of equal fingerprints are the same."""
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for name, tensor in self.state_dict().items():
            array = to_numpy(tensor)
            digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
        return digest.hexdigest()[:16]

    def extra_repr(self) -> str:
        """Sizes, shown by ``repr``."""
        n = sum(p.numel() for p in self.parameters())
        return f"event_shape={self._event_shape}, n_parameters={n}"

    # --- kinds of arrays --------------------------------------------------------------------

    def _batch(self, x: Any) -> torch.Tensor:
        """Return configurations (..., *event_shape) as one checked batch (B, *event_shape)."""
        tensor = x if isinstance(x, torch.Tensor) else torch.as_tensor(np.asarray(x))
        shape, dim = tuple(tensor.shape), len(self._event_shape)
        if len(shape) < dim or shape[len(shape) - dim :] != self._event_shape:
            text = ", ".join(map(str, self._event_shape))
            raise InputError(f"x must have shape (..., {text}), got {shape}")
        self._check(tensor)
        return tensor.reshape(-1, *self._event_shape)

    def _check(self, x: torch.Tensor) -> None:
        """Raise InputError unless x holds values of the support."""
        if self._support.kind == "spins" and not bool((x.abs() == 1).all()):
            raise InputError("x must hold spins -1 and 1, got other numbers")
        if (K := self._support.K) is None:
            return
        if x.is_floating_point() or x.is_complex():
            raise InputError(f"x must hold integer outcomes, got dtype {x.dtype}")
        if x.numel() and (int(x.min()) < 0 or int(x.max()) >= K):
            raise InputError(
                f"outcomes must lie in 0..{K - 1}, got {int(x.min())}..{int(x.max())}"
            )

    def _prepared(self, x: torch.Tensor) -> torch.Tensor:
        """Return a batch as `forward` takes it: on the model's device, numbers of its type."""
        return x.to(self.device) if self._support.K else x.to(self.device, self.dtype)

    def _score(self, x: torch.Tensor) -> np.ndarray:
        """Return `forward` (B,) of a checked batch of at most `block`, without gradients."""
        with torch.no_grad():
            return self(self._prepared(x)).cpu().numpy()

    def _evaluated(self, x: Any) -> Any:
        """Return `forward` (...) of configurations x, as the contract for gradients says."""
        flat = self._batch(x)
        lead = tuple(np.shape(x))[: np.ndim(x) - len(self._event_shape)]
        if isinstance(x, torch.Tensor) and torch.is_grad_enabled():
            parts = [self(part) for part in self._prepared(flat).split(self.block)]
            found = torch.cat(parts) if parts else flat.new_empty(0, dtype=torch.float64)
            return found.reshape(lead).to(x.device)
        scored = [self._score(part) for part in flat.split(self.block)]
        return like((np.concatenate(scored) if scored else np.empty(0)).reshape(lead), x)

    def _slope(self, x: Any) -> Any:
        """Return d forward / dx of real fields, with the shape, kind and type of x."""
        if self._support.kind != "reals":
            raise InputError(f"a force needs real fields, got a model of {self._support.kind}")
        flat = self._prepared(self._batch(x)).detach()
        parts = [_gradient(self, part) for part in flat.split(self.block)]
        found = torch.cat(parts) if parts else flat
        if isinstance(x, torch.Tensor):
            return found.reshape(x.shape).to(x.device, x.dtype)
        return found.cpu().numpy().reshape(x.shape).astype(x.dtype)


class DensityModel(Model):
    """A normalised distribution; a Density and Trainable."""

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64 of (B, *event_shape), differentiable in the weights.

        The one method that training calls with data, on the model's device.
        """

    @abstractmethod
    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n draws and their log q, on the model's device and without gradients.

        The draws depend on `rng` alone: the first m of n draws are the m draws.
        """

    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws; see :meth:`sample_and_log_prob`."""
        return self.sample_and_log_prob(n, rng)[0]

    def refined(self) -> DensityModel | None:
        """Return the same density with twice the steps, or None if nothing in it takes steps."""
        return None

    def log_prob(self, x: Any) -> Any:
        """Return log q in nats.

        Parameters
        ----------
        x : array or tensor (..., *event_shape)

        Returns
        -------
        array or tensor (...) float64
            The kind of x; differentiable if x is a tensor and gradients are enabled.

        Raises
        ------
        InputError
            If x has the wrong shape, or a value lies outside the support.
        """
        return self._evaluated(x)


class EnergyModel(Model):
    """An action with weights; a Target on which every sampler runs.

    Its fingerprint depends on its weights: no chain continues under other weights.
    """

    def _prepared(self, x: torch.Tensor) -> torch.Tensor:
        """Return a batch as `forward` takes it; accept steps need all digits of an action."""
        if self.dtype not in (torch.float32, torch.float64):
            raise InputError(
                f"the weights of an energy must be float32 or float64, got {self.dtype}, which "
                "leaves no digits for accept steps, and is many times slower on processors "
                "without its instructions; take model.float()"
            )
        return super()._prepared(x)

    @abstractmethod
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64 of (B, *event_shape), differentiable in weights and fields."""

    def action(self, x: Any) -> Any:
        """Return S = -log of the unnormalised weight.

        Parameters
        ----------
        x : array or tensor (..., *event_shape)

        Returns
        -------
        array or tensor (...) float64
            The kind of x; differentiable if x is a tensor and gradients are enabled.

        Raises
        ------
        InputError
            If x has the wrong shape, or a value lies outside the support.
        """
        return self._evaluated(x)

    def force(self, x: Any) -> Any:
        """Return -dS/dx of real fields, with the shape, kind and type of x, without gradients."""
        return -self._slope(x)

    def action_and_force(self, x: Any) -> tuple[Any, Any]:
        """Return both from one evaluation of the network, without gradients.

        Raises
        ------
        InputError
            As `action` does, or if the model is not one of real fields.
        """
        if self._support.kind != "reals":
            raise InputError(f"a force needs real fields, got a model of {self._support.kind}")
        flat = self._prepared(self._batch(x)).detach()
        actions, slopes = [flat.new_empty(0, dtype=torch.float64)], [flat[:0]]
        for part in flat.split(self.block):
            at = part.requires_grad_(True)
            with torch.enable_grad():
                found = self(at)
                slopes.append(torch.autograd.grad(found.sum(), at)[0])
            actions.append(found.detach())
        lead = tuple(np.shape(x))[: np.ndim(x) - len(self._event_shape)]
        action, slope = torch.cat(actions).reshape(lead), torch.cat(slopes).reshape(x.shape)
        if isinstance(x, torch.Tensor):
            return action.to(x.device), -slope.to(x.device, x.dtype)
        return action.cpu().numpy(), -slope.cpu().numpy().astype(x.dtype)


class Generator(Model):
    """Draws without a density; a Simulator, whose results are approximate.

    ``log_prob`` is refused with the reason, by an error that is an AttributeError as well: no
    capability is pretended.
    """

    @abstractmethod
    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws (n, *event_shape) on the model's device.

        The draws depend on `rng` alone: the first m of n draws are the m draws.
        """

    def __getattr__(self, name: str) -> Any:
        """Refuse what only a density has, and say why."""
        if name in ("log_prob", "sample_and_log_prob"):
            raise NoDensityError(
                f"{name} needs a density, and {type(self).__name__} only draws: many latent "
                "variables lead to one configuration, or none; compare its draws (two_sample), "
                "or take a flow, which keeps its density in the same training"
            )
        return super().__getattr__(name)


def _gradient(function: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    at = x.detach().requires_grad_(True)
    with torch.enable_grad():
        return torch.autograd.grad(function(at).sum(), at)[0]


def _plain(value: Any) -> Any:
    """Return a value in JSON types."""
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return dict(value) if isinstance(value, dict) else value
