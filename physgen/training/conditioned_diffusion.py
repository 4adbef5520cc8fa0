r"""Training of a family of score models over a coupling.

The model at the node with the slowest mode is trained like any other: it is the hardest one, and
its noise covers all others.  At the other nodes all layers but the last are kept, and the last one
has a closed form (:mod:`physgen.training.output_filters`): so the
networks of all nodes are linear in numbers that can be interpolated, and cost seconds each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.models.decimated import learned
from physgen.models.diffusion.conditioned import ConditionedScore
from physgen.training.denoising_diffusion import DenoisingDiffusion
from physgen.training.fitting import fit
from physgen.training.settings import FitSettings

__all__ = ["fit_conditioned"]


def fit_conditioned(
    family: ConditionedScore,
    samples: Mapping[float, Any],
    settings: FitSettings | None = None,
    *,
    rng: Stream | int = 0,
    budget: str | None = None,
    validation_fraction: float = 0.1,
) -> ConditionedScore:
    """Train a family of score models and return it.

    Parameters
    ----------
    family : ConditionedScore
        Made for targets.
    samples : mapping of float to array (n, *event_shape)
        Configurations at every node, from converged chains.
    settings, budget
        Of the fit at that node.
    rng : Stream or int
    validation_fraction : float
        Share of the configurations that is held out, in (0, 1).

    Raises
    ------
    InputError
        If a node has no configurations, or there are some of another coupling.
    """
    if set(samples) != set(family.nodes):
        raise InputError(
            f"configurations are needed at the nodes {sorted(family.nodes)} of the family, got "
            f"them at {sorted(samples)}"
        )
    widest = max(samples, key=lambda node: _slowest(samples[node]))
    begun: Any = None
    for node in (widest, *(node for node in family.nodes if node != widest)):
        objective = DenoisingDiffusion(family.target(node), samples[node], validation_fraction)
        model = family.completed(family.score_at(widest), node)
        if begun is None:
            begun = model
            fit(model, objective, settings, rng=as_stream(rng), budget=budget)
        else:
            objective.solve(model)
        family.learn(family.nodes.index(node), learned(model))
    return family


def _slowest(x: Any) -> float:
    """Return the variance of the means of configurations."""
    fields = np.asarray(x)
    return float(np.square(fields.reshape(len(fields), -1).mean(1)).mean())
