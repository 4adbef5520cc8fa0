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

========  ===========================================  ================================
name      alpha, sigma                                 f, g^2
========  ===========================================  ================================
ou        e^-t, (1 - e^-2t)^1/2                        -1, 2
vp        e^-b/2, (1 - e^-b)^1/2, b = int beta,        -beta/2, beta
          beta(t) = beta_min + (beta_max - beta_min) t
cosine    cos(pi t/2), sin(pi t/2)                     -(pi/2) tan, pi tan of pi t/2
ve        1, sigma_min (r^2t - 1)^1/2,                 0, 2 ln r sigma_min^2 r^2t
          r = sigma_max / sigma_min
edm       1, t                                         0, 2 t
linear    1 - t, t                                     -1/(1 - t), 2 t/(1 - t)
========  ===========================================  ================================

(Ornstein-Uhlenbeck and the reversed equation: Anderson 1982; vp, ve and the flow: Song et al. 2021;
edm: Karras et al. 2022; linear: Lipman et al. 2023, Albergo, Vanden-Eijnden 2023.)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, final

import numpy as np

from physgen.core.checks import check_choice, check_finite, check_positive
from physgen.core.errors import InputError

__all__ = [
    "EDM",
    "OU",
    "PROCESSES",
    "VE",
    "VP",
    "Cosine",
    "Linear",
    "Process",
    "prior_mismatch",
    "process_of",
    "schedule_of",
]

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
        """Name and numbers (JSON types) that :func:`process_of` makes the process from."""
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


@final
@dataclass(frozen=True)
class OU(Process):
    """Ornstein-Uhlenbeck: dX = -X dt + sqrt(2) dB."""

    name = "ou"
    end: float = 5.0

    def alpha(self, t: Times) -> Any:
        """Return e^-t."""
        return np.exp(-np.asarray(t, np.float64))

    def sigma(self, t: Times) -> Any:
        """Return (1 - e^-2t)^1/2."""
        return np.sqrt(-np.expm1(-2 * np.asarray(t, np.float64)))

    def drift(self, t: Times) -> Any:
        """Return -1."""
        return np.full(np.shape(t), -1.0)

    def diffusion2(self, t: Times) -> Any:
        """Return 2."""
        return np.full(np.shape(t), 2.0)

    def time_of(self, ratio: Times) -> Any:
        """Return ln(1 + lambda^2) / 2."""
        return 0.5 * np.log1p(np.asarray(ratio, np.float64) ** 2)


@final
@dataclass(frozen=True)
class VP(Process):
    """Variance preserving, with beta growing linearly from beta_min to beta_max at t = 1."""

    name = "vp"
    end: float = 1.0
    beta_min: float = 0.1
    beta_max: float = 20.0

    def beta(self, t: Times) -> Any:
        """Return the rate beta(t)."""
        return self.beta_min + (self.beta_max - self.beta_min) * np.asarray(t, np.float64)

    def _integral(self, t: Times) -> Any:
        t = np.asarray(t, np.float64)
        return t * (self.beta_min + 0.5 * (self.beta_max - self.beta_min) * t)

    def alpha(self, t: Times) -> Any:
        """Return exp of minus half the integral of beta."""
        return np.exp(-0.5 * self._integral(t))

    def sigma(self, t: Times) -> Any:
        """Return (1 - alpha^2)^1/2."""
        return np.sqrt(-np.expm1(-self._integral(t)))

    def drift(self, t: Times) -> Any:
        """Return -beta/2."""
        return -0.5 * self.beta(t)

    def diffusion2(self, t: Times) -> Any:
        """Return beta."""
        return self.beta(t)

    def time_of(self, ratio: Times) -> Any:
        """Return the root of the integral of beta = ln(1 + lambda^2)."""
        b, a = self.beta_min, 0.5 * (self.beta_max - self.beta_min)
        rest = np.log1p(np.asarray(ratio, np.float64) ** 2)
        return 2 * rest / (b + np.sqrt(b * b + 4 * a * rest))


@final
@dataclass(frozen=True)
class Cosine(Process):
    """Variance preserving with alpha = cos(pi t/2); it has no noiseless end, so T < 1."""

    name = "cosine"
    end: float = 0.995

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_below_one(self)

    def alpha(self, t: Times) -> Any:
        """Return cos(pi t/2)."""
        return np.cos(0.5 * np.pi * np.asarray(t, np.float64))

    def sigma(self, t: Times) -> Any:
        """Return sin(pi t/2)."""
        return np.sin(0.5 * np.pi * np.asarray(t, np.float64))

    def drift(self, t: Times) -> Any:
        """Return -(pi/2) tan(pi t/2)."""
        return -0.5 * np.pi * np.tan(0.5 * np.pi * np.asarray(t, np.float64))

    def diffusion2(self, t: Times) -> Any:
        """Return pi tan(pi t/2)."""
        return np.pi * np.tan(0.5 * np.pi * np.asarray(t, np.float64))

    def time_of(self, ratio: Times) -> Any:
        """Return (2/pi) arctan lambda."""
        return 2 / np.pi * np.arctan(np.asarray(ratio, np.float64))


@final
@dataclass(frozen=True)
class VE(Process):
    """Variance exploding from 0 to about sigma_max at t = 1, geometrically above sigma_min."""

    name = "ve"
    end: float = 1.0
    sigma_min: float = 0.01
    sigma_max: float = 200.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.sigma_max <= self.sigma_min:
            raise InputError(
                f"sigma_max must be greater than sigma_min = {self.sigma_min:g}, got "
                f"{self.sigma_max:g}"
            )

    @property
    def _rate(self) -> float:
        return 2 * math.log(self.sigma_max / self.sigma_min)

    def alpha(self, t: Times) -> Any:
        """Return 1."""
        return np.ones(np.shape(t))

    def sigma(self, t: Times) -> Any:
        """Return sigma_min (r^2t - 1)^1/2."""
        return self.sigma_min * np.sqrt(np.expm1(self._rate * np.asarray(t, np.float64)))

    def drift(self, t: Times) -> Any:
        """Return 0."""
        return np.zeros(np.shape(t))

    def diffusion2(self, t: Times) -> Any:
        """Return 2 ln r sigma_min^2 r^2t."""
        grown = np.exp(self._rate * np.asarray(t, np.float64))
        return self._rate * self.sigma_min**2 * grown

    def time_of(self, ratio: Times) -> Any:
        """Return ln(1 + (lambda / sigma_min)^2) / (2 ln r)."""
        return np.log1p((np.asarray(ratio, np.float64) / self.sigma_min) ** 2) / self._rate


@final
@dataclass(frozen=True)
class EDM(Process):
    """Noise of standard deviation t on an unchanged field."""

    name = "edm"
    end: float = 200.0

    def alpha(self, t: Times) -> Any:
        """Return 1."""
        return np.ones(np.shape(t))

    def sigma(self, t: Times) -> Any:
        """Return t."""
        return np.asarray(t, np.float64) + 0.0

    def drift(self, t: Times) -> Any:
        """Return 0."""
        return np.zeros(np.shape(t))

    def diffusion2(self, t: Times) -> Any:
        """Return 2 t."""
        return 2 * np.asarray(t, np.float64)

    def dsigma(self, t: Times) -> Any:
        """Return 1, also at t = 0."""
        return np.ones(np.shape(t))

    def time_of(self, ratio: Times) -> Any:
        """Return lambda."""
        return np.asarray(ratio, np.float64) + 0.0


@final
@dataclass(frozen=True)
class Linear(Process):
    """The straight line from field to noise of flow matching; at t = 1 no field is left: T < 1."""

    name = "linear"
    end: float = 0.995

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_below_one(self)

    def alpha(self, t: Times) -> Any:
        """Return 1 - t."""
        return 1 - np.asarray(t, np.float64)

    def sigma(self, t: Times) -> Any:
        """Return t."""
        return np.asarray(t, np.float64) + 0.0

    def drift(self, t: Times) -> Any:
        """Return -1/(1 - t)."""
        return -1 / (1 - np.asarray(t, np.float64))

    def diffusion2(self, t: Times) -> Any:
        """Return 2 t/(1 - t)."""
        t = np.asarray(t, np.float64)
        return 2 * t / (1 - t)

    def dsigma(self, t: Times) -> Any:
        """Return 1, also at t = 0."""
        return np.ones(np.shape(t))

    def time_of(self, ratio: Times) -> Any:
        """Return lambda / (1 + lambda)."""
        ratio = np.asarray(ratio, np.float64)
        return ratio / (1 + ratio)


PROCESSES: Mapping[str, type[Any]] = {p.name: p for p in (OU, VP, Cosine, VE, EDM, Linear)}


def process_of(spec: Process | str | Mapping[str, Any]) -> Process:
    """Return a process from its name, or from name and numbers, ``{"name": "ou", "end": 4.0}``.

    Raises
    ------
    InputError
        If the name or a number is not known, or a number is out of range.
    """
    if isinstance(spec, Process):
        return spec
    given: dict[str, Any] = {"name": spec} if isinstance(spec, str) else dict(spec)
    cls = PROCESSES[check_choice("process", given.pop("name", None), tuple(PROCESSES))]
    known = tuple(f.name for f in fields(cls))
    for key, value in given.items():
        check_choice(f"each number of process {cls.name!r}", key, known)
        check_finite(key, value)
    return cls(**{key: float(value) for key, value in given.items()})


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


def _check_below_one(process: Process) -> None:
    if process.end >= 1:
        raise InputError(
            f"end of process {process.name!r} must be less than 1, where no field is left, got "
            f"{process.end:g}; take 0.995"
        )
