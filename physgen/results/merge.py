"""Numbers of many runs in one Dataset: a dimension for each setting in which the runs differ.

Runs of one config with several seeds, sizes or couplings are laid on one grid; what no run has is
NaN.  A setting that is a coordinate of the group already, such as L of a scan, stays what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from physgen.core.errors import InputError
from physgen.results.provenance import flattened
from physgen.results.reader import open_run

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["merge_runs"]

_GROUPS = ("estimates", "validation")  # what a run has to show, by kind
_MOST = 4  # settings that may differ: more are no grid


def merge_runs(
    runs: Sequence[str | PathLike[str]], group: str | None = None, *, allow: Sequence[str] = ()
) -> xr.Dataset:
    """Return one group of every run on one grid.

    Parameters
    ----------
    runs : sequence of paths
        Run directories or files, finished at least up to this group.
    group : str, optional
        By default "estimates", or "validation" of a reconstruction.
    allow : sequence of str
        Settings (such as "importance.n_draws") that may differ and are no dimension.

    Returns
    -------
    Dataset
        Every number of the group; the first dims are the settings that differ, by the last part of
        their name ("seed", "n_shots"), then those of the group.  Attribute ``runs`` lists where
        each came from.

    Raises
    ------
    InputError
        If there is no run, a run lacks the group, two runs are at one place of the grid, or they
        differ in more than numbers and texts.
    """
    import xarray as xr

    if not runs:
        raise InputError("merge needs runs, got none")
    trees = {str(run): open_run(run, [group] if group else _GROUPS) for run in runs}
    found: dict[str, xr.Dataset] = {}
    for name, tree in trees.items():
        held = [g for g in ([group] if group else _GROUPS) if g in tree]
        if not held:
            raise InputError(
                f"{name} must have come as far as {group or ' or '.join(_GROUPS)}; finish it with "
                "`physgen resume`"
            )
        node = tree[held[0]]
        assert isinstance(node, xr.DataTree)  # a group, not a variable
        found[name] = node.to_dataset(inherit=False)
    configs = {name: flattened(json.loads(tree.attrs["config"])) for name, tree in trees.items()}
    names = _differing(configs, set(allow), set(next(iter(found.values())).dims))
    places = {
        run: {_last(key): json.loads(config.get(key, "null")) for key in names}
        for run, config in configs.items()
    }
    return _filled(found, places).assign_attrs(
        runs="\n".join(str(Path(run)) for run in runs), exactness="see each run"
    )


def _last(key: str) -> str:
    return key.rpartition(".")[2]


def _differing(
    configs: Mapping[str, Mapping[str, str]], allowed: set[str], inside: set[Any]
) -> list[str]:
    """Return the settings that differ and are not among the coordinates of the group."""
    every = dict.fromkeys(key for config in configs.values() for key in config)
    found: list[str] = []
    for key in every:
        values = {config.get(key, "null") for config in configs.values()}
        if len(values) == 1 or key in allowed or _last(key) in inside:
            continue
        if any(isinstance(json.loads(v), list | dict) for v in values):
            raise InputError(
                f"runs must differ in numbers and texts only, but {key} is a list in one of them; "
                f"leave that run out, or --allow {key}"
            )
        found.append(key)
    heads = [_last(key) for key in found]
    if len(found) > _MOST or len(set(heads)) < len(heads):
        raise InputError(
            f"runs may differ in at most {_MOST} settings, which become dimensions, got "
            f"{', '.join(found)}; merge fewer runs, or --allow those that do not matter"
        )
    return found


def _filled(
    found: Mapping[str, xr.Dataset], places: Mapping[str, Mapping[str, Any]]
) -> xr.Dataset:
    """Return the grid of all runs."""
    import xarray as xr

    outer = {head: _sorted({place[head] for place in places.values()})
             for head in next(iter(places.values()))}  # fmt: skip
    inner: dict[str, list[Any]] = {}
    for ds in found.values():
        for dim in ds.dims:
            values = ds[dim].values.tolist() if dim in ds.coords else list(range(ds.sizes[dim]))
            known = inner.setdefault(str(dim), [])
            known += [value for value in values if value not in known]
    inner = {dim: _sorted(set(v)) if _is_numbers(v) else v for dim, v in inner.items()}
    sizes = {dim: len(values) for dim, values in (outer | inner).items()}
    arrays: dict[str, Any] = {}
    taken: dict[tuple[Any, ...], str] = {}
    for run, ds in found.items():
        at = tuple(outer[head].index(places[run][head]) for head in outer)
        spot = (*at, *(tuple(ds[d].values.tolist()) for d in ("L",) if d in ds.coords))
        where = {dim: [inner[str(dim)].index(v) for v in
                       (ds[dim].values.tolist() if dim in ds.coords else range(ds.sizes[dim]))]
                 for dim in ds.dims}  # fmt: skip
        for name, variable in ds.data_vars.items():
            if variable.dtype.kind not in "fiub":
                continue
            dims = (*outer, *map(str, variable.dims))
            if name not in arrays:
                empty = np.full([sizes[d] for d in dims], np.nan)
                arrays[str(name)] = (dims, empty, variable.attrs)
            index = np.ix_(*[[i] for i in at], *[where[d] for d in variable.dims])
            target = arrays[str(name)][1]
            values = variable.values.astype(float).reshape(target[index].shape)
            if np.isfinite(target[index][np.isfinite(values)]).any():
                raise InputError(
                    f"{run} and {taken.get(spot, 'another run')} are at one place of the grid; "
                    "give each a seed of its own, or leave one out"
                )
            target[index] = np.where(np.isfinite(values), values, target[index])
        taken[spot] = run
    coords = {d: v for d, v in (outer | inner).items() if d in outer or _has_coord(found, d)}
    return xr.Dataset(arrays, coords)


def _has_coord(found: Mapping[str, xr.Dataset], dim: str) -> bool:
    return any(dim in ds.coords for ds in found.values())


def _is_numbers(values: list[Any]) -> bool:
    return all(isinstance(v, int | float) for v in values)


def _sorted(values: set[Any]) -> list[Any]:
    """Return values ascending; numbers before texts, nothing last."""
    return sorted(values, key=lambda v: (v is None, isinstance(v, str), v if v is not None else 0))
