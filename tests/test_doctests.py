"""Every example in a docstring of physgen, and every prompt on a page, gives what it shows."""

import doctest
import importlib
from pathlib import Path

import pytest
from helpers.site import ROOT

PACKAGE = ROOT / "physgen"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
# Each has a test of its own beside the code that it shows.
TESTED_ELSEWHERE = {"targets", "energy-models", "convergence", "glossary"}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0
    assert found.failed == 0


def test_there_are_many():
    assert len(MODULES) > 60


def test_every_page_with_prompts_has_a_test():
    pages = {path.stem for path in Path(ROOT / "docs").glob("*.md") if ">>> " in path.read_text()}
    assert pages == TESTED_ELSEWHERE
