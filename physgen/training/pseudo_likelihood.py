r"""Pseudo-likelihood of spins: the action whose conditional probabilities suit the data best.

Every spin enters S with power one, :math:`S = s_x \sum_a g_a f_{a,x} +` the terms without x, so

.. math:: p(s_x \mid \text{all others}) = \sigma\Big( -2 \sum_a g_a z_{a,x} \Big), \quad
          z_{a,x} = s_x f_{a,x}, \qquad
          \mathcal L(g) = -\sum_x \log p(s_x \mid \text{all others})

(Besag 1975): a logistic regression, convex in g, which needs no log Z and is consistent.
Features of local terms are small integers.  The data are therefore a table of how often each
vector z occurs, Newton's iteration runs on that table, and the jackknife on the tables of the
blocks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch

from physgen.core.errors import InputError
from physgen.core.learning import Carry, LinearEnergy, Loss
from physgen.core.protocols import SPINS
from physgen.core.random import Stream
from physgen.targets.local_terms import LocalTerms
from physgen.training.chains import ChainSamples
from physgen.training.linear_fit import (
    LinearFit,
    Relations,
    blocks_of,
    covariance_of,
    least_errors,
)

__all__ = ["PseudoLikelihood", "pseudo_losses", "solve_pseudo_likelihood"]

_NUMBERS = 2**16  # spins that are worked on at a time
_STEPS = 60  # of Newton's iteration, which takes about five
_TABLE = 2**22  # numbers in the tables of the blocks that are worked on at a time


class Table(NamedTuple):
    """Spins as positions in a table of the vectors z that occur.

    Attributes
    ----------
    z : ndarray of float, shape (n_vectors, n_terms)
    position : ndarray of int, shape (n, n_sites)
    sums : ndarray, shape (n, n_terms)
        The sums O_a of every configuration.
    """

    z: np.ndarray
    position: np.ndarray
    sums: np.ndarray


class PseudoLikelihood:
    """Pseudo-likelihood of spins, from configurations alone.

    Parameters
    ----------
    data : Configurations, or array of shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        Spins -1 and +1 in the order in which they were drawn; an array (n, *event_shape) is one
        chain.
    validation_fraction : float
        Share of each chain that is held out, in [0, 1).
    event_shape : tuple of int, optional
        Shape of one configuration: needed for an array of several chains.
    relations : Relations, optional
        Linear relations between the couplings; by default all are free.

    Raises
    ------
    InputError
        If the shape or the fraction is wrong, or the numbers are no spins.
    """

    loss_name, label, item, unit = "pseudo_nll", "pseudo-NLL", "configurations", "nat"
    merits: Mapping[str, Callable[[np.ndarray], float]] = MappingProxyType({})

    def __init__(
        self,
        data: Any,
        validation_fraction: float = 0.1,
        *,
        event_shape: tuple[int, ...] | None = None,
        relations: Relations | None = None,
    ) -> None:
        if event_shape is None:
            event_shape = tuple(getattr(data, "event_shape", None) or np.shape(data)[1:])
        self.samples = ChainSamples(data, event_shape, SPINS, validation_fraction)
        self.relations = relations
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.n_sites = math.prod(event_shape)

    def solves(self, model: Any) -> bool:
        """Return whether the model is an action of spins that is linear in its couplings."""
        return _is_linear(model)

    def solve(self, model: Any, rng: Stream) -> Loss:
        """Give the model the couplings of the minimum; return the loss of the training data."""
        del rng
        found = solve_pseudo_likelihood(model, self.samples.train, relations=self.relations)
        model.set_fit(found)
        flat = self.samples.train.reshape(-1, *model.event_shape)
        return Loss(torch.tensor(pseudo_losses(model.local, found.couplings, flat).sum(1).mean()))

    def epoch_order(self, stream: Stream) -> np.ndarray:
        """Return the positions of one epoch in training order."""
        return stream.numpy().permutation(self.n_train)

    def begin(self, model: Any, rng: Stream) -> Carry:
        """Return nothing: a step remembers nothing of the last one."""
        del model, rng
        return {}

    def loss(self, model: Any, index: np.ndarray, rng: Stream, carry: Carry) -> Loss:
        """Return the mean over configurations of the pseudo-NLL, in nats."""
        del rng, carry
        _require_linear(model)
        flat = self.samples.train.reshape(-1, *model.event_shape)
        s = torch.from_numpy(flat[index]).to(model.weights)
        slopes = torch.stack([f.expand(s.shape) for f in model.local.slopes(s)], dim=-1)
        odds = 2 * s * (slopes @ model.weights)
        return Loss(torch.nn.functional.softplus(odds).flatten(1).sum(1).mean())

    def evaluate(self, model: Any) -> np.ndarray:
        """Return the pseudo-NLL per site of every held-out configuration, (n_validation,)."""
        _require_linear(model)
        g = list(model.couplings.values())
        return pseudo_losses(model.local, g, self.samples.validation).mean(axis=1)


def solve_pseudo_likelihood(
    model: Any, x: Any, *, relations: Relations | None = None, n_blocks: int | None = None
) -> LinearFit:
    """Return the couplings of largest pseudo-likelihood, with errors and bounds.

    Parameters
    ----------
    model : LinearEnergy
        Of spins; it is not changed (``model.set_fit(fit)`` does that).
    x : array, shape (n, *event_shape) or (n_chains, n_draws, *event_shape)
        Spins in the order in which they were drawn.
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
    _require_linear(model)
    local: LocalTerms = model.local
    relations = Relations.of(relations, local.names)
    chains = x if x.ndim == local.lattice.dim + 2 else x[None]
    lead = chains.shape[:2]
    table = _tabulated(local, chains.reshape(-1, *local.lattice.shape))
    M, n_vectors = relations.matrix, len(table.z)
    counts = np.bincount(table.position.reshape(-1), minlength=n_vectors).astype(np.float64)
    relations.check_determined(M.T @ (table.z.T * counts @ table.z) @ M, local.names)
    _check_not_separated(table.z, relations, local.names)
    theta = _newton(table.z, counts, relations)
    # Estimating functions of each configuration: their tau_int sets the blocks.
    slope = 2 * (table.z @ M) * _sigmoid(2 * table.z @ relations.couplings(theta))[:, None]
    each = [column[table.position].sum(axis=1) for column in slope.T]
    blocks = blocks_of(np.stack(each, axis=-1).reshape(*lead, -1), n_blocks)
    of_blocks = _block_counts(table, blocks, lead)
    without = _without_each(table.z, of_blocks, relations, theta)
    cov = M @ covariance_of(without, blocks.inflation) @ M.T
    bounds = least_errors(table.sums.reshape(*lead, -1), relations, n_blocks)
    g = relations.couplings(theta)
    return LinearFit(local.names, g, np.sqrt(np.diag(cov)), bounds, cov, len(of_blocks))


def pseudo_losses(local: LocalTerms, couplings: Any, x: np.ndarray) -> np.ndarray:
    """Return -log p(s_x | all others) of spins (n, *shape), shape (n, n_sites), in nats."""
    n, V = len(x), local.lattice.n_sites
    found, size = np.empty((n, V)), max(1, _NUMBERS // V)
    for i in range(0, n, size):
        s = x[i : i + size].astype(np.float64)
        odds = 2 * s * local.weighted_slope(s, np.asarray(couplings, np.float64))
        found[i : i + size] = np.logaddexp(0.0, odds).reshape(len(s), -1)
    return found


def _is_linear(model: Any) -> bool:
    return isinstance(model, LinearEnergy) and model.support == SPINS


def _require_linear(model: Any) -> None:
    if not _is_linear(model):
        raise InputError(
            f"pseudo-likelihood needs an action of spins that is linear in its couplings, got "
            f"{type(model).__name__}; take the family 'local-spin-action', or another objective"
        )


def _tabulated(local: LocalTerms, x: np.ndarray) -> Table:
    """Return spins (n, *shape) as positions in a table; z are integers between known limits."""
    limits = [_limit(local, name) for name in local.names]
    bases = [2 * m + 1 for m in limits]
    strides = np.append(np.cumprod(bases[::-1])[::-1][1:], 1)
    n, V = len(x), local.lattice.n_sites
    if math.prod(bases) > 2**31:
        raise InputError(
            f"features must fit into a table of 2^31 entries, got {math.prod(bases)} for "
            f"{', '.join(local.names)}; leave a term out"
        )
    position, sums = np.empty((n, V), np.int32), np.empty((n, len(limits)))
    size = max(1, _NUMBERS // V)
    for i in range(0, n, size):
        s = x[i : i + size].astype(np.float32)
        code = np.zeros(s.shape, np.int64)
        for a, slope in enumerate(local.slopes(s)):
            z = s * slope
            sums[i : i + size, a] = z.reshape(len(s), -1).sum(axis=1, dtype=np.float64)
            code += (z.astype(np.int64) + limits[a]) * strides[a]
        position[i : i + size] = code.reshape(len(s), -1)
    sums /= local.degrees
    if math.prod(bases) <= _TABLE:
        present = np.bincount(position.reshape(-1)) > 0
        codes = np.flatnonzero(present)
        position = (np.cumsum(present, dtype=np.int32) - np.int32(1))[position]
    else:
        codes = np.unique(position)
        position = np.searchsorted(codes, position).astype(np.int32)
    z = np.stack([codes // stride % base for stride, base in zip(strides, bases)], axis=1)
    return Table((z - limits).astype(np.float64), position, sums)


def _limit(local: LocalTerms, name: str) -> int:
    """Return the largest value of |z_a|."""
    if name == "field":
        return 1
    return len(local.offsets["nearest" if name == "nearest" else "diagonal"])


def _check_not_separated(z: np.ndarray, relations: Relations, names: tuple[str, ...]) -> None:
    """Raise InputError if the loss falls for ever along some direction of the couplings.

    It does along d if z.d <= 0 for all vectors that occur and < 0 for some: a linear program.
    """
    from scipy.optimize import linprog

    rows = z @ relations.matrix
    rows = rows[np.any(rows != 0, axis=1)]
    rows = rows / np.abs(rows).max()
    found = linprog(rows.sum(axis=0), A_ub=rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    if not found.success or found.fun > -1e-7:
        return
    direction = relations.matrix @ found.x
    size = np.abs(direction)
    grow = [f"{name} ({'up' if d > 0 else 'down'})" for name, d in zip(names, direction)
            if abs(d) > 1e-6 * size.max()]  # fmt: skip
    raise InputError(
        "pseudo-likelihood must have a finite optimum, but the loss falls without end along "
        f"{', '.join(grow)}: every spin of these configurations is as its neighbours say; fix "
        "that coupling, leave the term out, or give configurations with more disorder"
    )


def _sigmoid(v: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0.0, -v))


def _newton(z: np.ndarray, counts: np.ndarray, relations: Relations) -> np.ndarray:
    """Return theta of the minimum of sum_c n_c log(1 + exp(2 z_c.g)), damped Newton."""
    M, theta = relations.matrix, np.zeros(relations.matrix.shape[1])

    def loss(theta: np.ndarray) -> float:
        return float(counts @ np.logaddexp(0.0, 2 * z @ relations.couplings(theta)))

    value = loss(theta)
    for _ in range(_STEPS):
        gradient, hessian = _derivatives(z @ M, counts, 2 * z @ relations.couplings(theta))
        step = np.linalg.solve(hessian, gradient)
        drop = float(gradient @ step)
        if drop <= 1e-20 * counts.sum():
            return theta - step
        size = 1.0
        while (new := loss(theta - size * step)) > value - 1e-4 * size * drop and size > 1e-9:
            size /= 2
        if size <= 1e-9:  # rounding: no better point can be told
            return theta
        theta, value = theta - size * step, new
    raise InputError(
        f"pseudo-likelihood must converge in {_STEPS} steps of Newton's iteration, got a gradient "
        f"of {np.abs(gradient).max():.2g}; the configurations are nearly ordered: give more"
    )


def _derivatives(
    rows: np.ndarray, counts: np.ndarray, odds: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return gradient (..., p) and Hessian (..., p, p) in theta, for counts (..., n_vectors)."""
    p = _sigmoid(odds)
    gradient = (counts * p) @ (2 * rows)
    products = (4 * rows[:, :, None] * rows[:, None, :]).reshape(len(rows), -1)
    hessian = (counts * p * (1 - p)) @ products
    return gradient, hessian.reshape(*gradient.shape, rows.shape[1])


def _block_counts(table: Table, blocks: Any, lead: tuple[int, int]) -> np.ndarray:
    """Return the counts of every block, shape (n_blocks, n_vectors)."""
    position = table.position.reshape(*lead, -1)
    used = position[:, lead[1] - blocks.per_chain * blocks.length :]
    rows = used.reshape(-1, blocks.length * used.shape[-1])
    n = len(table.z)
    return np.stack([np.bincount(row, minlength=n) for row in rows]).astype(np.float64)


def _without_each(
    z: np.ndarray, of_blocks: np.ndarray, relations: Relations, theta: np.ndarray
) -> np.ndarray:
    """Return theta without each block: two steps of Newton's iteration from the whole."""
    rows, total = z @ relations.matrix, of_blocks.sum(axis=0)
    if len(of_blocks) < 2:
        return theta[None]
    found = []
    size = max(1, _TABLE // len(z))
    for i in range(0, len(of_blocks), size):
        left = total - of_blocks[i : i + size]
        now = np.broadcast_to(theta, (len(left), len(theta)))
        for _ in range(2):
            gradient, hessian = _derivatives(rows, left, 2 * relations.couplings(now) @ z.T)
            now = now - np.linalg.solve(hessian, gradient[..., None])[..., 0]
        found.append(now)
    return np.concatenate(found)
