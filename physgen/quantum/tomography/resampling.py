r"""Resampled data: the two bootstraps of measured shots.

*Nonparametric*: shots drawn, with replacement, from the measured shots.  *Parametric*: fresh shots
of the reconstructed state.  In both, each setting keeps its number of shots if settings were
chosen.

Fresh shots are drawn by splitting: one multinomial draw distributes the n shots with a given
beginning among the outcomes of the next site, with the probabilities

.. math:: P(a_{i+1} | a_1 \dots a_i) \propto \mathrm{Tr} \Big[ \rho\, M_{a_1} \otimes \dots \otimes
          M_{a_{i+1}} \otimes 1 \Big] ,

so a prefix is contracted only once, however many shots share it.
"""

from __future__ import annotations

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.tomography.frequencies import Counts
from physgen.quantum.tomography.pauli_basis import to_pauli

__all__ = ["drawn_again", "drawn_from"]


def drawn_again(counts: Counts, generator: np.random.Generator) -> Counts:
    """Return the same number of shots drawn from the measured ones, within chosen settings."""
    again = np.zeros_like(counts.counts)
    order = np.argsort(counts.group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(counts.group))[:-1]):
        seen = counts.counts[rows]
        again[rows] = generator.multinomial(seen.sum(), seen / seen.sum())
    return counts.recounted(again)


def drawn_from(rho: np.ndarray, like: Counts, generator: np.random.Generator) -> Counts:
    """Return fresh shots of a state, as many as in `like`, for each chosen setting.

    Parameters
    ----------
    rho : ndarray, shape (2^L, 2^L)
        A positive matrix; otherwise some strings would have negative probabilities.
    like : Counts
    generator : numpy.random.Generator
    """
    L, K = like.L, like.povm.K
    c = np.broadcast_to(like.povm.pauli_coefficients, (L, K, 4))
    block = to_pauli(rho).reshape(1, -1)  # for each prefix: the remaining matrix
    prefixes = np.zeros((1, 0), dtype=np.uint8)
    # One line for each prefix and setting with shots in it.
    settings, shots = _settings(like)
    node = np.zeros(len(shots), dtype=np.int64)
    for i in range(L):
        children = np.einsum("ap,npr->nar", c[i], block.reshape(len(block), 4, -1))
        p = children[:, :, 0][node]
        if (
            settings is not None and like.povm.bases is not None
        ):  # only the two outcomes of the basis can happen
            p = p * (like.povm.bases.of == settings[:, i, None])
        if p.min() < -1e-9 * p.max():
            raise InputError(
                "a state to draw from must be positive, got a negative probability; use project "
                "or maximum_likelihood"
            )
        p = np.maximum(p, 0.0)
        split = generator.multinomial(shots, p / p.sum(axis=1, keepdims=True))
        line, outcome = np.nonzero(split)
        shots = split[line, outcome]
        settings = None if settings is None else settings[line]
        reached, node = np.unique(node[line] * K + outcome, return_inverse=True)
        parent, last = np.divmod(reached, K)
        prefixes = np.column_stack([prefixes[parent], last.astype(np.uint8)])
        block = children[parent, last]
    totals = np.bincount(node, shots).astype(like.counts.dtype)
    return Counts(like.povm, prefixes, totals, like.by_setting)


def _settings(like: Counts) -> tuple[np.ndarray | None, np.ndarray]:
    """Return the bases of each chosen setting, or None, and its number of shots."""
    shots = like.shots_of_group.astype(np.int64)
    if not like.by_setting:
        return None, shots
    _, first = np.unique(like.group, return_index=True)
    return like.bases[first], shots
