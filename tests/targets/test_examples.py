"""The examples in the docstrings of lattices, observables and targets are true."""

import doctest
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import physgen.lattice
import physgen.observables
import physgen.targets

MODULES = [
    f"{package.__name__}.{module.name}"
    for package in (physgen.lattice, physgen.observables, physgen.targets)
    for module in iter_modules(package.__path__)
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    assert doctest.testmod(import_module(name)).failed == 0


def test_examples_of_the_docs_page():
    page = Path(__file__).parents[2] / "docs" / "targets.md"
    assert doctest.testfile(str(page), module_relative=False).failed == 0
