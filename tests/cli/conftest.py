"""A toy run: 4 sites, 300 shots, a few seconds."""

import pytest

from physgen.cli import main

TOY = """
seed = 7
[system]
L = 4
[state]
chi_max = 4
[data]
n_shots = 300
[model]
hidden = 8
[train]
n_epochs = 3
batch_size = 32
[sample]
n_samples = 400
[validate]
n_samples = 200
"""


@pytest.fixture(scope="session")
def toy_text():
    return TOY


@pytest.fixture
def config(tmp_path, toy_text):
    path = tmp_path / "config.toml"
    path.write_text(toy_text)
    return path


@pytest.fixture(scope="session")
def finished(tmp_path_factory, toy_text):
    """One finished toy run; tests must not change it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "config.toml").write_text(toy_text)
    assert main(["run", str(folder / "config.toml"), "--out", str(folder / "run")]) == 0
    return folder / "run"
