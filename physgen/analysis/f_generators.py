r"""Generators of f-divergences, their conjugates, and where those are defined.

For a convex f with f(1) = 0,

.. math::
    D_f(p\|q) = E_q\, f(p/q) \;\ge\; E_p\, T - E_q\, f^*(T) , \qquad
    f^*(t) = \sup_u \{ u t - f(u) \} ,

for every function T with values in the domain of f*; equality at :math:`T = f'(p/q)`.

=================  ===============================  ========================  =================
name               f(u)                             f*(t)                     domain of t
=================  ===============================  ========================  =================
kl                 u log u                          e^(t-1)                   all
reverse-kl         -log u                           -1 - log(-t)              t < 0
pearson            (u - 1)^2                        t^2/4 + t; -1, t < -2     all
squared-hellinger  (u^(1/2) - 1)^2                  t / (1 - t)               t < 1
js                 (u log u                         -log(2 - e^(2t)) / 2      t < log(2) / 2
                   - (u+1) log((u+1)/2)) / 2
tv                 abs(u - 1) / 2                   t; -1/2, t < -1/2         t <= 1/2
=================  ===============================  ========================  =================

``kl`` is D(p||q) and ``reverse-kl`` D(q||p): with p and q confused, a mode-covering loss becomes a
mode-seeking one.  ``js`` is at most log 2: without its factor 1/2 the generator gives 2 JS.
``squared-hellinger`` is 2 (1 - F_c).  The original adversarial game, u log u - (u+1) log(u+1), has
f(1) = -log 4: it is no f-divergence, and its value is 2 JS - log 4.

Arrays of NumPy or torch; u comes as log u, so that no ratio overflows.  Differentiable for torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from array_api_compat import array_namespace

from physgen.core.checks import check_choice

__all__ = ["GENERATORS", "Generator", "generator"]


@dataclass(frozen=True)
class Generator:
    """One f-divergence.

    Attributes
    ----------
    name : str
    f : callable
        log u -> f(u).
    per_u : callable
        log u -> f(u) / u: the terms of the mean over p.
    slope : callable
        log u -> f'(u), the best T.
    conjugate : callable
        t -> f*(t).
    upper : float
        f* is defined for t <= upper (below it, where f* diverges there).
    at_zero, at_infinity : float
        f(0) and lim f(u) / u, what mass outside the support of p and of q costs.
    """

    name: str
    f: Callable[[Any], Any]
    per_u: Callable[[Any], Any]
    slope: Callable[[Any], Any]
    conjugate: Callable[[Any], Any]
    upper: float
    at_zero: float
    at_infinity: float


def generator(name: str) -> Generator:
    """Return a generator by name: kl, reverse-kl, pearson, squared-hellinger, js or tv."""
    return GENERATORS[check_choice("divergence", name, tuple(GENERATORS))]


def _exp(x: Any) -> Any:
    return array_namespace(x).exp(x)


def _log(x: Any) -> Any:
    return array_namespace(x).log(x)


def _log_mean(v: Any) -> Any:
    """Return log((1 + u) / 2)."""
    xp = array_namespace(v)
    return xp.logaddexp(v, xp.zeros_like(v)) - math.log(2)


def _pearson_conjugate(t: Any) -> Any:
    xp = array_namespace(t)
    return xp.where(t < -2, -xp.ones_like(t), t * t / 4 + t)


def _tv_conjugate(t: Any) -> Any:
    xp = array_namespace(t)
    return xp.where(t < -0.5, xp.full_like(t, -0.5), t)


def _expm1(v: Any) -> Any:
    return array_namespace(v).expm1(v)


_ALL = (
    Generator(
        "kl",
        f=lambda v: v * _exp(v),
        per_u=lambda v: v,
        slope=lambda v: v + 1,
        conjugate=lambda t: _exp(t - 1),
        upper=math.inf,
        at_zero=0.0,
        at_infinity=math.inf,
    ),
    Generator(
        "reverse-kl",
        f=lambda v: -v,
        per_u=lambda v: -v * _exp(-v),
        slope=lambda v: -_exp(-v),
        conjugate=lambda t: -1 - _log(-t),
        upper=0.0,
        at_zero=math.inf,
        at_infinity=0.0,
    ),
    Generator(
        "pearson",
        f=lambda v: _expm1(v) ** 2,
        per_u=lambda v: _expm1(v) * -_expm1(-v),
        slope=lambda v: 2 * _expm1(v),
        conjugate=_pearson_conjugate,
        upper=math.inf,
        at_zero=1.0,
        at_infinity=math.inf,
    ),
    Generator(
        "squared-hellinger",
        f=lambda v: _expm1(v / 2) ** 2,
        per_u=lambda v: _expm1(-v / 2) ** 2,
        slope=lambda v: -_expm1(-v / 2),
        conjugate=lambda t: t / (1 - t),
        upper=1.0,
        at_zero=1.0,
        at_infinity=1.0,
    ),
    Generator(
        "js",
        f=lambda v: (v * _exp(v) - (_exp(v) + 1) * _log_mean(v)) / 2,
        per_u=lambda v: (v - (1 + _exp(-v)) * _log_mean(v)) / 2,
        slope=lambda v: (v - _log_mean(v)) / 2,
        conjugate=lambda t: -_log(2 - _exp(2 * t)) / 2,
        upper=math.log(2) / 2,
        at_zero=math.log(2) / 2,
        at_infinity=math.log(2) / 2,
    ),
    Generator(
        "tv",
        f=lambda v: abs(_expm1(v)) / 2,
        per_u=lambda v: abs(_expm1(-v)) / 2,
        slope=lambda v: array_namespace(v).sign(v) / 2,
        conjugate=_tv_conjugate,
        upper=0.5,
        at_zero=0.5,
        at_infinity=0.5,
    ),
)
GENERATORS: Mapping[str, Generator] = MappingProxyType({g.name: g for g in _ALL})
