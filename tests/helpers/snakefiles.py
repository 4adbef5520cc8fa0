"""Snakemake as a user calls it, in a folder of the test."""

import os
import subprocess
import sys
from pathlib import Path


def snakemake(folder, *arguments):
    """Return the exit status, and all that it told."""
    bins = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bins}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder),
    }
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", *arguments], cwd=folder, env=environment,
        capture_output=True, text=True,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr
