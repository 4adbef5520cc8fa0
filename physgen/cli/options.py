"""The options that several commands share, and their help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["ConfigPath", "Force", "Jobs", "LogFile", "Out", "Points", "Quiet", "Runs", "Set",
           "Toy", "Verbose"]  # fmt: skip

ConfigPath = Annotated[
    Path,
    typer.Argument(
        metavar="CONFIG",
        help="The TOML config: \\[target] with any number of \\[sampler] and \\[model] for a "
        "lattice system, \\[system] or \\[data] with \\[model] to reconstruct a quantum state. "
        "`physgen workflows copy` gives one to start from.",
    ),
]
Out = Annotated[
    Path,
    typer.Option(
        "--out",
        "-o",
        metavar="DIR",
        help="Run directory. The same config finishes or resumes it; another one is refused.",
    ),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change one value, e.g. --set system.L=20 or --set target.L=\\[8,16]. Repeatable.",
    ),
]
Force = Annotated[
    bool,
    typer.Option(
        "--force",
        help="Take DIR even if it holds another run: its run.h5, report and figures are lost.",
    ),
]
Runs = Annotated[
    list[Path],
    typer.Argument(metavar="DIR...", help="Run directories (or their run.h5), finished or not."),
]

Points = Annotated[
    str | None,
    typer.Option(
        "--points",
        metavar="I/N",
        help="Work on share I = 0..N-1 of a scan only, as in a job array; the last to finish "
        "gathers all.",
    ),
]
Jobs = Annotated[
    int,
    typer.Option("--jobs", "-j", metavar="N", min=1, help="Work on a scan in N processes."),
]
Toy = Annotated[
    bool,
    typer.Option(
        "--toy",
        help="The same in miniature, to try it: tiny lattice, two values of a scan, few draws. "
        "--set changes what is left.",
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Say nothing while working; errors and tables stay.")
]
Verbose = Annotated[
    bool, typer.Option("--verbose", "-v", help="Plain lines instead of a bar, one a second.")
]
LogFile = Annotated[
    Path | None,
    typer.Option("--log-file", metavar="FILE", help="Write progress, with times, to FILE too."),
]
