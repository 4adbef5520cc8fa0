"""The published tutorial design of a lattice flow, as a peer: checkerboard affine couplings.

16 layers of alternating parity; scale and shift of the active sites come from a periodic
convolution 1-8-8-2 (kernel 3, leaky ReLU, tanh) of the frozen ones; a standard normal base; reverse
KL by reparametrisation, Adam 1e-3, batches of 64, float64 (Albergo et al., arXiv:2101.08176).
Written for this comparison from the description of the method.
"""

from __future__ import annotations

import math
import time
from typing import Any

import torch
from torch import nn

__all__ = ["TutorialFlow", "train"]


class TutorialFlow(nn.Module):
    """16 affine couplings on an L x L lattice."""

    def __init__(self, L: int, seed: int, layers: int = 16, dtype: torch.dtype = torch.float64):
        super().__init__()
        torch.manual_seed(seed)
        parity = (torch.arange(L)[:, None] + torch.arange(L)) % 2
        self.masks = [(parity == k % 2).to(dtype) for k in range(layers)]

        def net() -> nn.Sequential:
            how = {"padding": 1, "padding_mode": "circular", "dtype": dtype}
            return nn.Sequential(
                nn.Conv2d(1, 8, 3, **how), nn.LeakyReLU(),
                nn.Conv2d(8, 8, 3, **how), nn.LeakyReLU(),
                nn.Conv2d(8, 2, 3, **how), nn.Tanh(),
            )  # fmt: skip

        self.nets = nn.ModuleList(net() for _ in range(layers))
        self.L, self.dtype = L, dtype

    def draw(self, n: int, generator: torch.Generator) -> tuple[Any, Any]:
        """Return fields (n, L, L) and their log q."""
        x = torch.randn(n, self.L, self.L, generator=generator, dtype=self.dtype)
        log_q = -0.5 * (x.double() ** 2).sum((1, 2)) - 0.5 * self.L**2 * math.log(2 * math.pi)
        for mask, net in zip(self.masks, self.nets):
            out = net((mask * x)[:, None])
            s, t = (1 - mask) * out[:, 0], (1 - mask) * out[:, 1]
            x = mask * x + (1 - mask) * (torch.exp(s) * x + t)
            log_q = log_q - s.double().sum((1, 2))
        return x, log_q


def train(target: Any, L: int, seconds: float, seed: int) -> tuple[TutorialFlow, int]:
    """Train for so many CPU seconds; return the flow and the number of steps."""
    flow, steps = TutorialFlow(L, seed), 0
    optimizer = torch.optim.Adam(flow.parameters(), lr=1e-3)
    generator = torch.Generator().manual_seed(seed)
    start = time.process_time()
    while time.process_time() - start < seconds:
        optimizer.zero_grad()
        x, log_q = flow.draw(64, generator)
        (log_q + target.action(x)).mean().backward()
        optimizer.step()
        steps += 1
    return flow, steps
