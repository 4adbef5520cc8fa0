"""What a run records: observables of every draw, and configurations on request.

A spin is kept as one bit, ``spin = 2 bit - 1``, eight sites per byte in C order, the first in the
lowest bit; :func:`unpack_configurations` restores them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.chains import BoundSampler, State, traits
from physgen.core.declared import declared, site_shape
from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import Target
from physgen.observables.evaluate import (
    check_names,
    checked_values,
    component_coords,
    component_dims,
    values_of,
)
from physgen.observables.shelf import CORRELATORS, check_connected, shelf_observable
from physgen.samplers.loop.memory import configuration_bytes

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["Recorder", "target_attrs", "unpack_configurations"]

Observables = Iterable[str] | Mapping[str, Callable[[np.ndarray], np.ndarray]] | None

KEPT = "configurations"


class Recorder:
    """Measures states and labels the numbers.

    Parameters
    ----------
    bound : BoundSampler
    observables : None, names, or mapping of name to callable
        None: what ``bound.measure`` returns.  Names: of those, of ``target.observables``, or of
        :mod:`physgen.observables.shelf`.  Callables take configurations of shape
        (n_chains, *event_shape) and return (n_chains,) or (n_chains, ...); spins come as float64,
        outcomes as int64.
    keep : None or "configurations"
    """

    def __init__(self, bound: BoundSampler, observables: Observables, keep: str | None) -> None:
        if keep not in (None, KEPT):
            raise InputError(f"keep must be None or {KEPT!r}, got {keep!r}")
        self.bound, self.keep = bound, keep
        self.replicas = traits(bound).replicas
        self._names: list[str] | None = None
        self._functions: dict[str, Callable[[np.ndarray], np.ndarray]] = {}
        if isinstance(observables, Mapping):
            self._functions = dict(observables)
            self._names = list(observables)
            if wrong := [n for n, f in self._functions.items() if not callable(f)]:
                raise InputError(
                    f"observables must map names to functions of configurations, got "
                    f"{self._functions[wrong[0]]!r} for {wrong[0]!r}"
                )
            axes = [f"x{i}" for i in range(len(bound.target.event_shape))] if keep else []
            check_names(observables, (*declared(bound.target).numbers, *self.replicas, *axes))
        elif observables is not None:
            given = [observables] if isinstance(observables, str) else observables
            if not isinstance(given, Iterable):
                raise InputError(
                    f"observables must be names, or a mapping of names to functions, got {given!r}"
                )
            self._names = [str(name) for name in given]
            check_connected(bound.target, self._names)
        if self._names == []:
            raise InputError("observables must be at least one, or None for the target's own")

    @property
    def n_observables(self) -> int:
        """Number of observables, as far as it is known before measuring; components count."""
        named = self._names or list(declared(self.bound.target).observables) or ["action"]
        each = max(site_shape(self.bound.target)) // 2 + 1
        numbers = sum(each if name in CORRELATORS else 1 for name in named)
        return numbers * math.prod(len(c) for c in self.replicas.values())

    @property
    def bytes_per_draw(self) -> int:
        """Memory that one draw of one chain takes."""
        kept = configuration_bytes(self.bound.target) if self.keep else 0
        return 8 * self.n_observables + kept

    def prepare(self, state: State) -> None:
        """Look up every named observable; raise :class:`InputError` for an unknown one."""
        if self._names is None:
            return
        ready = set(self.bound.measure(state)) | set(self._functions)
        for name in self._names:
            if name not in ready:
                self._functions[name] = shelf_observable(self.bound.target, name, ready)

    @property
    def n_behind(self) -> int:
        """How many steps may be begun before the numbers of a draw are asked for.

        One where another processor measures (``bound.measuring``): it goes on meanwhile.
        """
        alone = not self._functions and self.keep is None
        return 1 if alone and hasattr(self.bound, "measuring") else 0

    def measuring(self, state: State) -> Callable[[], dict[str, np.ndarray]]:
        """Begin to measure; what is returned waits for the numbers and returns them."""
        if self.n_behind == 0:
            values = self.measure(state)
            return lambda: values
        coming: Any = self.bound
        arrive = coming.measuring(state)

        def measured() -> dict[str, np.ndarray]:
            values = dict(arrive())
            return values if self._names is None else {n: values[n] for n in self._names}

        return measured

    def measure(self, state: State) -> dict[str, np.ndarray]:
        """Return the observables of every chain, (n_chains,), or with replicas or components."""
        names, functions = self._names, self._functions
        values: dict[str, np.ndarray] = {}
        if names is None or len(functions) < len(names):
            values |= self.bound.measure(state)
        if functions:
            x = self.bound.configurations(state)
            for name, function in functions.items():
                values[name] = self._value(name, function, x)
        return values if names is None else {name: values[name] for name in names}

    def _value(self, name: str, function: Callable[[Any], Any], x: np.ndarray) -> np.ndarray:
        """Return one observable; functions of the user's get types that cannot overflow."""
        own = declared(self.bound.target).observables.get(name)
        if own is not None and function in (own, own.function):
            return checked_values(name, function(x), len(x))
        return values_of(name, function, x, self.bound.target.support.kind)

    def configurations(self, state: State) -> np.ndarray:
        """Return the configurations as they are kept, shape (n_chains, ...)."""
        x = self.bound.configurations(state)
        kind = self.bound.target.support.kind
        if kind == "spins":
            return np.packbits(x.reshape(len(x), -1) > 0, axis=1, bitorder="little")
        return x.astype(np.float32 if kind == "reals" else np.uint8)

    def dataset(
        self, arrays: Mapping[str, np.ndarray], first: int, starts: np.ndarray
    ) -> xr.Dataset:
        """Label arrays of shape (n_chains, n_draws, ...), the first draw having number `first`."""
        import xarray as xr

        target = self.bound.target
        dims = ("chain", "draw", *self.replicas)
        sites = [f"x{axis}" for axis in range(len(target.event_shape))]
        variables = {}
        for name, a in arrays.items():
            if name != KEPT:
                lead = dims[:2] if name in self._functions else dims[: a.ndim]
                function = self._functions.get(name)
                parts = (*lead, *component_dims(name, a.shape[len(lead) :], function))
                variables[name] = (parts, a, _labels(target, name, function))
            elif target.support.kind == "spins":
                attrs = {"packing": "bits, first site lowest, spin = 2 bit - 1"}
                variables[name] = (("chain", "draw", "byte"), a, attrs)
            else:
                variables[name] = (("chain", "draw", *sites), a, {})
        n_chains, n_draws = next(iter(arrays.values())).shape[:2]
        coords: dict[str, Any] = {
            "chain": np.arange(n_chains),
            "draw": np.arange(first, first + n_draws),
            "start": ("chain", starts, {"long_name": "how the chain began"}),
            **{name: values for name, values in self.replicas.items()},
        }
        used = {dim for dims_, *_ in variables.values() for dim in dims_}
        coords |= component_coords(self._functions, used)
        coords |= {k: v for k, v in declared(target).numbers.items() if k not in coords}
        return xr.Dataset(variables, coords, target_attrs(target))


def unpack_configurations(ds: xr.Dataset) -> xr.DataArray:
    """Return the configurations that a run kept, dims (chain, draw, x0, x1, ...).

    Spins come as int8 in {-1, +1}.

    Parameters
    ----------
    ds : Dataset
        Of `run` with ``keep="configurations"``.

    Raises
    ------
    InputError
        If the run did not keep them.
    """
    import xarray as xr

    if KEPT not in ds:
        raise InputError(f"the run must hold configurations; sample with keep={KEPT!r}")
    kept = ds[KEPT]
    if "packing" not in kept.attrs:
        return kept
    shape = tuple(int(n) for n in np.atleast_1d(ds.attrs["event_shape"]))
    bits = np.unpackbits(kept.values, axis=2, count=math.prod(shape), bitorder="little")
    spins = (2 * bits.astype(np.int8) - 1).reshape(*kept.shape[:2], *shape)
    dims = ("chain", "draw", *(f"x{axis}" for axis in range(len(shape))))
    coords = {name: kept[name] for name in ("chain", "draw", "start") if name in kept.coords}
    return xr.DataArray(spins, coords, dims, KEPT)


def target_attrs(target: Any) -> dict[str, Any]:
    """Return what analysis must know of the target."""
    return {
        "target": named(target),
        "event_shape": [int(n) for n in target.event_shape],
        "lattice_shape": list(site_shape(target)),
        "support": target.support.kind,
        "symmetries": " ".join(declared(target).symmetries),
    }


def named(thing: object) -> str:
    """Return the repr of something, without the memory addresses that change from run to run."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(thing))


def check_finite_values(
    values: Mapping[str, np.ndarray], draw: int, before: State, *, warmup: bool = False
) -> None:
    """Raise :class:`NonFiniteActionError` if a measured value is NaN or infinite."""
    for name, value in values.items():
        finite = np.isfinite(value)
        if not finite.all():
            chain = int(np.argwhere(~finite)[0][0])
            where = "in warm-up" if warmup else f"at draw {draw}"
            raise NonFiniteActionError(
                f"{name} must be finite, got {value[~finite][0]} in chain {chain} {where}; the "
                "state before it is kept (attribute `state`). Check the action, or shorten the "
                "steps of the sampler",
                chain,
                -1 if warmup else draw,
                before,
            )


@contextmanager
def locating(where: str, draw: int, before: State) -> Iterator[None]:
    """Add the place in the run to a :class:`NonFiniteActionError`, which knows only the chain."""
    try:
        yield
    except NonFiniteActionError as error:
        message = f"{error}, {where}; the state before it is kept (attribute `state`)"
        raise NonFiniteActionError(message, error.chain, draw, before) from None


def _labels(target: Target, name: str, function: Any = None) -> dict[str, str]:
    known = declared(target).observables.get(name, function)
    unit, text = getattr(known, "unit", "1"), getattr(known, "description", name)
    return {"units": unit, "long_name": text}
