"""What a kind of run supplies: its config, its stages, its tables and its figures.

Everything else of a run, from the store to the page of its report, is the same code for all kinds,
and knows a kind only by the :class:`Job` that it is given (:mod:`physgen.workflow.kinds`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InputError
from physgen.workflow.context import Context
from physgen.workflow.sections import JobConfig
from physgen.workflow.summary import dataset_of

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.figure import Figure as Drawing

    from physgen.workflow.summary import Summary

__all__ = ["LAST", "Figure", "Job", "Stage"]

LAST = "report"  # the stage after all others: it reads the closed run file
COMPILING = "compiling, once per installation"


@dataclass(frozen=True)
class Stage:
    """One step of the work: its name, the groups that prove it done, and what it does.

    ``run(context)`` returns one line that says what came out; ``wanted(config)`` is false where a
    config leaves the stage nothing to do.  A stage that commits nothing before its end is
    `abandonable`: a signal ends it at once.  What several processes of a run do
    ``together(config)`` is not done by the first alone (:mod:`physgen.workflow.together`).
    """

    name: str
    groups: tuple[str, ...]
    doing: str
    run: Callable[[Any], str]
    wanted: Callable[[Any], bool] = lambda config: True
    abandonable: bool = False
    together: Callable[[Any], bool] = lambda config: False

    def do(self, context: Context) -> str:
        """Run the stage, and return that line; say so where kernels have to be compiled."""
        from physgen.kernels.compiling import heard

        with heard(lambda: context.reporter.update(self.name, COMPILING)):
            if self.abandonable:
                return context.abandoning(lambda: self.run(context))
            return self.run(context)

    def is_done(self, store: Any) -> bool:
        """Whether every group of this stage is in the run file."""
        return all(store.has(group) for group in self.groups)


@dataclass(frozen=True)
class Figure:
    """One figure of a kind of run.

    Attributes
    ----------
    name : str
        Of its file.
    plot : str or callable(DataTree, config) -> matplotlib Figure or None
        ``"module:function"`` of `physgen.plotting`, given the Datasets of `needs`; or what draws
        it from an open run, None where the run has nothing to show.
    caption : str
        What is seen.
    needs : tuple of str
        Groups without which it cannot be drawn.
    wide : bool
        Whether it takes the whole width of the page.
    """

    name: str
    plot: str | Callable[[xr.DataTree, Any], Drawing | None]
    caption: str
    needs: tuple[str, ...] = ()
    wide: bool = False

    def draw(self, tree: xr.DataTree, config: Any) -> Drawing | None:
        """Return the figure of an open run; None where the run has nothing to show."""
        groups = [dataset_of(tree, name) for name in self.needs]
        if any(group is None for group in groups):
            return None
        if callable(self.plot):
            return self.plot(tree, config)
        module, name = self.plot.split(":")
        return getattr(import_module(f"physgen.plotting.{module}"), name)(*groups)


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
    summarize : callable(DataTree, config)
        The :class:`~physgen.workflow.summary.Summary` of an open run.
    figures : tuple of Figure
        The figures that there may be, in the order of the page.
    groups : mapping of str to str
        What each group of the run file holds; "models/draws" stands for the groups of every
        point, such as models/flow/L8/lam6/draws.
    costs : callable(config) -> list of int, optional
        What each place of a scan costs, relative to the others; they may be worked on in any
        order.  None: there is no scan.
    points : callable(config) -> list of str, optional
        Groups of all points of a scan, in the order of a serial run.
    """

    config: type[JobConfig]
    context: type[Context]
    check: Callable[[Any], None]
    stages: tuple[Stage, ...]
    summarize: Callable[[xr.DataTree, Any], Summary]
    figures: tuple[Figure, ...]
    groups: Mapping[str, str]
    costs: Callable[[Any], list[int]] | None = None
    points: Callable[[Any], list[str]] | None = None

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
                f"this config has the stages {listed}, got {last!r}; use one of them, or "
                "`physgen run` for all"
            )
        return stages[: names.index(last) + 1]
