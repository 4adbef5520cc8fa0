"""The rules of the house: arrows point one way, imports are light and silent, names exist."""

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

import physgen

ROOT = Path(__file__).parents[2]
# Importing __main__ runs the program.
MODULES = sorted(
    m.name
    for m in pkgutil.walk_packages(physgen.__path__, "physgen.")
    if not m.name.endswith("__main__")
)


def test_arrows_point_one_way():
    config = str(ROOT / "pyproject.toml")
    assert lint_imports(config_filename=config, no_cache=True) == EXIT_STATUS_SUCCESS


def test_every_room_is_in_the_contract():
    """A new room must be placed in the order, or its arrows are not checked."""
    rooms = {m.name for m in pkgutil.iter_modules(physgen.__path__) if m.ispkg}
    text = (ROOT / "pyproject.toml").read_text()
    assert {room for room in rooms if f"physgen.{room}" not in text} == set()


@pytest.mark.parametrize(
    "statement", ["import physgen", "import physgen.cli", "import physgen.core.random"]
)
def test_import_is_silent_and_light(statement):
    heavy = ("torch", "numba", "matplotlib", "xarray", "h5py", "tenpy", "scipy")
    code = f"import sys; {statement}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.parametrize("name", MODULES)
def test_public_names_exist(name):
    module = importlib.import_module(name)
    missing = [n for n in getattr(module, "__all__", []) if not hasattr(module, n)]
    assert missing == []


def test_public_names_of_the_package_exist():
    assert [n for n in physgen.__all__ if not hasattr(physgen, n)] == []


def test_files_hold_one_idea():
    long = [
        str(p.relative_to(ROOT))
        for p in (ROOT / "physgen").rglob("*.py")
        if len(p.read_text().splitlines()) > 330
    ]
    assert long == []
