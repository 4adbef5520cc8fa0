r"""Networks of strings as models of spins: outcome 1 is a spin up.

.. math:: b_i = \tfrac12 (l_{i1} - l_{i0}), \qquad \log \mathrm{softmax}(l_i)_{a_i}
          = \log \sigma(2 s_i b_i), \qquad s_i = 2 a_i - 1,

with the logits l_i of a recurrent, convolutional or attentive network of two outcomes
(:mod:`physgen.models.autoregressive.base`), along the sites in raster order.  For spins relative
to the first one (:mod:`~physgen.models.autoregressive.raster`) the string begins at the second.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, final

import torch
from torch.nn.functional import pad

from physgen.core.checks import check_choice
from physgen.core.random import Stream
from physgen.models.autoregressive.base import AutoregressiveNet
from physgen.models.autoregressive.convolution import ConvolutionNet
from physgen.models.autoregressive.raster import RasterNet, Step
from physgen.models.autoregressive.recurrent import RecurrentNet
from physgen.models.autoregressive.transformer import TransformerNet

__all__ = ["NETS", "SpinStrings"]

NETS: dict[str, Callable[..., AutoregressiveNet]] = {
    "rnn": partial(RecurrentNet, cell="rnn"),
    "gru": partial(RecurrentNet, cell="gru"),
    "lstm": partial(RecurrentNet, cell="lstm"),
    "convolution": ConvolutionNet,
    "transformer": TransformerNet,
}


@final
class SpinStrings(RasterNet):
    """An autoregressive model of spins by a network of strings.

    Parameters
    ----------
    shape : sequence of int
        Extents of a lattice of any dimension.
    boundary : str or sequence of str
        "periodic" or "open", for all axes or one each.
    halved : bool
        Spins live on the even sublattice, in the order of ``lattice.split``.
    odd : bool
        q(-s) = q(s), exactly.
    net : {"gru", "rnn", "lstm", "convolution", "transformer"}
    rng : Stream or int
        Initial weights of the network; its logits start from zero, so q is uniform.
    **options
        Other arguments of the network, e.g. `hidden` and `layers`.

    Raises
    ------
    InputError
        If the network is unknown or an argument is out of range.
    TypeError
        If the network has no such argument.
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = "periodic",
        halved: bool = False,
        odd: bool = True,
        net: str = "gru",
        *,
        rng: Stream | int,
        **options: Any,
    ) -> None:
        super().__init__(shape, boundary, halved, odd)
        make = NETS[check_choice("net", net, tuple(NETS))]
        self.net, self.network = net, make(L=self.n - self.odd, K=2, **options, rng=rng)
        with torch.no_grad():
            self.network.head.weight.zero_()
            self.network.head.bias.zero_()

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        sizes = {k: v for k, v in self.network.arguments.items() if k not in ("L", "K")}
        return {**super().config, **sizes}

    def _fields(self, t: torch.Tensor) -> torch.Tensor:
        outcomes = (t[:, int(self.odd) :] > 0).long().t().contiguous()
        b = _half_difference(self.network._logits(outcomes)).t()
        return pad(b, (int(self.odd), 0))

    def _walk(self, B: int) -> Step:
        step, first = self.network._walk(B), int(self.odd)

        def spin_step(i: int, previous: torch.Tensor) -> torch.Tensor:
            if i < first:
                return torch.zeros_like(previous)
            outcomes = (previous > 0).long()
            if i == first:
                outcomes.fill_(self.network.K)  # nothing before
            return _half_difference(step(i - first, outcomes))

        return spin_step

    def _drawn(self, u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not isinstance(self.network, RecurrentNet):
            return super()._drawn(u)
        # Recurrent networks have compiled loops of their own, where large numbers mean outcome 1.
        outcomes, log_q = self.network._draw(1 - u[int(self.odd) :].cpu().numpy())
        t = 2 * outcomes.t().to(u.dtype) - 1
        if not self.odd:
            return t, log_q
        return torch.cat([torch.ones_like(t[:1]), t]), log_q - math.log(2)


def _half_difference(logits: torch.Tensor) -> torch.Tensor:
    return 0.5 * (logits[..., 1] - logits[..., 0])
