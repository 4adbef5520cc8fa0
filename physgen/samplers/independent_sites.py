r"""Independent sites with finitely many values, as a density: where annealing of spins begins.

.. math:: q(x) = \prod_i p_i(x_i), \qquad \sum_k p_i(k) = 1 .

:func:`sites_of` reads such a product from an action that is a sum over sites,
:math:`S_0(x) = \sum_i s_i(x_i)`, by one change of one site at a time, and so finds its
:math:`\log Z_0` exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.errors import InputError
from physgen.core.protocols import Support
from physgen.core.random import Stream, as_stream
from physgen.samplers.found_start import IndependentNormals

__all__ = ["IndependentSites", "sites_of"]

_CHECKED = 16  # draws at which the sum over sites is compared with the action


@dataclass(frozen=True, eq=False)
class IndependentSites:
    """Independent spins or outcomes, each with its own probabilities; a Density.

    Parameters
    ----------
    log_p : ndarray (*event_shape, K)
        log p_i(k), normalised over k; for spins k = 0 is -1 and k = 1 is +1.
    support : Support
        Spins or outcomes.
    """

    log_p: np.ndarray
    support: Support

    @classmethod
    def uniform(cls, event_shape: tuple[int, ...], support: Support) -> IndependentSites:
        """Return equal probabilities: infinite temperature."""
        K = _n_values(support)
        return cls(np.full((*event_shape, K), -math.log(K)), support)

    @classmethod
    def matched(cls, x: Any, support: Support) -> IndependentSites:
        """Return the frequencies of each site in configurations x (n, *event_shape).

        One is added to every count, so that a site that is constant in x keeps all its values.
        """
        x = np.asarray(to_numpy(x))
        K = _n_values(support)
        labels = _labels(x, support)
        if x.ndim < 2 or not len(x) or labels.min() < 0 or labels.max() >= K:
            raise InputError(
                f"x must be configurations of {support.kind}, shape (n, *event_shape), got "
                f"{x.dtype} of shape {x.shape}"
            )
        counts = np.stack([(labels == k).sum(axis=0) for k in range(K)], axis=-1)
        return cls(np.log((counts + 1) / (len(x) + K)), support)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of a configuration."""
        return self.log_p.shape[:-1]

    def sample(self, n: int, rng: Stream | int) -> np.ndarray:
        """Return n draws (n, *event_shape), int8 spins or uint8 outcomes."""
        u = as_stream(rng).numpy().random((n, *self.event_shape))
        edges = np.cumsum(np.exp(self.log_p), axis=-1)[..., :-1]
        k = (u[..., None] > edges).sum(axis=-1)
        return (2 * k - 1).astype(np.int8) if self.support.K is None else k.astype(np.uint8)

    def log_prob(self, x: Any) -> Any:
        """Return log q (...) of x (..., *event_shape)."""
        k = _labels(to_numpy(x), self.support)
        log_p = np.broadcast_to(self.log_p, (*k.shape, self.log_p.shape[-1]))
        each = np.take_along_axis(log_p, k[..., None], axis=-1)[..., 0]
        axes = tuple(range(k.ndim - len(self.event_shape), k.ndim))
        return like(each.sum(axis=axes), x)

    def sample_and_log_prob(self, n: int, rng: Stream | int) -> tuple[np.ndarray, np.ndarray]:
        """Return draws and their log q."""
        x = self.sample(n, rng)
        return x, self.log_prob(x)

    def __repr__(self) -> str:
        """Return the shape and the number of values."""
        return f"IndependentSites(shape={self.event_shape}, K={self.log_p.shape[-1]})"


def sites_of(target: Any) -> tuple[Any, float]:
    """Return the density of a target whose action is a sum over sites, and its log Z, exactly.

    Parameters
    ----------
    target : Target
        Of spins, outcomes, or real fields of which each site is Gaussian.

    Raises
    ------
    InputError
        If the sites are not independent, or cannot be normalised.
    """
    shape, support = tuple(target.event_shape), target.support
    density, log_z = (_normals if support.kind == "reals" else _discrete)(target, shape, support)
    x = density.sample(_CHECKED, Stream(0).child("independent sites"))
    off = _actions(target, x) + to_numpy(density.log_prob(x)) + log_z
    if not np.all(np.abs(off) <= 1e-6 * (1 + abs(log_z))):
        raise InputError(
            f"the start of a path must have independent sites, got {type(target).__name__}, whose "
            f"action is off by {float(np.max(np.abs(off))):.3g} from a sum over sites; "
            "give start=, a density that can be drawn exactly"
        )
    return density, log_z


def _discrete(target: Any, shape: tuple[int, ...], support: Support) -> tuple[Any, float]:
    K, n_sites = _n_values(support), math.prod(shape)
    values = np.array([-1, 1], np.int8) if support.K is None else np.arange(K, dtype=np.uint8)
    base = np.full((1, n_sites), values[0])
    S = _actions(target, base.reshape(1, *shape))[0]
    change = np.zeros((n_sites, K))
    for k in range(1, K):
        x = np.repeat(base, n_sites, axis=0)
        x[np.arange(n_sites), np.arange(n_sites)] = values[k]
        change[:, k] = _actions(target, x.reshape(n_sites, *shape)) - S
    low = change.min(axis=1, keepdims=True)
    log_z_i = np.log(np.exp(low - change).sum(axis=1)) - low[:, 0]
    log_p = -change - log_z_i[:, None]
    return IndependentSites(log_p.reshape(*shape, K), support), float(log_z_i.sum() - S)


def _normals(target: Any, shape: tuple[int, ...], support: Support) -> tuple[Any, float]:
    """S_i(x) = a x^2 + b x from its values at 0, 1 and -1."""
    unit = np.eye(math.prod(shape)).reshape(-1, *shape)
    S = _actions(target, np.zeros((1, *shape)))[0]
    up, down = (_actions(target, sign * unit) - S for sign in (1, -1))
    a, b = (up + down) / 2, (up - down) / 2
    if not np.all(a > 0):
        raise InputError(
            f"the start of a path must be normalisable, got {type(target).__name__}, whose action "
            f"does not grow with site {int(np.argmin(a))}; give start=, a density"
        )
    log_z = float(-S + np.sum(b**2 / (4 * a) + 0.5 * np.log(np.pi / a)))
    mean, scale = (-b / (2 * a)).reshape(shape), np.sqrt(1 / (2 * a)).reshape(shape)
    return IndependentNormals(mean, scale), log_z


def _actions(target: Any, x: np.ndarray) -> np.ndarray:
    return np.asarray(to_numpy(target.action(x)), np.float64)


def _n_values(support: Support) -> int:
    if support.kind == "reals":
        raise InputError("independent sites must have finitely many values, got real fields")
    return 2 if support.K is None else support.K


def _labels(x: np.ndarray, support: Support) -> np.ndarray:
    return (x.astype(np.int64) + 1) // 2 if support.K is None else x.astype(np.int64)
