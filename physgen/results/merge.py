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
    found: dict[str, xr.Dataset] = {}
    configs: dict[str, Mapping[str, str]] = {}
    for run in runs:
        tree = open_run(run, [group] if group else _GROUPS)  # not kept: only its numbers are
        held = [g for g in ([group] if group else _GROUPS) if g in tree]
        if not held:
            raise InputError(
                f"{run} must have come as far as {group or ' or '.join(_GROUPS)}; finish it with "
                "`physgen resume`"
            )
        node = tree[held[0]]
        assert isinstance(node, xr.DataTree)  # a group, not a variable
        found[str(run)] = node.to_dataset(inherit=False)
        configs[str(run)] = flattened(json.loads(tree.attrs["config"]))
    names = _differing(configs, set(allow), set(next(iter(found.values())).dims))
    places = {
        run: {_last(key): json.loads(config.get(key, "null")) for key in names}
        for run, config in configs.items()
    }
    return _filled(found, places).assign_attrs(
        runs="\n".join(str(Path(run)) for run in runs), exactness="as in each of the runs"
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
    import xarray

    _check_apart(found, places)
    lacking = {head for place in places.values() for head, v in place.items() if v is None}
    beside: dict[tuple[Any, ...], list[xr.Dataset]] = {}
    for run, ds in found.items():
        place = tuple(_named(v) if k in lacking else v for k, v in places[run].items())
        numbers = [name for name, v in ds.data_vars.items() if v.dtype.kind in "fiub"]
        beside.setdefault(place, []).append(ds[numbers])
    xr: Any = xarray  # its types are partly unknown
    how: Any = {"join": "outer", "compat": "no_conflicts", "combine_attrs": "override"}
    parts = [xr.merge(runs, **how) if runs[1:] else runs[0] for runs in beside.values()]
    if not (heads := tuple(next(iter(places.values())))):
        return parts[0]
    # One concatenation takes a time that grows with the runs, merging them all with its square.
    grid = xr.concat(parts, "a run", data_vars="all", coords="minimal", **how)
    if heads[1:]:
        at = {k: ("a run", list(v)) for k, v in zip(heads, zip(*beside, strict=True), strict=True)}
        grid = grid.assign_coords(at).set_index({"a run": heads}).unstack("a run")
    else:
        (head,) = heads
        grid = grid.rename({"a run": head}).assign_coords({head: [v for (v,) in beside]})
        grid = grid.sortby(head)
    inner = dict.fromkeys(str(dim) for ds in found.values() for dim in ds.dims)
    return grid.transpose(*heads, *inner)


def _check_apart(found: Mapping[str, xr.Dataset], places: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse two runs at one place whose groups have a point in common."""
    there: dict[tuple[Any, ...], list[str]] = {}
    for run, ds in found.items():
        place = tuple(places[run].values())
        for other in there.setdefault(place, []):
            beside = found[other]
            dims = [dim for dim in ds.dims if dim in ds.coords and dim in beside.coords]
            if all({*ds[d].values.tolist()} & {*beside[d].values.tolist()} for d in dims):
                raise InputError(
                    f"{run} and {other} are at one place of the grid; give each a seed of its "
                    "own, or leave one out"
                )
        there[place].append(run)


def _named(value: Any) -> str:
    """Return a setting that not all runs have as a text."""
    return "none" if value is None else str(value)
