"""The recipe of the image names what is there.  (No image is built here: Apptainer is rare.)"""

import re
from pathlib import Path

import pytest

from physgen.cli.app import app

ROOT = Path(__file__).parents[1]
SECTIONS = {"files", "post", "environment", "test", "runscript", "labels"}


@pytest.fixture(scope="module")
def recipe():
    text = (ROOT / "containers" / "physgen.def").read_text()
    head, *parts = re.split(r"^%(\w+)\n", text, flags=re.M)
    return head, dict(zip(parts[::2], parts[1::2]))


def test_it_has_a_base_and_known_sections(recipe):
    head, sections = recipe
    assert "Bootstrap: docker\nFrom: python:3.11-slim" in head
    assert sections.keys() == SECTIONS


def test_its_commands_and_files_exist(recipe):
    _, sections = recipe
    known = {c.name or c.callback.__name__ for c in app.registered_commands}
    used = set(re.findall(r"^    physgen ([a-z]+)", sections["post"] + sections["test"], re.M))
    assert used == {"warm", "info"}
    assert used <= known
    copied = [line.split()[0] for line in sections["files"].splitlines() if line.strip()]
    assert copied == ["dist", "constraints.txt"]
    assert (ROOT / "constraints.txt").exists()


def test_extras_and_variables_are_those_of_the_package(recipe):
    _, sections = recipe
    extras = re.search(r"\[([a-z,]+)\]", sections["post"])[1].split(",")
    text = (ROOT / "pyproject.toml").read_text()
    assert all(re.search(rf"^{extra} = \[", text, re.M) for extra in extras)
    from physgen.cli.kernels import WARM

    kept = re.search(r"--dir (\S+)", sections["post"])[1]
    assert f"export {WARM}={kept}" in sections["environment"]
