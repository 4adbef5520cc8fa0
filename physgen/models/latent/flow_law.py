r"""Laws of latents made by a flow: richer priors and posteriors.

.. math:: z = f_c(e), \quad e \sim N(0, 1), \qquad
          \log r(z) = \log N(e) - \log \Big| \det \frac{\partial f_c}{\partial e} \Big| ,

with affine couplings of zuko whose networks see a context c: what the encoder says of x, or
nothing for a prior.  An even law is the mixture of this one and its mirror image,
:math:`\tfrac12 (r(z) + r(-z))`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import nn

from physgen.core.random import Stream
from physgen.models.latent.latent_laws import Normal

__all__ = ["FlowLaw", "LatentFlow", "frozen"]

_FIRST = 0.1  # of the last weights of zuko


@final
class LatentFlow(nn.Module):
    """Affine couplings of n latents.

    Parameters
    ----------
    n, context : int
        Latents, and numbers that the couplings see beside them.
    layers, width : int
    rng : Stream
    """

    def __init__(self, n: int, context: int, layers: int, width: int, rng: Stream) -> None:
        super().__init__()
        from zuko import flows

        # zuko draws initial weights from torch's global state, which is restored afterwards.
        seed = int(rng.numpy().integers(2**62))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.flow: Any = flows.RealNVP(
                n, context, transforms=layers, hidden_features=(width,)
            ).transform
        with torch.no_grad():  # almost the identity to begin with
            for layer in self.flow.transforms:
                last: Any = [m for m in layer.modules() if hasattr(m, "weight")][-1]
                last.weight.mul_(_FIRST)
                last.bias.zero_()

    def forward(self, context: torch.Tensor | None) -> Any:
        """Return the transformation from z to e."""
        return self.flow(context)


@final
@dataclass(frozen=True)
class FlowLaw:
    """The law that a flow makes of N(0, 1), around a normal law.

    Attributes
    ----------
    flow : LatentFlow
    base : Normal
        Its draws are what the flow transforms, (B, n).
    context : tensor (B, c) or None
    even : bool
        Mix it with its mirror image.
    is_held : bool
        Whether gradients pass the flow without reaching its weights.
    """

    flow: LatentFlow
    base: Normal
    context: torch.Tensor | None
    even: bool = False
    is_held: bool = False

    def draw(self, k: int, generator: torch.Generator) -> torch.Tensor:
        """Return k draws (k, B, n), differentiable."""
        e = self.base.draw(k, generator)
        z = self._map(e).inv(e)
        if not self.even:
            return z
        u = torch.rand(z.shape[:-1], generator=generator, device=z.device)
        return torch.where(u < 0.5, 1.0, -1.0).to(z)[..., None] * z

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (..., B)."""
        if not self.even:
            return self._log_prob(z)
        return torch.logaddexp(self._log_prob(z), self._log_prob(-z)) - math.log(2)

    def _log_prob(self, z: torch.Tensor) -> torch.Tensor:
        with frozen(self.flow) if self.is_held else _nothing():
            e, log_det = self._map(z).call_and_ladj(z)
        return self.base.log_prob(e) + log_det.double()

    def _map(self, z: torch.Tensor) -> Any:
        c = self.context
        return self.flow(None if c is None else c.expand(*z.shape[:-1], c.shape[-1]))

    def held(self) -> FlowLaw:
        """Return the law with parameters that gradients do not reach."""
        c = None if self.context is None else self.context.detach()
        return FlowLaw(self.flow, self.base.held(), c, self.even, True)


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let no gradient reach the weights of a module; those of its input pass."""
    weights = [p for p in module.parameters() if p.requires_grad]
    for p in weights:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in weights:
            p.requires_grad_(True)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
