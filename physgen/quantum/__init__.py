"""Quantum chains, their states, measurements, and measurement data.

Modules that need compiled kernels or HDF5 are loaded when first used, so ``import
physgen.quantum`` is fast.  :func:`povm` and :func:`ground_state` share their modules' names and
are imported here at once: a submodule imported later would otherwise take the name.
"""

import lazy_loader

from physgen.quantum.ground_state import ground_state as ground_state
from physgen.quantum.povm import povm as povm

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
