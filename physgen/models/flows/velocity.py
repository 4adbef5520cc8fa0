r"""A velocity field that commutes with the symmetries of a lattice, in closed form.

.. math::
    v_x(\phi, t) = \sum_y \Big[ K^0_{xy}(t) \, \phi_y + \sum_f K^f_{xy}(t) \, h_f(\phi_y) \Big],
    \qquad h_f(\phi) = \sum_j P_{fj} \sin \omega_j \phi ,

with one number per orbit of pairs in a kernel (:mod:`physgen.lattice.orbits`), so that v is
equivariant under translations and the point group, and odd in phi.  Without that symmetry the
features have cosines as well, and a constant joins them.  In time,
:math:`K^f_o(t) = \sum_m P_m(2t - 1) \, \kappa_{mfo}` with Legendre polynomials :math:`P_m`.

No derivative needs automatic differentiation:

.. math::
    \nabla \cdot v = \sum_f K^f_0 \sum_x h_f'(\phi_x), \qquad
    \partial_x (g \cdot v + \nabla \cdot v) = \sum_f \big[ h_f'(\phi_x) (K^{fT} g)_x
    + K^f_0 h_f''(\phi_x) \big] ,

where the linear term counts as :math:`h_0 = \phi` and :math:`K_0` is the kernel on the diagonal.
(Gerdes et al., SciPost Phys. 15, 238 (2023), is a flow of this kind.)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from physgen.core.random import Stream, as_stream
from physgen.lattice.orbits import PairOrbits
from physgen.models.configurations import as_tensor

__all__ = ["Kernels", "Velocity"]


class Kernels(NamedTuple):
    """Kernels at one time: K^0 (n, n), K^f side by side (n, F n), diagonals (F+1,), constant."""

    linear: torch.Tensor
    matrix: torch.Tensor
    diagonal: torch.Tensor
    constant: torch.Tensor | None


class Phase(NamedTuple):
    """Phases omega phi (J, n B) and their waves; cosines where these are features as well."""

    angle: torch.Tensor
    sine: torch.Tensor
    cosine: torch.Tensor | None


class Velocity(nn.Module):
    """An equivariant velocity field with sine features.

    Parameters
    ----------
    orbits : PairOrbits
        The sites, and the orbits that tie the kernels.
    features, frequencies, times : int
        F, J and the number of Legendre polynomials.
    scale : float
        Size of a typical field: sets the frequencies to begin with.
    odd : bool
        v(-phi) = -v(phi).
    rng : Stream or int
        Initial mixture P of the sines; the kernels begin at zero.
    """

    index: torch.Tensor
    wide: torch.Tensor
    norm: torch.Tensor

    def __init__(
        self,
        orbits: PairOrbits,
        features: int,
        frequencies: int,
        times: int,
        scale: float,
        odd: bool,
        rng: Stream | int,
    ) -> None:
        super().__init__()
        self.n, self.features, self.times, self.odd = orbits.n, features, times, odd
        waves = frequencies if odd else 2 * frequencies
        omega = np.arange(1, frequencies + 1) * (HIGHEST / frequencies / scale)
        mix = as_stream(rng).child("mix").numpy().normal(size=(features, waves))
        self.omega = nn.Parameter(as_tensor(omega))
        self.mix = nn.Parameter(as_tensor(mix / np.sqrt(waves)))
        self.kappa = nn.Parameter(torch.zeros(times, features + 1, orbits.n_orbits))
        self.constant = None if odd else nn.Parameter(torch.zeros(times))
        index = torch.tensor(orbits.index)
        # Entry (x, (f, y)) of the kernels side by side, among F rows of orbits.
        rows = orbits.n_orbits * torch.arange(features)[:, None]
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("wide", (index[:, None] + rows).flatten(1), persistent=False)
        norm = as_tensor(1 / np.sqrt(orbits.sizes))
        self.register_buffer("norm", norm, persistent=False)

    def kernels(self, t: torch.Tensor) -> list[Kernels]:
        """Return the kernels at times t (S,) in [0, 1]."""
        basis = _legendre(2 * t - 1, self.times)
        # Polynomials are summed last: there are more times than polynomials.
        kappa = self.kappa * self.norm
        linear = basis @ kappa[:, 0][:, self.index.flatten()]
        matrix = basis @ kappa[:, 1:].flatten(1)[:, self.wide.flatten()]
        linear = linear.view(-1, *self.index.shape).unbind()
        matrix = matrix.view(-1, *self.wide.shape).unbind()
        diagonal = (basis @ kappa[:, :, 0]).unbind()
        constant = [None] * len(t) if self.constant is None else (basis @ self.constant).unbind()
        return [Kernels(*parts) for parts in zip(linear, matrix, diagonal, constant, strict=True)]

    def forward(self, phi: torch.Tensor, at: Kernels) -> tuple[torch.Tensor, Phase]:
        """Return v (n, B) of fields phi (n, B), and the phases of the sines, for `derivatives`.

        Sites come first: every product is then a product of two matrices, without copies.
        """
        angle = (self.omega[:, None, None] * phi).flatten(1)
        phase = Phase(angle, torch.sin(angle), None if self.odd else torch.cos(angle))
        waves = phase.sine if phase.cosine is None else torch.cat([phase.sine, phase.cosine])
        h = (self.mix @ waves).view(-1, phi.shape[1])
        v = torch.addmm(at.linear @ phi, at.matrix, h)
        return (v if at.constant is None else v + at.constant), phase

    def derivatives(
        self, phase: Phase, at: Kernels, g: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return div v (B,), and the phi-gradient of g.v + div v at fixed g (n, B)."""
        sine, J = phase.sine, len(self.omega)
        cosine = torch.cos(phase.angle) if phase.cosine is None else phase.cosine
        # h' = P' cos - Q' sin for h = P sin + Q cos.
        P, Q = self.mix[:, :J] * self.omega, self.mix[:, J:] * self.omega[: self.mix.shape[1] - J]
        k = at.diagonal[1:]
        local = (k @ P) @ cosine
        if not self.odd:
            local = local - (k @ Q) @ sine
        divergence = self.n * at.diagonal[0] + local.view(self.n, -1).sum(0)
        if g is None:
            return divergence, None
        slope = P @ cosine
        curvature = ((k @ P) * self.omega) @ sine
        if not self.odd:
            slope = slope - Q @ sine
            curvature = curvature + ((k @ Q) * self.omega) @ cosine
        back = (at.matrix.t() @ g).view(self.features, -1)
        pull = (slope * back).sum(0) - curvature
        return divergence, torch.addmm(pull.view(g.shape), at.linear.t(), g)


HIGHEST = 3.0  # frequency times the size of a typical field


def _legendre(x: torch.Tensor, n: int) -> torch.Tensor:
    """Return P_0(x) ... P_(n-1)(x), shape (len(x), n)."""
    P = [torch.ones_like(x), x]
    for m in range(2, n):
        P.append(((2 * m - 1) * x * P[-1] - (m - 1) * P[-2]) / m)
    return torch.stack(P[:n], 1)
