"""What phi^4 fields on a CUDA device share, however they lie there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from physgen.core.chains import State
from physgen.core.random import Stream
from physgen.kernels.cpu.field_layout import unpack
from physgen.samplers.cuda_arrays import DeviceArray
from physgen.samplers.fields.checks import key_words
from physgen.samplers.fields.phi4_numbers import Phi4Numbers

__all__ = ["CudaFields", "flat", "held", "key_of"]


@dataclass(frozen=True, eq=False)
class CudaFields(Phi4Numbers, ABC):
    """Fields (n_blocks, n_sites, W) and their actions, on the device.

    Parameters
    ----------
    target : Target
        With ``kernel`` ("phi4", (neighbours, [hop, quad, quart, const])).
    dtype : {"float32", "float64"}
        Of fields and momenta; actions are summed in float64 in any case.
    """

    target: Any
    dtype: str = "float32"
    _scratch: dict[Any, Any] = field(default_factory=dict, repr=False)

    @abstractmethod
    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run HMC trajectories; see `fields.Moves`."""

    @abstractmethod
    def _moments(self, state: State) -> Any:
        """Return the means over sites of phi and phi^2, (2, n_chains)."""

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        fields = unpack(np.asarray(state.x), int(state.aux["n_chains"]))
        return fields.reshape(-1, *self.target.event_shape)

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        found: dict[str, np.ndarray] = {}
        for name, function in self.target.observables.items():
            if name == "action":
                found[name] = self._actions(state)
            elif name in ("magnetization", "phi2"):
                if "moments" not in found:
                    found["moments"] = self._moments(state)
                found[name] = found["moments"][0 if name == "magnetization" else 1]
            else:
                found[name] = np.asarray(function(self.configurations(state)), np.float64)
        return {name: found[name] for name in self.target.observables}

    def mala(self, rng: Stream, state: State, steps: np.ndarray) -> tuple[State, np.ndarray]:
        """Make MALA proposals, as trajectories of one step; see `fields.Moves`."""
        if not len(steps):
            return state, np.zeros((4, int(state.aux["n_chains"])))
        return self.trajectories(rng, state, steps, 1)

    @property
    def n_sites(self) -> int:
        """Number of sites V."""
        return len(self.neighbours)

    @cached_property
    def _lattice(self) -> tuple[Any, Any]:
        """Neighbours, those that exist first, and how many of them each site has."""
        from physgen.kernels.cuda._numba import cuda

        table = self.neighbours
        order = np.argsort(table < 0, axis=1, kind="stable")
        rows = np.maximum(np.take_along_axis(table, order, axis=1), 0).astype(np.uint32)
        degrees = np.sum(table >= 0, axis=1).astype(np.uint32)
        return cuda.to_device(np.ascontiguousarray(rows)), cuda.to_device(degrees)

    @cached_property
    def _couplings(self) -> tuple[Any, ...]:
        """Hop, quad, quart and 0 in the type of the fields."""
        real = np.dtype(self.dtype).type
        return tuple(real(c) for c in (*self.couplings[:3], 0.0))

    @property
    def _constant(self) -> float:
        return float(self.couplings[3]) * self.n_sites

    def _actions(self, state: State) -> np.ndarray:
        n = int(state.aux["n_chains"])
        return np.asarray(state.aux["action"]).reshape(-1)[:n].copy()


def flat(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the shape of the data on the device: sites and lanes in one."""
    return shape[0], shape[1] * shape[2]


def key_of(rng: Stream) -> tuple[Any, ...]:
    """Return the halves of the Philox key of a stream, uint32."""
    return tuple(np.uint32(k) for k in key_words(rng))


def held(data: Any, shape: tuple[int, ...]) -> Any:
    """Return data on the device as an array of this shape."""
    return DeviceArray(data, tuple(shape))
