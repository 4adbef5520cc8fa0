"""What a kind of run supplies: its config, its stages, its table and its figures.

Kinds are cut by what supplies the truth (:data:`KINDS`); each is a package of this one whose
module ``job`` holds its :class:`Job`.  Everything else of a run, from the store to the page of its
report, is the same code for all, and knows a kind only by the job that it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.sections import JobConfig

if TYPE_CHECKING:
    import xarray as xr

    from physgen.workflow.figures import Figure
    from physgen.workflow.summary import Summary

__all__ = ["KINDS", "LAST", "Job", "Kind", "Stage", "job_of", "kind_of"]

LAST = "report"  # the stage after all others: it reads the closed run file


class Kind(NamedTuple):
    """A kind of run, as far as it is known before its package is imported.

    Attributes
    ----------
    told_by : str
        The sections by which a config is known to be of this kind, in words.
    sections : tuple of str
        Sections that no other kind has.
    """

    told_by: str
    sections: tuple[str, ...]


KINDS: Mapping[str, Kind] = {
    "lattice": Kind("[target]", ("target", "sampler", "importance", "smc")),
    "reconstruction": Kind(
        "[system] or [data]", ("system", "data", "state", "errors", "tomography")
    ),
}


@dataclass(frozen=True)
class Stage:
    """One step of the work: its name, the groups that prove it done, and what it does.

    ``run(context)`` returns one line that says what came out; ``wanted(config)`` is false where a
    config leaves the stage nothing to do.
    """

    name: str
    groups: tuple[str, ...]
    doing: str
    run: Callable[[Any], str]
    wanted: Callable[[Any], bool] = lambda config: True

    def is_done(self, store: Any) -> bool:
        """Whether every group of this stage is in the run file."""
        return all(store.has(group) for group in self.groups)


@dataclass(frozen=True)
class Job:
    """A kind of run.

    Attributes
    ----------
    config : type
        Its config class.
    context : type
        What its stages are given.
    check : callable
        Raises for anything wrong with what a config points at, before a directory is touched.
    stages : tuple of Stage
        What it does, in order; the report comes after them.
    summarize : callable
        The :class:`~physgen.workflow.summary.Summary` of an open run.
    figures : tuple of Figure
        The figures that there may be, in the order of the page.
    groups : mapping of str to str
        What each group of the run file holds; "models/draws" stands for the groups of every
        point, such as models/flow/L8/lam6/draws.
    """

    config: type[JobConfig]
    context: type[Context]
    check: Callable[[Any], None]
    stages: tuple[Stage, ...]
    summarize: Callable[[xr.DataTree], Summary]
    figures: tuple[Figure, ...]
    groups: Mapping[str, str]

    def group_of(self, path: str) -> str:
        """Return the key in `groups` of a group of the file; its own name if there is none."""
        parts = path.strip("/").split("/")
        names = ("/".join(parts), f"{parts[0]}/{parts[-1]}", parts[0])
        return next((name for name in names if name in self.groups), names[0])

    def stages_of(self, config: Any, last: str = LAST) -> tuple[Stage, ...]:
        """Return the stages that a config wants, up to `last`; refuse a name that is none."""
        stages = tuple(stage for stage in self.stages if stage.wanted(config))
        names = [stage.name for stage in stages]
        if last == LAST:
            return stages
        if last not in names:
            listed = ", ".join(repr(name) for name in [*names, LAST])
            raise InputError(
                f"this config, with {KINDS[self.config.KIND].told_by}, has the stages {listed}, "
                f"got {last!r}; use one of them, or `physgen run` for all"
            )
        return stages[: names.index(last) + 1]


def kind_of(table: Mapping[str, Any]) -> str:
    """Return the kind of run that a config asks for."""
    return "lattice" if "target" in table else "reconstruction"


def job_of(config: Mapping[str, Any] | JobConfig) -> Job:
    """Return the job of a config, a table or a checked one."""
    kind = config.KIND if isinstance(config, JobConfig) else kind_of(config)
    return import_module(f"physgen.workflow.{kind}.job").JOB
