r"""A Gaussian field with a learned spectrum, as in a free theory.

.. math:: z = E \,\mathrm{diag}(e^{\ell_k / 2}) \, \epsilon , \qquad \epsilon \sim N(0, 1), \qquad
          \ell_k = \sum_o b_o \chi_{ok} / \sqrt{|o|} , \qquad
          \log r(z) = -\tfrac12 |\epsilon|^2 - \tfrac{n}{2} \log 2\pi - \tfrac12 \sum_k \ell_k ,

with modes E and characters chi of :mod:`physgen.lattice.orbits`: translations and the point group
leave r invariant, and the logarithm of the spectrum is a function on orbits, like the kernels of a
velocity, so it transfers to larger lattices.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from physgen.lattice.orbits import PairOrbits
from physgen.models.configurations import as_tensor, normal, normal_log_prob

__all__ = ["SpectralGaussian"]


class SpectralGaussian(nn.Module):
    """A centred Gaussian of n sites whose covariance has the symmetries of the orbits.

    Parameters
    ----------
    orbits : PairOrbits
    scale : float
        Standard deviation of every site to begin with, without correlations.
    """

    modes: torch.Tensor
    characters: torch.Tensor

    def __init__(self, orbits: PairOrbits, scale: float) -> None:
        super().__init__()
        self.n = orbits.n
        b = torch.zeros(orbits.n_orbits)
        b[0] = 2 * math.log(scale)
        self.log_spectrum_orbits = nn.Parameter(b)
        chi = orbits.characters / np.sqrt(orbits.sizes)[:, None]
        self.register_buffer("modes", as_tensor(orbits.modes), persistent=False)
        self.register_buffer("characters", as_tensor(chi), persistent=False)

    @property
    def log_spectrum(self) -> torch.Tensor:
        """l_k (n,)."""
        return self.log_spectrum_orbits @ self.characters

    def draw(
        self, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return draws z (n, n_sites), their log r and the score d log r / dz."""
        eps, log_r = normal(n, (self.n,), generator, self.modes.dtype)
        half = 0.5 * self.log_spectrum
        z = (eps * torch.exp(half)) @ self.modes.t()
        score = -(eps * torch.exp(-half)) @ self.modes.t()
        return z, log_r - half.double().sum(), score

    def log_prob(self, z: torch.Tensor) -> torch.Tensor:
        """Return log r (B,) float64."""
        half = 0.5 * self.log_spectrum
        return normal_log_prob((z @ self.modes) * torch.exp(-half)) - half.double().sum()
