"""Whole HDF5 files: built in memory if small, streamed to the disk if large."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py

from physgen.core.errors import StoreError
from physgen.results.atomic import replacing
from physgen.results.hdf5 import holds, reading, write_groups
from physgen.results.layout import Layout

__all__ = ["STREAM_ABOVE", "build_image", "write_file"]

STREAM_ABOVE = 64 << 20  # bytes of data; below, two copies in memory do not matter


def build_image(
    attrs: Mapping[str, Any], groups: Mapping[str, Layout], finished: bool = True
) -> io.BytesIO:
    """Return an HDF5 file in memory."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as h5:
        write_groups(h5, attrs, groups, finished)
    return buffer


def write_file(path: Path, attrs: Mapping[str, Any], groups: Mapping[str, Layout]) -> None:
    """Write and read back one HDF5 file, then let it take the name `path`.

    Raises
    ------
    StoreError
        If the disk is full or not writable, or returns other bytes than were written.
    """
    n_bytes = sum(layout.nbytes for layout in groups.values())
    with replacing(path) as file:
        if n_bytes <= STREAM_ABOVE:
            image = build_image(attrs, groups)
            _verify(path, image, groups)
            with image.getbuffer() as view:
                file.write(view)
        else:
            file.reserve(n_bytes + n_bytes // 20 + (1 << 20))  # data, checksums and indices
            with h5py.File(file, "w", track_order=True) as h5:
                write_groups(h5, attrs, groups, check=file.check)
            file.check()
            _verify(path, file, groups)


def _verify(path: Path, file: Any, groups: Mapping[str, Layout]) -> None:
    """Compare every value in `file` with the value that was to be written."""
    with reading(path), h5py.File(file, "r") as h5:
        for name, layout in groups.items():
            group: Any = h5[name or "/"]
            for variable, f in layout.fields.items():
                if not holds(group[variable], f):
                    raise StoreError(
                        f"{path} could not be written: {name}/{variable} reads back different "
                        "from what was written; check the disk, then run `physgen resume`"
                    )
