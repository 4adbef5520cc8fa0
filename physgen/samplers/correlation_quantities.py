r"""What follows from correlators along an axis of extent T, of V sites in all.

.. math::
    G(t) = \langle G(t) \rangle - \frac VT \langle m \rangle^2, \qquad
    \tilde G(p) = \langle \tilde G(p) \rangle - V \langle m \rangle^2 \delta_{p0}, \qquad
    \xi = \frac{1}{2 \sin(\pi / T)} \sqrt{\frac{\tilde G(0)}{\tilde G(p_1)} - 1}, \\
    m_{\rm eff}(t): \quad
    \frac{G(t)}{G(t + 1)} = \frac{\cosh m (T/2 - t)}{\cosh m (T/2 - t - 1)} .

The square of a measured mean has a bias, and so have ratios; the jackknife removes it to order
1/n and knows how the means of a ratio go together.  Where a symmetry makes
:math:`\langle m \rangle` zero nothing is subtracted.  A mass or a length that some block of the
jackknife lacks (noise makes G grow with t) is NaN.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from physgen.observables.effective_mass import effective_mass
from physgen.observables.moments import second_moment_correlation_length
from physgen.observables.shelf import CORRELATORS
from physgen.samplers.ensemble import Ensemble, Quantity

__all__ = ["correlations", "is_correlator"]

_DIMS = {"correlator": ["distance"], "propagator": ["momentum"]}


def is_correlator(of: Ensemble, name: str) -> bool:
    """Whether a variable is a correlator of physgen, not a function of the user of that name."""
    return name in CORRELATORS and of.attrs[name].get("dims") == _DIMS[name]


def correlations(of: Ensemble, name: str) -> Iterator[Quantity]:
    """Yield the quantities that follow from the correlator, or from the propagator."""
    parts, m = of.parts(name), [] if of.z2 else of.parts("magnetization")
    if not of.z2 and not m:  # nothing to subtract, so nothing that is derived holds
        for k, a in enumerate(parts):
            yield Quantity(f"{name}[{k}]", "1", "mean, not connected: no <m>", (a,), a)
        return
    yield from (_distances if name == "correlator" else _momenta)(of, parts, m)


def _distances(of: Ensemble, G: list[Any], m: list[Any]) -> Iterator[Quantity]:
    T, means = max(of.shape), tuple(m)
    volume = of.V / T
    how = "<G(t)> - (V/T) <m>^2" if m else "<G(t)>"

    def connected(mean: Any, *means: Any) -> Any:
        return mean - volume * sum(a**2 for a in means)

    for t, a in enumerate(G):
        function = connected if m else None
        yield Quantity(f"correlator[{t}]", "1", how, (a, *means), a, function)
    for t in range(T // 2):

        def mass(here: Any, there: Any, *means: Any, t: int = t) -> Any:
            return effective_mass(connected(here, *means), connected(there, *means), t, T)

        how = "G(t)/G(t+1) = cosh m(T/2-t) / cosh m(T/2-t-1)"
        series = (G[t], G[t + 1], *means)
        yield Quantity(f"effective_mass[{t}]", "1 / lattice spacing", how, series, G[t], mass)


def _momenta(of: Ensemble, G: list[Any], m: list[Any]) -> Iterator[Quantity]:
    T, V, means = max(of.shape), of.V, tuple(m)

    def zero(mean: Any, *means: Any) -> Any:
        return mean - V * sum(a**2 for a in means)

    for n, a in enumerate(G):
        if n == 0 and m:
            how = "<G(0)> - V <m>^2"
            yield Quantity("propagator[0]", "1", how, (a, *means), a, zero)
        else:
            yield Quantity(f"propagator[{n}]", "1", "<G(p)>", (a,), a)
    if "structure_factor_kmin" in of.series and of.parts("magnetization"):
        return  # the correlation length follows from it, and is there already

    def xi(at_zero: Any, at_first: Any, *means: Any) -> Any:
        return second_moment_correlation_length(zero(at_zero, *means), at_first, T)

    how = "sqrt(G(0) / G(p_1) - 1) / (2 sin(pi / T))"
    series = (G[0], G[1], *means)
    yield Quantity("correlation_length", "lattice spacing", how, series, G[0], xi)
