"""Chains of any real field whose target has a force, moved through NumPy.

It uses the random numbers of the compiled loops, so both give the same chains up to rounding.
``State.x`` is (n_chains, *event_shape), beside it the actions, float64 (n_chains,), and in chains
of MALA the forces, like x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.chains import State
from physgen.core.declared import declared
from physgen.core.protocols import Fused
from physgen.core.random import Stream
from physgen.kernels.cpu.normals import draw_normals, padded_sites, uniforms
from physgen.samplers.fields.checks import key_words, require_finite
from physgen.samplers.plain import first_configurations

__all__ = ["ArrayFields"]

_ACCEPT, _DIVERGED = np.uint64(0xFFFFFFFF), 1000.0  # as in kernels.cpu.field_hmc
_WIDTH = 16


@dataclass(frozen=True)
class ArrayFields:
    """Moves of real fields by ``target.action`` and ``target.force``.

    Parameters
    ----------
    target : Target
        With a force, in NumPy or torch.
    dtype : {"float32", "float64"}
        Of fields and momenta.
    """

    target: Any
    dtype: str = "float64"

    def check(self) -> None:
        """Raise InputError if the force is not the gradient of -S."""
        from physgen.targets import check_force

        check_force(self.target)

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions."""
        x = first_configurations(self.target, rng, n_chains, start).astype(self.dtype)
        action = self._action(x)
        require_finite(action, None, "at the start")
        return State(x, {"action": action})

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        return state.x

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target; the action if it names none."""
        found = {"action": state.aux["action"]}
        named: Any = declared(self.target).observables or {"action": None}
        for name, function in named.items():
            if name != "action":
                found[name] = np.asarray(to_numpy(function(state.x)), np.float64)
        return {name: found[name] for name in named}

    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run HMC trajectories; see `fields.Moves`."""
        x, action = state.x, state.aux["action"]
        stats = np.zeros((4, len(x)))
        for t, eps in enumerate(np.asarray(steps, self.dtype)):
            momenta = self._normals(rng, t, x.shape)
            kinetic = _half_squares(momenta)
            new, pi, force = x, momenta, self._force(x)
            # Fields that fly to infinity are divergences, counted below; no warning for each.
            with np.errstate(over="ignore", invalid="ignore"):
                for _ in range(n_leapfrog):
                    pi = pi + eps / 2 * force
                    new = new + eps * pi
                    force = self._force(new)
                    pi = pi + eps / 2 * force
                moved = self._action(new)
                change = moved - action + _half_squares(pi) - kinetic
            taken = self._decided(rng, t, state, new, moved, change, stats)
            x = np.where(taken.reshape(-1, *(1,) * (x.ndim - 1)), new, x)
            action = np.where(taken, moved, action)
        return State(x, {"action": action}), stats

    def mala(self, rng: Stream, state: State, steps: np.ndarray) -> tuple[State, np.ndarray]:
        """Make MALA proposals, from kept forces; see `fields.Moves`."""
        x, action = state.x, state.aux["action"]
        force = state.aux["force"] if "force" in state.aux else self._force(x)
        stats = np.zeros((4, len(x)))
        for t, h in enumerate(np.asarray(steps, self.dtype)):
            noise = self._normals(rng, t, x.shape)
            # Fields that fly to infinity are divergences, counted below; no warning for each.
            with np.errstate(over="ignore", invalid="ignore"):
                new = x + h * (noise + h / 2 * force)
                moved, there = self._action_and_force(new)
                kick = h / 2 * (force + there)
                work = np.multiply(kick, 2 * noise + kick, dtype=np.float64)
                change = moved - action + 0.5 * work.reshape(len(x), -1).sum(axis=1)
            taken = self._decided(rng, t, state, new, moved, change, stats)
            where = taken.reshape(-1, *(1,) * (x.ndim - 1))
            x, force = np.where(where, new, x), np.where(where, there, force)
            action = np.where(taken, moved, action)
        return State(x, {"action": action, "force": force}), stats

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Return the chains after n unadjusted Langevin steps."""
        x, eps = state.x, np.dtype(self.dtype).type(step_size)
        noise = np.sqrt(2 * eps)
        with np.errstate(over="ignore", invalid="ignore"):  # a chain that runs away is named below
            for t in range(n):
                x = x + eps * self._force(x) + noise * self._normals(rng, t, x.shape)
            action = self._action(x)
        require_finite(action, state, f"after a Langevin step of {step_size:g}; lower step_size")
        return State(x, {"action": action})

    def _decided(
        self,
        rng: Stream,
        t: int,
        state: State,
        new: np.ndarray,
        moved: np.ndarray,
        change: np.ndarray,
        stats: np.ndarray,
    ) -> np.ndarray:
        """Return which chains accept proposal t, and add it to the sums of `trajectories`.

        Fields, actions or changes that are not finite are rejected, and counted as divergent.
        """
        whole = np.isfinite(new).reshape(len(new), -1).all(axis=1)
        require_finite(np.where(whole & np.isnan(moved), np.nan, 0.0), state, "of a move")
        finite = np.isfinite(change) & whole
        p = np.where(finite, np.exp(-np.maximum(np.where(finite, change, 0.0), 0.0)), 0.0)
        u = np.empty(len(new))
        k0, k1 = key_words(rng)
        uniforms(_ACCEPT, np.uint64(t), np.uint64(0), np.uint64(1), k0, k1, u)
        taken = u < p
        counted = np.where(finite, change, 0.0)
        stats += [taken, p, counted, ~finite | (np.abs(counted) > _DIVERGED)]
        return taken

    def _action_and_force(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return both, from one evaluation where the target offers it."""
        if isinstance(self.target, Fused):
            action, force = self.target.action_and_force(x)
            force = to_numpy(force).astype(self.dtype, copy=False)
            return np.asarray(to_numpy(action), np.float64), force
        return self._action(x), self._force(x)

    def _action(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(to_numpy(self.target.action(x)), np.float64)

    def _force(self, x: np.ndarray) -> np.ndarray:
        return to_numpy(self.target.force(x)).astype(self.dtype, copy=False)

    def _normals(self, rng: Stream, step: int, shape: tuple[int, ...]) -> np.ndarray:
        n_chains, n_sites = shape[0], math.prod(shape[1:])
        n_blocks = -(-n_chains // _WIDTH)
        z = np.empty((n_blocks, padded_sites(n_sites, self.dtype), _WIDTH), self.dtype)
        draw_normals(z, step, 0, key_words(rng), np.empty((n_blocks, 0), np.uint64))
        return z.transpose(0, 2, 1).reshape(-1, z.shape[1])[:n_chains, :n_sites].reshape(shape)


def _half_squares(pi: np.ndarray) -> np.ndarray:
    return 0.5 * np.sum(np.square(pi, dtype=np.float64), axis=tuple(range(1, pi.ndim)))
