r"""Where a local action is bounded, and where its chains begin.

Far away, the highest power decides: :math:`e^{-S}` can be normalised if its coupling is positive.
Without higher powers, S is a quadratic form, and its smallest eigenvalue must be positive,

.. math:: \lambda(k) = g_2 + g_n \sum_\mu \cos k_\mu
                       + 2 g_d \sum_{\mu<\nu} \cos k_\mu \cos k_\nu ,

with :math:`k_\mu = 2\pi n / L` along a periodic axis (an extent of 1 has no cosine) and
:math:`k_\mu = \pi n / (L + 1)`, n = 1..L, along an open one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.random import Stream, as_stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.targets.local_terms import DEGREES, POWERS, LocalTerms

__all__ = ["LocalStarts", "quadratic_modes", "unbounded"]

_DEPTH, _CELLS = 45.0, 2**14  # e^-45 of the maximum is where the draws of a site end


def unbounded(lattice: Hypercubic, couplings: Mapping[str, float]) -> str:
    """Return why e^{-S} of a real field cannot be normalised, or "" if it can."""
    for name in ("phi6", "phi4"):
        g = couplings.get(name, 0.0)
        if g < 0:
            return f"the highest power must have a coupling > 0, got {name} = {g:.6g}"
        if g > 0:
            return ""
    modes = quadratic_modes(lattice, couplings)
    size = sum(abs(couplings.get(name, 0.0)) for name in ("phi2", "nearest", "diagonal"))
    lowest = float(modes.min())
    if lowest > 8 * np.finfo(float).eps * size * lattice.dim:
        return ""
    listed = ", ".join(f"{n} = {couplings.get(n, 0.0):.6g}" for n in ("phi2", "nearest"))
    listed += f", diagonal = {couplings['diagonal']:.6g}" if couplings.get("diagonal") else ""
    return (
        "without a positive phi4 or phi6, the quadratic form of phi2, nearest and diagonal must "
        f"be positive for every mode, got {listed}: its lowest eigenvalue is {lowest:.3g}; raise "
        "phi2"
    )


def quadratic_modes(lattice: Hypercubic, couplings: Mapping[str, float]) -> np.ndarray:
    """Return the eigenvalues of the quadratic form of S, shape of the lattice."""
    total = np.zeros(lattice.shape)
    squares = np.zeros(lattice.shape)
    for mu, (L, word) in enumerate(zip(lattice.shape, lattice.boundaries)):
        k = 2 * np.pi * np.arange(L) / L if word == "periodic" else _open_momenta(L)
        cosine = np.cos(k) if L > 1 else np.zeros(1)
        cosine = cosine.reshape([-1 if axis == mu else 1 for axis in range(lattice.dim)])
        total, squares = total + cosine, squares + cosine**2
    pairs = (total**2 - squares) / 2
    g = {name: couplings.get(name, 0.0) for name in ("phi2", "nearest", "diagonal")}
    return g["phi2"] + g["nearest"] * total + 2 * g["diagonal"] * pairs


def _open_momenta(L: int) -> np.ndarray:
    return np.pi * np.arange(1, L + 1) / (L + 1)


class LocalStarts:
    """Mixed into :class:`~physgen.targets.LocalAction`: first configurations."""

    lattice: Any
    kind: str
    event_shape: tuple[int, ...]
    terms: LocalTerms

    @property
    @abstractmethod
    def couplings(self) -> Mapping[str, float]:
        """The couplings by name."""

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites, shape (n, *event_shape).

        Fair spins, int8; or fields, float64, with the weight of a site without neighbours, drawn
        by inversion on 2^14 cells.
        """
        shape = (check_positive_int("n", n), *self.event_shape)
        draw = as_stream(rng).numpy()
        if self.kind == "spins":
            return 2 * draw.integers(0, 2, shape, np.int8) - 1
        own = {name: float(name in POWERS or name == "field") for name in self.terms.names}
        S = self._polynomial(own)
        lowest = S(_real(S.deriv().roots)).min()
        ends = _real((S - (lowest + _DEPTH)).roots)
        edges = np.linspace(ends.min(), ends.max(), _CELLS + 1)
        cells = np.exp(lowest - S((edges[1:] + edges[:-1]) / 2))
        heights = np.concatenate([[0.0], np.cumsum(cells)])
        return np.interp(draw.random(shape) * heights[-1], heights, edges)

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n copies of the lowest of all uniform and staggered configurations.

        Without a field each has a random sign.  Shape (n, *event_shape), int8 or float64.
        """
        shape = (check_positive_int("n", n), *self.event_shape)
        patterns = [np.ones(self.event_shape)]
        if self.lattice.is_bipartite:
            parity = self.lattice.checkerboard().reshape(self.event_shape)
            patterns.append(1.0 - 2.0 * parity)
        found: list[tuple[float, np.ndarray]] = []
        for pattern in patterns:
            sums = self.terms.values(pattern) / pattern.size
            S = self._polynomial(dict(zip(self.terms.names, sums)))
            spins = self.kind == "spins"
            sizes = np.array([1.0, -1.0]) if spins else np.append(_real(S.deriv().roots), 0.0)
            v = sizes[np.argmin(S(sizes))]
            found.append((float(S(v)), v * pattern))
        x = np.broadcast_to(min(found, key=lambda pair: pair[0])[1], shape).copy()
        if self.couplings.get("field", 0.0) == 0:
            sign = 2.0 * as_stream(rng).numpy().integers(0, 2, size=n) - 1
            x *= sign.reshape(n, *[1] * len(self.event_shape))
        return x.astype(np.int8) if self.kind == "spins" else x

    def _polynomial(self, sums: Mapping[str, float]) -> np.poly1d:
        """Return S(v) = sum_a g_a sums_a v^p_a."""
        coefficients = np.zeros(7)
        for name, value in sums.items():
            coefficients[6 - DEGREES[name]] += self.couplings[name] * value
        return np.poly1d(coefficients)


def _real(roots: np.ndarray) -> np.ndarray:
    """Return the real ones among the roots of a polynomial with real coefficients."""
    roots = np.atleast_1d(roots)
    real = np.abs(np.imag(roots)) <= 1e-6 * (1 + np.abs(roots))
    return np.real(roots[real])
