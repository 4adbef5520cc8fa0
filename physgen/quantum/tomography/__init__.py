"""Small systems: density matrices of at most 10 qubits from measurement data, with errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.quantum.tomography.bootstrap import bootstrap_estimates
    from physgen.quantum.tomography.direct import direct_estimates
    from physgen.quantum.tomography.frequencies import Counts, count
    from physgen.quantum.tomography.inversion import linear_inversion
    from physgen.quantum.tomography.likelihood import maximum_likelihood
    from physgen.quantum.tomography.model import from_density
    from physgen.quantum.tomography.projection import project
    from physgen.quantum.tomography.reconstruction import Reconstruction

__all__ = [
    "Counts",
    "Reconstruction",
    "bootstrap_estimates",
    "count",
    "direct_estimates",
    "from_density",
    "linear_inversion",
    "maximum_likelihood",
    "project",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "Counts": "frequencies",
        "Reconstruction": "reconstruction",
        "bootstrap_estimates": "bootstrap",
        "count": "frequencies",
        "direct_estimates": "direct",
        "from_density": "model",
        "linear_inversion": "inversion",
        "maximum_likelihood": "likelihood",
        "project": "projection",
    },
)
