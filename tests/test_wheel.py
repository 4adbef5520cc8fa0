"""An installed wheel works outside the checkout: catalogue and workflows travel with it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel offline, into a folder of its own."""
    folder = tmp_path_factory.mktemp("wheelhouse")
    build = ["wheel", "--no-build-isolation", "--no-deps", "--no-index", "-w", str(folder)]
    subprocess.run([*PIP, *build, str(ROOT)], check=True)
    (wheel,) = folder.glob("physgen-*.whl")
    return wheel


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Install it into a folder of its own."""
    target = tmp_path_factory.mktemp("wheel") / "site"
    install = ["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)]
    subprocess.run([*PIP, *install], check=True)
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


@pytest.mark.slow
def test_a_wheelhouse_is_enough_without_a_network(wheel, tmp_path):
    """The commands of docs/install.md, the second one where there is no network to ask."""
    alone = ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]
    if shutil.which("unshare") is None or subprocess.run([*alone, "true"]).returncode:
        pytest.skip("needs a namespace without a network: unshare -n")
    download = ["download", "-c", str(ROOT / "constraints.txt"), "-d", str(wheel.parent)]
    fetched = subprocess.run([*PIP, *download, str(wheel)], capture_output=True, text=True)
    if fetched.returncode:
        pytest.skip(f"needs packages to fetch: {fetched.stderr.strip().splitlines()[-1]}")
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path)], check=True)
    install = ["install", "--quiet", "--no-index", "--find-links", str(wheel.parent), "physgen"]
    subprocess.run([*alone, str(tmp_path / "bin/pip"), *install], check=True)
    done = subprocess.run(
        [*alone, str(tmp_path / "bin/physgen"), "info"], capture_output=True, text=True, check=True
    )
    assert str(tmp_path) in done.stdout
    shutil.rmtree(tmp_path / "lib")  # two gigabytes
