r"""The effective share of a score model against what a draw costs.

.. math:: \mathrm{ess} = \frac{(\sum_i w_i)^2}{N \sum_i w_i^2}

of weights by two routes at fixed numbers of steps: "flow", the density of the probability flow
(7 evaluations a step), whose error of the steps stays in its weights; and "paths", the reverse
process with noise (1 evaluation a step), whose weights are exact after any number of steps.  The
first reaches a plateau that the network sets; the second approaches it from below.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.analysis import weights
from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.decimated import Decimated, learned
from physgen.models.diffusion.path_weights import path_importance
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers.weighing import Weighing

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ess_against_evaluations"]

STAGES = 7  # velocities of a step of sixth order


def ess_against_evaluations(
    model: Any,
    target: Any,
    n: int = 4096,
    rng: Stream | int = 0,
    *,
    flow: Sequence[int] = (2, 3, 4, 6, 8),
    paths: Sequence[int] = (8, 16, 32, 64),
) -> xr.Dataset:
    """Return effective shares and log Z against evaluations of the score.

    Parameters
    ----------
    model : ScoreModel, or Decimated with one
    target : Target
    n : int
        Draws at each number, >= 128.
    rng : Stream or int
        The same random numbers at each number.
    flow, paths : sequence of int
        Steps of both routes, >= 2 each.

    Returns
    -------
    Dataset
        Dim ``row``: ``evaluations``, ``steps``, ``ess``, ``log_z`` and ``log_z_error``; coordinate
        ``route``, "flow" or "paths".  Rows of the flow are approximate by their steps.

    Raises
    ------
    InputError
        If the model is no score model, or a number is too small.
    """
    import xarray as xr

    check_positive_int("n", n, 128)
    q, stream = learned(model), as_stream(rng)
    if not isinstance(q, ScoreModel):
        raise InputError(f"evaluations are those of a ScoreModel, got {type(q).__name__}")
    rows: list[tuple[str, int, int, float, float, float]] = []
    for steps in flow:
        coarse: Any = q.as_density(steps)
        if isinstance(model, Decimated):
            coarse = Decimated(coarse, model.target)
        log_w = Weighing.of(coarse, target).draw(n, stream.child("flow"))[1]
        rows.append(("flow", STAGES * steps, steps, weights.ess(log_w), *weights.log_z(log_w)))
    for steps in paths:
        how = {"n_steps": steps, "resample": 0.0, "ess_floor": 1.0}
        ds = path_importance(model, target, n, stream.child("paths"), **how)
        ess, value, error = (float(ds[k]) for k in ("ess_share", "log_z", "log_z_error"))
        rows.append(("paths", steps, steps, ess, value, error))
    route, *columns = zip(*rows)
    names = ("evaluations", "steps", "ess", "log_z", "log_z_error")
    data = {name: ("row", np.array(c)) for name, c in zip(names, columns, strict=True)}
    return xr.Dataset(data, {"route": ("row", list(route))}, {"n": n})
