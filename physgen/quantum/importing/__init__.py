"""Read and check measurement files of other programs, and convert them to physgen's order.

One module for each family of formats: text, arrays.  The meaning of their numbers is explained in
:mod:`~physgen.quantum.importing.coding`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
