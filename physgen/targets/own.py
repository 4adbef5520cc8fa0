r"""Targets of a user, from a function or from an object: two members are enough.

>>> import numpy as np
>>> target = as_target(lambda x: 0.5 * (x**2).sum(axis=1), event_shape=(3,), force=lambda x: -x)
>>> target.action(np.ones((2, 3)))
array([1.5, 1.5])

An object of a class of the user's needs ``action`` and ``event_shape``.  Whatever else it has
(``support``, ``force``, ``lattice``, ``symmetries``, ``observables``, ``couplings`` with ``at``,
``hot``, ``cold``) is used; an action in torch is differentiated.  All doors of physgen (samplers,
models, objectives, weights) pass what they are given through :func:`whole_target`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from physgen.core.arrays import like, wide
from physgen.core.checks import check_choice, check_finite, check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, Support, Target
from physgen.core.random import Stream
from physgen.lattice.graph import Graph
from physgen.lattice.hypercubic import Hypercubic
from physgen.observables.evaluate import check_names
from physgen.targets.function import DifferentiableFunctionTarget, FunctionTarget, Own

__all__ = ["as_target", "is_own", "whole_target"]

SYMMETRIES = ("translations", "point_group", "z2", "components")
_KINDS = ("reals", "spins", "outcomes")
# With one of these an object is more than an action, and is used as it is.
_SPECIAL = ("kernel", "action_even", "log_prob", "parameters")


def as_target(
    action: Any,
    event_shape: tuple[int, ...] | int | None = None,
    force: Callable[..., Any] | None = None,
    *,
    library: str | None = None,
    support: Support | str | None = None,
    batched: bool = True,
    lattice: Any = None,
    symmetries: Iterable[str] | None = None,
    observables: Mapping[str, Callable[[Any], Any]] | None = None,
    couplings: Mapping[str, float] | None = None,
) -> FunctionTarget | DifferentiableFunctionTarget:
    """Return a target made of a plain function, or of an object with ``action``.

    Parameters
    ----------
    action : callable or object
        S(x) for a batch x of shape (n, *event_shape), returning shape (n,); or an object with
        such a method ``action``, whose members of the names below are used where the argument is
        not given.
    event_shape : tuple of int or int
        Shape of one configuration; by default that of the lattice.
    force : callable, optional
        -dS/dx of a batch, shape of x.  Not needed in torch.
    library : {"numpy", "torch", "both"}, optional
        Library of the functions; functions compiled with numba are NumPy functions.  By default
        NumPy; the methods of an object are tried out.
    support : Support, or {"reals", "spins"}
        Real numbers if not given.  Functions get spins as float64, outcomes as int64.
    batched : bool
        False if the functions take one configuration at a time (slow: a Python loop).
    lattice : Hypercubic or Graph, optional
        Models with symmetries and figures of two-point functions need it.  `event_shape` may have
        more axes: components of a field.
    symmetries : collection of {"translations", "point_group", "z2", "components"}, optional
        Those that the action has; "z2" is S(-x) = S(x), and "components" S of a field whose
        components are permuted, the axis of `event_shape` behind the lattice.  They are checked
        once, where a sampler or
        a model takes the target (:func:`~physgen.targets.check_symmetries`).
    observables : mapping of name to callable, optional
        What chains record beside the action: functions of a batch, returning (n,), or (n, ...).
        By default the mean square, and the mean where every number is a site.
    couplings : mapping of name to float, optional
        A family of actions: functions are called as ``action(x, **couplings)``, and
        ``target.at(lam=0.7)`` is the target at another one.  Every target has ``at(beta=...)``,
        which multiplies its action.

    Returns
    -------
    FunctionTarget or DifferentiableFunctionTarget
        The latter if there is a force.  A sampler that needs the force checks once, at its start,
        that it is the gradient of the action (:func:`~physgen.targets.check_force`).

    Raises
    ------
    InputError
        If something is missing, not callable, or does not fit the rest.
    """
    if isinstance(action, type):
        raise InputError(f"action must be an object, got the class {action.__name__}")
    source = action if hasattr(action, "action") else None
    about = None if source is None else declared(source)

    def member(name: str, value: Any) -> Any:
        return getattr(source, name, None) if value is None and source is not None else value

    function = action if source is None else source.action
    force, event_shape = member("force", force), member("event_shape", event_shape)
    for name, given in (("action", function), ("force", force)):
        if not callable(given) and not (name == "force" and given is None):
            raise InputError(
                f"{name} must be a function, or an object with a method {name}, got {given!r}"
            )
    lattice = _checked_lattice(member("lattice", lattice))
    shape = _checked_shape(event_shape, lattice)
    support = _checked_support(member("support", support))
    if library is not None:
        check_choice("library", library, ("numpy", "torch", "both"))
    elif source is None:
        library = "numpy"
    else:
        library = _library(function, shape, support)
    if about is not None and couplings is None:
        couplings = about.couplings
    given = member("observables", observables)
    if observables is not None:
        _check_functions(observables)
    common: dict[str, Any] = {
        "library": library,
        "support": support,
        "batched": batched,
        "lattice": lattice,
        "symmetries": _checked_symmetries(
            member("symmetries", symmetries), source, lattice, shape
        ),
        "given": given or None,
        "couplings": _checked_couplings(couplings, source),
        "source": source,
        "family": _family(source, library),
    }
    if force is None and (library == "numpy" or support != REALS):
        return FunctionTarget(function, shape, **common)
    return DifferentiableFunctionTarget(function, shape, **common, force_function=force)


def is_own(target: Any) -> bool:
    """Whether a target is of a user's making and reaches physgen as an action alone."""
    if isinstance(target, Own):
        return True
    ours = type(target).__module__.split(".")[0] == "physgen"
    return not ours and not any(hasattr(target, name) for name in _SPECIAL)


def whole_target(target: Any) -> Any:
    """Return a target with all members that physgen asks for, from whatever a user gave.

    Targets of physgen, and objects that are more than an action (compiled loops, densities,
    networks), are returned as they are.

    Parameters
    ----------
    target : Target, or object with `action` and `event_shape`
        What a user hands over.

    Raises
    ------
    InputError
        If it is no target; the message names what is missing.
    """
    made = not isinstance(target, type)
    if made and hasattr(target, "action") and hasattr(target, "event_shape") and is_own(target):
        return target if isinstance(target, Own) else as_target(target)
    if made and isinstance(target, Target):
        return target
    names = ("action", "event_shape", "support")
    lacking = [name for name in names if not hasattr(target, name)]
    if not made:
        lacking = [f"an instance: write {target.__name__}(...)"]
    elif callable(target):
        lacking = ["event_shape"]
    raise InputError(
        "target must be an object with action and event_shape, e.g. Ising(L=8, beta=0.4) or "
        f"as_target(function, event_shape=(8, 8)), got {target!r}, which lacks "
        f"{' and '.join(lacking[:2])}"
    )


def _checked_shape(event_shape: Any, lattice: Any) -> tuple[int, ...]:
    if event_shape is None and lattice is not None:
        event_shape = getattr(lattice, "shape", None) or lattice.n_sites
    if event_shape is None:
        raise InputError("event_shape must be given: the shape of one configuration, e.g. (8, 8)")
    sizes = event_shape if isinstance(event_shape, tuple | list) else (event_shape,)
    if not sizes:
        raise InputError(
            f"event_shape must have at least one extent, got {event_shape!r}; (1,) is one number"
        )
    return tuple(check_positive_int("each extent of event_shape", size) for size in sizes)


def _checked_lattice(lattice: Any) -> Any:
    if lattice is None or isinstance(lattice, Hypercubic | Graph):
        return lattice
    raise InputError(
        f"lattice must be a Hypercubic or a Graph, got {lattice!r}; e.g. Hypercubic((8, 8))"
    )


def _checked_support(support: Any) -> Support:
    if isinstance(support, str):
        check_choice("support", support, _KINDS[:2])
        return Support(support)
    if support is None:
        return REALS
    if not isinstance(support, Support) or support.kind not in _KINDS:
        raise InputError(f"support must be 'reals', 'spins' or outcomes(K), got {support!r}")
    return support


def _checked_symmetries(given: Any, source: Any, lattice: Any, shape: Any) -> frozenset[str]:
    names = frozenset([given] if isinstance(given, str) else given or ())
    for name in sorted(map(str, names)):
        check_choice("each of symmetries", name, SYMMETRIES)
    if names & {"translations", "point_group"} and not isinstance(lattice, Hypercubic):
        raise InputError(
            f"symmetries {', '.join(sorted(names))} need a lattice, got {lattice!r}; give "
            f"lattice=Hypercubic({shape}), which must be the first axes of event_shape"
        )
    extents = getattr(lattice, "shape", None)
    if "components" in names and (extents is None or len(shape) != len(extents) + 1):
        raise InputError(
            f"the symmetry 'components' needs one axis behind those of the lattice, got "
            f"event_shape {shape} and lattice {lattice!r}"
        )
    if names and extents is not None and shape[: len(extents)] != tuple(extents):
        raise InputError(
            f"lattice must be the first axes of event_shape {shape}, got one of shape "
            f"{tuple(extents)}"
        )
    return names


def _checked_couplings(couplings: Any, source: Any) -> Mapping[str, Any]:
    if couplings is None:
        return MappingProxyType({})
    if source is not None:
        return couplings
    values = {str(k): check_finite(f"coupling {k!r}", v) for k, v in couplings.items()}
    return MappingProxyType(values)


def _family(source: Any, library: str) -> Callable[..., Any] | None:
    """Return what makes targets of an object at other couplings, if it can."""
    at = getattr(source, "at", None)
    return None if at is None else lambda **couplings: as_target(at(**couplings), library=library)


def _check_functions(observables: Mapping[str, Any]) -> None:
    check_names(observables)
    for name, function in observables.items():
        if not callable(function):
            raise InputError(
                f"observables must map names to functions of configurations, got {function!r} "
                f"for {name!r}"
            )


def _library(function: Any, shape: tuple[int, ...], support: Support) -> str:
    """Return what kind of arrays a method computes with, by a trial."""
    probe = FunctionTarget(function, shape, support=support)
    x = probe.hot(Stream(0).child("library"), 2)
    numpy = _works(function, wide(x, support.kind), False)
    if "torch" not in sys.modules:  # an action in torch has imported it
        return "numpy"
    t = wide(like(x, sys.modules["torch"].zeros(1)), support.kind)
    torch = _works(function, t.requires_grad_(True) if t.is_floating_point() else t, True)
    return "both" if numpy and torch else "torch" if torch else "numpy"


def _works(function: Any, x: Any, tensor: bool) -> bool:
    """Whether a function takes x and returns numbers of its kind, with a gradient if x has one."""
    try:
        with np.errstate(all="ignore"):
            value = function(1 * x if tensor else x)
    except Exception:  # of any kind: the function does not take such arrays
        return False
    if hasattr(value, "detach") != tensor or np.shape(value)[:1] != (2,):
        return False
    return not tensor or value.requires_grad == x.requires_grad
