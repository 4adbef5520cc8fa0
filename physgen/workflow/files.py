"""Files that a config names: each is recorded by its checksum, so that a run is identified."""

from __future__ import annotations

import hashlib
from pathlib import Path

from physgen.core.errors import InputError

__all__ = ["check_digest"]


def check_digest(section: str, path: str | Path, stated: str | None) -> str:
    """Return the SHA-256 of the input file of `section`; refuse one that is not as `stated`."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"[{section}] file must be a readable file, got {str(path)!r} ({error.strerror})"
        ) from None
    if stated is not None and stated != digest:
        raise InputError(
            f"[{section}] sha256 must be the checksum of the file, got {stated!r} where "
            f"{Path(path).name} has {digest}; give the file that was meant"
        )
    return digest
