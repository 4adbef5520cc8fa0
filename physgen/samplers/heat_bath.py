r"""Heat bath (Gibbs sampling; Glauber 1963, Geman and Geman 1984) of Ising spins.

Site after site, in the order of their numbers, the spin is drawn anew from its conditional
distribution,

.. math:: P(s_x = +1 \mid \text{rest}) = \frac{1}{1 + e^{-2 b_x}}, \qquad
          b_x = \beta \Big( \sum_{y \sim x} J_{xy} s_y + h_x \Big) .

Each update is in detailed balance with :math:`\pi \propto e^{-S}`; a sweep, their product in a
fixed order, leaves :math:`\pi` invariant but is not reversible.  It is ergodic at every
:math:`\beta`, :math:`\beta = 0` included, which sequential Metropolis need not be.
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

__all__ = ["HeatBath"]


@final
@dataclass(frozen=True, kw_only=True)
class HeatBath:
    """Sequential heat bath; one step is one sweep.

    Parameters
    ----------
    rng : {"philox", "fast"}
        "philox": the same chains on every machine and for any number of threads.  "fast":
        xoshiro256++, about twice as fast and reproducible too, but only on CPUs.
    layout : {"auto", "chains", "lattice", "int8"}
        "chains": 512 chains to a vector; any graph, couplings of one magnitude, any field.
        "lattice": 512 sites of one large periodic lattice to a vector.  "int8": one spin at a
        time, any couplings.  "auto" takes the fastest layout that fits the target.
    device : {"cpu", "cuda"}
        "cuda": the same chains on a GPU, with "philox": bit for bit in the layout "chains", and
        but for roundings in "int8".  Chains of the layout "lattice" are others, because their
        sites are visited colour by colour.

    Raises
    ------
    InputError
        If `rng`, `layout` or `device` is unknown.

    Examples
    --------
    >>> from physgen.core.random import Stream
    >>> from physgen.targets import Ising
    >>> chains = HeatBath().bind(Ising(L=4, beta=0.3))
    >>> state = chains.init(Stream(1), n_chains=100)
    >>> state, info = chains.step(Stream(1).child("draws"), state, n=10)
    >>> chains.measure(state)["energy"].shape
    (100,)
    """

    cites: ClassVar[tuple[str, ...]] = ("Creutz1980", "Geman1984")

    rng: str = "philox"
    layout: str = "auto"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_choice("rng", self.rng, RNGS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("device", self.device, DEVICES)

    def bind(self, target: Target) -> BoundSampler:
        """Return the bound sampler.

        Raises
        ------
        InputError
            If the target is not an Ising model, or the layout cannot take it.
        """
        name = kernel_name(target)
        if name == "pairs" and self.device == "cpu":
            return bind_pairs(target, 0, self.rng, self.layout)
        if name != "ising":
            raise InputError(
                f"HeatBath needs an Ising target, got {target!r}; for real fields use HMC or "
                "Metropolis"
            )
        return bind_ising(target, 0, self.rng, self.layout, self.device)
