r"""How long chains remember as an energy is trained, beside the steps k that they are given.

With :math:`\tau` of the negative phase from update to update (:mod:`physgen.training.mixing`) and,
for snapshots of the weights, the time after which chains from two starts agree
(:mod:`physgen.samplers.mixing_time`).  Where either exceeds k the model is out of equilibrium.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from physgen.plotting.style import COLOR, MARKERS, figure, sequence

__all__ = ["plot_mixing"]


def plot_mixing(models: Mapping[str, tuple[xr.Dataset, xr.Dataset | None]]) -> Figure:
    """Plot mixing times over training.

    Parameters
    ----------
    models : mapping of str to (Dataset, Dataset or None)
        By name: the history, with ``step`` and ``tau`` (evaluation) and the attribute ``k``, and
        what is known of snapshots: ``needed`` and ``is_lower_bound`` (timed), with the coord
        ``timed_label``, their steps.
    """
    colors = sequence(len(models))
    with figure(6.4, 3.8) as fig:
        axis = fig.subplots()
        for i, (name, (history, along)) in enumerate(models.items()):
            axis.plot(history["step"], history["tau"], lw=1.4, color=colors[i], label=name)
            if along is None or "needed" not in along:
                continue
            step, needed = (along[n].values for n in ("timed_label", "needed"))
            # Chains that never agreed need more than the longest time that was seen.
            shown = np.isfinite(needed)
            for hollow in (False, True):
                here = shown & (along["is_lower_bound"].values == hollow)
                fill = {"mfc": "none"} if hollow else {}
                axis.plot(step[here], needed[here], MARKERS[i % 6], ms=5, ls="", color=colors[i],
                          **fill)  # fmt: skip
        for k in sorted({int(history.attrs["k"]) for history, _ in models.values()}):
            axis.axhline(k, color=COLOR["faint"], ls="--", lw=1)
            axis.annotate(f"k = {k}", (1, k), xycoords=("axes fraction", "data"), ha="right",
                          va="bottom", fontsize=8)  # fmt: skip
        axis.set(xlabel="optimiser step", ylabel="steps of a chain", yscale="log",
                 title="Mixing during training")  # fmt: skip
        axis.legend(loc="best", fontsize=8)
    return fig
