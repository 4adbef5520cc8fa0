r"""The training curve: negative log-likelihood per site against the entropy floor.

.. math:: \mathrm{NLL}(q) = -\frac{1}{nL} \sum_k \log q(a^{(k)})
          \;\to\; \frac{1}{L} \left[ H(P) + D_{KL}(P \| q) \right]  \quad [\mathrm{nats/site}]

No model can stay below the floor :math:`H(P)/L` on fresh data.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from physgen.plotting.style import COLOR, figure

__all__ = ["plot_training"]


def plot_training(history: xr.Dataset, entropy_floor: float | None = None) -> Figure:
    """Plot the history of a fit.

    Parameters
    ----------
    history : xr.Dataset
        ``train_nll`` and, if shots were held out, ``validation_nll`` (nats per site), dim
        ``epoch``; attr ``best_epoch`` is marked if present.
    entropy_floor : float, optional
        Entropy of the true distribution per site (nats).
    """
    with figure() as fig:
        ax = fig.add_subplot()
        epoch = np.asarray(history["epoch"].values)
        marker = "o" if epoch.size <= 40 else ""
        for name, color, label in (
            ("train_nll", COLOR["data"], "training shots"),
            ("validation_nll", COLOR["model"], "held-out shots"),
        ):
            if name in history and np.isfinite(history[name]).any():
                ax.plot(epoch, history[name], marker, ls="-", ms=4.5, color=color, label=label)
        if entropy_floor is not None and np.isfinite(entropy_floor):
            ax.axhline(
                entropy_floor,
                color=COLOR["exact"],
                lw=1.4,
                ls=(0, (5, 3)),
                label=f"entropy floor {entropy_floor:.4f}",
            )
        ax.set(
            xlabel="epoch",
            ylabel="negative log-likelihood (nats per site)",
            title="Training",
        )
        ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.legend(loc="upper right")
        ax.margins(x=0.03)
    return fig
