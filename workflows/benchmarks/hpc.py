"""Clusters in numbers: arrays, jobs, deaths, campaigns, caches, one fit on several processes.

python workflows/benchmarks/hpc.py --fast | --train | --only KEY ... [--json FILE]

Rows that need a SLURM start one of one node (root; ``make test-slurm`` installs it).  Times of two
processes mean something on two idle cores only; the load beside them is printed with them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

# One thread a process: what is shared here is processes.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the cluster of the tests

import hpc_jobs
import hpc_ranks
from harness import main

FIGURES = [*hpc_jobs.FIGURES, *hpc_ranks.FIGURES]
PACKAGES = ["physgen", "numpy", "numba", "llvmlite", "torch", "h5py"]
SOURCES = ["core", "kernels", "training", "workflow", "samplers", "results", "cli"]

if __name__ == "__main__":
    main("hpc", FIGURES, PACKAGES, SOURCES)
