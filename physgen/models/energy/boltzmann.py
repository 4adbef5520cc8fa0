r"""Boltzmann machine of visible spins: every pair is coupled.

.. math:: S(s) = -\sum_{i<j} J_{ij} s_i s_j - \sum_i h_i s_i , \qquad s_i = \pm 1 .

It is the law of largest entropy with given means and pair correlations.  The slope of its negative
log likelihood is a difference of moments,

.. math:: \frac{\partial}{\partial J_{ij}} \big(S + \log Z\big)
          = \langle s_i s_j \rangle_J - \langle s_i s_j \rangle_{\mathrm{data}} ,

and the likelihood has one maximum (Ackley, Hinton and Sejnowski, Cogn. Sci. 9, 147 (1985)).
Chains move one spin after another by heat bath, and log Z is a sum over at most 2^25 states.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.exact.enumeration import MAX_SITES
from physgen.kernels.cpu.gray_code import weigh_levels
from physgen.models.energy.base import Energy
from physgen.samplers.heat_bath import HeatBath

__all__ = ["BoltzmannMachine"]


class BoltzmannMachine(Energy):
    """Spins with a coupling for every pair; a Target that heat bath and Metropolis compile for.

    Parameters
    ----------
    shape : tuple of int
        Of one configuration, of at least two sites.
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the lattice, for observables.
    even : bool
        S(-s) = S(s): no fields.
    rng : Stream or int
        Not used: a fresh machine has J = 0 and h = 0, as the likelihood has one maximum.

    Attributes
    ----------
    pairs : tensor (n_sites (n_sites - 1) / 2,)
        J_ij of i < j, row by row.
    h : tensor (n_sites,)
        Fields; zero and not trained if `even`.

    Raises
    ------
    InputError
        If there are fewer than two sites.
    """

    h: torch.Tensor

    def __init__(
        self,
        shape: Any,
        boundary: Any = None,
        *,
        even: bool = False,
        rng: Stream | int = 0,
    ) -> None:
        del rng
        super().__init__(shape, SPINS, boundary, even=even)
        check_positive_int("the number of sites", self.n_sites, 2)
        self.pairs = nn.Parameter(torch.zeros(self.n_sites * (self.n_sites - 1) // 2))
        if self.even:
            self.register_buffer("h", torch.zeros(self.n_sites), persistent=False)
        else:
            self.h = nn.Parameter(torch.zeros(self.n_sites))

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape, boundary and evenness, as a source of spins declares them."""
        return cls.lattice_arguments(source, SPINS, rng)

    @property
    def n_sites(self) -> int:
        """Number of spins."""
        return math.prod(self.event_shape)

    @property
    def J(self) -> torch.Tensor:
        """The couplings as a symmetric matrix with zero diagonal, differentiable."""
        first, second = torch.triu_indices(self.n_sites, self.n_sites, 1, device=self.device)
        half = self.pairs.new_zeros(self.n_sites, self.n_sites)
        half = half.index_put((first, second), self.pairs)
        return half + half.T

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return S (B,) float64 of (B, *event_shape), differentiable in the weights."""
        s = x.reshape(len(x), -1)
        J, h = self.J.to(s.dtype), self.h.to(s.dtype)
        return -(s * (0.5 * s @ J + h)).sum(1, dtype=torch.float64)

    def _score(self, x: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return self(x.to(self.device, torch.float64)).cpu().numpy()

    @property
    def kernel(self) -> tuple[str, tuple[np.ndarray, ...]]:
        """("pairs", (neighbours, J, h)): the other sites of each site, with their couplings.

        Raises
        ------
        InputError
            If a weight is not finite.
        """
        n = self.n_sites
        with torch.no_grad():
            J, h = (to_numpy(each).astype(np.float64) for each in (self.J, self.h))
        if not (np.isfinite(J).all() and np.isfinite(h).all()):
            raise InputError(
                "the weights must be finite numbers, got NaN or infinity; lower the learning rate"
            )
        others = np.tile(np.arange(n), (n, 1))[~np.eye(n, dtype=bool)].reshape(n, n - 1)
        couplings = np.take_along_axis(J, others, 1)
        return "pairs", (others.astype(np.int32), couplings, h)

    def moved(self, x: Any, n: int, rng: Stream) -> Any:
        """Return configurations after n heat-bath sweeps, compiled, without gradients.

        They leave e^{-S} invariant; a sweep in order is not reversible.

        Parameters
        ----------
        x : array or tensor (B, *event_shape)
        n : int
        rng : Stream

        Returns
        -------
        array or tensor of the shape, kind and type of x
        """
        spins = to_numpy(self._batch(x).detach()).astype(np.int8)
        chains = HeatBath().bind(self)
        state, _ = chains.step(rng, chains.init(rng, len(spins), spins), n)
        found = like(chains.configurations(state), x)
        return found.to(x.dtype) if isinstance(x, torch.Tensor) else found.astype(x.dtype)

    def log_z_exact(self) -> float:
        """Return log Z by a sum over all configurations of at most 25 spins.

        Raises
        ------
        InputError
            If there are more.
        """
        if self.n_sites > MAX_SITES:
            raise InputError(
                f"log Z is summed over at most {MAX_SITES} spins, got {self.n_sites}; estimate it "
                "by annealed importance sampling"
            )
        _, (others, J, h) = self.kernel
        sums, shift = weigh_levels(others, J, h, 1.0, self.n_sites)
        return float(shift + np.log(sums[0].sum()))

    def moments(self, x: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return the means of s_i (n_sites,) and of s_i s_j (pairs, as `pairs`) over x."""
        s = to_numpy(self._batch(x)).reshape(-1, self.n_sites).astype(np.float64)
        first, second = np.triu_indices(self.n_sites, 1)
        return s.mean(0), (s.T @ s / len(s))[first, second]

    def tempered(self, beta: float) -> Any:
        """Return the machine with J and h multiplied by beta."""
        other = copy.deepcopy(self)
        with torch.no_grad():
            other.pairs.mul_(beta)
            other.h.mul_(beta)
        return other
