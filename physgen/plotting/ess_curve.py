r"""The training curve of a neural sampler: the effective share of its draws.

.. math:: \mathrm{ess} = \frac{(\sum_i w_i)^2}{N \sum_i w_i^2}, \qquad w_i = e^{-S(x_i)} / q(x_i)

of validation draws, and, where log Z is known, the divergence :math:`D(q \| p)` below it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import figure, sequence

__all__ = ["plot_ess_curve"]


def plot_ess_curve(histories: Mapping[str, xr.Dataset]) -> Figure:
    """Plot histories of fits by reverse KL.

    Parameters
    ----------
    histories : mapping of str to Dataset
        By name: ``step`` and ``ess``, and ``kl`` in nats if it is known, dim ``evaluation``.
    """
    known = any("kl" in h for h in histories.values())
    with figure(6.4, 5.2 if known else 3.8) as fig:
        axes = np.atleast_1d(fig.subplots(2 if known else 1, 1, sharex=True))
        for color, (name, history) in zip(sequence(len(histories)), histories.items()):
            how = {"color": color, "label": name, "marker": "o", "ms": 3.5, "lw": 1.4}
            axes[0].plot(history["step"], history["ess"], **how)
            if "kl" in history:
                kl = np.where(history["kl"] > 0, history["kl"], np.nan)  # noise, near zero
                axes[1].plot(history["step"], kl, **how)
        axes[0].set(ylabel="effective share", ylim=(0, 1.02), title="Training")
        if known:
            positive = any((h["kl"] > 0).any() for h in histories.values() if "kl" in h)
            axes[1].set(ylabel="D(q || p) (nats)", yscale="log" if positive else "linear")
        axes[-1].set_xlabel("optimiser step")
        axes[0].legend(loc="lower right")
    return fig
