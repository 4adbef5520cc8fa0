"""Geometry: sites, bonds, colours, momenta."""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

if TYPE_CHECKING:
    from physgen.lattice.graph import Graph
    from physgen.lattice.hypercubic import Hypercubic

__all__ = ["Graph", "Hypercubic"]

__getattr__, __dir__ = lazy_exports(__name__, {"Graph": "graph", "Hypercubic": "hypercubic"})
