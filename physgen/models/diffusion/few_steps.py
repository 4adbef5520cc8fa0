r"""Draws of a score model in a few steps that were taught to land where many would.

From y ~ N(0, 1) with the spectrum C of a teacher, K steps of the midpoint rule in
:math:`\tau = \frac12 \ln(\lambda^2 + \delta^2)` with a network of its own,

.. math:: y \to y + h \, v\big( y + \tfrac12 h \, v(y, \tau) , \tau + \tfrac12 h \big) ,
          \qquad x = C^{1/2} y ,

2 K evaluations in all.  The map of K long steps need not be invertible, and its determinant is not
computed: there is no density.  Whatever is drawn is a proposal, and every result from it is
approximate, until chains of the target have gone on from it.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import normal
from physgen.models.decimated import Decimated
from physgen.models.diffusion.score import ScoreModel

__all__ = ["FewSteps"]


class FewSteps(nn.Module):
    """A Simulator with the network of a score model; a proposal, without a density.

    Parameters
    ----------
    teacher : ScoreModel, or Decimated with one
        Its weights are copied to begin with.
    n_steps : int
        K >= 1.

    Attributes
    ----------
    exactness : str
        "approximate".

    Raises
    ------
    InputError
        If the teacher is no score model, or the number is out of range.
    """

    exactness = "approximate"

    def __init__(self, teacher: Any, n_steps: int = 2) -> None:
        super().__init__()
        score = teacher.even if isinstance(teacher, Decimated) else teacher
        if not isinstance(score, ScoreModel):
            raise InputError(f"a teacher must be a ScoreModel, got {type(score).__name__}")
        self.n_steps = check_positive_int("n_steps", n_steps)
        self.student = copy.deepcopy(score)
        self._whole = teacher if isinstance(teacher, Decimated) else None

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return tuple((self._whole or self.student).event_shape)

    @property
    def support(self) -> Support:
        """Real fields."""
        return REALS

    @property
    def evaluations(self) -> int:
        """Evaluations of the network that a draw takes."""
        return 2 * self.n_steps

    def mapped(self, y: torch.Tensor) -> torch.Tensor:
        """Return modes of size 1 without noise, (B, n), of normal deviates y."""
        q = self.student
        last, first = q.range
        h = (last - first) / self.n_steps
        at = q.fields_at([first + 0.5 * k * h for k in range(2 * self.n_steps)])
        for k in range(self.n_steps):
            middle = y + 0.5 * h * at[2 * k].value(y)
            y = y + h * at[2 * k + 1].value(middle)
        return y

    @torch.no_grad()
    def sample(self, n: int, rng: Stream | int) -> Any:
        """Return n draws (n, *event_shape): proposals."""
        q, stream = self.student, as_stream(rng)
        blocks = []
        for k, first in enumerate(range(0, n, q.block)):
            size, here = min(q.block, n - first), stream.child("draw").at(k)
            y, _ = normal(q.block, (q.geometry.n,), here.torch(q.device), q.dtype)
            x = (self.mapped(y[:size]) * q.spectrum.sqrt()) @ q.modes.t() + q.centre
            blocks.append(x.reshape(size, *q.event_shape))
        x = torch.cat(blocks)
        return x if self._whole is None else self._whole.complete(x, stream.child("odd"))
