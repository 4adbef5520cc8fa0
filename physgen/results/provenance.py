"""Where a result comes from: versions, commit, seed, device, time spent, methods used."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import physgen
from physgen.core.checks import is_list, is_mapping
from physgen.core.errors import InputError
from physgen.results.citations import check_methods

__all__ = [
    "Stopwatch",
    "canonical_json",
    "collect_provenance",
    "config_hash",
    "flattened",
    "resumed",
]

_PACKAGES = ("h5py", "numba", "numpy", "physics-tenpy", "scipy", "torch", "xarray")


def canonical_json(config: Mapping[str, Any]) -> str:
    """Return `config` as JSON text with sorted keys: equal configurations give equal text.

    Raises
    ------
    InputError
        If it holds anything but text, finite numbers, booleans, None, lists and mappings.
    """
    if not is_mapping(config):
        raise InputError(f"config must be a mapping, got {type(config).__name__}")
    try:
        return json.dumps(dict(config), sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError(f"config must be plain JSON data: {error}") from error


def config_hash(config: Mapping[str, Any]) -> str:
    """Return the SHA-256 of :func:`canonical_json`, in hexadecimal.

    Parameters
    ----------
    config : mapping
        Of what JSON can hold.
    """
    return hashlib.sha256(canonical_json(config).encode()).hexdigest()


def flattened(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return the entries of a nested mapping as JSON text, by dotted name.

    Sections of a list are numbered from 1; a single section has no number.

    Examples
    --------
    >>> flattened({"seed": 1, "system": {"L": 4}})
    {'seed': '1', 'system.L': '4'}
    """
    entries: dict[str, str] = {}
    for key, value in config.items():
        if is_mapping(value) and value:
            entries |= flattened(value, f"{prefix}{key}.")
        elif is_list(value) and value and all(is_mapping(v) for v in value):
            for number, section in enumerate(value, 1):
                place = f".{number}" if len(value) > 1 else ""
                entries |= flattened(section, f"{prefix}{key}{place}.")
        else:
            entries[f"{prefix}{key}"] = json.dumps(value)
    return entries


def collect_provenance(
    *, seed: int | None = None, device: str = "cpu", methods: Iterable[str] = ()
) -> dict[str, Any]:
    """Return root attributes that record how a result was made.

    Parameters
    ----------
    seed : int, optional
        Root seed of the run.
    device : str
        Device of the computation.
    methods : iterable of str
        Names in :data:`physgen.results.citations.METHODS`, or keys of works.

    Raises
    ------
    InputError
        If a method is unknown.
    """
    attrs: dict[str, Any] = {
        "physgen_version": physgen.__version__,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": json.dumps(_versions(), sort_keys=True),
        "commit": _commit(),
        "device": str(device),
        "citations": json.dumps(sorted(check_methods(methods))),
    }
    attrs |= _job()
    return attrs if seed is None else attrs | {"seed": int(seed)}


def _job() -> dict[str, str]:
    """Return the node and, within a batch job, its number: where to look for its log."""
    names = {"SLURM_JOB_ID": "job", "SLURM_ARRAY_TASK_ID": "array_task"}
    known = {ours: os.environ[name] for name, ours in names.items() if os.environ.get(name)}
    return {"node": platform.node(), **known}


def resumed(attrs: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """Return the provenance of a run that began under `attrs` and continues under `now`.

    Differing values are listed in order: commit "1f3a, 9c2e" means begun at 1f3a, resumed at 9c2e.
    """
    merged = dict(attrs)
    for key in ("physgen_version", "commit", "device", "node", "job", "array_task"):
        if key in attrs or key in now:
            merged[key] = _in_order(str(attrs.get(key, "")), str(now.get(key, "")))
    then, versions = json.loads(attrs.get("versions", "{}")), json.loads(now["versions"])
    merged["versions"] = json.dumps(
        {k: _in_order(then.get(k, ""), versions.get(k, "")) for k in sorted({*then, *versions})}
    )
    if "files" in now:
        merged["files"] = now["files"]  # their present location
    methods = {*json.loads(attrs.get("citations", "[]")), *json.loads(now["citations"])}
    merged["citations"] = json.dumps(sorted(methods))
    return merged


def _in_order(then: str, now: str) -> str:
    return ", ".join(dict.fromkeys(filter(None, [*then.split(", "), now])))


class Stopwatch:
    """Processor and wall time of a run, summed over the processes that worked on it."""

    def __init__(self, attrs: Mapping[str, Any]) -> None:
        self._cpu = float(attrs.get("cpu_seconds", 0.0)) - time.process_time()
        self._wall = float(attrs.get("wall_seconds", 0.0)) - time.monotonic()

    def add(self, attrs: Mapping[Any, Any]) -> None:
        """Add what another run has taken."""
        self._cpu += float(attrs.get("cpu_seconds", 0.0))
        self._wall += float(attrs.get("wall_seconds", 0.0))

    def read(self) -> dict[str, float]:
        """Return the root attributes ``cpu_seconds`` and ``wall_seconds``."""
        return {
            "cpu_seconds": self._cpu + time.process_time(),
            "wall_seconds": self._wall + time.monotonic(),
        }


@functools.cache
def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


@functools.cache
def _commit() -> str:
    """Return the commit of the checkout that physgen runs from, "-dirty" if it has changes."""
    root = Path(physgen.__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
