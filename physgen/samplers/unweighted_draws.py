"""Draws of a model that no weight corrects, in blocks, and configurations that were given.

Of independent draws, block k comes from ``rng.child("draw").at(k)``.  A store may keep blocks as
they come and continue after the last one to the same numbers, bit for bit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.arrays import to_numpy
from physgen.core.checks import check_positive_int
from physgen.core.declared import declared
from physgen.core.errors import InputError
from physgen.core.protocols import JointDensity, Simulator
from physgen.core.random import Stream, as_stream
from physgen.observables.evaluate import (
    check_names,
    checked_values,
    component_coords,
    component_dims,
    values_of,
)
from physgen.observables.shelf import functions_of
from physgen.samplers.loop.diagnostics import check
from physgen.samplers.loop.recording import named, target_attrs
from physgen.targets.configurations import Configurations

if TYPE_CHECKING:
    import xarray as xr

__all__ = [
    "Observables",
    "UnweightedDraws",
    "check_fit",
    "labelled",
    "marginal",
    "measured",
    "units_of",
    "values_on",
]

Observables = Mapping[str, Callable[[Any], Any]]
GROUPS = 64  # of independent draws, as if they were chains: as many as the jackknife takes
BLOCK = 2**10  # draws made at once
AT_ONCE = 2**13  # configurations measured at once


@dataclass(frozen=True)
class UnweightedDraws:
    """Independent draws of a model.

    Attributes
    ----------
    model : Density or Simulator
    source : Target, Configurations or None
        What the model is a model of: the draws are approximate for it.  None: they are exact draws
        of the model itself.
    event_shape : tuple of int
    n : int
        Draws, a multiple of 64.
    rng : Stream
    observables : mapping of name to callable
    """

    model: Any
    source: Any
    event_shape: tuple[int, ...]
    n: int
    rng: Stream
    observables: Observables

    @classmethod
    def prepare(
        cls,
        model: Any,
        source: Any,
        n: int,
        seed: Stream | int,
        observables: Observables | Iterable[str] | None = None,
    ) -> UnweightedDraws:
        """Return the work of n draws, >= 128, rounded up to a multiple of 64.

        Observables may be functions by name, or names.

        Raises
        ------
        InputError
            If the model cannot draw, draws other configurations than those of the source, or no
            observable is known.
        """
        if isinstance(model, JointDensity):
            model = marginal(model)
        if not isinstance(model, Simulator):
            raise InputError(f"model must have sample, got {type(model).__name__}")
        check_positive_int("n", n, 2 * GROUPS)
        given = functions_of(model if source is None else source, observables)
        found = given or ({} if source is None else declared(source).observables)
        if not found:
            raise InputError(
                "observables must be given where no target names any, got none; e.g. "
                'observables={"magnetization": lambda x: x.mean(axis=(1, 2))}'
            )
        check_names(found)
        rng = as_stream(seed)
        shape = tuple(to_numpy(model.sample(2, rng.child("shape"))).shape[1:])
        if source is not None:
            check_fit(shape, source)
        return cls(model, source, shape, GROUPS * math.ceil(n / GROUPS), rng, found)

    def blocks(self, done: int = 0, share: tuple[int, int] = (0, 1)) -> Iterator[xr.Dataset]:
        """Yield the draws after the first `done`, which end a block: dim ``sample``.

        A `share` (i, n) takes every n-th block from the i-th on: block k has the same draws in
        any share.
        """
        import xarray as xr

        for k in range(done // BLOCK + share[0], math.ceil(self.n / BLOCK), share[1]):
            size = min(BLOCK, self.n - k * BLOCK)
            x = to_numpy(self.model.sample(size, self.rng.child("draw").at(k)))
            values = values_on(self.observables, x, self.source)
            known = self.observables
            yield xr.Dataset(
                {
                    k: (("sample", *component_dims(k, v.shape[1:], known.get(k))), v)
                    for k, v in values.items()
                }
            )

    def result(self, draws: xr.Dataset) -> xr.Dataset:
        """Return all blocks in order, with dims (chain, draw), as `estimates` takes them."""
        series = {
            str(name): v.values.reshape(GROUPS, -1, *v.shape[1:])
            for name, v in draws.data_vars.items()
        }
        exact = self.source is None
        found = labelled(
            series,
            self.source,
            self.observables,
            model=named(self.model),
            sampler="draws of the model",
            chains="independent",
            exactness="exact" if exact else "approximate",
            exactness_for="the model" if exact else "the target",
        )
        return found.assign_attrs(event_shape=list(self.event_shape), seed=self.rng.seed, n=self.n)


@dataclass(frozen=True)
class _Marginal:
    """The draws of x of a joint model; nobody knows their density."""

    pairs: Any

    def sample(self, n: int, rng: Stream | int) -> Any:
        """Return n draws of x."""
        return self.pairs.sample(n, rng)[0]

    def __repr__(self) -> str:
        return named(self.pairs)


def marginal(model: Any) -> Simulator:
    """Return a joint model as a simulator of x alone."""
    return _Marginal(model)


def measured(
    data: Configurations, observables: Observables | Iterable[str] | None = None
) -> xr.Dataset:
    """Return observables of given configurations with dims (chain, draw), as `run` does.

    What is suspicious about chains, such as drift or too few draws, is in ``attrs["warnings"]``.

    Parameters
    ----------
    data : Configurations
    observables : mapping of name to callable, or names, optional
        Instead of those of the configurations; names are those that `run` takes.
    """
    found = dict(functions_of(data, observables) or data.observables)
    flat = data.x.reshape(-1, *data.event_shape)
    parts = [flat[first : first + AT_ONCE] for first in range(0, len(flat), AT_ONCE)]
    values = [values_on(found, x, data) for x in parts]
    joined = {name: np.concatenate([each[name] for each in values]) for name in found}
    series = {name: a.reshape(*data.x.shape[:2], *a.shape[1:]) for name, a in joined.items()}
    ds = labelled(
        series,
        data,
        found,
        sampler="given configurations",
        exactness="asymptotic",
        exactness_for="the target",
    )
    return check(ds, quiet=True)


def check_fit(event_shape: tuple[int, ...], source: Any) -> None:
    """Raise :class:`InputError` unless draws of this shape are configurations of the source."""
    if tuple(event_shape) != tuple(source.event_shape):
        raise InputError(
            f"the model must draw configurations of the target, shape {tuple(source.event_shape)}"
            f", got shape {tuple(event_shape)}"
        )


def labelled(
    series: Mapping[str, np.ndarray], source: Any, observables: Observables, **attrs: Any
) -> xr.Dataset:
    """Return series (n_chains, n_draws, ...) with units, and with what analysis must know."""
    import xarray as xr

    data: dict[str, Any] = {
        name: (
            ("chain", "draw", *component_dims(name, values.shape[2:], observables.get(name))),
            values,
            units_of(name, observables),
        )
        for name, values in series.items()
    }
    data |= component_coords(observables, {dim for dims, *_ in data.values() for dim in dims})
    own = {"target": "", "symmetries": ""} if source is None else target_attrs(source)
    coords = {} if source is None else dict(declared(source).numbers)
    return xr.Dataset(data, coords, {**own, "warnings": "", **attrs})


def units_of(name: str, observables: Observables) -> dict[str, str]:
    """Return unit and description of an observable; of a plain function, 1 and its name."""
    function = observables.get(name)
    text = getattr(function, "description", name)
    return {"units": getattr(function, "unit", "1"), "long_name": text}


def values_on(observables: Observables, x: np.ndarray, source: Any) -> dict[str, np.ndarray]:
    """Return observables of configurations x, each (n, ...).

    Functions of a user get numbers that cannot overflow.
    """
    own = {} if source is None else declared(source).observables
    if all(own.get(name) is f for name, f in observables.items()):
        return {name: checked_values(name, f(x), len(x)) for name, f in observables.items()}
    kinds = {"i": "spins", "u": "outcomes"}
    kind = kinds.get(x.dtype.kind, "reals") if source is None else source.support.kind
    return {name: values_of(name, f, x, kind) for name, f in observables.items()}
