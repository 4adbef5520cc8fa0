"""Results: labelled arrays, the crash-safe store of a run, provenance, citations.

One file of a finished run is plain HDF5 with named dimensions: h5py, ``xarray.open_datatree`` and
h5dump read it.  Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from physgen.core.lazy import lazy_exports

__all__ = [
    "GROUPS",
    "METHODS",
    "ROOT_ATTRS",
    "SCHEMA_VERSION",
    "RunStore",
    "bibtex",
    "collect_provenance",
    "config_hash",
    "list_arrays",
    "open_array",
    "open_run",
    "read_dataset",
    "run_directory",
    "write_dataset",
    "write_stream",
]

if TYPE_CHECKING:
    from physgen.results.citations import METHODS, bibtex
    from physgen.results.layers import run_directory
    from physgen.results.provenance import collect_provenance, config_hash
    from physgen.results.reader import open_run, read_dataset, write_dataset
    from physgen.results.schema import GROUPS, ROOT_ATTRS, SCHEMA_VERSION
    from physgen.results.store import RunStore
    from physgen.results.stored_array import list_arrays, open_array
    from physgen.results.streamed import write_stream


__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "GROUPS": "schema",
        "METHODS": "citations",
        "ROOT_ATTRS": "schema",
        "SCHEMA_VERSION": "schema",
        "RunStore": "store",
        "bibtex": "citations",
        "collect_provenance": "provenance",
        "config_hash": "provenance",
        "list_arrays": "stored_array",
        "open_array": "stored_array",
        "open_run": "reader",
        "read_dataset": "reader",
        "run_directory": "layers",
        "write_dataset": "reader",
        "write_stream": "streamed",
    },
)
