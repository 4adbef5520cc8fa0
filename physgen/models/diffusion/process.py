r"""Affine diffusion processes: noise that is added to a field, and taken away again.

With a field :math:`x_0` of the data and normal deviates z, at time :math:`0 \le t \le T`

.. math:: x_t = \alpha(t) \, x_0 + \sigma(t) \, z , \qquad \alpha(0) = 1, \quad \sigma(0) = 0 .

Signs, once and for all (t runs forward with the noise; :math:`s = \nabla \log q_t`; the reverse
equations are written in reversed time :math:`\bar t = T - t`, which grows):

.. math::
    \text{forward}\quad & dX = f X \, dt + g \, dB , &
    f &= \alpha' / \alpha , \quad g^2 = (\sigma^2)' - 2 f \sigma^2 , \\
    \text{reverse}\quad & dX = (-f X + g^2 s) \, d\bar t + g \, d\bar B , \\
    \text{flow}\quad & \frac{dx}{dt} = f x - \tfrac12 g^2 s , &
    \frac{d \log q_t(x_t)}{dt} &= -\nabla \cdot \big( f x - \tfrac12 g^2 s \big) .

All three have the same marginals :math:`q_t`.  For the Ornstein-Uhlenbeck process f = -1, so the
reverse drift is :math:`+X + g^2 s`; lecture notes print :math:`-X - g^2 s` and the variance
:math:`\int e^{s-t} g^2 ds`, which are wrong: it is :math:`\int e^{-2(t-s)} g^2 ds`.

Only the ratio :math:`\lambda = \sigma / \alpha` matters for :math:`x_t / \alpha = x_0 + \lambda
z`: two processes are one process with two clocks (:meth:`Process.time_of`).

The pairs are in :mod:`physgen.models.diffusion.processes`.  (Anderson 1982; Song et al. 2021.)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from physgen.core.checks import check_positive

__all__ = ["Process", "prior_mismatch", "schedule_of"]

Times = Any  # float or array of float64, 0 <= t <= end
_GRID = 33  # times at which a model keeps (alpha, sigma)


@dataclass(frozen=True)
class Process(ABC):
    """One pair (alpha, sigma).  Methods take times t of any shape and return float64.

    Attributes
    ----------
    end : float
        The last time T, > 0.
    """

    name: ClassVar[str]
    end: float

    def __post_init__(self) -> None:
        for key, value in asdict(self).items():
            check_positive(key, value)

    # --- what a process supplies ------------------------------------------------------------

    @abstractmethod
    def alpha(self, t: Times) -> Any:
        """Return the factor of the field."""

    @abstractmethod
    def sigma(self, t: Times) -> Any:
        """Return the standard deviation of the noise."""

    @abstractmethod
    def drift(self, t: Times) -> Any:
        """Return f = alpha' / alpha."""

    @abstractmethod
    def diffusion2(self, t: Times) -> Any:
        """Return g^2."""

    @abstractmethod
    def time_of(self, ratio: Times) -> Any:
        """Return the time at which sigma / alpha is `ratio`, >= 0."""

    # --- what follows -----------------------------------------------------------------------

    @property
    def spec(self) -> dict[str, Any]:
        """Name and numbers (JSON types) that ``process_of`` makes the process from."""
        return {"name": self.name, **asdict(self)}

    def dalpha(self, t: Times) -> Any:
        """Return alpha'."""
        return self.drift(t) * self.alpha(t)

    def dsigma(self, t: Times) -> Any:
        """Return sigma'; infinite at t = 0 where sigma grows like a square root."""
        sigma = self.sigma(t)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = 0.5 * np.divide(self.diffusion2(t), sigma) + self.drift(t) * sigma
        return found

    def ratio(self, t: Times) -> Any:
        """Return lambda = sigma / alpha."""
        return self.sigma(t) / self.alpha(t)

    def variance(self, t: Times, spectrum: Any = 1.0) -> Any:
        """Return alpha^2 C + sigma^2: the law of x_t of a Gaussian field of spectrum C.

        Draws that begin at t < T begin with this law, which is not the prior.
        """
        return self.alpha(t) ** 2 * spectrum + self.sigma(t) ** 2

    @property
    def prior_std(self) -> float:
        """Standard deviation of the Gaussian that samplers without a spectrum begin from."""
        return math.sqrt(float(self.variance(self.end, 1.0)))

    def forward_drift(self, x: Any, t: float) -> Any:
        """Return f x, the drift of the forward equation."""
        return float(self.drift(t)) * x

    def reverse_drift(self, x: Any, t: float, score: Any) -> Any:
        """Return -f x + g^2 s, the drift of the reverse equation in reversed time."""
        return -float(self.drift(t)) * x + float(self.diffusion2(t)) * score

    def flow(self, x: Any, t: float, score: Any) -> Any:
        """Return f x - g^2 s / 2, the velocity dx/dt of the probability flow."""
        return float(self.drift(t)) * x - 0.5 * float(self.diffusion2(t)) * score


def schedule_of(process: Process) -> np.ndarray:
    """Return (t, alpha, sigma) at 33 times from 0 to T, float64 (3, 33): what models keep."""
    t = np.linspace(0.0, process.end, _GRID)
    return np.stack([t, process.alpha(t), process.sigma(t)])


def prior_mismatch(process: Process, spectrum: Any) -> float:
    r"""Return the divergence of x_T from the prior that samplers without a spectrum begin from.

    For a Gaussian field of spectrum C and the prior N(0, v), in nats,

    .. math:: D_{KL} = \tfrac12 \sum_k (r_k - 1 - \ln r_k) , \qquad
              r_k = (\alpha_T^2 C_k + \sigma_T^2) / v ,

    which falls like :math:`\alpha_T^4`; slow modes have the largest share.

    Parameters
    ----------
    process : Process
    spectrum : array (n,)
        Variances C_k of all modes.
    """
    r = process.variance(process.end, np.asarray(spectrum, np.float64)) / process.prior_std**2
    return float(0.5 * np.sum(r - 1 - np.log(r)))
