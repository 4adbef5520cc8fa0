r"""A critic whose weights and optimiser are arrays, carried from step to step of a fit.

The weights of all layers are one vector w, and an update by Adam is a function of the old state:

.. math:: m' = \beta_1 m + (1 - \beta_1) g , \quad v' = \beta_2 v + (1 - \beta_2) g^2 , \quad
          w' = w - \eta \, \frac{m' / (1 - \beta_1^t)}{\sqrt{v' / (1 - \beta_2^t)} + \epsilon} .

Nothing is changed in place: the objective that holds the critic stays as it is, and a resumed fit
repeats the uninterrupted one bit for bit.  :math:`\beta_1 = 0`: with a memory of old generators
the two players circle.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.func import functional_call

from physgen.core.errors import InputError
from physgen.core.learning import Carry

__all__ = ["CriticState", "Scores", "decay"]

Scores = Callable[[torch.Tensor], torch.Tensor]  # x (B, *event_shape) -> D (B,) or (B, F)

_NAMES = ("critic", "critic_first", "critic_second")
_RUNNING = (nn.modules.batchnorm._BatchNorm, nn.modules.instancenorm._InstanceNorm)


class CriticState:
    """The architecture of a critic, and functions of its weights as one vector.

    Parameters
    ----------
    critic : nn.Module
        Its parameters are where every fit begins; the module itself is never changed.
    rate : float
        Learning rate.
    betas : (float, float)
        Decays of Adam's moments.

    Raises
    ------
    InputError
        If the critic has no parameters, or keeps statistics of batches.
    """

    def __init__(
        self, critic: nn.Module, rate: float, betas: tuple[float, float] = (0.0, 0.99)
    ) -> None:
        if any(isinstance(module, _RUNNING) for module in critic.modules()):
            raise InputError(
                "a critic must not normalise over a batch (its penalty is for single draws, and "
                "its state is its weights alone), got one that does; take layer normalisation"
            )
        self.names = [name for name, _ in critic.named_parameters()]
        if not self.names:
            raise InputError(f"a critic must have parameters, got {type(critic).__name__} of none")
        self.shapes = [p.shape for p in critic.parameters()]
        self.sizes = [p.numel() for p in critic.parameters()]
        self.start = torch.cat([p.detach().flatten() for p in critic.parameters()])
        self.rate, self.betas = rate, betas
        self._module = critic

    def begin(self, device: Any) -> dict[str, torch.Tensor]:
        """Return the first weights, and Adam before its first step."""
        w = self.start.to(device)
        self._module = self._module.to(device)
        zero = torch.zeros_like(w)
        return {
            "critic": w.clone(),
            "critic_first": zero,
            "critic_second": zero.clone(),
            "critic_steps": torch.tensor(0, dtype=torch.int64),
        }

    def scores(self, w: torch.Tensor, beside: float | None = None) -> Scores:
        """Return the critic of these weights, a function of x, with a number beside each x."""
        parts = zip(self.names, w.split(self.sizes), self.shapes, strict=True)
        weights = {name: part.view(shape) for name, part, shape in parts}
        if beside is None:
            return lambda x: functional_call(self._module, weights, (x,))
        return lambda x: functional_call(
            self._module, weights, (x, x.new_full((len(x), 1), beside))
        )

    def updated(
        self, carry: Carry, loss: Callable[[torch.Tensor], torch.Tensor], factor: float = 1.0
    ) -> tuple[dict[str, torch.Tensor], float]:
        """Return the state after a step that lowers `loss`, a function of w, and the loss.

        `factor` multiplies the learning rate.
        """
        w = carry["critic"].detach().requires_grad_(True)
        with torch.enable_grad():
            value = loss(w)
            (g,) = torch.autograd.grad(value, w)
        (b1, b2), t = self.betas, int(carry["critic_steps"]) + 1
        first = b1 * carry["critic_first"] + (1 - b1) * g
        second = b2 * carry["critic_second"] + (1 - b2) * g * g
        width = (second / (1 - b2**t)).sqrt() + 1e-8
        new = w.detach() - self.rate * factor / (1 - b1**t) * first / width
        steps = torch.tensor(t, dtype=torch.int64)
        state = dict(zip(_NAMES, (new, first, second), strict=True)) | {"critic_steps": steps}
        return state, float(value.detach())

    def clipped(self, state: dict[str, torch.Tensor], bound: float) -> dict[str, torch.Tensor]:
        """Return the state with every weight within +-bound."""
        return state | {"critic": state["critic"].clamp(-bound, bound)}


def decay(progress: float) -> float:
    """Return the factor of the critic's learning rate at a share of the steps: a half cosine."""
    return 0.5 * (1 + math.cos(math.pi * progress))
