r"""A user's own action as a target: any function S(x), weight :math:`e^{-\beta S(x)}`.

A function of NumPy arrays (compiled with numba or not) or of torch tensors is enough;
configurations of the other library are converted on the way in and out.  In torch the force
:math:`-dS/dx` comes from automatic differentiation unless it is given.  Functions get a copy that
they may overwrite, spins as float64 and outcomes as int64, and have to return real numbers.
:func:`physgen.targets.as_target` makes these targets.
"""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import Any, final

import numpy as np

from physgen.core.arrays import like, real_numbers, to_numpy, wide
from physgen.core.checks import check_finite, check_positive_int
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support
from physgen.core.random import Stream, as_stream
from physgen.observables.configurations import magnetization, mean_square
from physgen.observables.evaluate import checked_values
from physgen.observables.observable import Observable
from physgen.targets._geometry import check_configurations
from physgen.targets.fingerprint import function_fingerprint

__all__ = ["DifferentiableFunctionTarget", "FunctionTarget", "Own"]

LIBRARIES = ("numpy", "torch", "both")


@dataclass(frozen=True, eq=False)
class Own(ABC):
    """Common base of both function targets; see :func:`as_target` for the arguments.

    ``library`` is "both" for functions that compute with either kind of array; ``source`` is the
    object that the functions belong to, if there is one, which may name its own starts, and
    ``family`` makes its targets at other couplings; ``beta`` multiplies the action.
    """

    function: Callable[..., Any]
    event_shape: tuple[int, ...]
    library: str = "numpy"
    support: Support = REALS
    batched: bool = True
    lattice: Any = None
    symmetries: frozenset[str] = frozenset()
    given: Mapping[str, Any] | None = None
    couplings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    beta: float = 1.0
    source: Any = None
    family: Callable[..., Any] | None = None

    def action(self, x: Any) -> Any:
        """Return S, shape (...), float64, for x of shape (..., *event_shape)."""
        flat, lead = self._flat(x)
        tensor = hasattr(x, "detach")
        if self.library == "torch" or (tensor and self.library == "both"):
            from physgen.targets import _torch_functions

            S = _torch_functions.action(self._call, flat)
        elif getattr(x, "requires_grad", False):
            from physgen.targets import _torch_functions

            S = _torch_functions.numpy_action(self._call, getattr(self, "_call_force", None), flat)
        else:
            S = like(self._call(to_numpy(flat)).astype(np.float64), x)
        return S.reshape(lead)

    def at(self, **couplings: float) -> Any:
        """Return the target at other couplings; ``beta`` multiplies the whole action.

        Raises
        ------
        InputError
            If the action has no such coupling.
        """
        own = self.family
        known = set(self.couplings) if self.source is None or own is not None else set[str]()
        if "beta" not in self.couplings:
            known.add("beta")
        if bad := sorted(set(couplings) - known):
            named = ", ".join(sorted(known)) or "none: its object has no at(**couplings)"
            raise InputError(
                f"coupling must be one of {named}, got {bad[0]!r}; name the couplings of an "
                "action in as_target(..., couplings={'lam': 0.5}), which then calls "
                "action(x, lam=0.5)"
            )
        values = {name: check_finite(name, value) for name, value in couplings.items()}
        if "beta" not in self.couplings and "beta" in values:
            return replace(self, beta=values.pop("beta")).at(**values)
        if not values:
            return self
        if own is not None:
            return replace(own(**values), beta=self.beta)
        return replace(self, couplings=MappingProxyType({**self.couplings, **values}))

    def hot(self, rng: Stream | int, n: int) -> np.ndarray:
        """Return n configurations of independent sites: standard normal, or uniform."""
        own = getattr(self.source, "hot", None)
        if own is not None:
            return np.asarray(own(rng, n))
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
        own = getattr(self.source, "cold", None)
        if own is not None:
            return np.asarray(own(rng, n))
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
        if self.library != "torch":
            return self._call(x)
        from physgen.targets import _torch_functions

        return _torch_functions.as_returned(self._call, x)

    @cached_property
    def observables(self) -> Mapping[str, Observable]:
        """The given observables by name, or else action, and the mean and square of the sites.

        The mean of all x_i is recorded where each x_i is a site: not for components of a field.
        """
        found = {"action": Observable("action", self.action, "1", "S")}
        if self.given is not None:
            own = {name: self._observable(name, f) for name, f in self.given.items()}
            return MappingProxyType(own if self.source is not None and own else found | own)
        dim = len(self.event_shape)
        if self.support.kind in ("spins", "reals") and self._sites_alone:
            mean = partial(magnetization, dim=dim)
            found["magnetization"] = Observable("magnetization", mean, "1", "mean of all x_i")
        if self.support.kind == "reals":
            square = partial(mean_square, dim=dim)
            found["phi2"] = Observable("phi2", square, "1", "mean of all x_i^2")
        return MappingProxyType(found)

    @property
    def _sites_alone(self) -> bool:
        """Whether each number of a configuration is a site, as far as is known."""
        if self.lattice is not None:
            return tuple(getattr(self.lattice, "shape", self.event_shape)) == self.event_shape
        return len(set(self.event_shape)) == 1

    def _observable(self, name: str, function: Any) -> Observable:
        """Return an observable of the user that gets wide types and has to return real numbers."""

        def values(x: Any) -> np.ndarray:
            flat, lead = self._flat(to_numpy(x))
            found = checked_values(name, function(wide(flat, self.support.kind)), len(flat))
            return found.reshape((*lead, *found.shape[1:]))

        unit, text = getattr(function, "unit", "1"), getattr(function, "description", name)
        return Observable(name, values, unit, text)

    def _flat(self, x: Any) -> tuple[Any, tuple[int, ...]]:
        """Return x with a single batch axis, and the axes that this replaces."""
        check_configurations(x, self.event_shape)
        lead = tuple(x.shape)[: x.ndim - len(self.event_shape)]
        return x.reshape((-1, *self.event_shape)), lead

    def _call(self, x: Any) -> Any:
        """Return S of a batch in the user's library, checked."""
        S = self._checked("action", self.function, x, ())
        return S if self.beta == 1 else self.beta * S

    def _checked(self, name: str, function: Any, x: Any, tail: tuple[int, ...]) -> Any:
        tensor = hasattr(x, "detach")
        couplings = {} if self.source is not None else self.couplings
        x = wide(x, self.support.kind)
        if self.batched:
            value = function(x, **couplings)
        else:
            value = _stack([function(one, **couplings) for one in x], x)
        value = real_numbers(name, value)
        if hasattr(value, "detach") != tensor:
            got = "a tensor" if not tensor else f"{type(value).__name__} of no tensor"
            remedy = "library='torch'" if not tensor else "library='numpy' (or compute in torch)"
            raise InputError(
                f"{name} must return what it is given, {'a tensor' if tensor else 'an array'}, "
                f"got {got}; pass {remedy}"
            )
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
        return value

    def __repr__(self) -> str:
        """Return the source, or how the target was made."""
        scaled = "" if self.beta == 1 else f".at(beta={self.beta:g})"
        if self.source is not None:
            return repr(self.source) + scaled
        parts = [repr(self.function), f"event_shape={self.event_shape}"]
        if self.support != REALS:
            parts.append(f"support={self.support}")
        parts += [f"{name}={value!r}" for name, value in self.couplings.items()]
        return f"as_target({', '.join(parts)})" + scaled


@final
@dataclass(frozen=True, eq=False, repr=False)
class FunctionTarget(Own):
    """A target with a function as its action, without a force; made by :func:`as_target`."""


@final
@dataclass(frozen=True, eq=False, repr=False)
class DifferentiableFunctionTarget(Own):
    """A target with functions as its action and its force; made by :func:`as_target`."""

    force_function: Callable[..., Any] | None = field(default=None)

    def force(self, x: Any) -> Any:
        """Return -dS/dx, shape and kind of x."""
        flat, lead = self._flat(x)
        given = self._call_force if self.force_function is not None else None
        tensor = hasattr(x, "detach")
        if self.library == "torch" or (self.library == "both" and (given is None or tensor)):
            from physgen.targets import _torch_functions

            F = _torch_functions.force(self._call, given, flat)
        else:
            F = like(self._call_force(to_numpy(flat)), x)
        return F.reshape((*lead, *self.event_shape))

    def _call_force(self, x: Any) -> Any:
        F = self._checked("force", self.force_function, x, self.event_shape)
        return F if self.beta == 1 else self.beta * F


def _stack(values: list[Any], x: Any) -> Any:
    if not hasattr(x, "detach"):
        return np.asarray(values)
    from array_api_compat import array_namespace

    return array_namespace(x).stack(values)
