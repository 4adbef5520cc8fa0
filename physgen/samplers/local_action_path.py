r"""The path to a local action, from its sites without neighbours.

.. math:: S_\lambda = \sum_{a\ \text{on one site}} g_a O_a + \lambda
          \sum_{a\ \text{between sites}} g_a O_a

Every member is a local action, so compiled loops run on it.  The start is normalised site by site:
:math:`\log Z_0 = V \log z`, with z a one-dimensional integral for real fields
(:mod:`physgen.targets.polynomial_site`) and :math:`2 \cosh g_{\rm field}` for spins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import State
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.fields.local_action import LocalActionFields
from physgen.targets.local_action import LocalAction
from physgen.targets.local_terms import LocalTerms
from physgen.targets.polynomial_site import PolynomialSite

__all__ = ["LocalActionPath"]

_SITE = {"field": 1, "phi2": 2, "phi4": 4, "phi6": 6}  # powers of a field


@dataclass(frozen=True, eq=False)
class LocalActionPath:
    """From independent sites to a local action of fields or spins.

    Parameters
    ----------
    target : LocalAction
    """

    target: LocalAction

    @cached_property
    def site(self) -> PolynomialSite:
        """The density of one site, of real fields.

        It is bounded: the terms between sites have no trace, so a quadratic form that is positive
        for all modes has phi2 > 0.
        """
        own = {_SITE[name]: g for name, g in self.target.couplings.items() if name in _SITE}
        return PolynomialSite(own)

    @property
    def log_z(self) -> float:
        """V log z of one site."""
        t = self.target
        if t.kind == "spins":
            h = abs(t.couplings.get("field", 0.0))
            return t.n_sites * (h + math.log1p(math.exp(-2 * h)))
        return t.n_sites * self.site.log_z

    def sample(self, rng: Stream, n: int) -> np.ndarray:
        """Return configurations of independent sites."""
        t = self.target
        if t.kind == "spins":
            up = 1 / (1 + math.exp(2 * t.couplings.get("field", 0.0)))
            return np.where(rng.numpy().random((n, *t.event_shape)) < up, 1, -1).astype(np.int8)
        return self.site.draw(n * t.n_sites, rng).reshape(n, *t.event_shape)

    def at(self, fraction: float) -> Target:
        """Return the action with this fraction of its couplings between sites."""
        member = self.target.at(**{name: fraction * g for name, g in self._between.items()})
        if self.target.kind == "spins" and set(self._between) <= {"nearest"}:
            return member.as_ising
        return member

    def slope(self, bound: Any, state: State) -> np.ndarray:
        """Return the terms between sites, in compiled loops where the chains run in some."""
        if isinstance(getattr(bound, "fields", None), LocalActionFields):
            return self._fields.between(state)
        x = bound.configurations(state)
        return np.asarray(to_numpy(self._terms.weighted_value(x, self._between.values())))

    @cached_property
    def _fields(self) -> LocalActionFields:
        return LocalActionFields(self.target)

    @cached_property
    def _between(self) -> dict[str, float]:
        return {name: g for name, g in self.target.couplings.items() if name not in _SITE}

    @cached_property
    def _terms(self) -> LocalTerms:
        return LocalTerms(self.target.lattice, self._between, self.target.kind)
