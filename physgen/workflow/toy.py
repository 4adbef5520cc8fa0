"""A run in miniature: the same sections on a tiny lattice, with every length cut to seconds.

It goes through all that the run would: a workflow is tried before it is sent to a cluster, its
kernels are compiled (:mod:`physgen.workflow.warm`), and tests execute it.  Its numbers mean
little.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from physgen.core.checks import is_list, is_mapping

__all__ = ["shortened"]

_CHAINS = {"n_draws": 4, "warmup": 4, "thin": 1}
_LATTICE = {
    "smc": {"n_particles": 8, "n_islands": 8},
    "importance": {"n_draws": 512, "ess_floor": 100.0},
    "compare": {"n_draws": 256, "n_max": 100},
}
_FIT = {"n_epochs": 1, "draws_per_epoch": 128, "n_validation": 64}
_RECONSTRUCTION = {
    "errors": {"refits": 2, "n_samples": 200},
    "sample": {"n_samples": 500},
    "validate": {"n_samples": 500},
    "tomography": {"max_sites": 0},
}
_SHOTS = 400
_EXTENT, _SITES = 4, 6  # of lattices, and of chains of qubits
_EXTENTS = {"phi4-2d": 2}  # exact values of four by four fields take half a minute


def shortened(table: Mapping[str, Any], *, sizes: bool = True) -> dict[str, Any]:
    """Return the table of a config with every length cut, whatever it was before.

    A scan keeps its first two values, or one where it has models.  With ``sizes=False`` lattices
    stay as they are.
    """
    table = {key: dict(v) if is_mapping(v) else v for key, v in table.items()}
    for section in ("sampler", "model"):
        if section in table:
            given = table[section]
            table[section] = [dict(each) for each in (given if is_list(given) else [given])]
    if "target" in table or table.get("data", {}).get("holds") == "configurations":
        return _lattice(table, sizes)
    return _reconstruction(table, sizes)


def _lattice(table: dict[str, Any], sizes: bool) -> dict[str, Any]:
    if is_mapping(target := table.get("target")):
        few = 1 if "model" in table else 2
        cut = {key: _first(few, value) for key, value in target.items() if key != "L"}
        if "L" in target:
            small = _EXTENTS.get(str(target.get("name")), _EXTENT)
            cut["L"] = small if sizes else target["L"]
        table["target"] = cut
    for each in table.get("sampler", ()):
        each |= _CHAINS
    if "model" in table:
        table["train"] = _fit(table.get("train", {})) | _FIT
        table["importance"] = {}
    for each in table.get("model", ()):
        if "train" in each:
            each["train"] = _fit(each["train"]) | _FIT
        if "chains" in each:
            each["chains"] = each["chains"] | _CHAINS
    for section, cut in _LATTICE.items():
        if section in table or ("model" in table and section == "smc"):
            off = section == "smc" and table.get("smc", {}).get("n_particles") == 0
            table[section] = table.get(section, {}) | ({} if off else cut)
    return table


def _first(few: int, value: Any) -> Any:
    """Return the first values of a scan; a value that is no scan as it is."""
    if is_list(value):
        return value[:few]
    if is_mapping(value) and {"start", "stop", "n"} <= value.keys():
        return [value["start"], value["stop"]][:few]
    return value


def _fit(train: Mapping[str, Any]) -> dict[str, Any]:
    """Return a section [train] without its budget, its further stages as short as the first."""
    train = {key: value for key, value in train.items() if key != "budget"}
    if "then" in train:
        stages = train["then"] if is_list(train["then"]) else [train["then"]]
        train["then"] = [_fit(stage) | {"n_epochs": 1} for stage in stages]
    return train


def _reconstruction(table: dict[str, Any], sizes: bool) -> dict[str, Any]:
    if sizes and "L" in table.get("system", {}) and "file" not in table.get("data", {}):
        table["system"] = table["system"] | {"L": _SITES}
    table["data"] = table.get("data", {}) | {"n_shots": _SHOTS}
    train = {key: value for key, value in table.get("train", {}).items() if key != "budget"}
    table["train"] = train | {"n_epochs": 1, "min_steps": 0}
    for section, cut in _RECONSTRUCTION.items():
        table[section] = table.get(section, {}) | cut
    return table
