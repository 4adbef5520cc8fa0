r"""Six affine processes; conventions are those of :mod:`physgen.models.diffusion.process`.

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

(ou: Anderson 1982; vp, ve: Song et al. 2021; edm: Karras et al. 2022; linear: Lipman et al. 2023,
Albergo, Vanden-Eijnden 2023.)
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np

from physgen.core.checks import check_choice, check_finite
from physgen.core.errors import InputError
from physgen.models.diffusion.process import Process, Times

__all__ = ["EDM", "OU", "PROCESSES", "VE", "VP", "Cosine", "Linear", "process_of"]


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


def _check_below_one(process: Process) -> None:
    if process.end >= 1:
        raise InputError(
            f"end of process {process.name!r} must be less than 1, where no field is left, got "
            f"{process.end:g}; take 0.995"
        )
