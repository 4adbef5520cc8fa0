r"""log P of the state against log Q of the model, on fresh samples of the state.

A perfect model lies on the diagonal.  The second panel shows the differences whose mean over the
state's distribution is the forward Kullback-Leibler divergence,

.. math:: D_{KL}(P \| Q) = \langle \log P - \log Q \rangle_P .

The mark is the mean of the samples shown, a rougher estimate than the mean of all samples.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, figure, note

__all__ = ["plot_log_prob"]


def plot_log_prob(validation: xr.Dataset) -> Figure:
    """Plot ``log_prob_model`` over ``log_prob_target`` (nats, dim ``sample``).

    Parameters
    ----------
    validation : Dataset
        Group ``validation`` of a run.
    """
    log_p = np.asarray(validation["log_prob_target"].values, dtype=float)
    log_q = np.asarray(validation["log_prob_model"].values, dtype=float)
    finite = np.isfinite(log_p) & np.isfinite(log_q)
    missed = int(np.sum(np.isfinite(log_p) & ~np.isfinite(log_q)))
    log_p, log_q = log_p[finite], log_q[finite]
    with figure(8.4, 4.0) as fig:
        left, right = fig.subplots(1, 2, width_ratios=(1.15, 1))
        left.plot(
            log_p, log_q, "o", ms=2, mew=0, alpha=0.85, color=COLOR["model"], rasterized=True
        )
        if log_p.size:
            low, high = min(log_p.min(), log_q.min()), max(log_p.max(), log_q.max())
            pad = 0.04 * (high - low) or 1.0
            ends = (low - pad, high + pad)
            left.plot(ends, ends, color=COLOR["exact"], lw=1.2, label="$Q = P$")
            left.set(xlim=ends, ylim=ends)
            left.legend(loc="upper left")
        left.set_aspect("equal", adjustable="box")
        left.set(
            xlabel=r"$\log P$ (nats), exact state",
            ylabel=r"$\log Q$ (nats), model",
            title="Samples of the state",
        )
        note(left, f"{log_p.size:,} samples" + (f"\n{missed:,} with $Q = 0$" if missed else ""))

        difference = log_p - log_q
        if difference.size:
            mean = float(difference.mean())
            half = max(float(np.ptp(difference)) / 2, 1e-6)  # a perfect model has no spread
            middle = (difference.max() + difference.min()) / 2
            span = (middle - half, middle + half)
            right.hist(difference, bins=40, range=span, color=COLOR["model"])
            right.axvline(0, color=COLOR["exact"], lw=1.2)
            right.axvline(mean, color=COLOR["data"], lw=1.6, ls=(0, (5, 3)))
            right.set_ylim(0, right.get_ylim()[1] * 1.3)  # room for the note
            spread = f"{mean:+.4f}\nstd {difference.std():.3f}"
            note(right, f"mean of the\nsamples shown\n{spread}", y=0.96)
        right.xaxis.set_major_locator(MaxNLocator(5))
        right.set(xlabel=r"$\log P - \log Q$ (nats)", ylabel="samples", title="Error of the model")
    return fig
