"""The loop that moves real fields: compiled where the target has a kernel, else through NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from physgen.core.chains import State
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.core.protocols import Differentiable, Target
from physgen.core.random import Stream
from physgen.samplers.plain import kernel_name

__all__ = ["Moves", "check_settings", "fields_of"]

DTYPES = ("float32", "float64")
RNGS = ("philox", "fast")
DEVICES = ("cpu", "cuda")


class Moves(Protocol):
    """Chains of real fields that can be moved along their force."""

    def init(self, rng: Stream, n_chains: int, start: str | np.ndarray = "hot") -> State:
        """Return the first fields and their actions."""
        ...

    def measure(self, state: State) -> Mapping[str, np.ndarray]:
        """Return the observables of the target."""
        ...

    def configurations(self, state: State) -> np.ndarray:
        """Return the fields, shape (n_chains, *event_shape)."""
        ...

    def trajectories(
        self, rng: Stream, state: State, steps: np.ndarray, n_leapfrog: int
    ) -> tuple[State, np.ndarray]:
        """Run a trajectory of each step size in turn.

        Returns
        -------
        State
        ndarray, shape (4, n_chains)
            Sums over trajectories: accepted, min(1, e^-dH), dH, divergent.
        """
        ...

    def mala(self, rng: Stream, state: State, steps: np.ndarray) -> tuple[State, np.ndarray]:
        """Make a Metropolis-adjusted Langevin proposal of each step h = sqrt(2 eps) in turn.

        The chains of trajectories of one leapfrog step h, up to rounding.  The state may keep the
        forces of the fields, so it begins with no steps at all.

        Returns
        -------
        State
        ndarray, shape (4, n_chains)
            As for trajectories.
        """
        ...

    def langevin(self, rng: Stream, state: State, step_size: float, n: int) -> State:
        """Return the chains after n unadjusted Langevin steps."""
        ...


def check_settings(dtype: str | None, rng: str, device: str = "cpu") -> None:
    """Raise InputError unless these are settings of the samplers of fields."""
    if dtype is not None:
        check_choice("dtype", dtype, DTYPES)
    check_choice("rng", rng, RNGS)
    if check_choice("device", device, DEVICES) == "cuda" and rng != "philox":
        raise InputError(f"device='cuda' runs on rng='philox' only, got rng={rng!r}")


def fields_of(
    target: Target, sampler: str, dtype: str | None, rng: str, device: str = "cpu"
) -> Moves:
    """Return what moves the fields of `target`.

    Parameters
    ----------
    target : Target
    sampler : str
        Name of the sampler, for messages.
    dtype : {None, "float32", "float64"}
        None: float32 in compiled loops, float64 in NumPy.
    rng : {"philox", "fast"}
    device : {"cpu", "cuda"}

    Raises
    ------
    InputError
        If the target has no real fields or no force, or its force is not -dS/dx; if there is no
        CUDA device, or no CUDA kernel for this target.
    """
    kind = target.support.kind
    if kind != "reals":
        raise InputError(
            f"{sampler} moves real fields, got a target of {kind}; take HeatBath or Metropolis"
        )
    if device == "cuda":
        from physgen.samplers.fields.cuda_lattices import cuda_moves

        return cuda_moves(target, sampler, dtype or "float32")
    if (name := kernel_name(target)) == "phi4":
        from physgen.samplers.fields.phi4 import Phi4Fields

        return Phi4Fields(target, dtype or "float32", rng)
    if name == "local-action":
        from physgen.samplers.fields.local_action import LocalActionFields

        return LocalActionFields(target, dtype or "float32", rng)
    if name == "mlp" and dtype != "float64":
        from physgen.samplers.fields.mlp import MlpFields

        return MlpFields(target, "float32", rng)
    if not isinstance(target, Differentiable):
        raise InputError(
            f"{sampler} needs a target with a force, got {type(target).__name__} without one; "
            "give it a method force(x) = -dS/dx, or use "
            'as_target(action, event_shape, library="torch"), which differentiates the action'
        )
    if rng != "philox":
        raise InputError(
            f"rng={rng!r} is of compiled loops, and {type(target).__name__} "
            + (f"has none in {dtype}" if name else "does not compile: it is moved by its force")
            + "; take rng='philox'"
        )
    from physgen.samplers.fields.arrays import ArrayFields

    fields = ArrayFields(target, dtype or "float64")
    fields.check()
    return fields
