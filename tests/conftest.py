import gc
import os

# Sees how the workers of a parallel run end.
pytest_plugins = "helpers.workers"

# One thread: the suite asserts single-thread bit equality, and workers share two cores.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

# A worker holds a million objects of modules and tests that live to its end.  To look for dead
# cycles among them, as often as Python does, takes a tenth of the time of the suite.
gc.set_threshold(10_000, 10, 10)


def pytest_collection_finish():
    """Leave what has been imported and collected out of all further searches."""
    gc.freeze()
