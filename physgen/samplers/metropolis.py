r"""Metropolis sampling (Metropolis et al. 1953) with single-site proposals.

For Ising spins the flip of site x is accepted with probability

.. math:: A = \min(1, e^{-\Delta S}), \qquad
          \Delta S = 2 \beta s_x \Big( \sum_{y \sim x} J_{xy} s_y + h_x \Big) ,

visiting the sites in the order of their numbers; a tie, :math:`\Delta S = 0`, is flipped with
probability 1/2 by default.  A sweep leaves :math:`\pi \propto e^{-S}` invariant but is not
reversible.

**Ties.**  The textbook rule A = 1 at a tie is offered as ``ties="accept"``, but in sequential
order it is *not ergodic* at :math:`\beta = 0`, where two sweeps change nothing, nor at any
temperature on rings and some small tori: the states of the 3x3 torus fall into five classes that
never meet.  With fair ties all of these are ergodic.  In a field or at odd degree there are no
ties, and as :math:`\beta \to 0` sequential Metropolis mixes ever more slowly:
:class:`~physgen.samplers.heat_bath.HeatBath` does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from physgen.core.chains import BoundSampler
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.samplers.plain import kernel_name
from physgen.samplers.spins.local import DEVICES, LAYOUTS, RNGS, bind_ising, bind_pairs
from physgen.targets.own import whole_target

__all__ = ["Metropolis"]


@final
@dataclass(frozen=True, kw_only=True)
class Metropolis:
    """Sequential Metropolis; one step is one sweep.

    Compiled loops move Ising spins, phi^4 and free fields; any other action of spins or real
    fields takes one action of all chains for every site (:mod:`physgen.samplers.own_local`).

    Parameters
    ----------
    rng, layout, device
        As for :class:`~physgen.samplers.heat_bath.HeatBath`.
    ties : {"fair", "accept"}
        Flip with probability 1/2 or 1 where the action does not change.

    Raises
    ------
    InputError
        If `rng`, `layout`, `device` or `ties` is unknown.

    Examples
    --------
    >>> Metropolis(ties="accept").ties
    'accept'
    """

    cites: ClassVar[tuple[str, ...]] = ("Metropolis1953",)

    rng: str = "philox"
    layout: str = "auto"
    ties: str = "fair"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice("rng", self.rng, RNGS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("device", self.device, DEVICES)
        check_choice("ties", self.ties, ("fair", "accept"))

    def bind(self, target: Target) -> BoundSampler:
        """Return the bound sampler.

        Raises
        ------
        InputError
            If the target has neither spins nor real fields, or the layout cannot take it.
        """
        name = kernel_name(target)
        rule = 1 if self.ties == "fair" else 2
        if name == "pairs" and self.device == "cpu":
            return bind_pairs(target, rule, self.rng, self.layout)
        if name == "ising":
            return bind_ising(target, rule, self.rng, self.layout, self.device)
        if name == "phi4":
            from physgen.samplers.fields.local import bind_phi4

            return bind_phi4(target, self.rng, device=self.device)
        if self.device == "cuda":
            raise InputError(
                f"Metropolis runs on device='cuda' for Ising, phi^4 and free fields only, got "
                f"{target!r}; use device='cpu'"
            )
        from physgen.samplers.own_local import bind_own

        return bind_own(whole_target(target), self.ties)
