"""From series of numbers to numbers with errors, and their printed form.

Series have shape (n_chains, n_draws).  :func:`jackknife` shares its module's name and is therefore
imported here at once: a submodule imported later would otherwise take the name.
"""

import lazy_loader

from physgen.analysis.jackknife import jackknife as jackknife

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
