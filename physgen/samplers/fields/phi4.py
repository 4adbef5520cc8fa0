"""Phi^4 and free fields in the compiled loops."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, final

import numpy as np

from physgen.core.chains import State
from physgen.core.random import Stream
from physgen.kernels.cpu.field_layout import groups
from physgen.kernels.cpu.phi4_local import sweeps
from physgen.samplers.fields.blocked import BlockedFields, Loops, in_parts, per_chain
from physgen.samplers.fields.checks import key_words
from physgen.samplers.fields.local_loops import LOCAL
from physgen.samplers.fields.phi4_numbers import Phi4Numbers

__all__ = ["Phi4Fields", "SiteMoves"]


class SiteMoves(NamedTuple):
    """A round of sweeps: `n_reflections` of overrelaxation, then one of Metropolis.

    Attributes
    ----------
    width, curvature : float
        Half width of the Metropolis proposals; c of the reflections, > 0.
    n_reflections : int
        >= 0.
    """

    width: float
    curvature: float
    n_reflections: int


@final
@dataclass(frozen=True)
class Phi4Fields(Phi4Numbers, BlockedFields):
    """Moves of phi^4 fields: a target with ``kernel`` ("phi4", (neighbours, couplings)).

    Parameters as for :class:`~physgen.samplers.fields.blocked.BlockedFields`.
    """

    @cached_property
    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Table and weights of the lattice, and 0, quad, quart, 0, const."""
        hop, quad, quart, const = self.couplings
        return *groups([self.neighbours], [hop]), np.array([0.0, quad, quart, 0.0, const])

    @property
    def loops(self) -> Loops:
        """The loops of local actions."""
        return LOCAL

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return len(self.neighbours)

    def swept(
        self, rng: Stream, state: State, order: np.ndarray, how: SiteMoves, n: int
    ) -> tuple[State, np.ndarray, np.ndarray]:
        """Return the chains after n rounds of sweeps, one site at a time.

        Parameters
        ----------
        rng : Stream
        state : State
        order : int64 array (n_sites,)
            In which sites are visited.
        how : SiteMoves
        n : int

        Returns
        -------
        State
        ndarrays (n_chains,)
            Shares of the Metropolis moves and of the reflections that were accepted.
        """
        self.check(state)
        x, key, lanes = state.x.copy(), key_words(rng), self.lanes(rng, len(state.x))
        stats = np.zeros((len(x), 2, x.shape[2]))
        in_parts(
            lambda part: sweeps(
                part, x, order, self.neighbours, self.couplings, how.width, how.curvature,
                how.n_reflections, key, lanes, n, stats,
            ),
            x,
            4 * n * (how.n_reflections + 1),
        )  # fmt: skip
        stats /= n * self.n_sites
        accepted, reflected = (per_chain(state, stats[:, k]) for k in (0, 1))
        after = self.state(x, state.aux["n_chains"])
        return after, accepted, reflected / max(how.n_reflections, 1)
