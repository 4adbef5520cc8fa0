"""Markov chains: one file an algorithm, and `run`, the only sampling loop.

``__all__`` is the registry: whatever in it has a ``bind`` is a sampler, and contract tests and
docs walk them.  `run` and `estimates` share their modules' names and are bound here at once: a
submodule imported later would otherwise take the name.
"""

import lazy_loader

from physgen.samplers.estimates import estimates as estimates
from physgen.samplers.run import run as run

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
