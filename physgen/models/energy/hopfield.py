r"""Hopfield networks: restricted Boltzmann machines of spins with Gaussian hidden units.

Summed over its hidden units, the machine couples all pairs of spins,

.. math:: S(v) = -\tfrac12 \sum_j \Big(\sum_i v_i W_{ij}\Big)^2 + \mathrm{const}
               = -\tfrac12 \sum_{ik} v_i (W W^T)_{ik} v_k + \mathrm{const} .

Hebb's rule stores P patterns :math:`\xi^j_i = \pm 1` in closed form, one for each hidden unit,

.. math:: W_{ij} = \sqrt{\beta / N}\; \xi^j_i .

At zero temperature, spins that follow the sign of their field one after another lower S until none
moves.  They recall patterns up to P = 0.138 N (Hopfield, PNAS 79, 2554 (1982); Amit, Gutfreund and
Sompolinsky, Phys. Rev. Lett. 55, 1530 (1985)).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.models.energy.rbm import RBM

__all__ = ["Hopfield"]


class Hopfield(RBM):
    """A Hopfield network of spins; a Target, even, which `BlockGibbs` moves.

    Parameters
    ----------
    shape : tuple of int
        Of one configuration.
    boundary : {"periodic", "open"}, or one of them for each axis, or None
        Of the lattice, for observables.
    n_hidden : int, optional
        Number of patterns; by default as many as sites.
    rng : Stream or int
        Of the first weights.

    Examples
    --------
    >>> patterns = 2 * np.random.default_rng(1).integers(0, 2, (3, 100)) - 1
    >>> network = Hopfield.of_patterns(patterns)
    >>> noisy = patterns.copy()
    >>> noisy[:, :10] *= -1
    >>> bool((network.recall(noisy) == patterns).all())
    True
    """

    def __init__(
        self,
        shape: Any,
        boundary: Any = None,
        *,
        n_hidden: int | None = None,
        rng: Stream | int = 0,
    ) -> None:
        super().__init__(shape, boundary, n_hidden=n_hidden, hidden="gaussian", even=True, rng=rng)

    @classmethod
    def arguments_for(cls, source: Any, options: Mapping[str, Any], rng: Stream) -> dict[str, Any]:
        """Return shape and boundary of a source of spins."""
        found = cls.lattice_arguments(source, SPINS, rng)
        return {name: found[name] for name in ("shape", "boundary")}

    @classmethod
    def of_patterns(cls, patterns: Any, boundary: Any = None, *, beta: float = 1.0) -> Any:
        """Return the network that stores patterns by Hebb's rule.

        Parameters
        ----------
        patterns : array or tensor (n_patterns, *event_shape)
            Spins.
        boundary : optional
        beta : float
            Inverse temperature, > 0: the patterns are minima of S, stable against noise only if it
            is above 1.

        Raises
        ------
        InputError
            If the patterns are not spins.
        """
        xi = to_numpy(patterns)
        if xi.ndim < 2 or len(xi) == 0 or not bool((np.abs(xi) == 1).all()):
            raise InputError(
                "patterns must be spins -1 and 1 of shape (n_patterns, *event_shape), got "
                f"shape {xi.shape}; for bits give 2 * patterns - 1"
            )
        model = cls(xi.shape[1:], boundary, n_hidden=len(xi))
        size = math.sqrt(check_positive("beta", beta) / (xi.size // len(xi)))
        with torch.no_grad():
            model.W.copy_(torch.as_tensor(size * xi.reshape(len(xi), -1).T.astype(np.float64)))
        return model

    def recall(self, x: Any, max_sweeps: int = 100) -> np.ndarray:
        """Return the configurations that spins settle in when they follow their fields.

        Parameters
        ----------
        x : array or tensor (B, *event_shape)
        max_sweeps : int
            Sweeps over all spins, in order; a spin without a field stays.

        Raises
        ------
        InputError
            If spins still move after them.
        """
        s = to_numpy(self._batch(x)).astype(np.float64)
        flat = s.reshape(len(s), -1)
        W = to_numpy(self.W).astype(np.float64)
        J = W @ W.T
        np.fill_diagonal(J, 0.0)
        least = 1e-10 * np.abs(J).sum(1)  # fields of balanced couplings are rounding errors
        for _ in range(check_positive_int("max_sweeps", max_sweeps)):
            before = flat.copy()
            for i in range(flat.shape[1]):
                field = flat @ J[i]
                flat[:, i] = np.where(np.abs(field) <= least[i], flat[:, i], np.sign(field))
            if np.array_equal(before, flat):
                return s.astype(np.int8)
        raise InputError(
            f"spins must settle within max_sweeps, got {max_sweeps}; raise it (they always settle)"
        )

    def overlaps(self, x: Any) -> np.ndarray:
        """Return m of x with each pattern, (B, n_hidden), from -1 to 1 for patterns of spins."""
        rows = to_numpy(self._batch(x)).reshape(-1, len(self.W)).astype(np.float64)
        W = to_numpy(self.W).astype(np.float64)
        return rows @ (W / np.linalg.norm(W, axis=0)) / math.sqrt(len(W))
