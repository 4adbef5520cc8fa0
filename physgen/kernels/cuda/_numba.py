"""``numba.cuda``, typed for the modules here.

For type checkers `cuda` is the imported Python module, with stubs of the names that a kernel may
use; here its type is Any.
"""

from __future__ import annotations

from typing import Any

from numba import config as _config
from numba import cuda as _cuda

__all__ = ["SIMULATED", "cuda"]

cuda: Any = _cuda
# Every CUDA thread is a thread of Python: see `launch`.
SIMULATED = bool(_config.ENABLE_CUDASIM)  # pyright: ignore[reportAttributeAccessIssue]
