"""``numba.cuda``, as its users here see it.

Type checkers know `cuda` as the module that Python imports, whose names are stubs of what a kernel
may use; here it may be anything.
"""

from __future__ import annotations

from typing import Any

from numba import config as _config
from numba import cuda as _cuda

__all__ = ["SIMULATED", "cuda"]

cuda: Any = _cuda
# Every CUDA thread is a thread of Python: see `launch`.
SIMULATED = bool(_config.ENABLE_CUDASIM)  # pyright: ignore[reportAttributeAccessIssue]
