r"""Score matching of actions that are linear in their couplings, in closed form.

For :math:`S = \sum_a g_a O_a`, integration by parts turns the distance of two scores into
(Hyvärinen 2005)

.. math:: J(g) = E\big[ \tfrac12 \nabla S \cdot P \, \nabla S - \nabla \cdot P \, \nabla S \big]
          = \tfrac12 g^T A g - b^T g , \qquad A g = b ,

.. math:: A_{ab} = E[\nabla O_a \cdot P \, \nabla O_b], \qquad
          b_a = E[\nabla \cdot P \, \nabla O_a] .

Every constant, symmetric and positive matrix P gives a consistent estimate.  P = 1 is score
matching as it is usually meant ("plain").  "optimal" weighs the modes of the field with the
inverse of the mean Hessian of S,

.. math:: P(k) = 1 / \max\big( E[S''](k), 1/\chi_\mathrm{max} \big) , \qquad
          E[S''](k) = \sum_a g_a \, E[O_a''](k) ,

as a plain fit to at most 1,000 configurations has it (chi is the two-point function of a mode,
and :math:`E[S'']\ge 1/\chi`).  For a Gaussian field the estimating equations are then those of
maximum likelihood; of phi^4 near criticality it takes a third off the error of kappa.  That P is
estimated changes the error at the next order in 1/n only.

One pass keeps A and b of every configuration, so the jackknife costs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from physgen.core.checks import check_choice
from physgen.core.energies import LinearEnergy
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.targets.local_terms import LocalTerms
from physgen.training.linear_fit import (
    LinearFit,
    Relations,
    block_sums,
    blocks_of,
    covariance_of,
    least_errors,
)

__all__ = ["hyvarinen_losses", "is_linear", "solve_score_matching"]

WEIGHTS = ("optimal", "plain")
_NUMBERS = 2**16  # of configurations that are worked on at a time: they stay in the cache
_FIRST = 1000  # configurations that the weights of the modes are estimated from


class Equations(NamedTuple):
    """What one pass over n configurations leaves: A (n, t, t), b (n, t), the sums O_a (n, t)."""

    A: np.ndarray
    b: np.ndarray
    sums: np.ndarray


def is_linear(model: Any) -> bool:
    """Whether the score can be matched in closed form: real fields, linear in its weights."""
    return isinstance(model, LinearEnergy) and model.support == REALS


def solve_score_matching(
    model: Any,
    x: Any,
    *,
    relations: Relations | None = None,
    weight: str = "optimal",
    n_blocks: int | None = None,
) -> LinearFit:
    """Return the couplings that minimise J on configurations, with errors and bounds.

    Parameters
    ----------
    model : LinearEnergy
        Of real fields; it is not changed (``model.set_fit(fit)`` does that).
    x : array, shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        In the order in which they were drawn.
    relations : Relations, optional
        Linear relations between the couplings; by default all are free.
    weight : {"optimal", "plain"}
        P; see the module.
    n_blocks : int, optional
        Least number of blocks of the jackknife, instead of a length that follows from tau_int.

    Returns
    -------
    LinearFit

    Raises
    ------
    InputError
        If the model is not linear, or the configurations do not determine a coupling (named).
    """
    if not is_linear(model):
        raise InputError(
            f"the closed form needs an action of real fields that is linear in its couplings, got "
            f"{type(model).__name__}; take LocalActionEnergy, or train by steps"
        )
    local: LocalTerms = model.local
    relations = Relations.of(relations, local.names)
    chains = x if x.ndim == local.lattice.dim + 2 else x[None]
    flat, lead = chains.reshape(-1, *local.lattice.shape), chains.shape[:2]
    check_choice("weight", weight, WEIGHTS)
    P = _optimal_weights(local, flat, relations) if weight == "optimal" else None
    found = equations(local, flat, P)
    A, b, sums = (each.reshape(*lead, *each.shape[1:]) for each in found)
    M, c = relations.matrix, relations.offset
    theta = _solved(A.sum((0, 1)), b.sum((0, 1)), relations, local.names)
    g = relations.couplings(theta)
    functions = (np.einsum("...ab,b->...a", A, g) - b) @ M
    blocks = blocks_of(functions, n_blocks)
    A_of, b_of = block_sums(blocks, A), block_sums(blocks, b)
    A_left, b_left = A_of.sum(0) - A_of, b_of.sum(0) - b_of
    with np.errstate(all="ignore"):
        left = M.T @ A_left @ M, ((b_left - A_left @ c) @ M)[..., None]
        without = np.linalg.solve(*left)[..., 0] if len(A_of) > 1 else theta[None]
    cov = M @ covariance_of(without, blocks.inflation) @ M.T
    bounds = least_errors(sums, relations, n_blocks)
    return LinearFit(local.names, g, np.sqrt(np.diag(cov)), bounds, cov, len(A_of))


def equations(local: LocalTerms, x: np.ndarray, P: np.ndarray | None = None) -> Equations:
    """Return the equations of configurations (n, *shape), one by one.

    Parameters
    ----------
    local : LocalTerms
    x : ndarray
    P : ndarray, optional
        P(k) > 0, shape of the lattice in FFT order, P(-k) = P(k); None: P = 1.
    """
    n, t, V = len(x), len(local), local.lattice.n_sites
    A, b, sums = np.empty((n, t, t)), np.empty((n, t)), np.empty((n, t))
    constant, share, root = _divergences(local, P), 1.0, None
    if P is not None:
        share, root = float(P.mean()), _roots(P)
    for part, phi in _parts(x, V):
        with np.errstate(over="ignore", invalid="ignore"):  # found where the sums are solved
            slopes = [np.broadcast_to(s, phi.shape) for s in local.slopes(phi)]
            sums[part] = local.values_from(phi, slopes)
            b[part] = constant + V * share * local.curvatures(phi)
        scores = [_modes(s, root) for s in slopes]
        for a in range(t):
            for c in range(a, t):
                A[part, a, c] = A[part, c, a] = np.einsum("ni,ni->n", scores[a], scores[c])
    return Equations(A, b, sums)


def hyvarinen_losses(local: LocalTerms, couplings: Any, x: np.ndarray) -> np.ndarray:
    """Return |grad S|^2 / 2 - lap S per site of configurations (n, *shape), shape (n,).

    The expectation is least, at -E|grad S|^2 / 2V, for the action that the configurations have.
    """
    g, V = np.asarray(couplings, np.float64), local.lattice.n_sites
    found = np.empty(len(x))
    for part, phi in _parts(x, V):
        slope = local.weighted_slope(phi, g).reshape(len(phi), -1)
        square = np.einsum("ni,ni->n", slope, slope)
        found[part] = square / (2 * V) - local.curvatures(phi) @ g
    return found


def _parts(x: np.ndarray, V: int) -> Iterator[tuple[slice, np.ndarray]]:
    size = max(1, _NUMBERS // V)
    for i in range(0, len(x), size):
        yield slice(i, min(i + size, len(x))), x[i : i + size].astype(np.float64)


def _solved(
    A: np.ndarray, b: np.ndarray, relations: Relations, names: tuple[str, ...]
) -> np.ndarray:
    """Return theta of the normal equations of g = M theta + c."""
    M, c = relations.matrix, relations.offset
    if not (np.isfinite(A).all() and np.isfinite(b).all()):
        raise InputError(
            "powers of the fields must stay finite, got numbers that are far too large; scale them"
        )
    normal = M.T @ A @ M
    relations.check_determined(normal, names)
    return np.linalg.solve(normal, M.T @ (b - A @ c))


# --- weights of the modes ---------------------------------------------------------------------


def _optimal_weights(local: LocalTerms, x: np.ndarray, relations: Relations) -> np.ndarray:
    """Return P(k) of the module, shape of the lattice."""
    some = x[:: math.ceil(len(x) / _FIRST)].astype(np.float64)
    first = equations(local, some)
    g = relations.couplings(_solved(first.A.sum(0), first.b.sum(0), relations, local.names))
    hessian = np.full(local.lattice.shape, float(local.curvatures(some).mean(0) @ g))
    for name in ("nearest", "diagonal"):
        if name in local.names:
            hessian += g[local.names.index(name)] * _symbol(local, name)
    axes = tuple(range(1, 1 + local.lattice.dim))
    modes = np.abs(_fft().fftn(some - some.mean(), axes=axes)) ** 2
    largest = float((modes.mean(0) / local.lattice.n_sites).max())
    return 1 / np.maximum(hessian, 1 / largest)


def _symbol(local: LocalTerms, name: str) -> np.ndarray:
    """Return the Fourier transform of the second derivatives of a sum of pairs, per site."""
    shape = local.lattice.shape
    total = np.zeros(shape)
    share = (local.partners(name) >= 0).mean(axis=0)
    for offset, part in zip(local.offsets[name], share):
        phase = np.zeros(shape)
        for mu, step in enumerate(offset):
            k = 2 * np.pi * np.arange(shape[mu]) / shape[mu]
            phase = phase + step * k.reshape([-1 if a == mu else 1 for a in range(len(shape))])
        total += part * np.cos(phase)
    return total


def _divergences(local: LocalTerms, P: np.ndarray | None) -> np.ndarray:
    """Return the part of div P grad O_a that does not depend on the field, shape (t,)."""
    found = np.zeros(len(local))
    if P is None:
        return found
    kernel = np.fft.ifftn(P).real
    for a, name in enumerate(local.names):
        if name in local.offsets:
            count = (local.partners(name) >= 0).sum(axis=0)
            at = (kernel[tuple(o % n for o, n in zip(offset, kernel.shape))]
                  for offset in local.offsets[name])  # fmt: skip
            found[a] = sum(int(n) * float(value) for n, value in zip(count, at))
    return found


def _roots(P: np.ndarray) -> np.ndarray:
    """Return sqrt(P(k) w(k) / V) on the half spectrum, w the copies of each mode in it."""
    half = P.shape[-1] // 2 + 1
    copies = np.full(half, 2.0)
    copies[0] = 1.0
    if P.shape[-1] % 2 == 0:
        copies[-1] = 1.0
    return np.sqrt(P[..., :half] * copies / P.size)


def _modes(slope: np.ndarray, root: np.ndarray | None) -> np.ndarray:
    """Return a slope (n, *shape) as numbers (n, m) whose products are those under P."""
    if root is None:
        return slope.reshape(len(slope), -1)
    axes = tuple(range(1, slope.ndim))
    waves = _fft().rfftn(slope, axes=axes)
    waves *= root
    return waves.reshape(len(slope), -1).view(np.float64)


def _fft() -> Any:
    import scipy.fft

    return scipy.fft
