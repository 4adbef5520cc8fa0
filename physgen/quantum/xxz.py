r"""The XXZ chain.

.. math:: H = J \sum_i (X_i X_{i+1} + Y_i Y_{i+1} + \Delta Z_i Z_{i+1}) - h \sum_i Z_i

in Pauli matrices: with spins S = P / 2 the coupling is 4 J and the field 2 h.  J > 0 and
:math:`\Delta = 1` is the Heisenberg antiferromagnet.  :math:`\sum_i Z_i` is conserved.

E0 is known in closed form in three cases:

- :math:`\Delta = 0`, free fermions with :math:`\epsilon_k = 4 J \cos k + 2 h` and
  :math:`E = \sum_k n_k \epsilon_k - h L`.  Open: :math:`k = \pi m / (L + 1)`.  On a ring
  :math:`k = 2 \pi m / L` if the number of fermions is odd, :math:`2 \pi (m + 1/2) / L` if even;
- :math:`J \Delta \le -|J|`, where all spins are parallel: :math:`J \Delta` a bond, :math:`-|h|` a
  site;
- the Heisenberg ring, J > 0, :math:`\Delta = 1`, h = 0 and L even, from the Bethe equations
  :math:`2 L \arctan 2 \lambda_j = 2 \pi I_j + 2 \sum_k \arctan(\lambda_j - \lambda_k)`, with
  :math:`I_j = -(L/2 - 1)/2, \dots, (L/2 - 1)/2` and
  :math:`E = J (L - \sum_j 8 / (1 + 4 \lambda_j^2))`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.quantum.hamiltonians import signed_sum
from physgen.quantum.pauli_sum import PauliSum

__all__ = ["XXZ", "bethe_energy"]


@dataclass(frozen=True)
class XXZ:
    """XXZ chain, H = J sum (XX + YY + Delta ZZ) - h sum Z.

    Parameters
    ----------
    L : int
        Number of sites, at least 2 (open) or 3 (periodic).
    J, Delta, h : float
        Coupling, anisotropy, and field along Z; the Heisenberg antiferromagnet by default.
    boundary : {"open", "periodic"}
        Whether the last site couples to the first.

    Raises
    ------
    InputError
        If L is too small, a number is not finite, or the boundary is unknown.

    Examples
    --------
    >>> round(XXZ(L=4, boundary="periodic").ground_state_energy(), 10)
    -8.0
    """

    L: int
    J: float = 1.0
    Delta: float = 1.0
    h: float = 0.0
    boundary: str = "open"

    def __post_init__(self) -> None:
        check_choice("boundary", self.boundary, ("open", "periodic"))
        minimum = 2 if self.boundary == "open" else 3
        object.__setattr__(self, "L", check_positive_int("L", self.L, minimum))
        for name in ("J", "Delta", "h"):
            object.__setattr__(self, name, check_finite(name, getattr(self, name)))

    @property
    def terms(self) -> str:
        """H in the text of :class:`PauliSum`."""
        words = [(self.J, "XX"), (self.J, "YY"), (self.J * self.Delta, "ZZ"), (-self.h, "Z")]
        return signed_sum([(c, word) for c, word in words if c != 0] or [(0.0, "Z")], "sum")

    def pauli_sum(self) -> PauliSum:
        """Return H as a sum of Pauli strings."""
        return PauliSum.parse(self.terms, self.L, self.boundary)

    def ground_state_energy(self) -> float | None:
        """Return E0 in the cases that the head of this module lists, else None."""
        J, Delta, ring = self.J, self.Delta, self.boundary == "periodic"
        if J * Delta <= -abs(J):
            return J * Delta * (self.L if ring else self.L - 1) - abs(self.h) * self.L
        if Delta == 0 and not ring:
            return float(np.minimum(self._modes(), 0).sum()) - self.h * self.L
        if Delta == 0:
            return min(self._ring_energy(n) for n in range(self.L + 1))
        if ring and J > 0 and Delta == 1 and self.h == 0 and self.L % 2 == 0:
            return J * bethe_energy(self.L)
        return None

    def gap(self) -> float | None:
        """Return the distance of the two lowest levels of an open XX chain, else None."""
        if self.Delta != 0 or self.boundary == "periodic":
            return None
        return float(np.abs(self._modes()).min())

    def _modes(self) -> np.ndarray:
        """Energies of the fermions of an open XX chain."""
        k = np.pi * np.arange(1, self.L + 1) / (self.L + 1)
        return 4 * self.J * np.cos(k) + 2 * self.h

    def _ring_energy(self, n: int) -> float:
        """Lowest energy of n fermions on an XX ring."""
        k = 2 * np.pi * (np.arange(self.L) + (0.0 if n % 2 else 0.5)) / self.L
        modes = np.sort(4 * self.J * np.cos(k) + 2 * self.h)
        return float(modes[:n].sum()) - self.h * self.L

    def attrs(self) -> dict[str, Any]:
        """Return the attributes that describe this Hamiltonian in a data file."""
        return {
            "system": "xxz-1d",
            "hamiltonian": "H = J sum (X_i X_{i+1} + Y_i Y_{i+1} + Delta Z_i Z_{i+1}) "
            "- h sum Z_i, Pauli matrices",
            "axes": "anisotropy and field along Z, |0> is the +1 eigenstate of Z",
            "energy_units": "unit of J and h",
            "L": self.L,
            "J": self.J,
            "Delta": self.Delta,
            "h": self.h,
            "boundary": self.boundary,
            "terms": self.terms,
        }


def bethe_energy(L: int) -> float:
    """Return E0 / J of the Heisenberg ring of an even number of sites, by Newton's method.

    Examples
    --------
    >>> round(bethe_energy(6), 10)
    -11.2111025509
    """
    check_positive_int("L", L, 4)
    m = L // 2
    quantum_numbers = np.arange(m) - (m - 1) / 2
    x = np.tan(np.pi * quantum_numbers / L) / 2  # without the scattering
    for _ in range(200):
        apart = x[:, None] - x[None, :]
        residual = L * np.arctan(2 * x) - np.pi * quantum_numbers - np.arctan(apart).sum(axis=1)
        kernel = 1 / (1 + apart**2)
        slope = np.diag(2 * L / (1 + 4 * x**2) - kernel.sum(axis=1)) + kernel
        step = np.linalg.solve(slope, residual)
        x = x - step
        if np.abs(step).max() < 1e-14 * (1 + np.abs(x).max()):
            break
    return float(L - np.sum(8 / (1 + 4 * x**2)))
