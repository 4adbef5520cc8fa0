r"""Pseudo-likelihood of actions that are linear in their couplings, solved (Besag 1975).

.. math:: \mathcal L(g) = -\sum_x \log p(\phi_x \mid \text{all others})

is convex in g, needs no log Z, and is consistent: of spins
(:mod:`physgen.training.spin_pseudo_likelihood`), and of real fields
(:mod:`physgen.training.field_pseudo_likelihood`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from physgen.core.energies import LinearEnergy
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS
from physgen.targets.local_terms import LocalTerms
from physgen.training.field_pseudo_likelihood import field_losses, solve_fields
from physgen.training.linear_fit import LinearFit, Relations
from physgen.training.linear_score_matching import solve_score_matching
from physgen.training.spin_pseudo_likelihood import solve_spins, spin_losses

__all__ = ["is_linear", "pseudo_losses", "require_linear", "solve_pseudo_likelihood"]


def is_linear(model: Any) -> bool:
    """Whether the model is an action of spins or fields, linear in its couplings."""
    return isinstance(model, LinearEnergy) and model.support in (SPINS, REALS)


def require_linear(model: Any) -> None:
    """Raise InputError unless :func:`is_linear`."""
    if not is_linear(model):
        raise InputError(
            f"pseudo-likelihood needs an action that is linear in its couplings, got "
            f"{type(model).__name__}; take 'local-spin-action' or 'local-action', or another "
            "objective"
        )


def solve_pseudo_likelihood(
    model: Any, x: Any, *, relations: Relations | None = None, n_blocks: int | None = None
) -> LinearFit:
    """Return the couplings of largest pseudo-likelihood, with errors and bounds.

    Parameters
    ----------
    model : LinearEnergy
        Of spins or real fields; it is not changed (``model.set_fit(fit)`` does that).
    x : array, shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        In the order in which they were drawn.
    relations : Relations, optional
        Linear relations between the couplings; by default all are free.
    n_blocks : int, optional
        Least number of blocks of the jackknife, instead of a length that follows from tau_int.

    Returns
    -------
    LinearFit

    Raises
    ------
    InputError
        If the model is not such an action, the data do not determine a coupling, or a coupling
        has no finite optimum (named).
    """
    require_linear(model)
    local: LocalTerms = model.local
    relations = Relations.of(relations, local.names)
    chains = x if x.ndim == local.lattice.dim + 2 else x[None]
    if model.support == SPINS:
        return solve_spins(local, chains, relations, n_blocks)
    start = solve_score_matching(model, chains, relations=relations).couplings
    return solve_fields(local, chains, start, relations, n_blocks)


def pseudo_losses(local: LocalTerms, couplings: Any, x: np.ndarray) -> np.ndarray:
    """Return the mean over sites of -log p(x | all others) of (n, *shape), shape (n,), in nats."""
    if local.kind == "spins":
        return spin_losses(local, couplings, x).mean(axis=1)
    return field_losses(local, couplings, x)
