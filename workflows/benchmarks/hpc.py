"""Benchmarks of batches on a cluster: one fit on several processes, kernels of other processors.

python workflows/benchmarks/hpc.py --fast | --train | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import importlib.util
import os

# One thread a process: what is shared here is processes.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

import hpc_ranks
from harness import main

FIGURES = list(hpc_ranks.FIGURES)
if importlib.util.find_spec("hpc_jobs") is not None:
    import hpc_jobs

    FIGURES = [*hpc_jobs.FIGURES, *FIGURES]
PACKAGES = ["physgen", "numpy", "numba", "llvmlite", "torch"]
SOURCES = ["core", "kernels/cpu", "training", "workflow", "samplers", "results"]

if __name__ == "__main__":
    main("hpc", FIGURES, PACKAGES, SOURCES)
