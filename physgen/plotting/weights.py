r"""Histograms of log weights: where the model draws too often, and where too rarely.

.. math:: \log w - \log Z = \log p(x) - \log q(x)

for draws of the model and of the target; a perfect model has one line at zero.  If draws of the
target (outline) reach far to the right of draws of the model, q misses a part of the target.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, figure, note

__all__ = ["plot_weights"]


def plot_weights(
    model: Mapping[str, np.ndarray], target: Mapping[str, np.ndarray] | None = None
) -> Figure:
    """Plot log p - log q of draws of models, one panel each.

    Parameters
    ----------
    model : mapping of str to array (n,)
        log w - log Z of draws of the model, by name.
    target : mapping of str to array (m,), optional
        The same of draws of the target.
    """
    n = len(model)
    columns = min(n, 3)
    rows = -(-n // columns)
    with figure(max(4.2, 3.2 * columns), 2.9 * rows) as fig:
        panels = np.atleast_1d(fig.subplots(rows, columns, squeeze=False)).ravel()
        for ax, (name, x) in zip(panels, model.items()):
            other = None if target is None else target.get(name)
            both = x if other is None else np.concatenate([x, other])
            low, high = np.quantile(both, [0.0005, 0.9995])
            bins = np.linspace(min(low, -0.05), max(high, 0.05), 61)
            ax.hist(x, bins, density=True, color=COLOR["model"], alpha=0.85, label="model")
            if other is not None:
                ax.hist(other, bins, density=True, histtype="step", color=COLOR["data"],
                        lw=1.5, label="target")  # fmt: skip
            ax.axvline(0, color=COLOR["exact"], lw=0.9)
            ax.set(title=name, xlabel="log p - log q", yticks=[])
            w = np.exp(x - x.max())
            note(ax, f"ess {w.sum() ** 2 / (w.size * np.sum(w * w)):.3f}", 0.97, 0.95)
        for ax in panels[n:]:
            ax.set_visible(False)
        panels[0].legend(loc="upper left")
    return fig
