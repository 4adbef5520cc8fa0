"""The examples of the documentation run, and print what they say."""

import doctest
from pathlib import Path


def test_convergence_page():
    page = Path(__file__).parents[2] / "docs" / "convergence.md"
    failed, tried = doctest.testfile(str(page), module_relative=False)
    assert tried >= 7
    assert failed == 0
