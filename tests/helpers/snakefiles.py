"""Snakemake as a user calls it, in a folder of the test."""

import os
import subprocess
import sys
from pathlib import Path


def begun(folder, *arguments):
    """Start it, in a process group of its own."""
    bins = Path(sys.executable).parent
    environment = os.environ | {
        "PATH": f"{bins}:{os.environ['PATH']}",
        "XDG_CACHE_HOME": str(folder),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", *arguments], cwd=folder, env=environment,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip


def snakemake(folder, *arguments):
    """Return the exit status, and all that it told."""
    process = begun(folder, *arguments)
    told, _ = process.communicate()
    return process.returncode, told
