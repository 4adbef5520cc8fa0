"""Models as Datasets: weights as plain arrays, the architecture as JSON beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr

from physgen.core.errors import InputError
from physgen.models.registry import build

__all__ = ["dataset_to_tensors", "from_dataset", "tensors_to_dataset", "to_dataset"]


def tensors_to_dataset(tensors: Mapping[str, torch.Tensor]) -> xr.Dataset:
    """Return named tensors as a Dataset; axes of equal length share a dimension."""
    variables = {}
    for name, tensor in tensors.items():
        array = tensor.detach().cpu().numpy().copy()
        variables[name] = (tuple(_axis_names(array.shape)), array)
    return xr.Dataset(variables)


def _axis_names(shape: tuple[int, ...]) -> list[str]:
    # A square matrix needs two names for its two axes of one length.
    return [f"axis{shape[:i].count(size)}_{size}" for i, size in enumerate(shape)]


def dataset_to_tensors(dataset: xr.Dataset) -> dict[str, torch.Tensor]:
    """Return the variables of :func:`tensors_to_dataset` as tensors."""
    return {
        str(name): torch.from_numpy(np.array(v.values, copy=True))
        for name, v in dataset.data_vars.items()
    }


def to_dataset(model: Any) -> xr.Dataset:
    """Return weights and architecture of a model, and how it was trained, if it knows.

    Parameters
    ----------
    model : model of physgen.models
        Trained or not.
    """
    dataset = tensors_to_dataset(model.state_dict())
    trained = getattr(model, "trained_by", None)
    told = {} if trained is None else {"trained_by": json.dumps(trained)}
    return dataset.assign_attrs(model=json.dumps(model.config), **told)


def from_dataset(dataset: xr.Dataset) -> Any:
    """Return the model that :func:`to_dataset` stored.

    Parameters
    ----------
    dataset : Dataset
        As :func:`to_dataset` makes it, or ``open_run(dir)["model"].to_dataset()``.

    Raises
    ------
    InputError
        If the dataset holds no model, or weights of other shapes.
    """
    if "model" not in dataset.attrs:
        raise InputError("the dataset holds no model (attribute 'model' is missing)")
    model = build(json.loads(dataset.attrs["model"]))
    try:
        model.load_state_dict(dataset_to_tensors(dataset))
    except RuntimeError as error:
        raise InputError(f"stored weights do not fit the stored architecture: {error}") from error
    if "trained_by" in dataset.attrs:
        model.trained_by = json.loads(dataset.attrs["trained_by"])
    return model
