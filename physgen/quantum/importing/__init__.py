"""Measurement files that other programs write: read, checked, and brought into physgen's order.

One file a family of formats: text, arrays; what their numbers mean stands in
:mod:`~physgen.quantum.importing.coding`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
