r"""Metropolis-adjusted Langevin: one gradient step with noise, accepted or rejected.

.. math:: \phi' = \phi + \epsilon F(\phi) + \sqrt{2\epsilon}\, \xi , \qquad \xi \sim N(0, 1) ,

is accepted with probability :math:`\min(1, e^{-\Delta H})`, where the reverse step begins at phi'
with the force there,

.. math:: \Delta H = S(\phi') - S(\phi) + \tfrac12 \big[ |\xi + g|^2 - |\xi|^2 \big], \qquad
          g = \sqrt{\epsilon / 2}\, \big( F(\phi) + F(\phi') \big)

(Roberts and Tweedie 1996).  It is a single leapfrog step of size :math:`\sqrt{2\epsilon}` from
momenta xi (Neal 2011, section 5.5.2), and makes the chains of HMC with one step, from the same
random words.  The force of the current point is kept, so a step computes one action and one force.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from physgen.core.checks import check_positive
from physgen.core.protocols import Target
from physgen.samplers.fields.moves import check_settings, fields_of
from physgen.samplers.hmc import TrajectoryChains, check_share

__all__ = ["MALA"]


@final
@dataclass(frozen=True, kw_only=True)
class MALA:
    """Metropolis-adjusted Langevin steps for real fields.  One step is one proposal.

    Parameters
    ----------
    step_size : float, optional
        eps, in units of Langevin time; by default it is tuned in the warm-up.  At fixed
        acceptance it falls like V^(-1/3).
    target_accept : float
        Mean acceptance that it is tuned to; 0.574 is optimal in high dimension (Roberts and
        Rosenthal 1998).
    dtype, rng, device
        As for :class:`~physgen.samplers.hmc.HMC`.

    Raises
    ------
    InputError
        If `step_size` is not positive, or dtype, rng or device is unknown.

    Examples
    --------
    >>> from physgen.targets import Phi4
    >>> chains = MALA(step_size=0.05).bind(Phi4.from_hopping(L=16, kappa=0.21, lam=0.022))
    """

    cites: ClassVar[tuple[str, ...]] = ("Roberts1996",)

    n_leapfrog: ClassVar[int] = 1
    jitter: ClassVar[float] = 0.0

    step_size: float | None = None
    target_accept: float = 0.574
    dtype: str | None = None
    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.step_size is not None:
            check_positive("step_size", self.step_size)
        check_share("target_accept", self.target_accept)
        check_settings(self.dtype, self.rng, self.device)

    def bind(self, target: Target) -> TrajectoryChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target has no real fields or no force, or its force is not -dS/dx.
        """
        fields = fields_of(target, "MALA", self.dtype, self.rng, self.device)
        first = 0.5 * math.prod(target.event_shape) ** (-1 / 3)
        return TrajectoryChains(self, target, fields, self.step_size or first, langevin=True)
