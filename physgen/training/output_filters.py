r"""The output filters of a score network in closed form.

The network :math:`N = \sum_j A_j \tanh(W_j \hat x)` is linear in its filters A, and these are one
number a star of momenta.  So the weighted squared error splits into a linear problem for each star
s, with features :math:`f_k` (F numbers a mode) and goals :math:`g_k`,

.. math:: (G_s + \rho \, \bar G_s) \, a_s = b_s , \qquad
          G_s = \sum_{k \in s} f_k f_k^T , \quad b_s = \sum_{k \in s} f_k g_k ,

with :math:`\bar G` the mean of the diagonal.  A second of linear algebra does what thousands of
steps of gradient descent do.  The ridge :math:`\rho` = 1e-5 keeps features of opposite signs
from growing where few configurations are.

Stars that are solved one by one know nothing of each other: features are nearly dependent, so
many :math:`a_s` fit, and those of neighbouring momenta need not be alike.  On a larger lattice,
whose momenta lie between them, such filters are noise.  With a *locality* :math:`\rho_d` all stars
are solved at once, for the filters :math:`a(d)` of displacements, :math:`a_s = \sum_d a(d)
\cos k_s \cdot d`, and distance costs:

.. math:: \sum_s \left( a_s^T G_s a_s - 2 b_s^T a_s \right)
          + \rho_d \, \bar G \sum_d (1 + |d|^6) \, a(d)^2 .
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import Any

import torch

from physgen.core.errors import InputError

__all__ = ["RIDGE", "solve_out"]

RIDGE, POWER = 1e-5, 6
MOST_UNKNOWN = 12_000  # 1.2 GB of matrix, half a minute


@torch.no_grad()
def solve_out(
    network: Any, batches: Iterable[Any], ridge: float = RIDGE, locality: float = 0.0
) -> None:
    """Set the filters A of a network to the solution of a regression.

    Parameters
    ----------
    network : Network
        One with ``stars``, ``features`` and ``assign``.
    batches : iterable of (x, weights, scale, goal)
        As of :class:`~physgen.training.denoising_diffusion.Regression`.
    ridge : float
        rho, > 0.
    locality : float
        rho_d, >= 0; with 0 each star is solved for itself.

    Raises
    ------
    InputError
        If filters of a network without ``places``, or more than 12,000 numbers, are to be local.
    """
    if locality:
        _check_local(network)
    stars = [torch.as_tensor(columns) for columns in network.stars]
    gram: list[Any] = [0.0] * len(stars)
    right: list[Any] = [0.0] * len(stars)
    for x, weights, scale, goal in batches:
        f = network.features(x, weights) * scale[:, None]
        for s, columns in enumerate(stars):
            rows = f[:, :, columns].transpose(1, 2).flatten(0, 1)
            if locality:  # single precision leaves negative eigenvalues larger than its cost
                rows = rows.double()
            gram[s] = gram[s] + (rows.t() @ rows).double()
            right[s] = right[s] + (rows.t() @ goal[:, columns].flatten().to(rows)).double()
    G, b = torch.stack(gram), torch.stack(right)
    solved = _local(network, G, b, locality) if locality else _of_each(G, b, ridge)
    network.assign(solved.T.cpu().numpy())


def _check_local(network: Any) -> None:
    """Raise InputError unless the filters of a network can be solved for with a locality."""
    places = getattr(network, "places", None)
    if places is None:
        raise InputError(
            f"locality is for filters of full range (net = 'filters'), got "
            f"{type(network).__name__}; leave it out: this network goes to a larger lattice as it "
            "is"
        )
    n = sum(features * len(place.sizes) for features, place in places)
    if n > MOST_UNKNOWN:
        raise InputError(
            f"local filters are solved for together, at most {MOST_UNKNOWN} numbers, got {n}; "
            "train on a smaller lattice, or with fewer channels or times"
        )


def _of_each(G: torch.Tensor, b: torch.Tensor, ridge: float) -> torch.Tensor:
    """Return the factors of every star, (stars, F)."""
    level = ridge * G.diagonal(dim1=1, dim2=2).mean(1) + 1e-300
    eye = torch.eye(G.shape[1]).to(G)
    return torch.stack(
        [torch.linalg.solve(g + x * eye, r) for g, x, r in zip(G, level, b, strict=True)]
    )


def _local(network: Any, G: torch.Tensor, b: torch.Tensor, locality: float) -> torch.Tensor:
    """Return the same, from filters of displacements that all stars share."""
    first = [columns[0] for columns in network.stars]
    counts, places = zip(*network.places, strict=True)
    chi = [torch.as_tensor(place.characters[:, first]).to(G) for place in places]
    at = [slice(*ends) for ends in pairwise(accumulate((0, *counts)))]
    blocks = [
        [
            torch.einsum("os,ps,sfg->fogp", chi[i], chi[j], G[:, at[i], at[j]]).reshape(
                counts[i] * len(chi[i]), -1
            )
            for j in range(len(places))
        ]
        for i in range(len(places))
    ]
    H = torch.cat([torch.cat(row, 1) for row in blocks])
    right = [torch.einsum("os,sf->fo", x, b[:, a]).flatten() for x, a in zip(chi, at, strict=True)]
    level = locality * G.diagonal(dim1=1, dim2=2).mean()
    cost = [
        torch.as_tensor(1 + place.lengths**POWER).to(G).repeat(n)
        for n, place in zip(counts, places, strict=True)
    ]
    H.diagonal().add_(level * torch.cat(cost))
    a = torch.cholesky_solve(torch.cat(right)[:, None], torch.linalg.cholesky(H))[:, 0]
    parts = a.split([len(part) for part in right])
    filters = [part.view(n, -1) for n, part in zip(counts, parts, strict=True)]
    return torch.cat([f @ x for f, x in zip(filters, chi, strict=True)]).T
