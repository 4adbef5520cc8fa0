"""What a release is made of: a wheel and a source archive, complete, valid, and run elsewhere."""

import email
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile

import pytest
from helpers.site import ROOT

VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
CACHES = ("__pycache__", ".nbi", ".nbc", ".pyc", ".pytest_cache", ".ruff_cache", ".hypothesis")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dist(tmp_path_factory):
    """Build both, as RELEASING.md does."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(dist):
    (path,) = dist.glob("*.whl")
    assert path.name == f"physgen-{VERSION}-py3-none-any.whl"
    return path


@pytest.fixture(scope="module")
def members(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_has_all_that_commands_read(members):
    folders = {"systems": "_systems", "data": "_data", "paper/claims": "_paper/claims"}
    for source, inside in folders.items():
        for path in (ROOT / source).glob("*/*.toml"):
            assert f"physgen/{inside}/{path.relative_to(ROOT / source)}" in members
    workflows = {name.split("/")[2] for name in members if name.startswith("physgen/_workflows/")}
    shipped = {path.parent.name for path in (ROOT / "workflows").glob("*/config.toml")}
    assert workflows >= shipped
    assert {"slurm", "profiles"} <= workflows
    for name in ("py.typed", "__init__.pyi", "results/references.bib", "workflow/report.html"):
        assert f"physgen/{name}" in members
    assert f"physgen-{VERSION}.dist-info/licenses/LICENSE" in members


def test_the_wheel_has_nothing_else(members):
    tops = {name.split("/")[0] for name in members}
    assert tops == {"physgen", f"physgen-{VERSION}.dist-info"}
    assert not [name for name in members if any(cache in name for cache in CACHES)]
    assert not [name for name in members if "/tests/" in name or "test_" in name.split("/")[-1]]


def test_its_metadata_are_valid(wheel):
    """What ``twine check`` asks, and the rules of the core metadata beside."""
    from packaging.metadata import Metadata

    with zipfile.ZipFile(wheel) as archive:
        text = archive.read(f"physgen-{VERSION}.dist-info/METADATA")
        entry = archive.read(f"physgen-{VERSION}.dist-info/entry_points.txt").decode()
    found = Metadata.from_email(text, validate=True)
    assert (found.name, str(found.version)) == ("physgen", VERSION)
    assert (found.license_expression, str(found.requires_python)) == ("Apache-2.0", ">=3.11")
    message = email.message_from_bytes(text)
    assert message["Description-Content-Type"] == "text/markdown"
    assert "# physgen" in (found.description or "")
    assert {"cuda", "workflow", "docs", "dev", "bench"} == set(found.provides_extra or [])
    assert "physgen = physgen.cli:command" in entry


def test_the_source_archive_can_be_tested(dist):
    (path,) = dist.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split("\n")
    missing = set(filter(None, tracked)) - set(names)
    allowed = (".ci/", ".gitignore", ".git")
    assert not [name for name in missing if not name.startswith(allowed)]
    assert not [name for name in names if any(cache in name for cache in CACHES)]
    assert not [name for name in names if name.startswith(("build/", "runs/", "docs/api/"))]


def test_the_wheel_runs_outside_of_the_checkout(wheel, tmp_path):
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--target", site, wheel], check=True)

    def physgen(*arguments):
        done = subprocess.run(
            [sys.executable, "-P", "-m", "physgen", *arguments],
            cwd=tmp_path, capture_output=True, text=True,
            env=os.environ | {"PYTHONPATH": str(site), "NUMBA_CACHE_DIR": str(tmp_path / "nb")},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert physgen("--version") == f"physgen {VERSION}\n"
    assert str(site) in physgen("info")
    physgen("workflows", "copy", "ising_criticality")
    physgen("run", "ising_criticality/config.toml", "--out", "scan", "--toy")
    assert (tmp_path / "scan" / "run.h5").is_file()
    assert (tmp_path / "scan" / "report.html").is_file()


def test_releasing_names_what_is_there():
    text = (ROOT / "RELEASING.md").read_text()
    lines = [line for line in text.splitlines() if line.strip()]
    assert len(lines) <= 16
    makefile = (ROOT / "Makefile").read_text()
    named = {word for line in re.findall(r"`make ([a-z -]+)`", text) for word in line.split()}
    assert named >= {"lint", "docs", "test-all", "test-slurm", "dist"}
    assert all(f"\n{target}:" in makefile for target in named)
