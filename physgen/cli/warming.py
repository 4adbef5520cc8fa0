"""The command that compiles kernels beforehand: ``physgen warm``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from physgen.cli.kernels import WARM
from physgen.cli.listening import Talk, reporting

__all__ = ["warm"]


def warm(names: Sequence[str], directory: Path | None, quiet: bool) -> None:
    """Compile the kernels of shipped workflows, and say how many and where."""
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        os.environ["NUMBA_CACHE_DIR"] = str(directory.resolve())  # read as Numba loads, below
    from physgen.workflow.warm import warm_kernels

    with reporting(Talk(quiet)) as reporter:
        done = warm_kernels(names, reporter)
    print(
        f"{done.kernels} kernels in {done.files} files are compiled, {done.new} of them now, in "
        f"{done.seconds:.0f} s; {', '.join(map(str, _roots(done.places, directory)))}"
    )
    if directory is not None:
        print(f"next: export {WARM}={directory.resolve()} in a job script")


def _roots(places: Sequence[Path], directory: Path | None) -> Sequence[Path]:
    return places if directory is None else [directory.resolve()]
