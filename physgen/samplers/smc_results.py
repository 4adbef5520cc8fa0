r"""Islands of weighted particles, and the estimates from them.

With the estimate :math:`\hat Z_i` of island i and its weighted mean :math:`\hat O_i`,

.. math:: \log Z = \log \frac1n \sum_i \hat Z_i , \qquad
          \langle O \rangle = \frac{\sum_i \hat Z_i \hat O_i}{\sum_i \hat Z_i} ,

each with the jackknife's correction of its bias and the jackknife's error over islands.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.declared import declared
from physgen.core.random import Stream
from physgen.observables.evaluate import component_dims
from physgen.samplers.plain import default_observables

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Islands", "jackknife", "label"]

_SPREAD = 1.0  # of log Z_i, above which few islands dominate the mean
_ANCESTORS = 8


class Islands:
    """The weights and the history of particles in islands.

    Parameters
    ----------
    n_islands, n_particles : int
        Particle j of island i is chain i n_particles + j.

    Attributes
    ----------
    log_weight : ndarray (n_islands, n_particles)
        Normalised: the weights of an island sum to 1.
    log_z : ndarray (n_islands,)
        log Z_lambda - log Z_0.
    ancestor : ndarray (n_islands, n_particles)
        First particle that each one descends from.
    """

    def __init__(self, n_islands: int, n_particles: int) -> None:
        shape = self.shape = (n_islands, n_particles)
        self.log_weight = np.full(shape, -math.log(n_particles))
        self.log_z = np.zeros(n_islands)
        self.ancestor = np.tile(np.arange(n_particles), (n_islands, 1))
        self.history: dict[str, list[float]] = {
            name: [] for name in ("fraction", "ess", "acceptance_rate", "n_ancestors")
        }

    @property
    def n(self) -> int:
        """Particles of all islands."""
        return self.shape[0] * self.shape[1]

    @property
    def ess(self) -> np.ndarray:
        """Effective share of each island's particles, 1 / (n sum W^2)."""
        return 1 / (self.shape[1] * np.sum(np.exp(2 * self.log_weight), axis=1))

    def conditional_share(self, slope: np.ndarray, step: float) -> float:
        """Return (sum W v)^2 / sum W v^2 for v = e^(-step U) (Zhou, Johansen & Aston 2016)."""
        log_v = -step * slope.reshape(self.shape)
        log_v = log_v - log_v.max(axis=1, keepdims=True)
        W, v = np.exp(self.log_weight), np.exp(log_v)
        return float(np.mean(np.sum(W * v, 1) ** 2 / np.sum(W * v * v, 1)))

    def weigh(self, slope: np.ndarray, step: float) -> None:
        """Multiply the weights by e^(-step U)."""
        log_w = self.log_weight - step * slope.reshape(self.shape)
        top = log_w.max(axis=1)
        log_sum = top + np.log(np.sum(np.exp(log_w - top[:, None]), axis=1))
        self.log_z = self.log_z + log_sum
        self.log_weight = log_w - log_sum[:, None]

    def resample(self, below: float, rng: Stream) -> np.ndarray | None:
        """Resample the islands with an effective share under `below`; None if there are none.

        Returns
        -------
        ndarray (n_islands * n_particles,)
            The chain that each chain copies.
        """
        n_islands, n_particles = self.shape
        self.history["ess"].append(float(np.mean(self.ess)))
        poor = np.flatnonzero(self.ess < below) if below < 1 else np.arange(n_islands)
        if not poor.size:
            return None
        # Systematic: one uniform number an island, n_particles equidistant points.
        u = rng.numpy().random(n_islands)
        source = np.tile(np.arange(n_particles), (n_islands, 1))
        for i in poor:
            points = (np.arange(n_particles) + u[i]) / n_particles
            steps = np.cumsum(np.exp(self.log_weight[i]))
            source[i] = np.searchsorted(steps / steps[-1], points, side="right")
            source[i] = np.minimum(source[i], n_particles - 1)
            self.ancestor[i] = self.ancestor[i][source[i]]
            self.log_weight[i] = -math.log(n_particles)
        return (source + n_particles * np.arange(n_islands)[:, None]).ravel()

    def note(self, fraction: float, info: Info) -> None:
        """Record a stage."""
        accepted = math.nan if info.accepted is None else float(np.mean(info.accepted))
        self.history["fraction"].append(fraction)
        self.history["acceptance_rate"].append(accepted)
        # Systematic resampling keeps the order, so equal ancestors are adjacent.
        alive = 1 + np.sum(np.diff(self.ancestor, axis=1) != 0, axis=1)
        self.history["n_ancestors"].append(float(np.mean(alive)))


def jackknife(estimate: Callable[[np.ndarray], Any], n: int) -> tuple[float, float]:
    """Return the value without its bias of order 1/n, and its error.

    Parameters
    ----------
    estimate : callable
        Maps a selection of islands, given by their numbers, to the estimate.
    n : int
    """
    everything = np.arange(n)
    whole = float(estimate(everything))
    left_out = np.array([estimate(np.delete(everything, i)) for i in range(n)], dtype=float)
    value = n * whole - (n - 1) * left_out.mean()
    return value, math.sqrt((n - 1) / n * np.sum((left_out - left_out.mean()) ** 2))


def label(
    target: Any,
    move: Any,
    bound: Any,
    state: State,
    islands: Islands,
    keep: str | None,
    log_z_start: float,
    rng: Stream,
) -> xr.Dataset:
    """Return what `smc` found as a Dataset."""
    import xarray as xr

    n_islands = islands.shape[0]
    log_z = islands.log_z + log_z_start
    Z = np.exp(log_z - log_z.max())
    value, error = jackknife(lambda i: math.log(Z[i].mean()) + log_z.max(), n_islands)
    free = {"long_name": "free energy -log Z", "units": "1"}
    data: dict[str, Any] = {
        "log_z": ((), value, {"long_name": "log Z", "units": "1"}),
        "log_z_error": ((), error, {"long_name": "error of log_z"}),
        "free_energy": ((), -value, free),
        "free_energy_error": ((), error, {"long_name": "error of free_energy"}),
        "log_z_island": ("island", log_z, {"long_name": "log Z of each island"}),
    }
    weight = np.exp(islands.log_weight)
    known = declared(target).observables
    measured = bound.measure(state)
    if set(known) - set(measured):  # the move knows the bridge to the target only
        measured = default_observables(target, bound.configurations(state))
    for name, values in measured.items():
        parts = values.shape[1:]
        each = values.reshape(*islands.shape, -1)
        mean = np.sum(weight[..., None] * each, axis=1)
        found = [
            jackknife(lambda i, m=m: np.sum(Z[i] * m[i]) / np.sum(Z[i]), n_islands) for m in mean.T
        ]
        value, error = (np.reshape(column, parts) for column in zip(*found))
        labels = {"units": known[name].unit, "long_name": known[name].description} if known else {}
        dims = component_dims(name, parts, known.get(name))
        data[name] = (dims, value, labels)
        data[f"{name}_error"] = (dims, error, {"long_name": f"error of {name}"})
    for name, values in islands.history.items():
        data[name] = ("stage", np.array(values))
    if keep:
        x = bound.configurations(state).reshape(*islands.shape, *target.event_shape)
        sites = [f"x{axis}" for axis in range(len(target.event_shape))]
        data["configurations"] = (("island", "particle", *sites), x)
        data["log_weight"] = (("island", "particle"), islands.log_weight)
    attrs = {
        "sampler": f"SMC with {move!r}",
        "target": repr(target),
        # An inexact move, such as ULA, leaves its bias in the weights.
        "exactness": "approximate" if bound.exactness == "approximate" else "asymptotic",
        "exactness_for": "the target",
        "n_particles": islands.shape[1],
        "n_islands": n_islands,
        "seed": rng.seed,
        "rng": repr(rng),
        "warnings": "\n".join(_warnings(islands)),
    }
    return xr.Dataset(data, attrs=attrs)


def _warnings(islands: Islands) -> list[str]:
    lines = []
    spread = float(np.std(islands.log_z, ddof=1))
    if spread > _SPREAD:
        lines.append(
            f"log Z of the islands scatters by {spread:.2f}: a few of them make up the mean; "
            "take more particles or a cess nearer to 1"
        )
    alive = islands.history["n_ancestors"][-1]
    if alive < _ANCESTORS:
        lines.append(
            f"the particles of an island descend from {alive:.1f} of its first on average; take "
            "more particles or more moves a stage"
        )
    return lines
