"""The part of a model that training acts on: a collapsed model draws the rest exactly."""

from __future__ import annotations

from typing import Any

from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed, JointDensity, Simulator
from physgen.models.odd_completed import reduced

__all__ = ["check_density", "device_of", "learned_part", "problem"]


def check_density(model: Any, objective: str, *, joint: bool = True) -> None:
    """Raise InputError unless a model has the density that an objective takes the logarithm of.

    Parameters
    ----------
    model : object
    objective : str
        Its name, for the message.
    joint : bool
        Whether a density of pairs (x, z) will do.
    """
    if hasattr(model, "log_prob") or (joint and isinstance(model, JointDensity)):
        return
    kinds = (
        (JointDensity, "is one of pairs (x, z): take ELBO, IWAE, DequantisedBound or ReverseKL"),
        (Simulator, "only draws: take Adversarial, or the objective of its family"),
    )
    other = "has none that is normalised: take the objective of its family"
    why = next((text for kind, text in kinds if isinstance(model, kind)), other)
    raise InputError(f"{objective} needs a density, and {type(model).__name__} {why}")


def problem(model: Any, target: Any, stage: Any = None) -> tuple[Any, Any]:
    """Return density and target of the variables that a model has to learn.

    Parameters
    ----------
    model : Density
    target : Target
        The target of whole configurations.
    stage : Target, optional
        Another target on the same lattice, on the path to `target`: its even sites are returned.

    Raises
    ------
    InputError
        If the model draws the rest from another target than `target`.
    """
    if not isinstance(model, Collapsed):
        return model, target if stage is None else stage
    found = model.collapsed_for(target)
    if found is None:
        raise InputError(
            f"the model draws a part of its variables from another target than {target!r}; make "
            "it with for_target(...) of the target that it is trained on"
        )
    if stage is None or stage is target:
        return found
    rest = reduced(stage)
    if rest is None:
        raise InputError(f"{stage!r} cannot integrate the sites that {target!r} integrates")
    return found[0], rest


def learned_part(model: Any, x: Any) -> Any:
    """Return the variables of whole configurations that a model has to learn."""
    return model.rest(x) if isinstance(model, Collapsed) else x


def device_of(model: Any) -> Any:
    """Return the device of the weights of a model."""
    return next(iter(model.parameters())).device
