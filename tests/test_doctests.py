"""Every example in a docstring of physgen, and every prompt on a page, gives what it shows."""

import doctest
import importlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.site import ROOT

import physgen as pg

PACKAGE = ROOT / "physgen"
MODULES = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)
# Each has a test of its own beside the code that it shows.
TESTED_ELSEWHERE = {"targets", "energy-models", "convergence", "glossary"}


# Their examples read files, so doctest skips them; here they are executed beside such files.
WITH_FILES = [name for name in MODULES if "# doctest: +SKIP" in
              (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8")]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(name):
    found = doctest.testmod(importlib.import_module(name))
    assert found.attempted > 0 or name in WITH_FILES
    assert found.failed == 0


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shots = pg.Born(pg.ground_state(pg.TFIM(3)), "pauli-6").sample(40, rng=1)
    pg.MeasurementData(shots, "pauli-6").save("shots.h5")
    rng = np.random.default_rng(1)
    bits, bases = rng.integers(0, 2, (40, 3)), rng.integers(0, 3, (40, 3))
    np.savez("shadow.npz", bits=bits, bases=bases)
    Path("shots.txt").write_text("\n".join("".join(map(str, row)) for row in bits) + "\n")
    letters = np.array(list("XYZ"))[bases]
    Path("bases.txt").write_text("\n".join("".join(row) for row in letters) + "\n")
    shutil.copy(ROOT / "workflows" / "state_reconstruction" / "counts.json", ".")
    config = {
        "seed": 1,
        "target": {"name": "ising-2d", "L": 4, "beta": 0.3},
        "sampler": {"name": "heat-bath", "n_draws": 64},
    }
    from physgen.workflow.loading import config_from_dict
    from physgen.workflow.run import run

    run(config_from_dict(config), Path("my_run"))
    return {"sampler": lambda n: shots}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_FILES)
def test_examples_that_read_files(name, files):
    module = importlib.import_module(name)
    executed = 0
    for test in doctest.DocTestFinder().find(module):
        names = vars(module) | {"MeasurementData": pg.MeasurementData} | files
        for example in test.examples:
            exec(compile(example.source, test.name, "single"), names)
            executed += 1
    assert executed > 0


def test_there_are_many():
    assert len(MODULES) > 60


def test_every_page_with_prompts_has_a_test():
    pages = {path.stem for path in Path(ROOT / "docs").glob("*.md") if ">>> " in path.read_text()}
    assert pages == TESTED_ELSEWHERE
