"""Figures from result data: each takes xarray and returns a matplotlib Figure.

One file a figure.  Figures are built on Agg without pyplot, so nothing global is touched and no
display is needed.  The palette is that of Okabe and Ito (readable with any colour vision), and
means the same everywhere: data blue circles, model vermillion squares, exact black line.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

# name -> module that defines it
_EXPORTS = {
    "plot_log_prob": "physgen.plotting.log_prob",
    "plot_marginals": "physgen.plotting.marginals",
    "plot_training": "physgen.plotting.training",
    "plot_two_point": "physgen.plotting.two_point",
    "render": "physgen.plotting.style",
}

__all__ = ["plot_log_prob", "plot_marginals", "plot_training", "plot_two_point", "render"]

if TYPE_CHECKING:
    from physgen.plotting.log_prob import plot_log_prob
    from physgen.plotting.marginals import plot_marginals
    from physgen.plotting.style import render
    from physgen.plotting.training import plot_training
    from physgen.plotting.two_point import plot_two_point


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(_EXPORTS[name]), name)
    raise AttributeError(f"module 'physgen.plotting' has no attribute {name!r}")
