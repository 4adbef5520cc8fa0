"""Renyi-2 entropies of blocks of sites: from the shots, of the model, of the state."""

from __future__ import annotations

import xarray as xr

from physgen.core.errors import InputError
from physgen.quantum import MeasurementData
from physgen.quantum.tomography import block_purities, count, standard_blocks
from physgen.workflow.labels import labelled
from physgen.workflow.reconstruction.context import ReconstructionContext

__all__ = ["blocks"]


def blocks(context: ReconstructionContext) -> dict[str, xr.Dataset]:
    """Return the blocks that the shots determine, by source; nothing if there are none.

    The model's are those of the fit itself: a state is contracted, samples of a network have the
    error of sampling.
    """
    from physgen import models
    from physgen.models import MatrixProduct

    data = context.data()
    chosen = [block for block in standard_blocks(data.L) if _determined(data, block)]
    if not chosen:
        return {}
    found = {"data": labelled(block_purities(data, chosen), "asymptotic", "the state")}
    model = models.from_dataset(context.store.read("model"))
    if isinstance(model, MatrixProduct):
        of_model = block_purities(
            model.purification(), chosen, sites_per_qubit=model.sites_per_qubit
        )
    else:
        of_model = block_purities(
            MeasurementData.from_dataset(context.store.read("samples")), chosen
        )
    exactness = str(of_model.attrs["exactness"])
    found["model"] = labelled(of_model, exactness, "the model; approximate for the state")
    if (state := context.state()) is not None:
        found["exact"] = labelled(block_purities(state, chosen), "exact", "the measured state")
    return {f"blocks/{name}": ds for name, ds in found.items()}


def _determined(data: MeasurementData, block: tuple[int, ...]) -> bool:
    """Return whether the shots see every state of a block, in each of its settings twice."""
    try:
        return int(count(data, block).shots_of_group.min()) >= 2
    except InputError:  # the POVM or the settings do not see all of it
        return False
