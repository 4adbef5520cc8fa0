r"""Unadjusted Langevin: gradient steps with noise and no rejection, hence biased.

.. math:: \phi' = \phi + \epsilon F(\phi) + \sqrt{2\epsilon}\, \xi , \qquad \xi \sim N(0, 1) .

The chain converges to a distribution that differs from :math:`e^{-S}/Z` by O(eps).  For a free
field with spectrum :math:`\lambda_k` it is known,

.. math:: \langle |\phi_k|^2 \rangle / V = \frac{1}{\lambda_k (1 - \epsilon \lambda_k / 2)}
          \quad\text{instead of}\quad \frac1{\lambda_k} ,

and the chain runs away where :math:`\epsilon \lambda_k > 2` (Parisi and Wu 1981;
Roberts and Tweedie 1996).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.checks import check_positive, check_positive_int
from physgen.core.protocols import Target
from physgen.core.random import Stream
from physgen.samplers.fields.moves import Moves, check_settings, fields_of

__all__ = ["ULA", "LangevinChains"]


@final
@dataclass(frozen=True, kw_only=True)
class ULA:
    """Unadjusted Langevin steps for real fields, labelled "approximate" in results.

    For exact results take :class:`~physgen.samplers.mala.MALA` or
    :class:`~physgen.samplers.hmc.HMC`; ULA is here because learned energies are often trained and
    sampled with it.

    Parameters
    ----------
    step_size : float
        eps, in units of Langevin time; the bias is proportional to it.
    dtype, rng, device
        As for HMC.

    Raises
    ------
    InputError
        If `step_size` is not positive, or dtype, rng or device is unknown.

    Examples
    --------
    >>> ULA(step_size=0.01).step_size
    0.01
    """

    cites: ClassVar[tuple[str, ...]] = ("Roberts1996",)

    step_size: float = 0.01
    dtype: str | None = None
    rng: str = "philox"
    device: str = "cpu"

    def __post_init__(self) -> None:
        check_positive("step_size", self.step_size)
        check_settings(self.dtype, self.rng, self.device)

    def bind(self, target: Target) -> LangevinChains:
        """Return the chains of this target.

        Raises
        ------
        InputError
            If the target has no real fields or no force, or its force is not -dS/dx.
        """
        fields = fields_of(target, "ULA", self.dtype, self.rng, self.device)
        return LangevinChains(target, fields, float(self.step_size))


@final
@dataclass(frozen=True)
class LangevinChains:
    """Chains of fields moved by unadjusted Langevin steps."""

    target: Target
    fields: Moves
    step_size: float
    exactness: str = "approximate"

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions."""
        return self.fields.init(rng, n_chains, start)

    def step(self, rng: Stream, state: State, n: int = 1) -> tuple[State, Info]:
        """Return the chains after n steps.

        Raises
        ------
        NonFiniteActionError
            If a chain ran away: the step size is too large for the target.
        """
        check_positive_int("n", n)
        return self.fields.langevin(rng, state, self.step_size, n), Info()

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        return self.fields.measure(state)

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        return self.fields.configurations(state)
