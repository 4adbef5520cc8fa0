"""Clusters in numbers: arrays, jobs, deaths, campaigns, caches.

python workflows/benchmarks/hpc.py --fast | --train | --only KEY ... [--json FILE]

Rows that need a SLURM start one of one node (root; ``make test-slurm`` installs it).  Times of two
processes mean something on two idle cores only; the load beside them is printed with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the cluster of the tests

import hpc_jobs
from harness import main

if __name__ == "__main__":
    main("hpc", [*hpc_jobs.FIGURES], ["physgen", "numba", "h5py"], ["."])
