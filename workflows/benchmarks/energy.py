"""Benchmarks of energy-based models: couplings, chains, machines, training, log Z.

python workflows/benchmarks/energy.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os

# One thread: every library must read this before it is imported.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import energy_chains
import energy_couplings
import energy_log_z
import energy_rbm
import energy_training
import energy_wave
from harness import main

FIGURES = [
    *energy_chains.FIGURES,
    *energy_couplings.FIGURES,
    *energy_rbm.FIGURES,
    *energy_log_z.FIGURES,
    *energy_training.FIGURES,
    *energy_wave.FIGURES,
]
PACKAGES = ["physgen", "numpy", "numba", "torch"]
SOURCES = [
    "core/random.py", "kernels/cpu", "lattice", "targets", "samplers", "analysis",
    "models/energy", "training",
]  # fmt: skip

if __name__ == "__main__":
    main("energy", FIGURES, PACKAGES, SOURCES)
