r"""Published numbers against ours: the pull of each, by claim.

.. math:: z = \frac{\mathrm{published} - \mathrm{ours}}{\sqrt{\sigma_p^2 + \sigma_o^2}}

Beyond the grey band, at 3, chance does not explain it.  The axis is linear to 3 and logarithmic
beyond.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_pulls"]

COLUMN = 3.375  # inches: a column of a journal page
LARGEST = 3.0


def plot_pulls(pulls: Mapping[str, Sequence[float]], width: float = COLUMN) -> Figure:
    """Plot the pulls of every claim that has one, a line a claim.

    Parameters
    ----------
    pulls : mapping of str to sequence of float
        By the name of the claim.
    width : float
        Of the figure, in inches.
    """
    shown = {name: np.asarray(z, float) for name, z in pulls.items() if len(z)}
    with figure(width, 0.7 + 0.24 * max(len(shown), 1)) as fig:
        ax = fig.subplots()
        for k, z in enumerate(shown.values()):
            near = np.abs(z) <= LARGEST
            spread = k + np.linspace(-0.25, 0.25, len(z)) * (len(z) > 1)
            ax.plot(z[near], spread[near], "o", color=COLOR["data"], ms=3.5)
            ax.plot(z[~near], spread[~near], "x", color=COLOR["model"], ms=3.5, mew=1.0)
        ax.axvspan(-LARGEST, LARGEST, color="#E6E8EB", zorder=0)
        ax.axvline(0, color=COLOR["exact"], lw=0.6)
        ax.set_xscale("symlog", linthresh=LARGEST)
        ax.set_xlim(-200, 200)
        ticks = (-100, -10, -LARGEST, 0, LARGEST, 10, 100)
        ax.set_xticks(ticks, [f"{z:g}" for z in ticks])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_yticks(range(len(shown)), list(shown), fontsize=7)
        ax.tick_params(axis="x", labelsize=7)
        ax.invert_yaxis()
        ax.grid(axis="y", visible=False)
        ax.set_xlabel("(published - ours) / error", fontsize=8)
    return fig
