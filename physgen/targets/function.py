r"""A user's own action as a target: any function S(x), weight :math:`e^{-S(x)}`.

A function of NumPy arrays (compiled with numba or not) or of torch tensors is enough;
configurations of the other library are converted on the way in and out.  In torch the force
:math:`-dS/dx` comes from automatic differentiation unless it is given.

>>> import numpy as np
>>> target = as_target(lambda x: 0.5 * (x**2).sum(axis=1), event_shape=(3,), force=lambda x: -x)
>>> target.action(np.ones((2, 3)))
array([1.5, 1.5])
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.arrays import like, to_numpy
from physgen.core.checks import check_choice, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.observables.configurations import magnetization, mean_square
from physgen.observables.observable import Observable
from physgen.targets._geometry import check_configurations
from physgen.targets.fingerprint import function_fingerprint

__all__ = ["DifferentiableFunctionTarget", "FunctionTarget", "as_target"]


@dataclass(frozen=True)
class _Wrapped(ABC):
    """Common base of both function targets; see :func:`as_target` for the arguments."""

    function: Callable[[Any], Any]
    event_shape: tuple[int, ...]
    library: str = "numpy"
    support: Support = REALS
    batched: bool = True

    def action(self, x: Any) -> Any:
        """Return S, shape (...), float64, for x of shape (..., *event_shape)."""
        flat, lead = self._flat(x)
        if self.library == "torch":
            from physgen.targets import _torch_functions

            S = _torch_functions.action(self._call, flat)
        elif getattr(x, "requires_grad", False):
            from physgen.targets import _torch_functions

            S = _torch_functions.numpy_action(self._call, getattr(self, "_call_force", None), flat)
        else:
            S = like(self._call(to_numpy(flat)).astype(np.float64), x)
        return S.reshape(lead)

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites: standard normal, or uniform."""
        shape = (check_positive_int("n", n), *self.event_shape)
        generator = as_stream(rng).numpy()
        if self.support.kind == "spins":
            return 2 * generator.integers(0, 2, size=shape, dtype=np.int8) - 1
        if self.support.kind == "outcomes":
            return generator.integers(0, self.support.K, size=shape, dtype=np.uint8)
        return generator.standard_normal(shape)

    def cold(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n equal configurations: fields and outcomes 0, spins up.

        The minimum of a user's action is unknown; pass your own start for a better one.
        """
        shape = (check_positive_int("n", n), *self.event_shape)
        if self.support.kind == "spins":
            return np.ones(shape, dtype=np.int8)
        return np.zeros(shape, dtype=np.uint8 if self.support.kind == "outcomes" else np.float64)

    @property
    def fingerprint(self) -> str:
        """Digest of the action at fixed configurations, and of the torch modules in it."""
        return function_fingerprint(
            self._as_returned, self.event_shape, self.support, self.function
        )

    def _as_returned(self, x: np.ndarray) -> Any:
        """Return S of a NumPy batch in the precision of the function."""
        if self.library == "numpy":
            return self._call(x)
        from physgen.targets import _torch_functions

        return _torch_functions.as_returned(self._call, x)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """The default observables by name: action; for spins and fields also mean and square."""
        found = {"action": Observable("action", self.action, "1", "S")}
        dim = len(self.event_shape)
        if self.support.kind in ("spins", "reals"):
            mean = partial(magnetization, dim=dim)
            found["magnetization"] = Observable("magnetization", mean, "1", "mean of all x_i")
        if self.support.kind == "reals":
            square = partial(mean_square, dim=dim)
            found["phi2"] = Observable("phi2", square, "1", "mean of all x_i^2")
        return MappingProxyType(found)

    def _flat(self, x: Any) -> tuple[Any, tuple[int, ...]]:
        """Return x with a single batch axis, and the axes that this replaces."""
        check_configurations(x, self.event_shape)
        lead = tuple(x.shape)[: x.ndim - len(self.event_shape)]
        return x.reshape((-1, *self.event_shape)), lead

    def _call(self, x: Any) -> Any:
        """Return S of a batch in the user's library, checked."""
        return self._checked("action", self.function, x, ())

    def _checked(self, name: str, function: Any, x: Any, tail: tuple[int, ...]) -> Any:
        if self.batched:
            value = function(x)
        else:
            values = [function(one) for one in x]
            value = np.asarray(values) if self.library == "numpy" else _stack(values, x)
        wanted, got = (len(x), *tail), tuple(np.shape(value))
        if got != wanted:
            wish = f"(n, {', '.join(map(str, self.event_shape))})"
            remedy = (
                "sum over all axes but the first, or pass batched=False for a function of one "
                "configuration"
                if self.batched
                else "return one number a configuration"
            )
            if name == "force":
                remedy = "return an array like x"
            raise InputError(
                f"{name} must return shape {wanted} for configurations of shape {wish}, n = "
                f"{len(x)}, got {got}; {remedy}"
            )
        return np.asarray(value) if self.library == "numpy" else value


@final
@dataclass(frozen=True)
class FunctionTarget(_Wrapped):
    """A target with a function as its action, without a force."""


@final
@dataclass(frozen=True)
class DifferentiableFunctionTarget(_Wrapped):
    """A target with functions as its action and its force."""

    force_function: Callable[[Any], Any] | None = field(default=None)

    def force(self, x: Any) -> Any:
        """Return -dS/dx, shape and kind of x."""
        flat, lead = self._flat(x)
        if self.library == "torch":
            from physgen.targets import _torch_functions

            given = self._call_force if self.force_function is not None else None
            F = _torch_functions.force(self._call, given, flat)
        else:
            F = like(self._call_force(to_numpy(flat)), x)
        return F.reshape((*lead, *self.event_shape))

    def _call_force(self, x: Any) -> Any:
        return self._checked("force", self.force_function, x, self.event_shape)


def as_target(
    action: Any,
    event_shape: tuple[int, ...] | int | None = None,
    force: Callable[[Any], Any] | None = None,
    *,
    library: str = "numpy",
    support: Support | None = None,
    batched: bool = True,
) -> FunctionTarget | DifferentiableFunctionTarget:
    """Return a target made of a plain function, or of an object with ``action`` (and ``force``).

    Parameters
    ----------
    action : callable or object
        S(x) for a batch x of shape (n, *event_shape), returning shape (n,); or an object with
        such a method ``action`` and, optionally, ``force``, ``event_shape`` and ``support``.
    event_shape : tuple of int or int
        Shape of one configuration; may be an attribute of the object instead.
    force : callable, optional
        -dS/dx of a batch, shape of x.  Not needed in torch.
    library : {"numpy", "torch"}
        Library of the functions; functions compiled with numba are NumPy functions.
    support : Support
        Real numbers if not given.
    batched : bool
        False if the functions take one configuration at a time (slow: a Python loop).

    Returns
    -------
    FunctionTarget or DifferentiableFunctionTarget
        The latter if there is a force.  A sampler that needs the force checks once, at its start,
        that it is the gradient of the action (:func:`~physgen.targets.check_force`).

    Raises
    ------
    InputError
        If something is missing or not callable.
    """
    check_choice("library", library, ("numpy", "torch"))
    source, function = action, action
    if hasattr(source, "action"):
        function = source.action
        force = force if force is not None else getattr(source, "force", None)
        event_shape = (
            event_shape if event_shape is not None else getattr(source, "event_shape", None)
        )
        support = support if support is not None else getattr(source, "support", None)
    for name, given in (("action", function), ("force", force)):
        if not callable(given) and not (name == "force" and given is None):
            raise InputError(
                f"{name} must be a function, or an object with a method {name}, got {given!r}"
            )
    if event_shape is None:
        raise InputError("event_shape must be given: the shape of one configuration, e.g. (8, 8)")
    sizes = event_shape if isinstance(event_shape, tuple | list) else (event_shape,)
    shape = tuple(check_positive_int("each extent of event_shape", size) for size in sizes)
    common = (function, shape, library, REALS if support is None else support, batched)
    if force is None and library == "numpy":
        return FunctionTarget(*common)
    return DifferentiableFunctionTarget(*common, force_function=force)


def _stack(values: list[Any], x: Any) -> Any:
    from array_api_compat import array_namespace

    return array_namespace(x).stack(values)
