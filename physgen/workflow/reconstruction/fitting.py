"""Fitting the models of a config, and choosing the one that describes held-out shots best.

One model is kept in /training and /model.  Of several, each has /candidates/NUMBER, and
/selection says how they compare on the same held-out shots.  The chosen one is copied; with
``[train] selection_fraction`` it is fitted anew, because the candidates knew a part of the shots.

A few hundred held-out shots cannot tell models apart whose divergences differ by 0.01 nat: the
difference of log-likelihoods scatters by about 0.17 nat a shot on a critical chain of 50 sites,
so 500 shots tell 0.008 and half of 10,000 tell 0.0025.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from physgen.core.arrays import to_numpy
from physgen.core.random import Stream
from physgen.workflow import fitting
from physgen.workflow.labels import labelled
from physgen.workflow.reconstruction import models
from physgen.workflow.reconstruction.context import ReconstructionContext
from physgen.workflow.reconstruction.labels import NLL_UNITS, nll_text, with_names
from physgen.workflow.reconstruction.likelihood import kept_evaluation
from physgen.workflow.reconstruction.model_section import ModelSection

if TYPE_CHECKING:
    from physgen.training import FitResult, NegativeLogLikelihood

__all__ = ["chosen_section", "fit_model", "train"]

# Shots on which the entropy floor is evaluated: log P of the state costs about 0.5 ms a shot at
# bond dimension 24, and 20,000 shots fix the floor to 1e-3 nats per site at L = 50.
FLOOR_SHOTS = 20_000


def train(context: ReconstructionContext) -> str:
    """Fit every model of the config; commit the best as /training and /model."""
    sections, store = context.sections(), context.store
    if len(sections) == 1:
        _fit_model(context, sections[0])
        return _told(store.read("training"))
    for k, section in enumerate(sections):
        if not store.has(f"candidates/{k}/model"):
            _fit_model(context, section, f"candidates/{k}/")
    if not store.has("selection"):
        _choose(context)
    chosen = chosen_section(context)
    if context.config.train.selection_fraction is not None:
        _fit_model(context, chosen)
    return f"{chosen.name} chosen of {len(sections)}, {_told(store.read('training'))}"


def chosen_section(context: ReconstructionContext) -> ModelSection:
    """Return the section of the model that was chosen."""
    sections = context.sections()
    if len(sections) == 1:
        return sections[0]
    return sections[int(context.store.read("selection").attrs["chosen"])]


def fit_model(
    context: ReconstructionContext,
    section: ModelSection,
    objective: Any,
    model: Any,
    rng: Stream,
    **how: Any,
) -> FitResult:
    """Fit one model with the settings of the config; `how` goes to `physgen.training.fit`."""
    settings = models.fit_settings(context.config, section)
    model = model.to(context.config.train.device)
    return fitting.fit(context, model, objective, settings, rng=rng, **how)


def _likelihood(
    context: ReconstructionContext, section: ModelSection, *, candidate: bool
) -> NegativeLogLikelihood:
    """Return the shots of a fit; candidates are, if so told, compared on a larger share."""
    stream, share = context.stream("train"), context.config.train.selection_fraction
    apart = candidate and share is not None
    split = stream.child("selection" if apart else "split")
    return models.likelihood_for(
        context.config, section, context.data(), split, share if apart else None
    )


def _fit_model(context: ReconstructionContext, section: ModelSection, group: str = "") -> None:
    """Fit a model into /candidates/NUMBER/, or without a group into /training and /model."""
    store, stream, data = context.store, context.stream("train"), context.data()
    likelihood = _likelihood(context, section, candidate=bool(group))
    model = models.build(section, data, stream.child("init"))
    floors = _floors(context, likelihood, f"{group}training")
    store.cite("povm-reconstruction", *section.row.cites, "adam", "torch", "numba")
    if group:
        context.reporter.update("train", section.name)
    fitting.fit_into(
        context,
        fitting.Groups(f"{group}training", f"{group}model", f"{group}training/checkpoint"),
        model.to(context.config.train.device),
        models.objective_of(section, likelihood),
        models.fit_settings(context.config, section),
        curve=lambda history: labelled(
            with_names(history), "asymptotic", "the likelihood of the model, on either shots"
        ).assign_attrs(floors),
        of="the distribution of the outcomes",
        learned=lambda fitted: models.density(fitted, stream.child("log z")),
        rng=stream.child("fit"),
        **_shown(section, floors),
    )
    if section.is_energy:
        _tell_likelihood(context, likelihood, group)


def _shown(section: ModelSection, floors: Mapping[str, float]) -> dict[str, Any]:
    """Return the floors that the loss of a model is shown beside; a contrast has none."""
    if section.is_energy:
        return {}
    return {
        "entropy_floor": floors.get("entropy_floor"),
        "held_out_floor": floors.get("entropy_floor_validation"),
    }


def _tell_likelihood(
    context: ReconstructionContext, likelihood: NegativeLogLikelihood, group: str
) -> None:
    """Put the likelihood of an energy into its history, where log Z is known: at the end."""
    from physgen import models as families

    store = context.store
    model = families.from_dataset(store.read(f"{group}model"))
    nll, history = likelihood.evaluate(model), store.read(f"{group}training")
    kept = history["step"].values == history.attrs["best_step"]
    error = nll.std(ddof=1) / np.sqrt(nll.size) if nll.size > 1 else np.nan
    columns = {"train_nll": np.nan, "validation_nll": nll.mean(), "validation_nll_error": error}
    store.commit({
        f"{group}training": with_names(history.assign({
            name: ("evaluation", np.where(kept, value, np.nan), {"units": NLL_UNITS})
            for name, value in columns.items()
        }))
    })  # fmt: skip


def _told(training: xr.Dataset) -> str:
    told = f"weights of step {training.attrs['best_step']} kept"
    kept = kept_evaluation(training)
    if kept is None:
        return f"{told}, no shots held out"
    floor = training.attrs.get("entropy_floor_validation")
    beside = "" if floor is None else f" (floor {floor:.4f})"
    return f"{told}, held-out NLL {nll_text(kept.nll, kept.error)}{beside}"


def _choose(context: ReconstructionContext) -> None:
    """Compare all candidates on the held-out shots; commit the best, as the model if it is one."""
    from physgen import models as families

    store, sections = context.store, context.sections()
    x = to_numpy(_likelihood(context, sections[0], candidate=True).validation)
    per_shot: list[np.ndarray] = []
    sizes: list[int] = []
    for k in range(len(sections)):
        model = families.from_dataset(store.read(f"candidates/{k}/model"))
        per_shot.append(-to_numpy(model.log_prob(x)) / x.shape[1])
        sizes.append(sum(p.numel() for p in model.parameters()))
    nll = np.array(per_shot)
    behind = nll - nll[int(np.argmin(nll.mean(axis=1)))]

    def error(values: np.ndarray) -> np.ndarray:
        n = values.shape[1]
        return values.std(axis=1, ddof=1) / np.sqrt(n) if n > 1 else np.full(len(values), np.nan)

    best = _preferred(sections, behind.mean(axis=1), error(behind))
    units = {"units": NLL_UNITS}
    selection = xr.Dataset(
        {
            "nll": ("candidate", nll.mean(axis=1), units),
            "nll_error": ("candidate", error(nll), units),
            "behind": ("candidate", behind.mean(axis=1), units),
            "behind_error": ("candidate", error(behind), units),
            "n_parameters": ("candidate", np.array(sizes)),
        },
        coords={"candidate": [section.name for section in sections]},
        attrs={
            "chosen": best,
            "n": len(x),
            "estimator": "mean over held-out shots; errors of differences are shot by shot",
        },
    )
    groups = {"selection": labelled(selection, "asymptotic", "the cross entropy of each model")}
    share = context.config.train.selection_fraction
    if share is None:
        groups |= {name: store.read(f"candidates/{best}/{name}") for name in ("training", "model")}
    else:
        groups["selection"].attrs["selection_fraction"] = share
    store.commit(groups)


def _preferred(sections: Sequence[ModelSection], behind: np.ndarray, error: np.ndarray) -> int:
    """Return the model to use: the likeliest, but a mixed state rather than a pure one at a tie.

    A pure state that is fitted to mixed data is wrong by many of its small errors, and no refit
    shows that; a mixed state is wider where the state was pure after all.
    """
    best = int(np.argmin(behind))
    if sections[best].family == "mps":
        for k in map(int, np.argsort(behind)):
            if sections[k].family == "lpdo" and behind[k] <= error[k]:
                return k
    return best


def _floors(
    context: ReconstructionContext, likelihood: NegativeLogLikelihood, group: str
) -> dict[str, float]:
    """Return the NLL per site of the true state, on the shots of training and on those held out.

    Each is an estimate of the entropy per site that fluctuates together with the model's NLL on
    the same shots, so the distance between the two is far better known than either.
    """
    of_all = "candidates/0/training" if group.startswith("candidates") else group
    for known in (group, of_all):  # the shots are the same for all candidates
        if context.store.has(known):
            attrs = context.store.read(known).attrs
            return {key: attrs[key] for key in attrs if key.startswith("entropy_floor")}
    truth = context.truth()
    if truth is None:
        return {}
    shots = {"": likelihood.train, "_validation": likelihood.validation}
    return {
        f"entropy_floor{name}": -float(truth.log_prob(to_numpy(x[:FLOOR_SHOTS])).mean())
        / likelihood.n_sites
        for name, x in shots.items()
        if len(x)
    }
