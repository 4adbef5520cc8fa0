"""The complete state of a run of chains as one Dataset: exactly what a resume needs.

Draw i uses the stream ``rng.child("draws").at(i)`` and look k of the warm-up
``rng.child("warmup", "look", k)``, so beside the state only counters, the tuned values and the
record of the warm-up are kept.  A run that continues from here repeats the uninterrupted one bit
for bit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.chains import Info, State
from physgen.core.errors import InputError

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Checkpoint", "chain_statistics", "check_identity", "part", "state_dataset"]


@dataclass(frozen=True)
class Checkpoint:
    """Where a run is.

    Attributes
    ----------
    state : State
        The chains.
    warm : bool
        Whether the warm-up is over.
    index : int
        The next draw if warm, else the next look of the warm-up.
    tuning : mapping of str to float
        Tuned values of the sampler; empty if it has none.
    record : mapping
        What the warm-up did and found; plain data.
    sums : mapping of str to ndarray
        Sums over draws of ``accepted`` and every metric of `Info`, shape (n_chains,).
    identity : mapping
        What must not change between a run and its resume; plain data.
    """

    state: State
    warm: bool
    index: int
    tuning: Mapping[str, float] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)
    sums: Mapping[str, np.ndarray] = field(default_factory=dict)
    identity: Mapping[str, Any] = field(default_factory=dict)

    def to_dataset(self) -> xr.Dataset:
        """Return everything as arrays; :meth:`from_dataset` is the inverse."""
        # JSON writes floats with repr, which reads back to the same bits.
        attrs = {
            "warm": int(self.warm),
            "index": self.index,
            "tuning": json.dumps(dict(self.tuning)),
            "record": json.dumps(dict(self.record)),
        }
        sums = {f"sum.{name}": a for name, a in self.sums.items()}
        return state_dataset(self.state, sums, attrs, self.identity)

    @classmethod
    def from_dataset(cls, stored: xr.Dataset, identity: Mapping[str, Any]) -> Checkpoint:
        """Return what :meth:`to_dataset` wrote.

        Raises
        ------
        InputError
            If it is not a checkpoint, or belongs to a run of another `identity`.
        """
        if not hasattr(stored, "attrs"):
            raise InputError(f"checkpoint must be a Dataset that `blocks` gave, got {stored!r}")
        try:
            kept = json.loads(stored.attrs["identity"])
            arrays = {str(name): v.values.copy() for name, v in stored.data_vars.items()}
            tuning, record = (json.loads(stored.attrs[k]) for k in ("tuning", "record"))
            state = State(arrays["x"], part("aux", arrays))
            warm, index = bool(stored.attrs["warm"]), int(stored.attrs["index"])
        except KeyError as error:
            raise InputError(
                f"checkpoint must be one that `blocks` gave, got a Dataset without {error}"
            ) from error
        check_identity(kept, identity)
        return cls(state, warm, index, tuning, record, part("sum", arrays), kept)


def state_dataset(
    state: State,
    others: Mapping[str, np.ndarray],
    attrs: Mapping[str, Any],
    identity: Mapping[str, Any],
) -> xr.Dataset:
    """Return a state, other arrays and plain data as one Dataset, under dims of their own."""
    import xarray as xr

    arrays = {"x": state.x, **{f"aux.{k}": np.asarray(a) for k, a in state.aux.items()}, **others}
    variables = {
        name: ([f"{name}_{axis}" for axis in range(a.ndim)], a) for name, a in arrays.items()
    }
    return xr.Dataset(
        variables, attrs={**attrs, "identity": json.dumps(dict(identity), sort_keys=True)}
    )


def check_identity(kept: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Raise InputError unless a checkpoint was kept by a run of this `identity`."""
    wanted = json.loads(json.dumps(dict(identity)))
    if changed := [k for k in sorted(wanted) if kept.get(k) != wanted[k]]:
        listed = ", ".join(f"{k} (was {kept.get(k)!r}, now {wanted[k]!r})" for k in changed)
        raise InputError(
            f"a run must be continued with the arguments it began with; changed: {listed}"
        )


def chain_statistics(checkpoint: xr.Dataset) -> xr.Dataset:
    """Return ``acceptance_rate``, the metrics and the statistics of each chain.

    Acceptance and metrics are averages over the draws so far.  Statistics are counters that the
    state keeps under names ``stat.*`` in `State.aux` (e.g. round trips), as they stand.

    Parameters
    ----------
    checkpoint : Dataset
        As `blocks` gives it.

    Returns
    -------
    Dataset
        Variables of dim ``chain``; none if the sampler reports nothing.
    """
    import xarray as xr

    n = int(checkpoint.attrs["index"]) if checkpoint.attrs["warm"] else 0
    arrays = {str(k): v.values for k, v in checkpoint.data_vars.items()}
    found = {
        ("acceptance_rate" if name == "accepted" else name): (
            _chain_dims(total, name),
            total / n,
            {"long_name": f"mean {name} of a step"},
        )
        for name, total in part("sum", arrays).items()
        if n
    }
    found |= {k: (_chain_dims(a, k), a) for k, a in part("aux.stat", arrays).items()}
    return xr.Dataset(found)


def add_info(sums: Mapping[str, np.ndarray], info: Info) -> dict[str, np.ndarray]:
    """Return `sums` with one more step added."""
    new = dict(info.metrics)
    if info.accepted is not None:
        new["accepted"] = info.accepted
    return {
        name: np.asarray(value, dtype=np.float64) + sums.get(name, 0.0)
        for name, value in new.items()
    }


def _chain_dims(a: np.ndarray, name: str) -> list[str]:
    return ["chain", *(f"{name}_{axis}" for axis in range(1, a.ndim))][: a.ndim]


def part(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return the arrays whose names begin with ``prefix.``, without it."""
    start = f"{prefix}."
    return {n[len(start) :]: a for n, a in arrays.items() if n.startswith(start)}
