r"""Families side by side: observables before and after weights, likelihood, and sample quality.

A row is a generator; an arrow is a divergence below its error.  The three panels need not agree: a
model that gets one configuration in a hundred wrong by far has a fine likelihood, and a memorised
data set fools every test of draws.
"""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, MARKERS, OUTCOME_COLORS, figure

__all__ = ["plot_comparison"]

_SHOWN = ("energy_per_site", "action_per_site", "abs_magnetization", "phi2", "chi_abs", "binder")
_MOST = 5  # quantities that can be told apart
_LINEAR = 0.01  # deviations below it are drawn on a linear scale


def plot_comparison(found: xr.Dataset) -> Figure:
    """Plot the table of a comparison.

    Parameters
    ----------
    found : Dataset
        From `compare`, or the group ``comparison`` of a run: dims (generator, ..., quantity) and
        (generator, ..., test).
    """
    labels = [str(label) for label in found["generator"].values]
    rows = np.arange(len(labels))[::-1]
    known = [str(name) for name in found["quantity"].values]
    names = [name for name in _SHOWN if name in known][:_MOST] or known[:_MOST]
    with figure(10.0, 1.7 + 0.5 * len(labels)) as fig:
        left, middle, right = fig.subplots(1, 3, width_ratios=(2, 1, 1), sharey=True)
        _deviations(left, found, rows, names)
        kl, error = _flat(found["kl_forward"]), _flat(found["kl_forward_error"])
        _points(middle, np.maximum(kl, error), rows, bound=kl < error)
        middle.set_xscale("log")
        middle.set(xlabel="D(target || model) (nat)", title="likelihood")
        if "c2st" in found["test"].values:
            accuracy = found["statistic"].sel(test="c2st")
            _points(right, _flat(accuracy), rows)
            right.axvline(0.5, color=COLOR["exact"], lw=0.8)
            right.set(xlabel="accuracy of a classifier", xlim=(0.45, 1.02), title="draws")
        fig.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=_MOST)
        left.set_yticks(rows, labels)
        left.set_ylim(-0.6, len(labels) - 0.4)
    return fig


def _flat(values: xr.DataArray) -> np.ndarray:
    """Return numbers as (generator, points)."""
    array = values.transpose("generator", ...).values
    return array.reshape(len(array), -1)


def _deviations(ax: Axes, found: xr.Dataset, rows: np.ndarray, names: list[str]) -> None:
    """Draw relative deviations of raw (open) and corrected (filled) observables."""
    for q, name in enumerate(names):
        color, marker = OUTCOME_COLORS[q % len(OUTCOME_COLORS)], MARKERS[q % len(MARKERS)]
        shift = 0.25 - 0.5 * q / max(len(names) - 1, 1)
        base = found["reference"].sel(quantity=name)
        for word, face in (("raw", "white"), ("corrected", color)):
            value, error = (found[key].sel(quantity=name) for key in (word, f"{word}_error"))
            off, bars = _flat((value - base) / abs(base)), _flat(error / abs(base))
            at = np.broadcast_to(rows[:, None] + shift, off.shape)
            has = np.isfinite(off)
            label = name.replace("_", " ") if word == "raw" else None
            ax.errorbar(off[has], at[has], xerr=np.nan_to_num(bars[has]), ls="", marker=marker,
                        ms=5, mfc=face, color=color, elinewidth=1, label=label)  # fmt: skip
    ax.axvline(0, color=COLOR["exact"], lw=0.8)
    ax.set_xscale("symlog", linthresh=_LINEAR)
    ax.set(xlabel="relative deviation from the baseline")
    ax.set_title("observables: raw (open), corrected (filled)")


def _points(
    ax: Axes, values: np.ndarray, rows: np.ndarray, bound: np.ndarray | None = None
) -> None:
    """Draw one number of every generator, as an arrow where it is a bound from above."""
    at = np.broadcast_to(rows[:, None], values.shape)
    has = np.isfinite(values) & (values > 0)
    below = np.zeros_like(has) if bound is None else bound
    for which, marker in ((has & ~below, "o"), (has & below, "<")):
        ax.plot(values[which], at[which], marker, ms=6, color=COLOR["model"])
    for row, found in zip(rows, values):
        if not np.isfinite(found).any():
            ax.annotate("unknown", (0.5, row), xycoords=("axes fraction", "data"), ha="center",
                        va="center", fontsize=8.5, color="#4A4F57")  # fmt: skip
