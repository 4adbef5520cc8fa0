r"""The odd sublattice of an Ising model, summed exactly.

On a bipartite lattice the odd spins are independent given the even ones, each in the field
:math:`b_y = \beta (\sum_{x \sim y} J_{xy} s_x + h_y)`, so that

.. math::
    \sum_{s_{\rm odd}} e^{-S} = e^{-S_{\rm even}}, \qquad
    S_{\rm even} = -\beta \sum_{x\,\rm even} h_x s_x - \sum_{y\,\rm odd} \log 2 \cosh b_y ,

.. math::
    P(s_y = 1 \mid s_{\rm even}) = \frac{1}{1 + e^{-2 b_y}}, \qquad
    E[s_y \mid s_{\rm even}] = \tanh b_y .

Z of :math:`S_{\rm even}` is that of S.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

from physgen.core.random import Stream
from physgen.lattice.sums import as_float, matching
from physgen.targets._draws import Draws
from physgen.targets._odd_fields import OddFields

__all__ = ["IsingDecimation"]


class IsingDecimation:
    """Mixed into :class:`~physgen.targets.Ising`; every method raises InputError where the
    lattice is not bipartite.
    """  # noqa: D205

    kernel: Any
    lattice: Any

    @property
    def _odd(self) -> OddFields:
        # Kept in __dict__ by hand: a cached_property would need to know the frozen class.
        if "_odd_fields" not in self.__dict__:
            self.__dict__["_odd_fields"] = OddFields(self.lattice, self.kernel[1][1])
        return self.__dict__["_odd_fields"]

    def odd_field(self, x_even: Any) -> Any:
        """Return b_y at the odd sites, shape (..., n_odd), for x_even (..., n_even)."""
        H = self.kernel[1][2]
        b = self._odd(x_even)
        return b + matching(H[self.lattice.odd_sites], b)

    def action_even(self, x_even: Any) -> Any:
        """Return S_even, shape (...), float64; differentiable in torch.

        Parameters
        ----------
        x_even : array or tensor, shape (..., n_even)
            Even spins, in the order of ``lattice.split``.
        """
        xp = array_namespace(x_even)
        x = xp.astype(x_even, xp.float64)
        H = matching(self.kernel[1][2][self.lattice.even_sites], x)
        b = xp.abs(self.odd_field(x))
        log_2cosh = b + xp.log1p(xp.exp(-2 * b))
        return -xp.sum(H * x, axis=-1) - xp.sum(log_2cosh, axis=-1)

    def draw_odd(self, x_even: Any, rng: Stream | int) -> Any:
        """Return odd spins drawn given the even ones, shape (..., n_odd), dtype of x_even."""
        xp = array_namespace(x_even)
        b = self.odd_field(xp.astype(x_even, xp.float64))
        u = Draws(rng, b).uniform(tuple(b.shape))
        up = u < 0.5 + 0.5 * xp.tanh(b)
        return xp.astype(2 * xp.astype(up, xp.int8) - 1, x_even.dtype)

    def expect_odd(self, x_even: Any) -> Any:
        """Return E[s_odd | s_even] = tanh b, shape (..., n_odd): the Rao-Blackwell estimate."""
        b = self.odd_field(as_float(x_even))
        return array_namespace(b).tanh(b)
