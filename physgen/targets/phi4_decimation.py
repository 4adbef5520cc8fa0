r"""The odd sublattice of a scalar field, integrated exactly.

On a bipartite lattice the odd sites are independent given the even ones.  Each has the weight
:math:`e^{-\mathrm{quad}\,\phi^2 - \mathrm{quart}\,\phi^4 + b_y \phi}` in the field
:math:`b_y = \mathrm{hop} \sum_{x \sim y} \phi_x`.  With the integral z(b) of this weight
(:mod:`physgen.targets.phi4_site`),

.. math::
    \int d\phi_{\rm odd}\, e^{-S} = e^{-S_{\rm even}}, \qquad
    S_{\rm even} = \sum_{x\,\rm even}
        \big[ \mathrm{quad}\,\phi_x^2 + \mathrm{quart}\,\phi_x^4 \big]
        - \sum_{y\,\rm odd} \log z(b_y) + V\,\mathrm{const} .

Odd sites are drawn by rejection from Gaussians, exactly for any b.  The Gaussians follow from two
inequalities, for any m, and for two wells at :math:`a^2 = -\mathrm{quad} / 2\,\mathrm{quart}`:

.. math::
    \phi^4 \ge 2 m \phi^2 - m^2, \qquad
    (\phi^2 - a^2)^2 \ge a^2 (|\phi| - a)^2 ,

The envelope with the smaller integral is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.checks import check_choice
from physgen.core.random import Stream
from physgen.lattice.sums import as_float
from physgen.targets._draws import Draws
from physgen.targets._odd_fields import OddFields
from physgen.targets.phi4_site import site_weight

__all__ = ["Phi4Decimation", "draw_site"]


class Phi4Decimation:
    """Mixed into :class:`~physgen.targets.Phi4`; InputError on lattices not bipartite."""

    lattice: Any
    hop: float
    quad: float
    quart: float
    const: float
    n_sites: int
    action: Any
    force: Any
    observables: Any

    @cached_property
    def _odd(self) -> OddFields:
        return OddFields(self.lattice, np.full(self.lattice.neighbours.shape, self.hop))

    def odd_field(self, x_even: Any) -> Any:
        """Return b_y at the odd sites, shape (..., n_odd), for x_even (..., n_even)."""
        return self._odd(x_even)

    def action_even(self, x_even: Any) -> Any:
        """Return S_even, shape (...), float64; differentiable in torch.

        Parameters
        ----------
        x_even : array or tensor, shape (..., n_even)
            Even sites, in the order of ``lattice.split``.
        """
        xp = array_namespace(x_even)
        x = xp.astype(x_even, xp.float64)
        log_z = site_weight(self.quad, self.quart).log_z(self.odd_field(x))
        phi2 = x * x
        local = xp.sum(phi2 * (self.quad + self.quart * phi2), axis=-1)
        return local - xp.sum(log_z, axis=-1) + self.n_sites * self.const

    def force_even(self, x_even: Any) -> Any:
        """Return -dS_even/dx_even, shape of x_even: the force where odd sites are at their mean.

        Together with `action_even` it defines a target,
        ``as_target(model.action_even, lattice.n_even, model.force_even)``.
        """
        x_even = as_float(x_even)
        force = self.force(self.lattice.merge(x_even, self.expect_odd(x_even)))
        return self.lattice.split(force)[0]

    def draw_odd(self, x_even: Any, rng: Stream | int) -> Any:
        """Return odd sites drawn given the even ones, shape (..., n_odd), dtype of x_even."""
        xp = array_namespace(x_even)
        b = self.odd_field(xp.astype(x_even, xp.float64))
        return xp.astype(draw_site(b, self.quad, self.quart, rng), x_even.dtype)

    def expect_odd(self, x_even: Any, power: int = 1) -> Any:
        """Return E[phi_odd^power | phi_even], shape (..., n_odd).

        Parameters
        ----------
        x_even : array or tensor, shape (..., n_even)
        power : {1, 2, 4}
            Power 4 uses 2 quad <phi^2> + 4 quart <phi^4> = 1 + b <phi> (integration by parts).
        """
        check_choice("power", str(power), ("1", "2", "4"))
        x = as_float(x_even)
        xp = array_namespace(x)
        b = self.odd_field(xp.astype(x, xp.float64))
        site = site_weight(self.quad, self.quart)
        mean = site.mean(b)
        if power == 1:
            return xp.astype(mean, x.dtype)
        square = site.variance(b) + mean * mean
        if power == 2:
            return xp.astype(square, x.dtype)
        if self.quart == 0:  # Gaussian
            var = site.variance(b)
            fourth = mean**4 + 6 * mean * mean * var + 3 * var * var
        else:
            fourth = (1 + b * mean - 2 * self.quad * square) / (4 * self.quart)
        return xp.astype(fourth, x.dtype)

    def rao_blackwell(self, x_even: Any) -> Mapping[str, Any]:
        """Return E[O | phi_even] of action, magnetization and phi2, arrays of shape (...).

        They have the same means as O and smaller variances.
        """
        xp = array_namespace(x_even)
        x_even = xp.astype(x_even, xp.float64)
        mean, second, fourth = (self.expect_odd(x_even, power) for power in (1, 2, 4))
        x = self.lattice.merge(x_even, mean)
        # Linear terms need only the mean of odd sites; higher powers are corrected.
        variance, excess = second - mean**2, fourth - mean**4
        at_mean = {name: observable(x) for name, observable in self.observables.items()}
        more_action = xp.sum(self.quad * variance + self.quart * excess, axis=-1)
        return at_mean | {
            "action": at_mean["action"] + more_action,
            "phi2": at_mean["phi2"] + xp.sum(variance, axis=-1) / self.n_sites,
        }


def draw_site(b: Any, quad: float, quart: float, rng: Stream | int) -> Any:
    """Return phi drawn from exp(-quad phi^2 - quart phi^4 + b phi) / z(b), independently.

    Parameters
    ----------
    b : array or tensor, float64
        The field of every draw.
    quad, quart : float
        quart > 0, or quart = 0 < quad.
    rng : Stream or int

    Returns
    -------
    array or tensor, shape of b, float64
    """
    xp = array_namespace(b)
    draws = Draws(rng, b)
    shape, b = tuple(b.shape), xp.reshape(b, (-1,))
    # A field that is not finite has no weight to draw from: NaN, like the action.
    phi = xp.full_like(b, np.nan)
    finite = xp.isfinite(b)
    todo = xp.nonzero(finite)[0]
    b = xp.where(finite, b, xp.zeros_like(b))
    alpha = _precision(b, quad, quart)
    m = (alpha - quad) / (2 * quart) if quart > 0 else xp.zeros_like(b)
    wells = xp.zeros_like(b, dtype=xp.bool)
    a = np.sqrt(max(-quad, 0.0) / (2 * quart)) if quart > 0 else 0.0
    g = quart * a * a
    if g > 0:
        one = quart * m * m + b * b / (4 * alpha) + 0.5 * xp.log(np.pi / alpha)
        ab = a * xp.abs(b)
        log_2cosh = ab + xp.log1p(xp.exp(-2 * ab))
        two = g * a * a + b * b / (4 * g) + 0.5 * np.log(np.pi / g) + log_2cosh
        wells = two < one
    while todo.shape[0]:
        n = (int(todo.shape[0]),)
        bt, two_wells = b[todo], wells[todo]
        normal, pick, u = draws.normal(n), draws.uniform(n), draws.uniform(n)
        at = alpha[todo]
        new = bt / (2 * at) + normal / xp.sqrt(2 * at)
        excess = quart * (new * new - m[todo]) ** 2
        if g > 0:
            up = pick < 0.5 + 0.5 * xp.tanh(a * bt)
            well = xp.where(up, xp.ones_like(u), -xp.ones_like(u))
            near = well * a + bt / (2 * g) + normal / np.sqrt(2 * g)
            r = near * well  # coordinate towards this well
            far = quart * (r - a) ** 2 * r * (r + 2 * a)
            far = xp.where(r > 0, far, xp.full_like(r, np.inf))
            new, excess = xp.where(two_wells, near, new), xp.where(two_wells, far, excess)
        accepted = u < xp.exp(-excess)
        phi[todo[accepted]] = new[accepted]
        todo = todo[~accepted]
    return xp.reshape(phi, shape)


def _precision(b: Any, quad: float, quart: float) -> Any:
    """Return alpha = quad + 2 quart m, half the inverse variance of the Gaussian of best m.

    The integral of the envelope is smallest where alpha^3 - quad alpha^2 - quart alpha = c,
    c = quart b^2 / 2.  Newton's method descends to this root from an upper bound; the envelope is
    valid wherever the iteration stops, though not optimal.
    """
    xp = array_namespace(b)
    root = np.sqrt(quad * quad + 4 * quart)
    alpha0 = 2 * quart / (root - quad) if quad < 0 else 0.5 * (quad + root)  # for c = 0
    c = 0.5 * quart * b * b
    rise = xp.minimum(c ** (1 / 3), c / (alpha0 * (2 * alpha0 - quad)))
    alpha = alpha0 + rise
    for _ in range(3 if quart > 0 else 0):
        slope = (3 * alpha - 2 * quad) * alpha - quart
        alpha = alpha - (((alpha - quad) * alpha - quart) * alpha - c) / slope
    return alpha
