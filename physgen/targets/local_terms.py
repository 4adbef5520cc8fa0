r"""Local sums of which lattice actions are made, with their slopes and Laplacians.

.. math::
    O_\mathrm{field} = \sum_x \phi_x, \quad
    O_\mathrm{nearest} = \sum_x \sum_\mu \phi_x \phi_{x+\hat\mu}, \quad
    O_\mathrm{diagonal} = \sum_x \sum_{\mu<\nu} \phi_x (\phi_{x+\hat\mu+\hat\nu}
                                                        + \phi_{x+\hat\mu-\hat\nu}),

.. math::
    O_{\mathrm{phi}p} = \sum_x \phi_x^p \ (p = 2, 4, 6), \qquad
    O_\mathrm{plaquettes} = \sum_x \sum_{\mu<\nu}
                            s_x s_{x+\hat\mu} s_{x+\hat\nu} s_{x+\hat\mu+\hat\nu} .

Every site owns its own bonds, diagonals and plaquettes; along a periodic extent of 2 pairs are
therefore double (as in :class:`~physgen.lattice.Hypercubic`), an extent of 1 has none, and outside
an open boundary the field is 0.  Each sum is a homogeneous polynomial of degree p, so Euler's
theorem gives it from its slope,

.. math:: O_a = \frac1{p_a} \sum_x \phi_x \frac{\partial O_a}{\partial \phi_x}, \qquad
          \Delta O_a = \sum_x \frac{\partial^2 O_a}{\partial \phi_x^2} .

Spins enter with power one in every term: :math:`\partial O_a / \partial s_x` does not depend on
:math:`s_x`, and :math:`O_a = s_x \, \partial O_a / \partial s_x +` the terms without x.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import combinations
from types import MappingProxyType
from typing import Any

import numpy as np
from array_api_compat import array_namespace

from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.lattice.hypercubic import Hypercubic
from physgen.lattice.sums import as_float, matching

__all__ = ["DEGREES", "POWERS", "TERMS", "LocalTerms", "check_terms"]

POWERS: Mapping[str, int] = MappingProxyType({"phi2": 2, "phi4": 4, "phi6": 6})
_ALIKE = {"field": 1, "nearest": 2, "diagonal": 2}
DEGREES: Mapping[str, int] = MappingProxyType({**_ALIKE, **POWERS, "plaquettes": 4})
TERMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"reals": (*_ALIKE, *POWERS), "spins": (*_ALIKE, "plaquettes")}
)
Offset = tuple[int, ...]


def check_terms(names: Iterable[str], kind: str, lattice: Hypercubic) -> tuple[str, ...]:
    """Return names of terms in the order of TERMS, each once.

    Raises
    ------
    InputError
        If a name is unknown for this kind of configurations, stands twice, or the lattice has no
        such term.
    """
    found = [names] if isinstance(names, str) else list(names)
    known = TERMS[check_choice("kind", kind, tuple(TERMS))]
    for name in found:
        check_choice(f"each term of {kind}", name, known)
    if not found or len(set(found)) < len(found):
        raise InputError(
            f"terms must be one or more of {', '.join(known)}, each once, got {found}"
        )
    wide = sum(extent > 1 for extent in lattice.shape)
    for name, least in (("nearest", 1), ("diagonal", 2), ("plaquettes", 2)):
        if name in found and wide < least:
            raise InputError(
                f"the term {name!r} needs a lattice of at least {least} axes longer than 1, got "
                f"shape {lattice.shape}; leave it out"
            )
    return tuple(name for name in known if name in found)


class LocalTerms:
    """Some of the local sums on one lattice, for NumPy arrays and torch tensors.

    Parameters
    ----------
    lattice : Hypercubic
    names : iterable of str
        Of TERMS[kind].
    kind : {"reals", "spins"}

    Attributes
    ----------
    names : tuple of str
        In the order of TERMS.
    """

    def __init__(self, lattice: Hypercubic, names: Iterable[str], kind: str = "reals") -> None:
        self.lattice, self.kind = lattice, kind
        self.names = check_terms(names, kind, lattice)
        self._tables: dict[str, np.ndarray] = {}
        self._masks: dict[Offset, np.ndarray | None] = {}

    def __len__(self) -> int:
        return len(self.names)

    @property
    def degrees(self) -> tuple[int, ...]:
        """Degree of each polynomial."""
        return tuple(DEGREES[name] for name in self.names)

    def slopes(self, x: Any) -> list[Any]:
        """Return dO_a/dx of every term, each of the shape and type of x (integers: float64).

        Parameters
        ----------
        x : array or tensor, shape (..., *lattice.shape)
        """
        x = as_float(x)
        return [self._slope(name, x) for name in self.names]

    def values(self, x: Any) -> Any:
        """Return every O_a, shape (..., n_terms), float64."""
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        return self.values_from(x, self.slopes(x))

    def values_from(self, x: Any, slopes: Iterable[Any]) -> Any:
        """Return every O_a, given the slopes at x, shape (..., n_terms)."""
        xp = array_namespace(x)
        sums = (xp.sum(x * slope, axis=self._axes) for slope in slopes)
        return xp.stack([s / p for s, p in zip(sums, self.degrees)], axis=-1)

    def weighted_slope(self, x: Any, couplings: Iterable[float]) -> Any:
        """Return dS/dx of S = sum_a g_a O_a, the shape and type of x; zero couplings cost nothing.

        Parameters
        ----------
        x : array or tensor, shape (..., *lattice.shape)
        couplings : iterable of float
            g_a in the order of `names`.
        """
        x = as_float(x)
        named = {n: g for n, g in zip(self.names, couplings, strict=True) if g != 0}
        total = array_namespace(x).zeros_like(x)
        for name, g in named.items():
            if name not in POWERS:
                total = total + g * self._slope(name, x)
        powers = {POWERS[n]: g for n, g in named.items() if n in POWERS}
        if powers:
            square, inner = x * x, 0.0
            for p in range(max(powers), 0, -2):  # Horner: sum_p p g_p x^(p-2)
                inner = inner * square + p * powers.get(p, 0.0)
            total = total + inner * x
        return total

    def weighted_value(self, x: Any, couplings: Iterable[float]) -> Any:
        """Return S = sum_a g_a O_a, shape (...), float64."""
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        scaled = [g / p for g, p in zip(couplings, self.degrees, strict=True)]
        return xp.sum(x * self.weighted_slope(x, scaled), axis=self._axes)

    def curvatures(self, x: Any) -> Any:
        """Return the mean over sites of d^2 O_a / dx^2, shape (..., n_terms), float64.

        Times the number of sites it is the Laplacian of O_a.
        """
        xp = array_namespace(x)
        x = xp.astype(x, xp.float64)
        square = x * x
        zero = xp.zeros_like(square[(..., *[0] * self.lattice.dim)])
        found = []
        for name in self.names:
            p = POWERS.get(name, 0)
            if p == 0:
                found.append(zero)
                continue
            found.append(p * (p - 1) * xp.mean(square ** ((p - 2) // 2), axis=self._axes))
        return xp.stack(found, axis=-1)

    # --- neighbours ------------------------------------------------------------------------

    @cached_property
    def offsets(self) -> Mapping[str, tuple[Offset, ...]]:
        """Offsets of the partners of a site, in pairs (forward, backward), by name of a term."""
        units = np.eye(self.lattice.dim, dtype=int)
        nearest = [step for unit in units for step in (unit, -unit)]
        planes = list(combinations(units, 2))
        diagonal = [step for a, b in planes for step in (a + b, -a - b, a - b, b - a)]
        return {"nearest": _tuples(nearest), "diagonal": _tuples(diagonal)}

    def partners(self, name: str) -> np.ndarray:
        """Return the sites at the offsets of a term, (n_sites, n_offsets) int32; -1: none.

        The caller does not change the table.
        """
        if name not in self._tables:
            self._tables[name] = self._partners(name)
        return self._tables[name]

    def _partners(self, name: str) -> np.ndarray:
        sites = np.arange(self.lattice.n_sites).reshape(self.lattice.shape)
        columns = []
        for offset in self.offsets[name]:
            back = tuple(-step for step in offset)
            there = np.roll(sites, back, axis=tuple(range(self.lattice.dim)))
            mask = self._mask(offset)
            columns.append((there if mask is None else np.where(mask, there, -1)).ravel())
        table = np.empty((self.lattice.n_sites, len(columns)), np.int32)
        table[:] = np.stack(columns, axis=1) if columns else 0
        return table

    def _slope(self, name: str, x: Any) -> Any:
        xp = array_namespace(x)
        if name == "field":
            return xp.ones_like(x)
        if name in POWERS:
            return POWERS[name] * x ** (POWERS[name] - 1)
        if name != "plaquettes":
            return sum((self._at(x, offset) for offset in self.offsets[name]), xp.zeros_like(x))
        total = xp.zeros_like(x)
        for k in range(0, len(self.offsets["diagonal"]), 4):
            for corner in self.offsets["diagonal"][k : k + 4]:
                a, b = _edges(corner)
                total = total + self._at(x, a) * self._at(x, b) * self._at(x, corner)
        return total

    def _at(self, x: Any, offset: Offset) -> Any:
        """Return x at the sites shifted by an offset, 0 where there is none."""
        xp, dim = array_namespace(x), self.lattice.dim
        axes = tuple(mu - dim for mu in range(dim) if offset[mu])
        moved = xp.roll(x, tuple(-step for step in offset if step), axis=axes)
        mask = self._mask(offset)
        return moved if mask is None else moved * matching(mask.astype(np.float64), x)

    def _mask(self, offset: Offset) -> np.ndarray | None:
        """Return where the shifted site exists, shape of the lattice; None: everywhere."""
        if offset not in self._masks:
            self._masks[offset] = self._existing(offset)
        return self._masks[offset]

    def _existing(self, offset: Offset) -> np.ndarray | None:
        lattice, there = self.lattice, np.ones(self.lattice.shape, bool)
        for mu, step in enumerate(offset):
            extent, word = lattice.shape[mu], lattice.boundaries[mu]
            if step == 0 or (word == "periodic" and extent > 1):
                continue
            to = np.arange(extent) + step
            inside = (to >= 0) & (to < extent) & (extent > 1)
            there &= inside.reshape([-1 if axis == mu else 1 for axis in range(lattice.dim)])
        return None if there.all() else there

    @property
    def _axes(self) -> tuple[int, ...]:
        return tuple(range(-self.lattice.dim, 0))


def _tuples(offsets: Iterable[np.ndarray]) -> tuple[Offset, ...]:
    return tuple(tuple(int(step) for step in offset) for offset in offsets)


def _edges(corner: Offset) -> tuple[Offset, Offset]:
    """Return the two steps that lead to the opposite corner of a plaquette."""
    first, second = (mu for mu, step in enumerate(corner) if step)
    one, two = list(corner), list(corner)
    one[second] = two[first] = 0
    return tuple(one), tuple(two)
