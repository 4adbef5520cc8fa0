"""The workflows that come with physgen: folders with a config, a README and a Snakefile.

A copy also gets ``profiles/``, with which Snakemake runs it on a cluster.  One folder has scripts
of SLURM jobs instead.  They live in ``workflows/`` of a checkout and in ``physgen/_workflows`` of
an installed wheel.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import physgen
from physgen.core.checks import check_choice
from physgen.core.errors import StoreError
from physgen.results.atomic import store_errors

__all__ = ["copy_workflow", "find_workflow", "list_workflows", "title_of"]


_MARKS = ("config.toml", "*.sbatch")  # what makes a folder a workflow
_PROFILES = "profiles"


def _root() -> Path:
    package = Path(physgen.__file__).parent
    installed = package / "_workflows"
    return installed if installed.is_dir() else package.parent / "workflows"


def list_workflows() -> list[str]:
    """Return the names of the shipped workflows, sorted."""
    root = _root()
    if not root.is_dir():
        return []
    shown = (path.parent.name for name in _MARKS for path in root.glob(f"*/{name}"))
    return sorted(set(shown))


def find_workflow(name: str) -> Path:
    """Return the folder of a shipped workflow."""
    return _root() / check_choice("workflow", name, list_workflows())


def title_of(name: str) -> str:
    """Return the first heading of a workflow's README."""
    for line in (find_workflow(name) / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("# "):
            return line[2:].strip()
    return ""


def copy_workflow(name: str, destination: str | Path | None = None) -> Path:
    """Copy a workflow to `destination` (default: a folder of its name), which must not exist."""
    source = find_workflow(name)
    target = Path(destination) if destination is not None else Path(name)
    with store_errors(target):
        if target.exists():
            raise StoreError(
                f"destination must not exist, got {str(target)!r}; name another folder"
            )
        shutil.copytree(source, target)
        if (target / "Snakefile").exists():
            shutil.copytree(_root() / _PROFILES, target / _PROFILES)
    return target
