"""The command that compiles kernels beforehand: ``physgen warm``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from physgen.cli.options import Quiet

__all__ = ["warm"]


def warm(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[NAME]...", help="Shipped workflows; all if none is named."),
    ] = None,
    directory: Annotated[
        Path | None,
        typer.Option(
            "--dir", metavar="DIR", help="Where to; jobs with PHYSGEN_KERNELS=DIR take them there."
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Compile the kernels of the shipped workflows once: for an image, or on a login node.

    Kernels go where this process would keep them anyway, or into DIR.  They serve the same
    installation of physgen on processors of the same kind; others compile anew.
    """
    from physgen.cli.kernels import WARM
    from physgen.cli.listening import Talk, reporting

    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        os.environ["NUMBA_CACHE_DIR"] = str(directory.resolve())  # read as Numba loads, below
    from physgen.workflow.warm import warm_kernels

    with reporting(Talk(quiet)) as reporter:
        done = warm_kernels(names or [], reporter)
    places = done.places if directory is None else [directory.resolve()]
    print(
        f"{done.kernels} kernels in {done.files} files are compiled, {done.new} of them now, in "
        f"{done.seconds:.0f} s; {', '.join(map(str, places))}"
    )
    if directory is not None:
        print(f"next: export {WARM}={directory.resolve()} in a job script")
