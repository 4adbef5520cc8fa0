r"""The odd sublattice of an Ising model, summed exactly.

On a bipartite lattice the odd spins are independent given the even ones.  Each feels the field
:math:`b_y = \beta (\sum_{x \sim y} J_{xy} s_x + h_y)`, so

.. math::
    \sum_{s_{\rm odd}} e^{-S} = e^{-S_{\rm even}}, \qquad
    S_{\rm even} = -\beta \sum_{x\,\rm even} h_x s_x - \sum_{y\,\rm odd} \log 2 \cosh b_y ,

.. math::
    P(s_y = 1 \mid s_{\rm even}) = \frac{1}{1 + e^{-2 b_y}}, \qquad
    E[s_y \mid s_{\rm even}] = \tanh b_y .

:math:`S_{\rm even}` has the same Z as S.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.random import Stream
from physgen.lattice.sums import as_float, matching
from physgen.targets._draws import Draws
from physgen.targets._odd_fields import OddFields

__all__ = ["IsingDecimation"]


class IsingDecimation:
    """Mixed into :class:`~physgen.targets.Ising`; InputError on lattices not bipartite."""

    kernel: Any
    lattice: Any
    observables: Any

    @cached_property
    def _odd(self) -> tuple[OddFields, np.ndarray, np.ndarray]:
        _, (_, K, H) = self.kernel
        lattice = self.lattice
        return OddFields(lattice, K), H[lattice.even_sites], H[lattice.odd_sites]

    def odd_field(self, x_even: Any) -> Any:
        """Return b_y at the odd sites, shape (..., n_odd), for x_even (..., n_even)."""
        fields, _, H_odd = self._odd
        b = fields(x_even)
        return b + matching(H_odd, b)

    def action_even(self, x_even: Any) -> Any:
        """Return S_even, shape (...), float64; differentiable in torch.

        Parameters
        ----------
        x_even : array or tensor, shape (..., n_even)
            Even spins, in the order of ``lattice.split``.
        """
        xp = array_namespace(x_even)
        x = xp.astype(x_even, xp.float64)
        b = xp.abs(self.odd_field(x))
        log_2cosh = b + xp.log1p(xp.exp(-2 * b))
        return -xp.sum(matching(self._odd[1], x) * x, axis=-1) - xp.sum(log_2cosh, axis=-1)

    def draw_odd(self, x_even: Any, rng: Stream | int) -> Any:
        """Return odd spins drawn given the even ones, shape (..., n_odd), dtype of x_even."""
        xp = array_namespace(x_even)
        b = self.odd_field(xp.astype(x_even, xp.float64))
        u = Draws(rng, b).uniform(tuple(b.shape))
        up = u < 0.5 + 0.5 * xp.tanh(b)
        return xp.astype(2 * xp.astype(up, xp.int8) - 1, x_even.dtype)

    def expect_odd(self, x_even: Any) -> Any:
        """Return E[s_odd | s_even] = tanh b, shape (..., n_odd)."""
        b = self.odd_field(as_float(x_even))
        return array_namespace(b).tanh(b)

    def rao_blackwell(self, x_even: Any) -> Mapping[str, Any]:
        """Return E[O | s_even] of the default observables O by name, arrays of shape (...).

        They have the same means as O and smaller variances.  Energy and magnetization are linear
        in every odd spin, so their expectations are their values at the mean spins.
        """
        x_even = as_float(x_even)
        x = self.lattice.merge(x_even, self.expect_odd(x_even))
        return {name: observable(x) for name, observable in self.observables.items()}
