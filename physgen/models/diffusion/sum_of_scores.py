r"""The sum of the scores of two models: approximate, whatever is drawn from it.

For the product of two densities p and r one adds their scores, :math:`s = s_p(x, t) + s_r(x, t)`.
At t = 0 this is the score of the product.  For t > 0 it is not: noise does not commute with
products, so the noised law of a product is no product of noised laws.  Two Gaussians of variances
a and b show it: draws do not have the variance 1 / (1/a + 1/b).  There is no density, and
results are labelled approximate.  Markov chains on the sum of the actions that begin at these
draws make them exact (:func:`physgen.models.annealed_finish`).
"""

from __future__ import annotations

import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.models.configurations import normal
from physgen.models.diffusion.samplers import LEAST, diffused, times
from physgen.models.diffusion.score import ScoreModel

__all__ = ["SumOfScores"]


class SumOfScores:
    """Two score models whose scores are added; a Simulator, approximate.

    Parameters
    ----------
    first, second : ScoreModel
        On one lattice, with one process.
    method : str
        Of :mod:`physgen.models.diffusion.samplers`.
    n_steps : int
        Of a draw, >= 1.

    Attributes
    ----------
    exactness : str
        "approximate".

    Raises
    ------
    InputError
        If the models are on different lattices, or have different processes.
    """

    exactness = "approximate"

    def __init__(
        self, first: ScoreModel, second: ScoreModel, method: str = "ancestral", n_steps: int = 100
    ) -> None:
        for model in (first, second):
            if not isinstance(model, ScoreModel):
                raise InputError(f"scores are those of ScoreModels, got {type(model).__name__}")
        if first.event_shape != second.event_shape or first.schedule != second.schedule:
            raise InputError(
                f"scores add on one lattice and in one process, got {first.event_shape} with "
                f"{first.process} and {second.event_shape} with {second.process}"
            )
        self.first, self.second, self.method = first, second, method
        self.n_steps = check_positive_int("n_steps", n_steps)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one configuration."""
        return tuple(self.first.event_shape)

    @property
    def support(self) -> Support:
        """Real fields."""
        return REALS

    def score(self, x: torch.Tensor, t: float) -> torch.Tensor:
        """Return the sum: the score of the product at t = 0 alone."""
        return self.first.score(x, t) + self.second.score(x, t)

    @torch.no_grad()
    def sample(self, n: int, rng: Stream | int) -> torch.Tensor:
        """Return n draws, which follow neither the product nor any other known law."""
        q, stream = self.first, as_stream(rng)
        t = max(self.first.first_time, self.second.first_time)
        z, _ = normal(n, (q.geometry.n,), stream.child("start").torch(q.device), q.dtype)
        # Where noise covers both models each score is that of its noise: their sum, of half of it.
        models = (self.first, self.second)
        laws = [q.schedule.variance(t, to_numpy(m.spectrum.double())) for m in models]
        width = torch.as_tensor(1 / sum(1 / law for law in laws)).sqrt().to(z)
        x = ((z * width) @ q.modes.t()).reshape(n, *self.event_shape)
        grid = times(q.schedule, self.n_steps, start=t, least=LEAST * q.units[0])
        generator = stream.child("steps").torch(q.device)
        return diffused(q.schedule, self.score, x, grid, self.method, generator)
