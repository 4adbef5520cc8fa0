r"""Metropolis sampling with single-site proposals.

For Ising spins the flip of site x is accepted with probability

.. math:: A = \min(1, e^{-\Delta S}), \qquad
          \Delta S = 2 \beta s_x \Big( \sum_{y \sim x} J_{xy} s_y + h_x \Big) ,

sites in the order of their numbers.  A sweep leaves :math:`\pi \propto e^{-S}` invariant but is not
reversible, and **at** :math:`\beta = 0` **it is not ergodic**: every flip is accepted, so two sweeps
change nothing.  At high temperature prefer :class:`~physgen.samplers.heat_bath.HeatBath`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.samplers._ising_local import LAYOUTS, RNGS, bind_ising, kernel_name

__all__ = ["Metropolis"]


@final
@dataclass(frozen=True, kw_only=True)
class Metropolis:
    """Sequential Metropolis; one step is one sweep.

    Parameters
    ----------
    rng, layout
        As for :class:`~physgen.samplers.heat_bath.HeatBath`.
    """

    rng: str = "philox"
    layout: str = "auto"

    def __post_init__(self) -> None:
        check_choice("rng", self.rng, RNGS)
        check_choice("layout", self.layout, LAYOUTS)

    def bind(self, target: Target) -> Any:
        """Return the bound sampler.

        Raises
        ------
        InputError
            If there is no local Metropolis for this target, or the layout cannot take it.
        """
        name = kernel_name(target)
        if name == "ising":
            return bind_ising(target, 1, self.rng, self.layout)
        raise InputError(f"Metropolis needs an Ising target, got {target!r}; use HMC or MALA")
