r"""The quantities that follow from the series of a run: means, and functions of means.

.. math::
    \frac{\langle E \rangle}{V}, \quad
    c = \beta^2 \frac{\langle E^2 \rangle - \langle E \rangle^2}{V}, \quad
    \langle m \rangle, \quad \langle |m| \rangle, \quad
    \chi = V (\langle m^2 \rangle - \langle m \rangle^2), \quad
    \chi_{\rm abs} = V (\langle m^2 \rangle - \langle |m| \rangle^2), \\
    U = 1 - \frac{\langle m^4 \rangle}{3 \langle m^2 \rangle^2}, \quad
    \xi = \frac{1}{2 \sin(\pi / L)} \sqrt{\frac{\chi}{\langle S(k_{\min}) \rangle} - 1} .

V counts sites, not numbers: the magnetization of a field with components :math:`\phi^a` is a
vector, :math:`m^2 = \sum_a m_a^2` and :math:`\langle m \rangle^2 = \sum_a \langle m_a \rangle^2`.
Where a symmetry of the target makes :math:`\langle m \rangle = 0`, :math:`\chi` uses this zero:
the measured mean is noise, and in a broken phase it reflects the signs of the chains (chi and xi
then keep their symmetric-phase form and include the order itself).  Correlators are in
:mod:`physgen.samplers.correlation_quantities`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from physgen.observables.moments import (
    binder,
    chi_abs,
    second_moment_correlation_length,
    specific_heat,
    susceptibility,
)
from physgen.samplers.correlation_quantities import correlations, is_correlator
from physgen.samplers.ensemble import Ensemble, Quantity

__all__ = ["quantities_of"]


def quantities_of(of: Ensemble) -> Iterator[Quantity]:
    """Yield the quantities, in the order of the series."""
    done: set[str] = set()
    for key, a in of.series.items():
        name = key.split("[")[0]
        if name == "energy":
            yield from _energetic(of, a)
        elif name == "action":
            yield Quantity("action_per_site", "1", "<S> / V", (a / of.V,), a)
        elif name == "magnetization":
            if name not in done:
                yield from _magnetic(of)
        elif is_correlator(of, name):
            if name not in done:
                yield from correlations(of, name)
        else:
            unit = str(of.attrs[name].get("units", "1"))
            yield Quantity(key, unit, f"<{key}>", (a,), a)
        done.add(name)


def _energetic(of: Ensemble, a: np.ndarray) -> Iterator[Quantity]:
    """Yield the quantities that follow from the total energy."""
    unit, V = of.attrs["energy"].get("units", "J"), of.V
    yield Quantity("energy_per_site", unit, "<E> / V", (a / V,), a)
    if of.beta is None:
        return
    # Fluctuations do not depend on the origin of E; small squares round less.
    E, beta = a - a.mean(), of.beta
    how = "beta^2 (<E^2> - <E>^2) / V"

    def function(e: Any, e2: Any) -> Any:
        return specific_heat(e, e2, beta, V)

    yield Quantity("specific_heat", "k_B", how, (E, E**2), E**2, function)


def _magnetic(of: Ensemble) -> Iterator[Quantity]:
    """Yield the quantities that follow from the magnetization per site."""
    V, L, m = of.V, max(of.shape), of.parts("magnetization")
    one = len(m) == 1
    m2 = np.sum([a**2 for a in m], axis=0)
    abs_m = np.abs(m[0]) if one else np.sqrt(m2)
    for k, a in enumerate(m):
        name, text = ("magnetization", "<m>") if one else (f"magnetization[{k}]", f"<m_{k}>")
        yield Quantity(name, "1", text, (a,), a)
    yield Quantity("abs_magnetization", "1", "<|m|>", (abs_m,), abs_m)
    means = () if of.z2 else tuple(m)
    how = "V <m^2>, <m> = 0 by symmetry" if of.z2 else "V (<m^2> - <m>^2)"

    def chi(m2: Any, *means: Any) -> Any:
        return susceptibility(0.0, m2 - sum(a**2 for a in means), V)

    yield Quantity("susceptibility", "1", how, (m2, *means), m2, chi)
    spread = (abs_m - abs_m.mean()) ** 2
    how = "V (<m^2> - <|m|>^2)"
    yield Quantity("chi_abs", "1", how, (abs_m, m2), spread, lambda a, m2: chi_abs(a, m2, V))
    how = "1 - <m^4> / (3 <m^2>^2)"
    yield Quantity("binder", "1", how, (m2, m2**2), m2, binder)
    if (kmin := of.series.get("structure_factor_kmin")) is not None:
        how = "sqrt(chi / <S(k_min)> - 1) / (2 sin(pi / L))"

        def xi(S: Any, m2: Any, *means: Any) -> Any:
            return second_moment_correlation_length(chi(m2, *means), S, L)

        yield Quantity("correlation_length", "lattice spacing", how, (kmin, m2, *means), m2, xi)
