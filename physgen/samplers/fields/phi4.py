"""Chains of phi^4 fields in the layout of the compiled loops, and their shared code.

``State.x`` is (n_blocks, n_sites, W) in float32 or float64 (`kernels.cpu.phi4_layout`); beside it
``action``, float64 (n_blocks, W), of every field, and ``n_chains``: lanes after the last chain are
simulated and ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.chains import State, check_layout
from physgen.core.random import Stream
from physgen.kernels.cpu.langevin import langevin
from physgen.kernels.cpu.phi4_hmc import actions, moments, trajectories
from physgen.kernels.cpu.phi4_layout import MIN_WIDTH, block_width, pack, runs, unpack
from physgen.kernels.cpu.philox import words
from physgen.samplers._threads import over_blocks
from physgen.samplers.fields.checks import key_words, require_finite
from physgen.samplers.plain import first_configurations

__all__ = ["Phi4Fields"]

_SECONDS = 5e-10  # of a visit to a site, about
_SEED_CALL = 1 << 24  # counter word c3 of the words that seed generators


@dataclass(frozen=True)
class Phi4Fields:
    """Moves of phi^4 fields by compiled loops.

    Parameters
    ----------
    target : Target
        With ``kernel`` ("phi4", (neighbours, [hop, quad, quart, const])).
    dtype : {"float32", "float64"}
        Of fields and momenta; actions are summed in float64 in any case.
    rng : {"philox", "fast"}
        Philox words, a function of (stream, chain, site, step) alone; or xoshiro256++ lanes, twice
        as fast, which depend on the number of chains too.
    least_width : int
        Chains in a block, if there are that many.
    """

    target: Any
    dtype: str = "float32"
    rng: str = "philox"
    least_width: int = MIN_WIDTH

    @cached_property
    def runs(self) -> np.ndarray:
        """The lattice, as runs of sites."""
        return runs(self.neighbours)

    @cached_property
    def neighbours(self) -> np.ndarray:
        """Neighbour table, int32 (n_sites, z)."""
        return np.ascontiguousarray(self.target.kernel[1][0], np.int32)

    @cached_property
    def couplings(self) -> np.ndarray:
        """hop, quad, quart, const."""
        return np.asarray(self.target.kernel[1][1], np.float64)

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return len(self.neighbours)

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the chains packed, with their actions."""
        x = first_configurations(self.target, rng, n_chains, start).reshape(n_chains, -1)
        width = block_width(
            n_chains, self.n_sites, np.dtype(self.dtype).itemsize, self.least_width
        )
        state = self.state(pack(x, width, self.dtype), n_chains)
        require_finite(self.actions(state), None, "at the start")
        return state

    def state(self, x: np.ndarray, n_chains: int | np.ndarray) -> State:
        """Return the state of packed fields."""
        action = np.empty((x.shape[0], x.shape[2]))
        in_parts(lambda part: actions(part, x, self.runs, self.couplings, action), x, 1)
        return State(x, {"action": action, "n_chains": np.array(n_chains)})

    def check(self, state: State) -> None:
        """Raise InputError if the state is not one of these fields."""
        check_layout(state, self.dtype, self.n_sites, -1)

    def actions(self, state: State) -> np.ndarray:
        """Return the actions of the chains, shape (n_chains,)."""
        return per_chain(state, state.aux["action"])

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        fields = unpack(state.x, int(state.aux["n_chains"]))
        return fields.reshape(-1, *self.target.event_shape)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        found: dict[str, np.ndarray] = {}
        means = np.empty((len(state.x), 2, state.x.shape[2]))
        in_parts(lambda part: moments(part, state.x, means), state.x, 1)
        for name, function in self.target.observables.items():
            if name == "action":
                found[name] = self.actions(state)
            elif name in ("magnetization", "phi2"):
                found[name] = per_chain(state, means[:, int(name == "phi2")])
            else:
                found[name] = np.asarray(function(self.configurations(state)), np.float64)
        return found

    def lanes(self, rng: Stream, n_blocks: int) -> np.ndarray:
        """Return the generators of fast mode, shape (n_blocks, 32); (n_blocks, 0) for Philox."""
        if self.rng == "philox":
            return np.empty((n_blocks, 0), np.uint64)
        key, lane = int(rng.philox_key()[0]), np.arange(8 * n_blocks)
        halves = [w for call in (0, 1) for w in words(key, 0, 0, lane, _SEED_CALL + call)]
        state = np.stack(halves).reshape(4, n_blocks, 8).transpose(1, 0, 2)
        return np.ascontiguousarray(state).reshape(n_blocks, 32)

    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run HMC trajectories; see `fields.Moves`."""
        self.check(state)
        x, action = state.x.copy(), state.aux["action"].copy()
        stats = np.zeros((x.shape[0], 4, x.shape[2]))
        lanes = self.lanes(rng, x.shape[0])
        steps = np.ascontiguousarray(steps, np.float64)
        key = key_words(rng)
        in_parts(
            lambda part: trajectories(
                part, x, action, self.runs, self.couplings, key, lanes, steps, n_leapfrog, stats
            ),
            x,
            steps.size * (n_leapfrog + 4),
        )
        n = int(state.aux["n_chains"])
        stats = stats.transpose(1, 0, 2).reshape(4, -1)[:, :n]
        return State(x, {**state.aux, "action": action}), stats

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Make unadjusted Langevin steps; see `fields.Moves`."""
        self.check(state)
        x, key, lanes = state.x.copy(), key_words(rng), self.lanes(rng, len(state.x))
        in_parts(
            lambda part: langevin(
                part, x, self.runs, self.couplings, key, lanes, float(step_size), n
            ),
            x,
            3 * n,
        )
        moved = self.state(x, state.aux["n_chains"])
        require_finite(self.actions(moved), state, "after a Langevin step; lower step_size")
        return moved


def in_parts(work: Callable[[tuple[int, int]], None], x: np.ndarray, visits: float) -> None:
    """Call ``work((first, stride))`` on threads; `visits` is how often each site is visited."""
    seconds = x.size * visits * _SECONDS
    over_blocks(lambda first, stride: work((first, stride)), len(x), seconds)


def per_chain(state: State, values: np.ndarray) -> np.ndarray:
    """Return values (n_blocks, W) as (n_chains,)."""
    return values.reshape(-1)[: int(state.aux["n_chains"])].copy()
