"""Names in a result file, and the version of their meaning.

A result file is an HDF5 file.  Its root attributes record its provenance; each group is one
:class:`xarray.Dataset` with HDF5 dimension scales as dimensions.  `SCHEMA_VERSION` rises only when
an older physgen would misread a file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from os import PathLike
from typing import Any

from physgen.core.errors import InputError, StoreError

__all__ = ["ROOT_ATTRS", "SCHEMA_VERSION", "check_schema", "group_name"]

SCHEMA_VERSION = 1

ROOT_ATTRS: Mapping[str, str] = {
    "schema_version": "integer; see physgen.results.schema",
    "physgen_version": "version that wrote the file",
    "config": "JSON text of the configuration",
    "config_hash": "SHA-256 of that text",
    "layout": "integer; version of the groups of this kind of run",
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
        If a part of the name is empty or has characters other than letters, digits and "_.+-".
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
