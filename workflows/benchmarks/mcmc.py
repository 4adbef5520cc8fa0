"""Benchmarks of the Markov chains: Ising spins, fields, clusters.

python workflows/benchmarks/mcmc.py --fast | --only KEY ... [--json FILE]
"""

from __future__ import annotations

import os

# Before any numerical library starts its threads: every figure is single-thread, but for
# `thread_scaling`, which sets the number itself.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"
# The CPU build of JAX is measured on one thread like everything else.
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import mcmc_clusters
import mcmc_fields
import mcmc_ising
from harness import main

FIGURES = [*mcmc_ising.FIGURES, *mcmc_clusters.FIGURES, *mcmc_fields.FIGURES]
PACKAGES = ["physgen", "numpy", "numba", "torch", "mcising", "jax", "blackjax"]
SOURCES = ["core/random.py", "kernels/cpu", "lattice", "targets", "samplers"]

if __name__ == "__main__":
    main("mcmc", FIGURES, PACKAGES, SOURCES)
