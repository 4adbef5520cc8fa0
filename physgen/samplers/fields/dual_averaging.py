r"""Dual averaging of a step size to a wanted acceptance (Hoffman and Gelman 2014, section 3.2).

After step t with acceptance probability :math:`\alpha_t`, the mean over all chains,

.. math::
    \bar H_t = \Big(1 - \frac1{t + t_0}\Big) \bar H_{t-1} + \frac{\delta - \alpha_t}{t + t_0} ,
    \qquad \log\epsilon_{t+1} = \mu - \frac{\sqrt t}{\gamma} \bar H_t ,
    \qquad \log\bar\epsilon_{t+1} = t^{-\kappa} \log\epsilon_{t+1}
                                     + (1 - t^{-\kappa}) \log\bar\epsilon_t ,

with wanted acceptance :math:`\delta`, :math:`\mu = \log 10 \epsilon_1`, :math:`\gamma = 0.05`,
:math:`t_0 = 10`, :math:`\kappa = 0.75`.  :math:`\bar\epsilon` is the result.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

__all__ = ["DualAveraging"]

_GAMMA, _T0, _KAPPA = 0.05, 10.0, 0.75


@dataclass
class DualAveraging:
    """The adaptation of one positive number.

    Parameters
    ----------
    first : float
        The step size to begin with, > 0.
    target_accept : float
        Wanted mean acceptance, in (0, 1).
    """

    first: float
    target_accept: float

    def __post_init__(self) -> None:
        self._mu = math.log(10 * self.first)
        self._error, self._t = 0.0, 0
        self._log, self._log_mean = math.log(self.first), 0.0

    @property
    def trial(self) -> float:
        """The step size to try next."""
        return math.exp(self._log)

    @property
    def result(self) -> float:
        """The averaged step size."""
        return math.exp(self._log_mean) if self._t else self.first

    def update(self, acceptance: float) -> None:
        """Learn the mean acceptance probability of the last trial."""
        self._t += 1
        weight = 1 / (self._t + _T0)
        self._error += weight * (self.target_accept - acceptance - self._error)
        self._log = self._mu - math.sqrt(self._t) / _GAMMA * self._error
        share = self._t**-_KAPPA
        self._log_mean += share * (self._log - self._log_mean)
