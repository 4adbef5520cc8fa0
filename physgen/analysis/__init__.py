"""Series of numbers -> numbers with errors; and how those are printed.

On arrays of shape (n_chains, n_draws).  :func:`jackknife` shares its module's name and is bound
here at once: a submodule imported later would otherwise take the name.
"""

import lazy_loader

from physgen.analysis.jackknife import jackknife as jackknife

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
