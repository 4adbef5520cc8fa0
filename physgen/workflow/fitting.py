"""A fit into groups of the run file: checkpoints, resuming, what is said if it ends badly.

The history and the checkpoint are committed together, every ``checkpoint_every`` seconds and when
a signal comes; a later process goes on from them, to the same weights bit for bit on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from physgen.core.errors import InterruptedRunError, TrainingDivergedError
from physgen.workflow.context import Context
from physgen.workflow.labels import labelled

if TYPE_CHECKING:
    import xarray as xr

    from physgen.training import FitResult, Progress

__all__ = ["Groups", "fit", "fit_into"]


@dataclass(frozen=True)
class Groups:
    """Where a fit is kept: its history, the model, and a checkpoint that says which fit it is.

    Several fits may share the group of the checkpoint: one is made at a time.
    """

    history: str
    model: str
    checkpoint: str

    def resumed(self, context: Context) -> xr.Dataset | None:
        """Return the checkpoint of this fit, or None if the run file has none."""
        store = context.store
        found = store.read(self.checkpoint) if store.has(self.checkpoint) else None
        return None if found is None or found.attrs.get("group") != self.model else found


def fit(
    context: Context, model: Any, objective: Any, settings: Any, *, where: str = "", **how: Any
) -> FitResult:
    """Return the fit of a model that stops when the run is asked to; `how` goes to `fit`.

    Raises
    ------
    InterruptedRunError
        After a checkpoint, with the command that continues the run.
    TrainingDivergedError
        With `where` it happened, and what to change.
    """
    from physgen import training

    train = context.abandoning(lambda: training.fit)  # to load torch's optimizers takes a second
    if context.ranks is not None:
        how["ranks"] = context.ranks

    def asked() -> int:
        return context.stop.number if context.stop() else 0

    try:
        return train(model, objective, settings, should_stop=asked, **how)
    except InterruptedRunError as error:
        if not context.stop():  # another process was asked
            context.stop.note(error.number)
        context.check_stop()
        raise
    except TrainingDivergedError as error:
        begun = f"{where}, seed {context.config.seed}: " if where else ""
        raise TrainingDivergedError(
            f"{begun}{error}, under [train], and begin again in another directory or with "
            f"--force; what was reached is in {context.store.path}",
            step=error.step,
        ) from None


def fit_into(
    context: Context,
    groups: Groups,
    model: Any,
    objective: Any,
    settings: Any,
    *,
    curve: Callable[[xr.Dataset], xr.Dataset],
    of: str,
    learned: Callable[[Any], Any] = lambda model: model,
    held_out_floor: float | None = None,
    beside: Callable[[], Mapping[str, xr.Dataset]] = dict,
    **how: Any,
) -> None:
    """Fit a model, and commit its history, its checkpoints and the weights that are kept.

    Parameters
    ----------
    curve : callable(Dataset) -> Dataset
        The history as it is stored, labelled.
    of : str
        What the model is a model of.
    learned : callable(model) -> model
        The part of it that is stored; by default all.
    held_out_floor : float, optional
        Lowest possible loss of the held-out items, for the progress.
    beside : callable() -> mapping of str to Dataset
        Further groups that are committed with every checkpoint.
    **how
        For :func:`fit`.
    """
    from physgen import models

    store = context.store

    def commit(state: xr.Dataset, history: xr.Dataset) -> None:
        kept = labelled(state, "exact", "the fit, as it continues from here", units=False)
        kept = kept.assign_attrs(group=groups.model)
        store.commit({groups.history: curve(history), groups.checkpoint: kept, **beside()})

    def show(progress: Progress) -> None:
        context.reporter.progress(progress, held_out_floor)

    result = fit(
        context,
        model,
        objective,
        settings,
        resume_from=groups.resumed(context),
        on_checkpoint=commit,
        on_progress=show,
        **how,
    )
    stored = labelled(models.to_dataset(learned(result.model)), "approximate", of, units=False)
    found = {groups.model: stored}
    if result.warnings:
        found[groups.history] = curve(result.history)
    store.commit(found)
