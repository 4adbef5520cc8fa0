"""What a section [[model]] means for the data at hand: the model, its recipe, its objective."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from physgen.core.random import Stream
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.model_section import ModelSection

if TYPE_CHECKING:
    from physgen.quantum import MeasurementData
    from physgen.training import FitSettings, NegativeLogLikelihood

__all__ = ["build", "density", "fit_settings", "likelihood_for", "objective_of"]

SPIN_SHOTS = 100_000  # that tell the direction of the mean spin


def build(section: ModelSection, data: MeasurementData, rng: Stream) -> Any:
    """Return the untrained model of a section, for the sites and the POVM of `data`."""
    from physgen import models

    if section.is_energy:
        given = {"family": section.family, "shape": [data.L], "K": data.povm.K}
        machine = models.build(given | section.sizes(), rng=rng)
        with warnings.catch_warnings():  # a site with one outcome: its weights are kept finite
            warnings.simplefilter("ignore")
            return machine.with_data_bias(data.outcomes)
    config: dict[str, Any] = {"family": section.family, "L": data.L, "K": data.povm.K}
    config |= section.sizes()
    symmetries: list[Any] = list(section.symmetries)
    if section.is_state:
        config |= {"povm": data.povm}
        config["spin"] = models.mean_spin(data.outcomes[:SPIN_SHOTS], data.povm)
        if "reflection" in symmetries:  # of the tensors themselves
            symmetries.remove("reflection")
            config["reflection"] = True
    wanted = [_symmetry(name, data) for name in symmetries]
    return models.build(config | ({"symmetries": wanted} if wanted else {}), rng=rng)


def _symmetry(name: str, data: MeasurementData) -> Any:
    """Return what models understand: those of outcomes depend on the POVM."""
    from physgen.quantum import outcome_symmetry

    if name in ("reflection", "translation"):
        return name
    return {"name": name, "outcomes": outcome_symmetry(data.povm, name).tolist()}


def fit_settings(config: Config, section: ModelSection) -> FitSettings:
    """Return the recipe of the family, with what [train] says instead."""
    from dataclasses import replace

    from physgen.training import recipe

    given = config.train.settings()
    if given.get("budget") is not None:
        given = {"n_epochs": None, **given}  # goes before the length of the recipe
    return replace(recipe(section.family), **given)


def likelihood_for(
    config: Config,
    section: ModelSection,
    data: MeasurementData,
    rng: Stream,
    held_out: float | None = None,
) -> NegativeLogLikelihood:
    """Return the likelihood of the shots; every model has the same shots held out.

    The share `held_out` is [train] validation_fraction if it is not given.

    A state is fitted to bits given their bases, and so to shots of any settings as they are; a
    distribution of outcomes needs the weights that make a complete set of settings uniform.
    """
    from physgen.training import NegativeLogLikelihood

    shots: Any = data.outcomes if section.is_state else data
    share = config.train.validation_fraction if held_out is None else held_out
    return NegativeLogLikelihood(shots, share, rng=rng)


def objective_of(section: ModelSection, likelihood: NegativeLogLikelihood) -> Any:
    """Return what is minimised: the likelihood, or its gradient by the chains of an energy."""
    if not section.is_energy:
        return likelihood
    from physgen.training import PersistentContrastiveDivergence

    return PersistentContrastiveDivergence(likelihood)


def density(model: Any, rng: Stream) -> Any:
    """Return a fitted model as a density: an energy with its log Z, exact or by annealing."""
    from physgen.core.protocols import EnergyModel
    from physgen.models.energy.normalised import Normalised
    from physgen.samplers.log_z_of import log_z_of

    if not isinstance(model, EnergyModel):
        return model
    found = log_z_of(model, rng=rng)
    return Normalised(model, float(found["log_z"]), float(found["log_z_error"]))
