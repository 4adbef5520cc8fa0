"""Driving the stages over a run directory: open, skip what is done, do the rest, close.

A run directory holds ``run.h5`` (everything, see :mod:`physgen.results`), ``report.html`` and
``figures/``.  Whatever ends a run early leaves it resumable.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import physgen
from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.figures import derived
from physgen.workflow.interrupts import StopRequest, catch_signals
from physgen.workflow.job import LAST, Job, Stage
from physgen.workflow.kinds import job_of
from physgen.workflow.loading import attrs_of, check_layout, config_of_run
from physgen.workflow.reporting import Reporter
from physgen.workflow.sections import JobConfig
from physgen.workflow.together import done_together, follow

if TYPE_CHECKING:
    from physgen.training import Ranks

__all__ = ["resume", "run"]


def run(
    config: JobConfig,
    out: str | Path,
    *,
    until: str = LAST,
    force: bool = False,
    reporter: Reporter | None = None,
    ranks: Ranks | None = None,
) -> Path:
    """Do every stage up to `until` that the directory `out` does not hold yet.

    Parameters
    ----------
    config : JobConfig
        What to do; :func:`physgen.workflow.loading.load_config` reads one.
    out : str or Path
        Run directory (or its ``run.h5``), made if absent.  One of another config is refused.
    until : str
        Last stage: "report", or one of those that the kind of run has.
    force : bool
        Take `out` even if it holds another run: its ``run.h5``, report and figures are then
        removed.  Other files stay.
    reporter : Reporter, optional
        Listener for progress.
    ranks : Ranks, optional
        The processes that fit together (:mod:`physgen.workflow.together`).

    Returns
    -------
    Path
        The run directory.
    """
    from physgen.results import RunStore, run_directory

    reporter = reporter or Reporter()
    # Everything that can be wrong with the input is found before the directory is touched.
    out, job = run_directory(out), job_of(config)
    stages = job.stages_of(config, until)
    if ranks is not None:
        _check_together(config, until, ranks)
    if ranks is not None and not ranks.is_first:
        job.check(config)
        follow(config, out, job, stages, ranks)
        return out
    if not force:
        check_layout(out, config)
    job.check(config)
    made, provenance = _derived(out, job, force), _provenance(config)
    with RunStore.open(
        out, config.canonical(), force=force, derived=made, provenance=provenance
    ) as store:
        context = job.context(config, store, reporter, StopRequest(), ranks)
        _compute(context, job, stages, finished=until == LAST)
    return _finish(out, reporter) if until == LAST else out


def resume(
    out: str | Path, *, reporter: Reporter | None = None, ranks: Ranks | None = None
) -> Path:
    """Continue the run in `out` to its end, with the config that it holds."""
    from physgen.results import RunStore, open_run, run_directory

    out, reporter = run_directory(out), reporter or Reporter()

    def stored() -> dict[str, Any]:
        return {str(key): value for key, value in open_run(out, groups=()).attrs.items()}

    config = config_of_run(stored() if ranks is None else ranks.first(stored))
    job = job_of(config)
    if ranks is not None:
        _check_together(config, LAST, ranks)
    if ranks is not None and not ranks.is_first:
        follow(config, out, job, job.stages_of(config), ranks)
        return out
    with RunStore.resume(out, provenance=_provenance(config)) as store:
        context = job.context(config, store, reporter, StopRequest(), ranks)
        _compute(context, job, job.stages_of(config), finished=True)
    return _finish(out, reporter)


def _check_together(config: JobConfig, until: str, ranks: Ranks) -> None:
    """Refuse processes that would not do the same."""
    import torch

    versions = {"physgen": physgen.__version__, "torch": torch.__version__}
    versions["python"] = ".".join(map(str, sys.version_info[:2]))
    ranks.check_equal("versions", versions, "install one environment for all")
    what = {"config": config.canonical(), "the last stage": until}
    ranks.check_equal("the config", what, "start all with the same command")
    if ranks.world > config.least_shards:
        raise InputError(
            f"[train] shards must be at least the number of processes, {ranks.world}, got "
            f"{config.least_shards}; set them, which belong to the result, or start fewer"
        )
    ranks.use_device(config.device)


def _provenance(config: JobConfig) -> dict[str, Any]:
    from physgen.results import collect_provenance

    about: dict[str, Any] = {"layout": config.LAYOUT}
    if config.files():
        about["files"] = json.dumps(config.files())
    return collect_provenance(seed=config.seed, device=config.device) | about


def _derived(out: Path, job: Job, force: bool) -> list[str]:
    """Return the files in `out` that a run made from its data: those of another kind too."""
    found = derived(job)
    if force and (attrs := attrs_of(out)) is not None:
        found += derived(job_of(json.loads(attrs["config"])))
    return found


def _compute(context: Context, job: Job, stages: tuple[Stage, ...], finished: bool) -> None:
    """Do the stages that are not done; with `finished`, mark the run complete."""
    store, reporter = context.store, context.reporter
    if finished and store.complete:
        reporter.begin("nothing is left to do; the report is written anew")
    else:
        reporter.begin(_where(context.config))
    with catch_signals(patient=context.ranks is not None) as stop:
        context.stop, store.guard = stop, stop.holding
        try:
            for stage in stages:
                if stage.is_done(store):
                    reporter.skip(stage.name)
                    continue
                reporter.start(stage.name, stage.doing)
                begun = time.monotonic()
                text = done_together(context, job, stage)
                reporter.finish(stage.name, text, time.monotonic() - begun)
                context.check_stop()
            if finished and not store.complete:
                store.finish()
        finally:
            reporter.close()


def _where(config: JobConfig) -> str:
    """Return where the work is done: the first thing to know of a slow or strange run."""
    threads = os.environ.get("NUMBA_NUM_THREADS", "all")
    host = f"physgen {physgen.__version__} on {platform.node() or 'an unnamed host'}"
    return f"{host}, device {config.device}, threads {threads}"


def _finish(out: Path, reporter: Reporter) -> Path:
    """Write the report from the closed run file: what it shows is what the file holds."""
    from physgen.workflow.report import write_report

    reporter.start("report", "figures and report.html")
    begun = time.monotonic()
    try:
        path = write_report(out)
        reporter.finish("report", str(path), time.monotonic() - begun)
    finally:
        reporter.close()
    return out
