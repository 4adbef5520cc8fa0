"""What the fit of a density, a joint model or a generator minimizes, from its section.

Energies, whose training may have several stages, are in :mod:`physgen.workflow.lattice.fits`.
"""

from __future__ import annotations

from typing import Any

from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.workflow.lattice.model_section import ModelSection

__all__ = ["objective_of"]

_ANNEAL, _DRAWS = {"spins": 0.3}, {"spins": 25_600}  # of the reverse divergence, where not given


def objective_of(
    section: ModelSection, family: str, target: Any, configurations: Any, rng: Stream
) -> Any:
    """Return the objective; `configurations` of the target where it needs them.

    Raises
    ------
    InputError
        If the target does not suit it.
    """
    from physgen.models import families
    from physgen.training import ForwardKL, MaximumLikelihood, MixedKL
    from physgen.training.evidence_objectives import EVIDENCE, evidence
    from physgen.training.regressions import REGRESSIONS, regression

    usual = families.family(family).objective
    if section.is_adversarial:
        return _against_a_critic(section, usual, target, configurations)
    fraction, goal = section.train.validation_fraction, section.train.objective
    if usual == "reconstruction":
        from physgen.training.reconstruction import Reconstruction

        source = configurations if isinstance(configurations, Configurations) else target
        samples = None if isinstance(source, Configurations) else configurations
        return Reconstruction(source, samples, fraction)
    given = isinstance(target, Configurations)
    if goal == "auto" and section.regresses and section.train.on != "action":
        goal = usual
    if goal == "auto" and given and section.is_joint:
        goal = EVIDENCE[0]
    if given and goal not in (*REGRESSIONS, *EVIDENCE):
        return MaximumLikelihood(target, fraction)
    if goal == "auto":
        by_data = section.is_estimated or section.train.needs_configurations
        goal = "forward-kl" if by_data else "reverse-kl"
    if goal in REGRESSIONS:
        return regression(goal, target, configurations, fraction)
    if goal in EVIDENCE:
        return evidence(goal, target, configurations, fraction, **section.train.options())
    if goal == "reverse-kl":
        return _reverse(section, target, rng)
    if goal == "log-variance":
        return _of_paths(section, target, rng)
    forward = ForwardKL(target, configurations, fraction)
    return forward if goal == "forward-kl" else MixedKL(_reverse(section, target, rng), forward)


def _against_a_critic(section: ModelSection, usual: str, target: Any, data: Any) -> Any:
    """Return the objective of a generator, which knows configurations and no action."""
    from physgen.training.adversarial_objectives import adversarial_objective

    train = section.train
    source = data if isinstance(data, Configurations) else (target, data)
    source = target if isinstance(target, Configurations) else source
    name = usual if train.objective == "auto" else train.objective
    how = {"validation_fraction": train.validation_fraction, "terms": train.terms}
    return adversarial_objective(name, source, **how)


def _reverse(section: ModelSection, target: Any, rng: Stream) -> Any:
    from physgen.training import ReverseKL

    train, kind = section.train, target.support.kind
    return ReverseKL(
        target,
        None if train.gradient == "auto" else train.gradient,
        anneal=_ANNEAL.get(kind, 0.0) if train.anneal is None else train.anneal,
        n_validation=train.n_validation,
        draws_per_epoch=train.draws_per_epoch or _DRAWS.get(kind, 6400),
        rng=rng,
    )


def _of_paths(section: ModelSection, target: Any, rng: Stream) -> Any:
    from physgen.training import LogVariance

    train = section.train
    return LogVariance(
        target,
        n_validation=train.n_validation,
        draws_per_epoch=train.draws_per_epoch or 6400,
        rng=rng,
    )
