r"""The probability of each outcome on each site: data with error bars, and the model.

.. math:: \hat p_i(a) = n_i(a)/n, \qquad \sigma = \sqrt{p_i(a)\,(1-p_i(a))/n}

The lower panel shows the pull: data minus model over the two sigmas added in quadrature; the grey
band is one such error.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, OUTCOME_COLORS, figure

__all__ = ["plot_marginals"]


def plot_marginals(
    data: np.ndarray, model: np.ndarray, labels: Sequence[str], title: str = "Outcome marginals"
) -> Figure:
    """Plot single-site outcome frequencies.

    Parameters
    ----------
    data, model : np.ndarray of uint8, shape (n, L)
        Outcomes 0..K-1 from the measurement and from the model.
    labels : sequence of str, length K
        Names of the outcomes.
    title : str
        Title of the figure.
    """
    p, q = (_frequencies(outcomes, len(labels)) for outcomes in (data, model))
    sigma_p, sigma_q = (np.sqrt(f * (1 - f) / len(x)) for f, x in ((p, data), (q, model)))
    sites = np.arange(p.shape[0])
    spread = np.linspace(-0.18, 0.18, len(labels))
    with figure(7.4, 4.8) as fig:
        top, bottom = fig.subplots(2, 1, sharex=True, height_ratios=(2.2, 1))
        for a, label in enumerate(labels):
            color = OUTCOME_COLORS[a % len(OUTCOME_COLORS)]
            top.plot(sites, q[:, a], color=color, lw=1.6)
            top.errorbar(
                sites,
                p[:, a],
                sigma_p[:, a],
                fmt="o",
                ms=3.2,
                mfc="white",
                mew=1.0,
                elinewidth=1.0,
                color=color,
                label=label,
            )
            sigma = np.hypot(sigma_p[:, a], sigma_q[:, a])
            pull = np.divide(
                p[:, a] - q[:, a], sigma, out=np.full(len(sites), np.nan), where=sigma > 0
            )
            bottom.plot(sites + spread[a], pull, "o", ms=3, mew=0, color=color)
        top.set(ylabel="probability", title=title)
        top.set_ylim(bottom=0)
        handles = top.get_legend_handles_labels()
        fig.legend(*handles, loc="outside right upper", title="outcome")
        top.text(
            1.0,
            1.03,
            "circles: data    line: model",
            transform=top.transAxes,
            ha="right",
            fontsize=9,
            color="#4A4F57",
        )
        bottom.axhspan(-1, 1, color="#E6E8EB", zorder=0)
        bottom.axhline(0, color=COLOR["exact"], lw=0.8)
        bottom.set(xlabel="site", ylabel="pull")
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        bottom.margins(x=0.02)
    return fig


def _frequencies(outcomes: np.ndarray, K: int) -> np.ndarray:
    """Return the relative frequency of each outcome on each site, shape (L, K)."""
    counts = np.stack([(outcomes == a).sum(axis=0) for a in range(K)], axis=1)
    return counts / len(outcomes)
