"""An installed wheel works outside the checkout: catalogue and workflows travel with it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build the wheel offline and install it into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(folder)]
    subprocess.run([*pip, *build, str(ROOT)], check=True)
    (wheel,) = folder.glob("physgen-*.whl")
    target = folder / "site"
    install = ["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([*pip, *install], check=True)
    return target


@pytest.fixture
def physgen(installed, tmp_path):
    def call(*argv):
        code = "import sys; from physgen.cli import main; sys.exit(main(sys.argv[1:]))"
        # -P and a foreign working directory: only the installed copy can be found first.
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        done = subprocess.run(
            [sys.executable, "-P", "-c", code, *argv],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return call


@pytest.mark.slow
def test_the_copy_is_the_installed_one(physgen, installed):
    assert str(installed) in physgen("info")


@pytest.mark.slow
def test_systems_and_workflows_travel_with_the_wheel(physgen):
    assert "tfim-1d" in physgen("systems")
    assert "H = -J" in physgen("systems", "show", "tfim-1d")
    assert "state_reconstruction" in physgen("workflows", "list")
    assert "neuralrg-logz" in physgen("paper", "list")
    assert "132 " in physgen("paper", "list")
    assert "The physgen developers" in physgen("cite")  # CITATION.cff is with it


def test_a_workflow_is_copied_out_of_the_wheel(physgen, tmp_path):
    physgen("workflows", "copy", "state_reconstruction")
    assert (tmp_path / "state_reconstruction" / "config.toml").is_file()


def test_data_files_are_inside(installed):
    package = installed / "physgen"
    for name in ("py.typed", "results/references.bib", "workflow/report.html"):
        assert (package / name).is_file(), name
