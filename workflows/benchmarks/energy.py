"""Benchmarks of energy-based models.

python workflows/benchmarks/energy.py --fast | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import energy_rbm
from harness import main

FIGURES = [*energy_rbm.FIGURES]
PACKAGES = ["physgen", "numpy", "numba", "torch"]
SOURCES = ["core/random.py", "kernels/cpu", "models/energy", "samplers"]

if __name__ == "__main__":
    main("energy", FIGURES, PACKAGES, SOURCES)
