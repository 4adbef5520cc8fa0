r"""Starts of Ising models: independent spins, ground states, annealed local minima.

A model is unfrustrated if some configuration satisfies all couplings and fields,
:math:`J_b s_x s_y \ge 0` and :math:`h_x s_x \ge 0`.  This configuration is a ground state and is
found along a spanning forest.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.checks import check_positive_int
from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream
from physgen.lattice.colouring import spread_signs

__all__ = ["IsingStarts", "anneal", "quench", "satisfying_spins"]

_SPINS, _UPDATES = 1 << 14, 1 << 23  # spins annealed together, and updates in all (seconds)
_COLDEST = 3.0  # beta J at the end of the annealing


class IsingStarts:
    """Mixed into :class:`~physgen.targets.Ising`: configurations to start from."""

    lattice: Any
    bond_couplings: Any
    site_fields: Any
    event_shape: Any
    energy: Any
    symmetries: Any

    @cached_property
    def _satisfying(self) -> np.ndarray | None:
        return satisfying_spins(self.lattice, self.bond_couplings, self.site_fields)

    @property
    def is_frustrated(self) -> bool:
        """Whether no configuration satisfies every bond and every field at once."""
        return self._satisfying is None

    def ground_state(self) -> np.ndarray:
        """Return a ground state, shape event_shape, int8; without a field -s is another.

        Raises
        ------
        InputError
            If the model is frustrated: finding a ground state is then a hard problem.
        """
        if self._satisfying is None:
            raise InputError(
                "a ground state is known only where all bonds and fields can be satisfied at "
                "once, got frustrated ones; cold() gives local minima of the energy"
            )
        return self._satisfying.reshape(self.event_shape).copy()

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent spins, shape (n, *event_shape), int8."""
        shape = (check_positive_int("n", n), *self.event_shape)
        bits = as_stream(rng).numpy().integers(0, 2, size=shape, dtype=np.int8)
        return 2 * bits - 1

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n ground states, each of random sign if there is no field, int8.

        For a frustrated model: the lowest quarter of up to 32 local minima from simulated
        annealing, repeated.  Their energies lie below those of samples, so hot and cold starts
        approach equilibrium from both sides; minima of a quench lie above, like hot starts.
        """
        check_positive_int("n", n)
        stream = as_stream(rng)
        lowest = self._annealed(stream) if self._satisfying is None else self.ground_state()[None]
        state = np.resize(lowest, (n, *self.event_shape))
        if "z2" in self.symmetries:
            sign = 2 * stream.numpy().integers(0, 2, size=n, dtype=np.int8) - 1
            state *= sign.reshape((n,) + (1,) * self.lattice.dim)
        return state

    def _annealed(self, rng: Stream) -> np.ndarray:
        """Return the lowest minima that annealing finds, shape (1 to 8, *event_shape)."""
        n_sites = self.lattice.n_sites
        copies = min(max(_SPINS // n_sites, 1), 32)
        n_sweeps = min(max(_UPDATES // (copies * n_sites), 20), 1000)
        found = anneal(self, self.hot(rng.child("hot"), copies), rng.child("anneal"), n_sweeps)
        found = quench(self, found)
        return found[np.argsort(self.energy(found), kind="stable")[: max(copies // 4, 1)]]


def satisfying_spins(lattice: Any, J: np.ndarray, h: np.ndarray) -> np.ndarray | None:
    """Return int8 spins with J_b s_x s_y >= 0 on all bonds and h_x s_x >= 0; None if frustrated.

    Parameters
    ----------
    lattice : Hypercubic or Graph
    J : ndarray, shape (n_bonds,)
    h : ndarray, shape (n_sites,)
    """
    i, j = lattice.bonds.T
    if np.all(J >= 0) and np.all(h >= 0):
        return np.ones(lattice.n_sites, dtype=np.int8)
    s = spread_signs(lattice.neighbours, np.append(J, 0.0)[lattice.bond_index], h)
    return s if np.all(J * s[i] * s[j] >= 0) and np.all(h * s >= 0) else None


def anneal(target: Any, x: np.ndarray, rng: Stream, n_sweeps: int) -> np.ndarray:
    """Return spins of low energy: heat-bath sweeps from x while beta rises linearly to 3 / J.

    J is the root mean square of the couplings and fields that are not zero.
    """
    x, generator = x.copy(), rng.numpy()
    numbers = np.concatenate([target.bond_couplings, target.site_fields])
    scale = float(np.sqrt(np.mean(numbers[numbers != 0] ** 2)))
    colour = target.lattice.colouring().reshape(target.event_shape)
    for beta in np.linspace(0.0, _COLDEST / scale, n_sweeps + 1)[1:]:
        for c in range(int(colour.max()) + 1):
            p_up = 0.5 + 0.5 * np.tanh(beta * target.local_field(x))
            drawn = np.where(generator.random(x.shape) < p_up, 1, -1)
            x = np.where(colour == c, drawn, x).astype(np.int8)
    return x


def quench(target: Any, x: np.ndarray) -> np.ndarray:
    """Return local minima of the energy of an Ising model, reached from the configurations x.

    All spins of one colour at a time align with their local fields, until none changes.  This
    ends, because every change lowers the energy.
    """
    colour = target.lattice.colouring().reshape(target.event_shape)
    x = x.copy()
    moved = True
    while moved:
        moved = False
        for c in range(int(colour.max()) + 1):
            against = (x * target.local_field(x) < 0) & (colour == c)
            moved = moved or bool(against.any())
            x[against] *= -1
    return x
