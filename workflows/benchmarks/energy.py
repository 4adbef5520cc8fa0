"""Benchmarks of energy models: couplings that are learned from configurations.

python workflows/benchmarks/energy.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import energy_couplings
from harness import main

FIGURES = [*energy_couplings.FIGURES]
PACKAGES = ["physgen", "numpy", "numba", "torch"]
SOURCES = [
    "core/random.py", "kernels/cpu", "lattice", "targets", "samplers", "analysis",
    "models/energy", "training",
]  # fmt: skip

if __name__ == "__main__":
    main("energy", FIGURES, PACKAGES, SOURCES)
