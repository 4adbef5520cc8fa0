r"""An energy whose partition function is known, as a density.

.. math:: \log q(x) = -S(x) - \log Z .

log Z is a number that is found once (exactly, or by annealing, with an error), so an error
:math:`\delta` of it shifts all log-likelihoods alike: a negative log-likelihood is off by
:math:`\delta`, a fidelity by the factor :math:`e^{\delta / 2}`.  Draws are ends of independent
chains of the energy's own moves, from hot starts; they follow q only as far as the chains forget
where they began.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.energies import Moving
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.base import DensityModel

__all__ = ["Normalised"]

BLOCK = 2**10  # chains that run side by side: draws do not depend on how many are asked for
N_STEPS = 500


class Normalised(DensityModel):
    """A density made of an energy and its log Z.

    Parameters
    ----------
    base : EnergyModel
        It moves configurations itself (``moved``), as a Boltzmann machine does.
    log_z, log_z_error : float
        Of the energy at these weights; 0 where log Z is exact.
    n_steps : int
        Steps of each chain, >= 1.

    Raises
    ------
    InputError
        If the energy has no moves of its own, or a number is out of range.
    """

    def __init__(
        self, base: Any, log_z: float, log_z_error: float = 0.0, n_steps: int = N_STEPS
    ) -> None:
        super().__init__(base.event_shape, base.support)
        if not isinstance(base, Moving):
            raise InputError(
                f"base must be an energy that moves configurations itself, got "
                f"{type(base).__name__}; take a Boltzmann machine, or run(sampler, energy)"
            )
        self.base: Any = base
        self.log_z = check_finite("log_z", log_z)
        self.log_z_error = check_finite("log_z_error", log_z_error)
        self.n_steps = check_positive_int("n_steps", n_steps)

    @property
    def config(self) -> dict[str, Any]:
        """Arguments of ``models.build``."""
        return {
            "family": "normalised",
            "base": self.base.config,
            "log_z": self.log_z,
            "log_z_error": self.log_z_error,
            "n_steps": self.n_steps,
        }

    @property
    def block(self) -> int:
        """Configurations that are scored at once."""
        return self.base.block

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return log q (B,) float64; log Z is a constant, so its gradient is that of -S alone."""
        return -self.base.forward(x) - self.log_z

    def _score(self, x: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return -to_numpy(self.base.action(x)) - self.log_z

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[torch.Tensor, torch.Tensor]:
        """Return ends of n independent chains, and their log q.

        The first m of n draws are the m draws.
        """
        check_positive_int("n", n)
        stream, found = as_stream(rng).child("chains"), []
        for k in range(math.ceil(n / BLOCK)):
            here = stream.at(k)
            first = torch.from_numpy(self.base.hot(here.child("hot"), BLOCK)).to(self.device)
            found.append(self.base.moved(first, self.n_steps, here.child("moves")))
        x = torch.cat(found)[:n]
        return x, torch.from_numpy(np.asarray(to_numpy(self.log_prob(x)))).to(self.device)
