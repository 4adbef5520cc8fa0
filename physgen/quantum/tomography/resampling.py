r"""Data as they might have come: the two bootstraps of a laboratory's shots.

*Nonparametric*: shots drawn again, with replacement, from those measured.  *Parametric*: fresh
shots of the reconstructed state.  In both, where settings were chosen, each keeps its number of
shots.

Fresh shots are drawn by splitting: the n shots with a given beginning are shared among the
outcomes of the next site by one multinomial draw, with the probabilities

.. math:: P(a_{i+1} | a_1 \dots a_i) \propto \mathrm{Tr} \Big[ \rho\, M_{a_1} \otimes \dots \otimes
          M_{a_{i+1}} \otimes 1 \Big] ,

so that a prefix is contracted once, however many shots share it.
"""

from __future__ import annotations

import numpy as np

from physgen.core.errors import InputError
from physgen.quantum.tomography.frequencies import Counts
from physgen.quantum.tomography.pauli_basis import to_pauli

__all__ = ["drawn_again", "drawn_from"]


def drawn_again(counts: Counts, generator: np.random.Generator) -> Counts:
    """Return as many shots drawn from those measured, within settings that were chosen."""
    again = np.zeros_like(counts.counts)
    order = np.argsort(counts.group, kind="stable")
    for rows in np.split(order, np.cumsum(np.bincount(counts.group))[:-1]):
        seen = counts.counts[rows]
        again[rows] = generator.multinomial(seen.sum(), seen / seen.sum())
    return counts.recounted(again)


def drawn_from(rho: np.ndarray, like: Counts, generator: np.random.Generator) -> Counts:
    """Return fresh shots of a state, as many as `like` has, of each setting that was chosen.

    Parameters
    ----------
    rho : ndarray, shape (2^L, 2^L)
        A positive matrix: others give some strings a negative probability.
    like : Counts
    generator : numpy.random.Generator
    """
    c = like.povm.pauli_coefficients
    L, K = like.L, like.povm.K
    block = to_pauli(rho).reshape(1, -1)  # of each prefix: the matrix that is left of rho
    prefixes = np.zeros((1, 0), dtype=np.uint8)
    # One line for each prefix and setting with shots in it.
    settings, shots = _settings(like)
    node = np.zeros(len(shots), dtype=np.int64)
    for i in range(L):
        children = np.einsum("ap,npr->nar", c, block.reshape(len(block), 4, -1))
        p = children[:, :, 0][node]
        if settings is not None:  # only the two outcomes of the basis can happen
            p = p * (np.arange(K) % 3 == settings[:, i, None])
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
    """Return the bases of each setting that was chosen, or None, and its shots."""
    shots = like.shots_of_group.astype(np.int64)
    if not like.by_setting:
        return None, shots
    _, first = np.unique(like.group, return_index=True)
    return like.strings[first] % 3, shots
