"""The commands that list what there is: systems, workflows, info."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import physgen
from physgen.analysis.format import format_estimate
from physgen.core.checks import check_choice
from physgen.core.errors import InputError
from physgen.workflow import shipped

if TYPE_CHECKING:
    from physgen.catalogue import System

__all__ = ["copy_workflow", "info", "list_workflows", "models", "systems"]

_PACKAGES = (
    "numpy",
    "scipy",
    "numba",
    "torch",
    "xarray",
    "h5py",
    "h5netcdf",
    "physics-tenpy",
    "matplotlib",
    "pydantic",
    "typer",
)
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)


def systems(action: str, name: str | None) -> None:
    """List the catalogue, or show one system."""
    from physgen.catalogue import list_systems, load_system

    names = list_systems()
    if action == "list":
        for system in map(load_system, names):
            print(f"{system.name:{max(map(len, names))}}  {_section(system)}  {system.title}")
        return
    if action == "show" and name is None:
        raise InputError("a system must be named, got none; e.g. physgen systems show tfim-1d")
    _show(check_choice("system", name if action == "show" else action, names))


def models() -> None:
    """List the families of models, grouped by their kind of configuration."""
    from physgen.models.families import FAMILIES, SUPPORTS

    width = max(map(len, FAMILIES))
    for support in SUPPORTS:
        print(f"{_MODELLED[support]}:")
        for name, row in FAMILIES.items():
            if row.support == support:
                print(f"  {name:{width}}  {row.about} ({row.kind}, {row.objective})")


_MODELLED = {
    "outcomes": "measurement outcomes ([system] or [data])",
    "reals": "real fields ([target])",
    "spins": "spins ([target])",
}


def _section(system: System) -> str:
    """Return the section of a config that may name the system."""
    return "[system]" if system.path is None else "[target]"


def _show(name: str) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from physgen.catalogue import load_system
    from physgen.cli.console import stdout

    console, system = stdout(), load_system(name)
    console.print(Text(f"{system.name}: {system.title}\n", style="bold"))
    console.print(Text(system.description + "\n"))
    console.print(Text(f'in a config: {_section(system)} name = "{name}", with the keys'))
    keys = Table("key", "meaning", "default", "conventions", box=box.SIMPLE_HEAD)
    for key, p in system.parameters.items():
        meaning = f"{p.meaning}: {', '.join(p.choices)}" if p.choices else p.meaning
        default = "" if p.default is None else _plain(p.default)
        keys.add_row(Text(key), Text(meaning), Text(default), Text(", ".join(p.conventions)))
    console.print(keys)
    about = Table("convention", "", box=box.SIMPLE_HEAD)
    for key, text in system.conventions.items():
        about.add_row(Text(key), Text(str(text)))
    console.print(about)
    known = Table("known quantity", "at", "value", "kind", box=box.SIMPLE_HEAD)
    for entry in system.references:
        at = ", ".join(f"{key} = {_plain(v)}" for key, v in entry.parameters.items())
        value = format_estimate(entry.value, entry.error) if entry.error else f"{entry.value:.12g}"
        known.add_row(Text(entry.quantity), Text(at), Text(value), Text(entry.kind))
    if system.references:
        console.print(known)
    for path in system.data_files:
        print(path)


def _plain(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def list_workflows() -> None:
    """Print the name and title of every shipped workflow."""
    for name in shipped.list_workflows():
        print(f"{name}  {shipped.title_of(name)}")


def copy_workflow(name: str, destination: Path | None) -> None:
    """Copy a shipped workflow, and say how to run it."""
    target = shipped.copy_workflow(name, destination)
    print(target)
    if (target / "config.toml").exists():
        print(f"next: physgen run {target / 'config.toml'} --out {target / 'run'}")
    else:
        print(f"next: read {target / 'README.md'}")


def _usable_cores() -> int | None:
    """Return how many cores this process may use, where the system tells (not on macOS)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def info() -> None:
    """Print versions, devices and threads."""
    import torch

    lines = {
        "physgen": f"{physgen.__version__} ({Path(physgen.__file__).parent})",
        "python": f"{platform.python_version()}, {platform.platform()}",
    }
    for package in _PACKAGES:
        try:
            lines[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            lines[package] = "not installed"
    lines["cores"] = f"{_usable_cores()} usable of {os.cpu_count()}"
    lines["torch threads"] = str(torch.get_num_threads())
    for variable in _THREAD_VARIABLES:
        lines[variable] = os.environ.get(variable, "not set")
    lines["BLAS threads"] = "OMP_NUM_THREADS, or one: resumed runs then agree bit for bit"
    lines["chain threads"] = "NUMBA_NUM_THREADS, or as BLAS; the numbers do not depend on it"
    gpus = [torch.cuda.get_device_name(k) for k in range(torch.cuda.device_count())]
    lines["devices"] = ", ".join(["cpu", *gpus])
    lines |= _gpu_lines()
    for key, value in lines.items():
        print(f"{key:<20} {value}")


def _gpu_lines() -> dict[str, str]:
    """Return the three things that have to fit for work on a GPU, each of which may be missing."""
    import torch

    return {
        "GPU driver": _driver(),
        "torch.cuda": f"CUDA {built}, {_found(torch.cuda.is_available())}"
        if (built := torch.version.cuda)
        else "this torch is built for CPUs only",
        "numba-cuda": _numba_cuda(),
    }


def _driver() -> str:
    """Return the version of the driver, which is what the node has, and the CUDA it can run."""
    import shutil
    import subprocess

    if shutil.which("nvidia-smi") is None:
        return "no nvidia-smi on this node"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return f"nvidia-smi does not answer ({error})"
    return ", ".join(dict.fromkeys(done.stdout.split())) or "nvidia-smi names none"


def _numba_cuda() -> str:
    try:
        version = importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return "not installed; pip install 'physgen[cuda]'"
    from numba import cuda

    return f"{version}, {_found(cuda.is_available())}"


def _found(there: bool) -> str:
    return "finds a device" if there else "finds no device"
