r"""The training curve: negative log-likelihood per site against the entropy floor.

.. math:: \mathrm{NLL}(q) = -\frac{1}{nL} \sum_k \log q(a^{(k)})
          \;\to\; \frac{1}{L} \left[ H(P) + D_{KL}(P \| q) \right]  \quad [\mathrm{nats/site}]

No model can stay below the floor :math:`H(P)/L` on fresh data.  The floor drawn is the NLL of the
true state on the very same shots: both fluctuate together, so their distance is the model's own.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_training"]


def plot_training(history: xr.Dataset) -> Figure:
    """Plot the history of a fit.

    Parameters
    ----------
    history : xr.Dataset
        ``step``, and where they are known ``train_nll`` and ``validation_nll`` (nats per site),
        dim ``evaluation``.  Attrs ``entropy_floor`` and ``entropy_floor_validation``, if known:
        NLL per site of the true state on the same shots.  Attr ``best_step`` is marked.
    """
    with figure() as fig:
        ax = fig.add_subplot()
        step = np.asarray(history["step"].values)
        marker = "o" if step.size <= 40 else ""
        for nll, floor, color, label in (
            ("train_nll", "entropy_floor", COLOR["data"], "training shots"),
            ("validation_nll", "entropy_floor_validation", COLOR["model"], "held-out shots"),
        ):
            if nll not in history or not np.isfinite(history[nll]).any():
                continue
            ax.plot(step, history[nll], marker=marker, ls="-", ms=4.5, color=color, label=label)
            if floor in history.attrs:
                entropy = float(history.attrs[floor])
                name = f"their entropy floor, {entropy:.4f}"
                ax.axhline(entropy, color=color, lw=1.3, ls=(0, (5, 3)), label=name)
        if 0 < (best := int(history.attrs.get("best_step", 0))) < step[-1]:
            ax.axvline(best, color=COLOR["faint"], lw=1.0, ls=":", label="weights kept")
        ax.set(
            xlabel="optimiser step",
            ylabel="negative log-likelihood (nats per site)",
            title="Training",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(loc="best")
        ax.margins(x=0.03)
    return fig
