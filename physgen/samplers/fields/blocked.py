"""Chains of real fields in the layout of the compiled loops: what every local action shares.

``State.x`` is (n_blocks, n_sites, W) in float32 or float64 (`kernels.cpu.field_layout`); beside it
``action``, float64 (n_blocks, W), of every field, and ``n_chains``: lanes after the last chain are
simulated and ignored.  Chains of MALA also keep the ``force`` of their fields, of the type and
shape of x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from physgen.core.chains import State, check_layout
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cpu.field_hmc import moments
from physgen.kernels.cpu.field_layout import MIN_WIDTH, block_width, pack, unpack
from physgen.kernels.cpu.philox import words
from physgen.samplers._threads import over_blocks
from physgen.samplers.fields.checks import key_words, require_finite
from physgen.samplers.plain import first_configurations

__all__ = ["BlockedFields", "Loops", "in_parts", "per_chain"]

_SECONDS = 5e-10  # of a visit to a site, about
_SEED_CALL = 1 << 24  # counter word c3 of the words that seed generators


class Loops(NamedTuple):
    """The compiled loops of one form of actions; arguments as in `kernels.cpu.field_hmc`."""

    actions: Callable[..., None]
    forces: Callable[..., None]
    langevin: Callable[..., None]
    proposals: Callable[..., None]
    trajectories: Callable[..., None]


@dataclass(frozen=True)
class BlockedFields(ABC):
    """Moves of real fields by compiled loops.

    Parameters
    ----------
    target : Target
        With a ``kernel``.
    dtype : {"float32", "float64"}
        Of fields, momenta and forces.  Actions are float64 sums in any case; in float32 the terms
        of sixteen sites at a time are added up in float32 first.
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

    @property
    @abstractmethod
    def loops(self) -> Loops:
        """The loops that know this form of actions."""

    @property
    @abstractmethod
    def arrays(self) -> tuple[np.ndarray, ...]:
        """The numbers of the action, as the loops take them."""

    @property
    def cost(self) -> float:
        """Of a force, in visits to a site of a lattice with four neighbours."""
        return 1.0

    @property
    @abstractmethod
    def n_sites(self) -> int:
        """Number of sites V."""

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
        loops, numbers = self.loops, self.arrays
        in_parts(lambda part: loops.actions(part, x, *numbers, action), x, self.cost)
        return State(x, {"action": action, "n_chains": np.array(n_chains)})

    def check(self, state: State) -> None:
        """Raise InputError if the state is not one of these fields."""
        check_layout(state, self.dtype, self.n_sites, -1)
        width = state.x.shape[2]
        if width % MIN_WIDTH or width & (width - 1):
            raise InputError(
                f"a block must hold a power of two of chains, {MIN_WIDTH} or more, got {width}; "
                "begin with init(rng, n_chains, configurations)"
            )

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
        key, loops, numbers = key_words(rng), self.loops, self.arrays
        in_parts(
            lambda part: loops.trajectories(
                part, x, action, *numbers, key, lanes, steps, n_leapfrog, stats
            ),
            x,
            steps.size * (n_leapfrog * self.cost + 4),
        )
        after = State(x, {"action": action, "n_chains": state.aux["n_chains"]})
        return after, _of_chains(state, stats)

    def mala(self, rng: Stream, state: State, steps: np.ndarray) -> tuple[State, np.ndarray]:
        """Make MALA proposals; see `fields.Moves`."""
        self.check(state)
        x, action = state.x.copy(), state.aux["action"].copy()
        loops, numbers = self.loops, self.arrays
        if "force" in state.aux:
            force = state.aux["force"].copy()
        else:
            force = np.empty_like(x)
            in_parts(lambda part: loops.forces(part, x, *numbers, force), x, self.cost)
        stats = np.zeros((x.shape[0], 4, x.shape[2]))
        key, lanes = key_words(rng), self.lanes(rng, x.shape[0])
        steps = np.ascontiguousarray(steps, np.float64)
        in_parts(
            lambda part: loops.proposals(
                part, x, force, action, *numbers, key, lanes, steps, stats
            ),
            x,
            (self.cost + 3) * steps.size,
        )
        kept = {"action": action, "n_chains": state.aux["n_chains"], "force": force}
        return State(x, kept), _of_chains(state, stats)

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Make unadjusted Langevin steps; see `fields.Moves`."""
        self.check(state)
        x, key, lanes = state.x.copy(), key_words(rng), self.lanes(rng, len(state.x))
        loops, numbers = self.loops, self.arrays
        in_parts(
            lambda part: loops.langevin(part, x, *numbers, key, lanes, float(step_size), n),
            x,
            (self.cost + 2) * n,
        )
        moved = self.state(x, state.aux["n_chains"])
        require_finite(
            self.actions(moved), state, f"after a Langevin step of {step_size:g}; lower step_size"
        )
        return moved


def in_parts(work: Callable[[tuple[int, int]], None], x: np.ndarray, visits: float) -> None:
    """Call ``work((first, stride))`` on threads; `visits` is how often each site is visited."""
    seconds = x.size * visits * _SECONDS
    over_blocks(lambda first, stride: work((first, stride)), len(x), seconds)


def per_chain(state: State, values: np.ndarray) -> np.ndarray:
    """Return values (n_blocks, W) as (n_chains,)."""
    return values.reshape(-1)[: int(state.aux["n_chains"])].copy()


def _of_chains(state: State, stats: np.ndarray) -> np.ndarray:
    """Return sums (n_blocks, 4, W) as (4, n_chains)."""
    return stats.transpose(1, 0, 2).reshape(4, -1)[:, : int(state.aux["n_chains"])]
