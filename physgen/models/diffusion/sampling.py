"""What a score model does with noise: its schedule, where draws begin, and samplers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.process import Process
from physgen.models.diffusion.reverse_path import reverse_path
from physgen.models.diffusion.samplers import LEAST, diffused, times
from physgen.models.diffusion.spectrum import check_covered, scales_of
from physgen.models.diffusion.starts import started
from physgen.models.path import Path

__all__ = ["DELTA", "REACH", "NoiseSampling"]

DELTA = 0.1  # noise, in units of the field, below which tau is quadratic in it
REACH = 5.0  # largest noise, in units of the slowest mode


class NoiseSampling:
    """The part of a :class:`~physgen.models.ScoreModel` that needs no density."""

    _process: Process
    _filters: Filters
    n_steps: int
    spectrum: torch.Tensor
    scales: torch.Tensor
    device: Any
    units: Any
    range: Any

    @property
    def schedule(self) -> Process:
        """The process itself."""
        return self._process

    @property
    def first_time(self) -> float:
        """Time at which the noise covers the slowest mode, or the last one of the process."""
        noise = self.units[0] * math.sqrt(math.exp(2 * self.range[1]) - DELTA**2)
        return min(float(self._process.time_of(noise)), self._process.end)

    @torch.no_grad()
    def assign_spectrum(self, spectrum: np.ndarray, keep_units: bool = False) -> None:
        """Set the variances of all modes, (n,), and the units of the network unless they stay.

        Raises
        ------
        InputError
            If the process ends before its noise covers the slowest mode.
        """
        check_covered(self._process, REACH * math.sqrt(spectrum.max()), REACH)
        self.spectrum.copy_(torch.as_tensor(spectrum))
        if not keep_units:
            self.scales.copy_(scales_of(self.spectrum))

    def symmetric(self, spectrum: np.ndarray) -> np.ndarray:
        """Return a spectrum (n,) averaged over modes that the symmetries relate."""
        return self._filters.symmetric(spectrum)

    if TYPE_CHECKING:  # of the model

        def score(self, x: torch.Tensor, t: float) -> torch.Tensor: ...  # noqa: D102

        def _carried(self, y: torch.Tensor, log_q: torch.Tensor, steps: int) -> Any: ...

    def carried_to_data(self, y: torch.Tensor) -> torch.Tensor:
        """Return modes of size 1 without noise, (B, n), of normal deviates y: the flow itself."""
        zero = torch.zeros(len(y), dtype=torch.float64, device=y.device)
        return self._carried(y, zero, -self.n_steps)[0]

    def path(self, n: int, rng: Stream | int) -> Path:
        """Return n fields on their way from noise, at nine times."""
        return reverse_path(self, self._process, n, rng)

    @torch.no_grad()
    def diffuse(
        self,
        n: int,
        rng: Stream | int,
        method: str = "ancestral",
        n_steps: int = 100,
        spacing: str = "geometric",
        *,
        start: float | None = None,
        configurations: Any = None,
    ) -> torch.Tensor:
        """Return n draws by a sampler of the process: approximate, without a density.

        Draws begin where the noise covers the slowest mode, with the law of that time.

        Parameters
        ----------
        n : int
        rng : Stream or int
        method : {"euler-maruyama", "frozen", "ancestral", "euler", "heun"}
            See :mod:`physgen.models.diffusion.samplers`.
        n_steps : int
        spacing : {"geometric", "uniform", "rho"}
        start, configurations
            Another time to begin at, and clean fields to noise to it
            (:mod:`physgen.models.diffusion.starts`).
        """
        check_positive_int("n", n)
        stream = as_stream(rng)
        x, first = started(self, n, stream, start, configurations)
        grid = times(self._process, n_steps, spacing, start=first, least=LEAST * self.units[0])
        generator = stream.child("steps").torch(self.device)
        return diffused(self._process, self.score, x, grid, method, generator)
