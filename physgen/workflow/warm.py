"""Compiling, once, the kernels that the shipped workflows use: ``physgen warm``.

Which code is compiled depends on what runs: on types, on extents, on the processor.  So each
workflow runs in miniature (:mod:`physgen.workflow.toy`), and its chains also on their own
lattices; nothing is kept but the compiled code.
"""

from __future__ import annotations

import tempfile
import time
import tomllib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from physgen.workflow.job import LAST
from physgen.workflow.kinds import job_of
from physgen.workflow.loading import config_from_dict
from physgen.workflow.reporting import Reporter
from physgen.workflow.run import run
from physgen.workflow.shipped import find_workflow, list_workflows
from physgen.workflow.toy import shortened

__all__ = ["Warmed", "warm_kernels"]


class Warmed(NamedTuple):
    """What is compiled: kernels in use, files of the cache, those of them that are new, where."""

    kernels: int
    files: int
    new: int
    places: tuple[Path, ...]
    seconds: float


def warm_kernels(names: Sequence[str] = (), reporter: Reporter | None = None) -> Warmed:
    """Compile what the shipped workflows need (or those of `names`) into Numba's cache."""
    begun, reporter = time.monotonic(), reporter or Reporter()
    for name in names or list_workflows():
        for path in sorted(find_workflow(name).glob("*.toml")):
            table = tomllib.loads(path.read_text(encoding="utf-8"))
            if "file" in table.get("data", {}):  # which the user brings
                continue
            reporter.start("warm", f"{name}/{path.name}")
            for small, until in _runs(table):
                with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of numbers that nobody reads
                    run(config_from_dict(small, path.parent), Path(folder) / "run", until=until)
    reporter.close()
    kernels = list(_kernels())
    places = sorted({Path(kernel._cache.cache_path) for kernel in kernels})
    files = {path for place in places for path in place.glob("*.nbc")}
    new = sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels)
    return Warmed(len(kernels), len(files), new, tuple(places), time.monotonic() - begun)


def _runs(table: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Return the runs that a config stands for, and how far each goes."""
    if "sampler" in table:
        yield _chains_alone(shortened(table, sizes=False)), "sample"
    small = shortened(table)
    stages = [stage.name for stage in job_of(small).stages_of(config_from_dict(small))]
    yield small, [name for name in stages if name != LAST][-1]


def _chains_alone(table: dict[str, Any]) -> dict[str, Any]:
    return {key: v for key, v in table.items() if key not in ("model", "train", "importance")}


def _kernels() -> Iterator[Any]:
    """Return the compiled functions of physgen that this process holds."""
    import gc

    from numba.core.dispatcher import Dispatcher

    for each in gc.get_objects():
        # By type(): a dead proxy answers isinstance with an error.
        if issubclass(type(each), Dispatcher) and each.signatures and each._cache.cache_path:
            kernel: Any = each
            if str(kernel.py_func.__module__).startswith("physgen."):
                yield kernel
