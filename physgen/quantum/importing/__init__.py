"""Measurement files that other programs write: read, checked, and brought into physgen's order.

One file a family of formats: text, arrays; what their numbers mean stands in
:mod:`~physgen.quantum.importing.coding`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.quantum.importing.measurements import FORMATS, import_measurements

__all__ = ["FORMATS", "import_measurements"]

__getattr__, __dir__ = lazy_exports(
    __name__, {"FORMATS": "measurements", "import_measurements": "measurements"}
)
