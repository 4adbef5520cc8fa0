"""One look for all figures: palette, sizes, and how a figure becomes bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter

__all__ = ["COLOR", "MARKERS", "OUTCOME_COLORS", "figure", "note", "render", "sequence"]

# After Okabe and Ito, Color Universal Design (2008); colours that have a contrast below 3 on white
# are darker here.  Lines, markers and text keep that contrast (WCAG 2.1, criterion 1.4.11).
COLOR = {
    "data": "#0072B2",
    "model": "#D55E00",
    "exact": "#000000",
    "floor": "#009E73",
    "faint": "#8A8F98",
}
OUTCOME_COLORS = ("#0072B2", "#D55E00", "#009E73", "#A6488B", "#9A7000", "#4A4F57")
MARKERS = "osD^vP"  # so that what colours tell apart can be told without them

_RC: dict[Any, Any] = {
    "svg.hashsalt": "physgen",  # or an SVG would differ from one call to the next
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10.5,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#4A4F57",
    "axes.labelcolor": "#22262B",
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#E6E8EB",
    "grid.linewidth": 0.7,
    "xtick.color": "#4A4F57",
    "ytick.color": "#4A4F57",
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "lines.linewidth": 1.8,
    "errorbar.capsize": 0,
    "figure.facecolor": "white",
}


@contextmanager
def figure(width: float = 6.4, height: float = 4.0) -> Iterator[Figure]:
    """Yield an empty figure of `width` x `height` inches, drawn in the style of physgen."""
    with mpl.rc_context(_RC):
        fig = Figure(figsize=(width, height), layout="constrained")
        yield fig
        for ax in fig.axes:
            for axis in (ax.xaxis, ax.yaxis):
                if type(axis.get_major_formatter()) is ScalarFormatter:
                    axis.set_major_formatter(Numerals())


class Numerals(ScalarFormatter):
    """Numbers beside ticks as plain text, a power of ten they share as mathtext.

    They look the same: the font of both is the font of the text.  To parse each number as mathtext
    takes most of the time in which a figure is laid out.
    """

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of the tick at x."""
        return super().__call__(x, pos).removeprefix(r"$\mathdefault{").removesuffix("}$")


def note(ax: Axes, text: str, x: float = 0.98, y: float = 0.04) -> None:
    """Write a small remark into a corner of `ax` (axes coordinates)."""
    ha = "right" if x > 0.5 else "left"
    va = "bottom" if y < 0.5 else "top"
    ax.text(x, y, text, transform=ax.transAxes, fontsize=9, color="#4A4F57", ha=ha, va=va)


def sequence(n: int) -> list[Any]:
    """Return n colours from light to dark, for ordered values (such as lattice extents)."""
    ends = (0.55, 0.0) if n > 1 else (0.35, 0.35)  # lighter ones would be lost on white
    step = (ends[1] - ends[0]) / max(n - 1, 1)
    return [mpl.colormaps["viridis"](ends[0] + step * k) for k in range(n)]


def render(fig: Figure, kind: str = "png", dpi: int = 160) -> bytes:
    """Return `fig` as a file of format png, pdf or svg; the same figure gives the same bytes.

    Parameters
    ----------
    fig : Figure
    kind : {"png", "pdf", "svg"}
    dpi : int
        Dots an inch, of png.
    """
    buffer = io.BytesIO()
    with mpl.rc_context(_RC):
        if kind == "png":  # the same bytes as `savefig` writes, which draws every figure twice
            fig.set_dpi(dpi)
            FigureCanvasAgg(fig).print_png(buffer, metadata={"Software": "physgen"})
        else:
            stamp: dict[str, Any] = {"CreationDate" if kind == "pdf" else "Date": None}
            fig.savefig(buffer, format=kind, dpi=dpi, metadata=stamp)
    return buffer.getvalue()
