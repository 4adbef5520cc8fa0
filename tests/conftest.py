import os

# Sees how the workers of a parallel run end.
pytest_plugins = "helpers.workers"

# One thread: the suite asserts single-thread bit equality, and workers share two cores.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")
