r"""Simple functions of configurations, differentiable, whose means a generator can be held to.

=========  ================================================================================
phi2       mean of :math:`x^2` over the sites, of real fields
phi4       mean of :math:`x^4`, of real fields
bond       mean of :math:`x_a x_b` over the bonds of the lattice
abs_m, m2  :math:`|m|` and :math:`m^2` of :math:`m = \frac1V \sum x`
m4         :math:`m^4`, of spins
m          m itself, where the law is not even
=========  ================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import torch

from physgen.core.protocols import Support
from physgen.lattice.hypercubic import Hypercubic

__all__ = ["SiteMoments"]


@final
class SiteMoments:
    """The functions of the table that a system has.

    Parameters
    ----------
    lattice : Hypercubic or None
        None: no bonds.
    support : Support
        Reals or spins.
    even : bool
        p(-x) = p(x).

    Attributes
    ----------
    names : tuple of str
    """

    def __init__(self, lattice: Hypercubic | None, support: Support, *, even: bool) -> None:
        self.lattice = lattice if lattice is not None and lattice.n_bonds else None
        self._dim = None if lattice is None else lattice.dim
        of_fields = support.kind == "reals"
        names = ["phi2", "phi4"] if of_fields else []
        names += ["bond"] if self.lattice is not None else []
        names += ["abs_m", "m2"] if of_fields else ["abs_m", "m2", "m4"]
        self.names = (*names, *(() if even else ("m",)))

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """Return the functions (B, n) of configurations (B, *event_shape), in float64."""
        flat = x.flatten(1).double()
        m = flat.mean(1)
        known: dict[str, Callable[[], torch.Tensor]] = {
            "phi2": lambda: flat.square().mean(1),
            "phi4": lambda: flat.square().square().mean(1),
            "bond": lambda: self._bonds(flat),
            "abs_m": m.abs,
            "m2": m.square,
            "m4": lambda: m.square().square(),
            "m": lambda: m,
        }
        return torch.stack([known[name]() for name in self.names], 1)

    def _bonds(self, flat: torch.Tensor) -> torch.Tensor:
        assert self.lattice is not None
        x = flat.view(-1, *self.lattice.shape)
        return self.lattice.bond_sum(x) / self.lattice.n_bonds
