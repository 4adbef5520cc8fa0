"""What a kind of run supplies: its config, its stages, its table and its figures.

Three kinds are known.  A config with a [target] section samples lattice systems
(:mod:`physgen.workflow.lattice`), by neural samplers if it has a [model] as well
(:mod:`physgen.workflow.neural`); any other reconstructs a state from measurement outcomes
(:mod:`physgen.workflow.reconstruction`).  Everything else of a run, from the store to the page of
its report, is the same code for all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.sections import JobConfig

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure

    from physgen.workflow.summary import Summary

__all__ = ["KINDS", "LAST", "Job", "Stage", "job_of", "kind_of"]

# kind -> the sections that only a config of this kind has
KINDS: Mapping[str, str] = {
    "reconstruction": "[system] or [data]",
    "lattice": "[target]",
    "neural": "[target] and [model]",
}
LAST = "report"  # the stage after all others: it reads the closed run file


@dataclass(frozen=True)
class Stage:
    """One step of the work: its name, the groups that prove it done, and what it does.

    ``run(context)`` returns one line that says what came out.
    """

    name: str
    groups: tuple[str, ...]
    doing: str
    run: Callable[[Any], str]

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
    draw : callable
        The figures that an open run has data for, by name.
    captions : mapping of str to str
        Every figure that there may be, and what it shows.
    wide : frozenset of str
        Figures that take the whole width of the page.
    """

    config: type[JobConfig]
    context: type[Context]
    check: Callable[[Any], None]
    stages: tuple[Stage, ...]
    summarize: Callable[[xr.DataTree], Summary]
    draw: Callable[[xr.DataTree], dict[str, Figure]]
    captions: Mapping[str, str]
    wide: frozenset[str] = frozenset()

    def stages_until(self, last: str) -> tuple[Stage, ...]:
        """Return the stages up to `last`; refuse a name that is no stage of this kind of run."""
        names = [stage.name for stage in self.stages]
        if last == LAST:
            return self.stages
        if last not in names:
            listed = ", ".join(repr(name) for name in [*names, LAST])
            raise InputError(
                f"a config with {KINDS[self.config.KIND]} has the stages {listed}, got {last!r}; "
                "use one of them, or `physgen run` for all"
            )
        return self.stages[: names.index(last) + 1]


def kind_of(table: Mapping[str, Any]) -> str:
    """Return the kind of run that a config asks for."""
    if "target" not in table:
        return "reconstruction"
    return "neural" if "model" in table else "lattice"


def job_of(config: Mapping[str, Any] | JobConfig | str) -> Job:
    """Return the job of a config (a table or a checked one), or of a kind by its name."""
    if isinstance(config, JobConfig):
        kind = config.KIND
    else:
        kind = config if isinstance(config, str) else kind_of(config)
    return import_module(f"physgen.workflow.{kind}.job").JOB
