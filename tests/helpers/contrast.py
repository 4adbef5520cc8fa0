"""How well what a figure draws can be told from its ground: contrast as WCAG 2.1 defines it.

(L1 + 0.05) / (L2 + 0.05), L the relative luminance: 1 for equal colours, 21 for black on white.
Grid lines, grey bands and filled areas are not counted: nobody has to read them.
"""

from collections.abc import Iterator

import numpy as np
from matplotlib import colors
from matplotlib.artist import Artist
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text


def contrast(color: object, alpha: float | None = None, ground: object = "white") -> float:
    """Contrast of a colour, laid over the ground with its opacity."""
    r, g, b, a = colors.to_rgba(color, alpha)
    below = np.array(colors.to_rgb(ground))
    return _ratio(np.array([r, g, b]) * a + below * (1 - a), below)


def _ratio(one: np.ndarray, other: np.ndarray) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(rgb: np.ndarray) -> float:
    linear = np.where(rgb <= 0.03928, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def drawn(fig: Figure) -> Iterator[tuple[str, float]]:
    """What each line, marker, bar and text of a figure is, and its contrast on white."""
    grid = {line for ax in fig.axes for axis in (ax.xaxis, ax.yaxis)
            for line in axis.get_gridlines()}  # fmt: skip
    for artist in fig.findobj():
        if artist.get_visible() and artist not in grid:
            for color in _colors(artist):
                yield f"{type(artist).__name__} {artist.get_label()!s}", contrast(color)


def _colors(artist: Artist) -> Iterator[tuple]:
    alpha = artist.get_alpha()
    if isinstance(artist, Text) and artist.get_text():
        yield colors.to_rgba(artist.get_color(), alpha)
    elif isinstance(artist, Line2D) and len(artist.get_xdata(orig=False)):
        if artist.get_linestyle() not in ("None", "", " "):
            yield colors.to_rgba(artist.get_color(), alpha)
        if artist.get_marker() not in ("None", "", " ", None):
            edge, face = artist.get_markeredgecolor(), artist.get_markerfacecolor()
            bare = artist.get_markeredgewidth() == 0
            yield colors.to_rgba(face if bare else edge, alpha)
    elif isinstance(artist, LineCollection | PathCollection):
        for color in artist.get_edgecolor() if len(artist.get_edgecolor()) else []:
            yield tuple(color)
    elif isinstance(artist, Rectangle) and artist.get_label() not in ("", "_nolegend_"):
        yield artist.get_facecolor() if artist.get_fill() else artist.get_edgecolor()
