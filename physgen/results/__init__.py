"""Results: labelled arrays, the crash-safe store of a run, provenance, citations.

One file of a finished run is plain HDF5 with named dimensions: h5py, ``xarray.open_datatree`` and
h5dump read it.  Names are imported when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

_EXPORTS = {
    "GROUPS": "schema",
    "METHODS": "citations",
    "ROOT_ATTRS": "schema",
    "SCHEMA_VERSION": "schema",
    "RunStore": "store",
    "bibtex": "citations",
    "collect_provenance": "provenance",
    "config_hash": "provenance",
    "open_run": "reader",
    "read_dataset": "reader",
    "run_directory": "layers",
    "write_dataset": "reader",
}

__all__ = [
    "GROUPS",
    "METHODS",
    "ROOT_ATTRS",
    "SCHEMA_VERSION",
    "RunStore",
    "bibtex",
    "collect_provenance",
    "config_hash",
    "open_run",
    "read_dataset",
    "run_directory",
    "write_dataset",
]

if TYPE_CHECKING:
    from physgen.results.citations import METHODS, bibtex
    from physgen.results.layers import run_directory
    from physgen.results.provenance import collect_provenance, config_hash
    from physgen.results.reader import open_run, read_dataset, write_dataset
    from physgen.results.schema import GROUPS, ROOT_ATTRS, SCHEMA_VERSION
    from physgen.results.store import RunStore


def __getattr__(name: str) -> Any:
    if name in _EXPORTS:
        return getattr(importlib.import_module(f"physgen.results.{_EXPORTS[name]}"), name)
    raise AttributeError(f"module 'physgen.results' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
