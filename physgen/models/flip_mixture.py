r"""A density made even under a flip of all sites, whatever the architecture.

.. math:: q_s(x) = \tfrac12 [\, q(x) + q(-x) \,] ,

which is normalised, and no further from a target with S(-x) = S(x) than q is:
:math:`D(q_s \| p) \le D(q \| p)` by convexity.  If q has found one of two mirrored modes, q_s has
both (Nicoli et al., PRL 126, 032001 (2021); Hackett et al., arXiv:2107.00734).  A draw is a draw
of q times a random sign; a density costs two evaluations of q.
"""

from __future__ import annotations

import math
from typing import Any, final

import torch

from physgen.core.errors import InputError
from physgen.models.configurations import ConfigurationModel

__all__ = ["FlipMixture"]


@final
class FlipMixture(ConfigurationModel):
    """The equal mixture of a model and its mirror image.

    Parameters
    ----------
    base : ConfigurationModel
        Of real fields or spins; trained through this mixture, or before.

    Raises
    ------
    InputError
        If the base is another kind of model, or a mixture already.
    """

    def __init__(self, base: Any) -> None:
        if not isinstance(base, ConfigurationModel) or isinstance(base, FlipMixture):
            raise InputError(
                "a flip mixture needs a model of configurations that is none yet, got "
                f"{type(base).__name__}; of a decimated model take that of the even sites"
            )
        super().__init__(base.event_shape, base.support)
        self.base = base

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {"family": "flip-mixture", "base": self.base.config}

    @property
    def passes(self) -> int:
        """Passes through the networks of the base in its slower direction."""
        return int(getattr(self.base, "passes", 1))

    def refined(self) -> FlipMixture | None:
        """Return the mixture of a finer base, or None if the base takes no steps."""
        finer = self.base.refined()
        return None if finer is None else FlipMixture(finer)

    def transferred(self, shape: Any) -> FlipMixture:
        """Return the mixture of the base on another lattice."""
        return FlipMixture(self.base.transferred(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q_s (B,) float64, differentiable in weights and fields."""
        both = self.base(torch.cat([x, -x]))
        return _mean(*both.chunk(2))

    def draw(self, n: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
        """Return n configurations and their log q_s, differentiable in the weights."""
        x, log_q = self.base.draw(n, generator)
        up = torch.rand(n, generator=generator, device=generator.device) < 0.5
        sign = torch.where(up, 1.0, -1.0).to(x.dtype).view(n, *[1] * (x.ndim - 1))
        return sign * x, _mean(log_q, self.base(-x))


def _mean(log_a: torch.Tensor, log_b: torch.Tensor) -> torch.Tensor:
    return torch.logaddexp(log_a, log_b) - math.log(2)
