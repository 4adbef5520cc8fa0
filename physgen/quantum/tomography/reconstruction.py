"""A reconstructed density matrix and its method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.core.errors import InputError

if TYPE_CHECKING:
    from physgen.quantum.density_matrix import DensityMatrix

__all__ = ["Reconstruction"]

_POSITIVE = -1e-10  # lowest eigenvalue of a positive matrix after rounding


@dataclass(frozen=True, eq=False)
class Reconstruction:
    """A Hermitian matrix of trace 1; a state only if it is positive.

    Attributes
    ----------
    rho : ndarray, shape (2^L, 2^L)
        In the basis where Z is diagonal, |0> its +1 eigenstate, site 0 most significant.
    method : str
        Name of the method.
    n : int
        Number of shots used.
    povm : str
        The measurement.
    details : mapping
        Further numbers from the method.
    """

    rho: np.ndarray
    method: str
    n: int
    povm: str
    details: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        kind = "" if self.is_physical else f", lowest eigenvalue {self.lowest_eigenvalue:.3g}"
        return f"Reconstruction(L={self.L}, n={self.n}, {self.method!r}{kind})"

    @property
    def L(self) -> int:
        """Number of sites."""
        return len(self.rho).bit_length() - 1

    @cached_property
    def lowest_eigenvalue(self) -> float:
        """Lowest eigenvalue; negative if the matrix is not a state."""
        return float(np.linalg.eigvalsh(self.rho)[0])

    @property
    def is_physical(self) -> bool:
        """Whether the matrix is positive up to rounding."""
        return self.lowest_eigenvalue >= _POSITIVE

    def state(self) -> DensityMatrix:
        """Return the matrix as a state.

        Raises
        ------
        InputError
            If it is not positive.
        """
        if not self.is_physical:
            raise InputError(
                "a state must be positive, got a lowest eigenvalue of "
                f"{self.lowest_eigenvalue:.3g} by {self.method}; use project or maximum_likelihood"
            )
        from physgen.quantum.density_matrix import DensityMatrix

        return DensityMatrix(self.rho)

    def to_dataset(self) -> xr.Dataset:
        """Return ``rho_real`` and ``rho_imag`` (row, column) with ``lowest_eigenvalue``."""
        dims = ("row", "column")
        return xr.Dataset(
            {
                "rho_real": (dims, np.real(self.rho).copy(), {"units": "1"}),
                "rho_imag": (dims, np.imag(self.rho).copy(), {"units": "1"}),
                "lowest_eigenvalue": ((), self.lowest_eigenvalue, {"units": "1"}),
            },
            attrs={
                "estimator": self.method,
                "exactness": "asymptotic",
                "physical": int(self.is_physical),
                "n": self.n,
                "povm": self.povm,
                "basis": "Z diagonal, |0> its +1 eigenstate, site 0 most significant",
                **self.details,
            },
        )
