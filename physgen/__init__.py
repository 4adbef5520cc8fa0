"""physgen: samples, and numbers with honest error bars, from lattice systems.

``import physgen`` is silent and loads neither torch nor numba; each name below is imported when
it is first used.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
