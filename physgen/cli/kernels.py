"""Where a process keeps compiled kernels: on its own node in a job, and warm where it can.

Home directories of clusters are slow and shared by nodes of several kinds.  A job therefore keeps
kernels in the scratch of its node, where later jobs find them.  ``PHYSGEN_KERNELS`` names a
directory that ``physgen warm --dir`` has filled, in an image or on a login node: it is copied
there first, since an image cannot be written and a home directory should not be.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping

from physgen.core.errors import InputError

__all__ = ["WARM", "kernel_cache"]

WARM = "PHYSGEN_KERNELS"


def kernel_cache(environment: Mapping[str, str]) -> str:
    """Return the directory for compiled kernels; empty where Numba's own choice will do.

    Raises
    ------
    InputError
        If ``PHYSGEN_KERNELS`` is no directory, or the place in the scratch is somebody else's.
    """
    warm = environment.get(WARM, "")
    if environment.get("NUMBA_CACHE_DIR") or not (warm or environment.get("SLURM_JOB_ID")):
        return ""
    scratch = environment.get("SLURM_TMPDIR") or tempfile.gettempdir()
    mine = os.path.join(scratch, f"physgen-numba-{os.getuid()}")
    os.makedirs(mine, mode=0o700, exist_ok=True)
    if os.stat(mine, follow_symlinks=False).st_uid != os.getuid():
        # What lies there is executed: never take it from another user.
        raise InputError(
            f"{mine} must belong to you; set NUMBA_CACHE_DIR to a directory of this node that does"
        )
    return _copied(warm, mine) if warm else os.path.join(mine, "cold")


def _copied(warm: str, mine: str) -> str:
    """Return a copy of warm kernels in the scratch, made by the first process that needs it."""
    import hashlib
    import shutil

    if not os.path.isdir(warm):
        raise InputError(
            f"{WARM} must be a directory that `physgen warm --dir` has filled, got {warm!r}"
        )
    version = f"{os.path.realpath(warm)} {os.stat(warm).st_mtime_ns}"
    place = os.path.join(mine, hashlib.sha256(version.encode()).hexdigest()[:12])
    if not os.path.isdir(place):
        part = tempfile.mkdtemp(dir=mine)
        try:
            shutil.copytree(warm, part, dirs_exist_ok=True)
            os.rename(part, place)
        except OSError:
            shutil.rmtree(part, ignore_errors=True)
            if not os.path.isdir(place):  # else another process was first
                raise
    return place
