"""Markov chains: one file an algorithm, and `run`, the only sampling loop.

``__all__`` is the registry: every export with a ``bind`` is a sampler, and contract tests and docs
loop over them.  `run` and `estimates` share the names of their modules and are imported here at
once: a submodule imported later would otherwise shadow them.
"""

import lazy_loader

from physgen.samplers.estimates import estimates as estimates
from physgen.samplers.run import run as run

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
