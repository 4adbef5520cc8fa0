import os
import pkgutil
import sys
from importlib import import_module

import numpy as np
from numba import config, cuda

import physgen.kernels.cuda as kernels

# Tests are small, and hand over arrays as they are.
config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
config.CUDA_WARN_ON_IMPLICIT_COPY = 0
# The tests in on_device run on a device if there is one, else in the simulator, which must be
# chosen before numba is imported: test_simulator.py starts a process of its own for them.
if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
    # CUDA threads are threads of Python that wait for one another.
    sys.setswitchinterval(1e-5)
    # Each call of a device function walks over the globals of its module, and the first warning of
    # another thread (of an overflow, say) would add to them: "dictionary changed size".
    for module in pkgutil.iter_modules(kernels.__path__, kernels.__name__ + "."):
        vars(import_module(module.name)).setdefault("__warningregistry__", {})

    def shared_array(self, shape, dtype):
        """One array for each line of a kernel: the simulator looks, and makes one, in two steps.

        Two threads that both found none had one each, and sums over threads were wrong.
        """
        frame = sys._getframe(1)
        line = frame.f_code.co_filename, frame.f_lineno
        return self._allocations.setdefault(line, np.empty(shape, dtype))

    api = import_module("numba.cuda.simulator.kernelapi")
    api.FakeCUDAShared.array = shared_array
    # A device function finds the names of a kernel in `cuda` until the first thread that is in it
    # leaves it; atomic operations need to know nothing of the thread.
    cuda.atomic = api.FakeCUDAAtomic()
elif not cuda.is_available():
    collect_ignore = ["on_device"]
