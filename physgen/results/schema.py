"""Names in a result file, and the version of their meaning.

A file is one HDF5 file.  Its root attributes say where it comes from; each group is one
:class:`xarray.Dataset` whose dimensions are HDF5 dimension scales.  `SCHEMA_VERSION` rises when
an older physgen would misread a file, and for no other reason.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

from physgen.core.errors import InputError, StoreError

__all__ = ["GROUPS", "ROOT_ATTRS", "SCHEMA_VERSION", "check_schema", "group_name"]

SCHEMA_VERSION = 1

# Groups that physgen writes; a store takes any other name as well.
GROUPS: Mapping[str, str] = {
    "chains": "the draws of a scan, a group inside for every sampler, extent and coupling",
    "checkpoint": "where the chains of the point that is being drawn are",
    "scan": "the points of a scan, and the time that each took",
    "estimates": "quantities with errors at every point of a scan",
    "exact": "exact values along a scan, as lines",
    "crossings": "where the Binder cumulants of two lattice sizes are equal",
    "agreement": "pulls between the samplers of a scan",
    "points": "for every point of a neural run: the model, its training and weighted draws, and "
    "Markov chains beside them",
    "trained": "the points of a neural run that are trained",
    "sampled": "the points of a neural run that are sampled",
    "comparison": "log Z, weights and observables of every point, beside Markov chains",
    "state": "the target state, one tensor for each site",
    "data": "measurement outcomes that the model learns from",
    "held_out": "outcomes of a file that are kept out of training",
    "training": "history of the training",
    "training/checkpoint": "model and optimiser, as far as training has come",
    "model": "the trained model",
    "samples": "draws from the trained model",
    "refits": "observables of the fit (row 0) and of refits to resampled outcomes",
    "refits/checkpoint": "the refit that is being made, as far as it has come",
    "errors": "observables of the model with the error of its fit, from the refits",
    "tomography": "density matrices of a small system, or why there are none",
    "validation": "distance between model and target, or likelihood of held-out outcomes",
    "validation/exact": "the same distance, by enumeration of all outcomes",
    "observables/data": "expectation values with errors, from the outcomes",
    "observables/model": "expectation values with errors, from the samples",
    "observables/exact": "expectation values in the target",
}

ROOT_ATTRS: Mapping[str, str] = {
    "schema_version": "integer; see physgen.results.schema",
    "physgen_version": "version that wrote the file",
    "config": "JSON text of the configuration",
    "config_hash": "SHA-256 of that text",
    "files": "JSON text, section of the configuration -> path of its file; absent without any",
    "created": "UTC time at which the run began",
    "versions": "JSON text, package -> version",
    "commit": "git commit of physgen, empty outside a checkout",
    "seed": "root seed of every random stream",
    "device": "what the run computed on",
    "cpu_seconds": "processor time, summed over resumes",
    "wall_seconds": "elapsed time, summed over resumes",
    "citations": "JSON text, list of methods and works used; `physgen cite` prints their BibTeX",
    "complete": "1 once the run has finished, else 0",
    "last_segment": "integer; counts the commits of the run (.segments/000007.h5 is the seventh), "
    "and is the newest whose content this file holds",
}

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")


def group_name(name: str) -> str:
    """Return `name` without its outer slashes ("/training/" -> "training").

    Raises
    ------
    InputError
        If a part of the name is empty or has other characters than letters, digits and "_.+-".
    """
    stripped = str(name).strip("/")
    if not all(_NAME.fullmatch(part) for part in stripped.split("/")):
        raise InputError(
            f"a group name must be words of letters, digits and '_' between slashes, got {name!r}"
        )
    return stripped


def check_schema(attrs: Mapping[str, Any], path: str | PathLike[str]) -> None:
    """Raise :class:`StoreError` unless `attrs` are the root attributes of a file we can read."""
    version = attrs.get("schema_version")
    if version is None:
        raise StoreError(
            f"{path} is an HDF5 file that physgen did not write (no schema_version attribute); "
            "open it with xarray.open_datatree"
        )
    if int(version) > SCHEMA_VERSION:
        raise StoreError(
            f"{path} has schema version {int(version)}, and this physgen reads up to "
            f"{SCHEMA_VERSION}; upgrade physgen (the file was written by physgen "
            f"{attrs.get('physgen_version', 'of unknown version')})"
        )
