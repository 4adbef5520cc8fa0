r"""Learned couplings on one grid, each with its error, its bound and the true value.

An energy :math:`S = \sum_a g_a O_a` that is linear in its couplings names them.  Beside each stand
the standard error of the fit, the bound (the error of maximum likelihood on the same draws, of
Cramér and Rao if they are independent) and, where the target is of the same form, its coupling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.targets.configurations import Configurations
from physgen.workflow.context import Context
from physgen.workflow.lattice.generators import Learned
from physgen.workflow.lattice.points import Scan

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["assemble"]

_NUMBERS = ("coupling", "coupling_error", "bound")


def assemble(context: Context, scan: Scan) -> xr.Dataset | None:
    """Return dims (generator, L, coupling of the scan, term); None where no model has couplings.

    Variables ``coupling``, ``coupling_error``, ``bound`` of every model, ``true`` of the target.
    """
    import xarray as xr

    points = [p for place in scan.places() for p in scan.learned(place) if p.section.is_energy]
    found = [(point, known) for point in points if (known := _couplings(context, point))]
    if not found:
        return None
    terms = list(dict.fromkeys(term for _, known in found for term in known))
    labels = list(dict.fromkeys(point.label for point, _ in found))
    extents, values, axis = scan.extents, scan.values, scan.coupling or "point"
    shape = (len(labels), len(extents), len(values), len(terms))
    arrays = {name: np.full(shape, np.nan) for name in _NUMBERS}
    true = np.full(shape[1:], np.nan)
    for point, known in found:
        at = (labels.index(point.label), *point.place.at)
        truth = _true(point)
        for k, term in enumerate(terms):
            if term in known:
                for name, number in zip(_NUMBERS, known[term], strict=True):
                    arrays[name][*at, k] = number
            if truth is not None:
                true[*at[1:], k] = truth.get(term, 0.0)
    dims = ("generator", "L", axis, "term")
    return xr.Dataset(
        {name: (dims, array, {"units": "1"}) for name, array in arrays.items()}
        | {"true": (dims[1:], true, {"units": "1", "long_name": "coupling of the target"})},
        {
            "generator": labels,
            "L": [0 if L is None else L for L in extents],
            axis: [np.nan if v is None else v for v in values],
            "term": terms,
        },
    )


def _couplings(context: Context, point: Learned) -> dict[str, tuple[float, float, float]]:
    """Return coupling, error and bound of each term of a trained energy; empty without terms."""
    from physgen import models

    model: Any = models.from_dataset(context.store.read(f"{point.group}/model"))
    if not hasattr(model, "coupling_errors"):
        return {}
    errors, bounds = model.coupling_errors, model.coupling_bounds
    return {
        term: (float(g), float(errors.get(term, np.nan)), float(bounds.get(term, np.nan)))
        for term, g in model.couplings.items()
    }


def _true(point: Learned) -> dict[str, float] | None:
    """Return the couplings of the target by term; None where its action is of another form."""
    from physgen.targets.local_action import local_couplings

    target = point.target
    known = None if isinstance(target, Configurations) else local_couplings(target)
    return None if known is None else dict(known)
