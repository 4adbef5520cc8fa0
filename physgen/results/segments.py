r"""Segments: the checkpoints of a run, one immutable file each.

``.segments/000007.h5`` is an HDF5 file with the data that commit 7 added and the root attributes
of the run at that moment.  The HDF5 image is followed by 48 bytes that every HDF5 reader ignores:
a magic word, the length of the image, and its SHA-256.  A segment is checked before HDF5 reads it.
A damaged segment is an error and is never skipped, because its commit was acknowledged.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from physgen.core.errors import StoreError
from physgen.results.atomic import replacing
from physgen.results.hdf5 import reading
from physgen.results.image import build_image
from physgen.results.layout import Layout
from physgen.results.schema import check_schema

__all__ = ["DIRECTORY", "open_segment", "segment_paths", "write_segment"]

DIRECTORY = ".segments"
_TRAILER = struct.Struct("<8sQ32s")
_MAGIC = b"physgen\x01"
_NAME = re.compile(r"(\d{6,})\.h5")


def segment_path(run: Path, number: int) -> Path:
    """Return the path of segment `number` of a run directory."""
    return run / DIRECTORY / f"{number:06d}.h5"


def segment_paths(run: Path) -> dict[int, Path]:
    """Return number -> path of the segments of a run directory, in order."""
    try:
        names = os.listdir(run / DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        return {}
    numbers = sorted(int(match[1]) for match in map(_NAME.fullmatch, names) if match)
    return {number: segment_path(run, number) for number in numbers}


def write_segment(
    run: Path,
    number: int,
    attrs: Mapping[str, Any],
    groups: Mapping[str, Layout],
    append: Mapping[str, str],
) -> Path:
    """Write segment `number` whole or not at all, durably, and return its path."""
    attrs = {**attrs, "last_segment": number, "append": json.dumps(dict(append))}
    path = segment_path(run, number)
    built = build_image(attrs, groups, finished=False)
    with built.getbuffer() as image, replacing(path) as file:
        file.write(image)
        file.write(_TRAILER.pack(_MAGIC, len(image), hashlib.sha256(image).digest()))
    return path


def open_segment(path: Path, number: int) -> h5py.File:
    """Check a segment against its SHA-256 and number, and open it.

    Raises
    ------
    StoreError
        If it is torn, corrupt, or has another number than its name says.
    """
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        file.seek(max(0, size - _TRAILER.size))
        trailer = file.read()
        file.seek(0)
        digest, remaining = hashlib.sha256(), size - _TRAILER.size
        while remaining > 0 and (block := file.read(min(1 << 20, remaining))):
            digest.update(block)
            remaining -= len(block)
    if trailer != _TRAILER.pack(_MAGIC, max(0, size - _TRAILER.size), digest.digest()):
        raise damaged(path, "its checksum does not match its content")
    with reading(path):
        segment = h5py.File(path, "r", locking=False)
        check_schema(segment.attrs, path)
        if segment.attrs["last_segment"] != number:
            raise damaged(path, f"it calls itself number {segment.attrs['last_segment']}")
        return segment


def damaged(path: Path, what: str) -> StoreError:
    """Return the error for a segment that cannot be trusted."""
    return StoreError(
        f"checkpoint {path} is damaged: {what}; restore it from a backup, or move it and all "
        f"later ones out of {path.parent} to continue from the checkpoint before it"
    )
