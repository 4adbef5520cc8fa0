"""The state of sequential Monte Carlo after a stage, as one Dataset: what a resume needs.

Stage k draws from ``rng.child("stage", k)``, so beside the particles only their weights, their
history and the stages so far are kept, and a run continued from here repeats the uninterrupted one
bit for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from physgen.core.chains import State
from physgen.core.errors import InputError
from physgen.samplers.loop.checkpoint import check_identity, part, state_dataset
from physgen.samplers.smc_results import Islands

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["ISLANDS", "PILOT", "Annealing", "Stage"]

PILOT, ISLANDS = "pilot", "islands"  # the run that chooses the stages, and the one that counts


class Stage(NamedTuple):
    """A value of lambda, and the tuned values of the move there."""

    fraction: float
    tuning: Mapping[str, float]


@dataclass(frozen=True)
class Annealing:
    """The particles after a stage.

    Attributes
    ----------
    phase : {"pilot", "islands"}
    state : State
        Of the chains that move the particles.
    islands : Islands
        Their weights and history.
    stages : list of Stage
        Stages done.
    plan : list of Stage
        Stages chosen by the pilot run; empty in the pilot run itself.
    identity : mapping
        What must not change between a run and its resume; plain data.
    bound : BoundSampler or None
        The move of the last stage; None where it has to be made again.
    """

    phase: str
    state: State
    islands: Islands
    stages: list[Stage]
    plan: list[Stage]
    identity: Mapping[str, Any]
    bound: Any = None

    @property
    def fraction(self) -> float:
        """Lambda of the last stage, in [0, 1]."""
        return self.stages[-1].fraction if self.stages else 0.0

    def after(self, state: State, stage: Stage, bound: Any) -> Annealing:
        """Return the state after one more stage."""
        return replace(self, state=state, stages=[*self.stages, stage], bound=bound)

    def to_dataset(self) -> xr.Dataset:
        """Return everything as arrays; :meth:`from_dataset` is the inverse."""
        islands = self.islands
        arrays = {f"islands.{name}": getattr(islands, name).copy() for name in _ISLANDS}
        arrays |= {f"history.{name}": np.array(rows) for name, rows in islands.history.items()}
        # JSON writes floats with repr, which reads back to the same bits.
        attrs = {
            "phase": self.phase,
            "shape": json.dumps(islands.shape),
            "stages": json.dumps(self.stages),
            "plan": json.dumps(self.plan),
        }
        return state_dataset(self.state, arrays, attrs, self.identity)

    @classmethod
    def from_dataset(cls, stored: xr.Dataset, identity: Mapping[str, Any]) -> Annealing:
        """Return what :meth:`to_dataset` wrote.

        Raises
        ------
        InputError
            If it is not a checkpoint, or belongs to a run of another `identity`.
        """
        try:
            arrays = {str(name): v.values.copy() for name, v in stored.data_vars.items()}
            kept = json.loads(stored.attrs["identity"])
            islands = Islands(*json.loads(stored.attrs["shape"]))
            state = State(arrays["x"], part("aux", arrays))
            stages, plan = (
                [Stage(*each) for each in json.loads(stored.attrs[name])]
                for name in ("stages", "plan")
            )
            phase = str(stored.attrs["phase"])
        except (AttributeError, KeyError) as error:
            raise InputError(
                f"checkpoint must be one that `smc` gave to on_stage, got {stored!r:.60}"
            ) from error
        check_identity(kept, identity)
        for name in _ISLANDS:
            setattr(islands, name, arrays[f"islands.{name}"])
        islands.history = {k: a.tolist() for k, a in part("history", arrays).items()}
        return cls(phase, state, islands, stages, plan, kept)


_ISLANDS = ("log_weight", "log_z", "ancestor")
