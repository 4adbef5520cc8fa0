"""Toy runs, a few seconds each: 4 sites and 300 shots; a scan of two small lattices."""

from functools import partial

import pytest
from helpers.shared import once

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
[errors]
refits = 2
n_samples = 200
[tomography]
max_sites = 0
"""


SCAN = """
seed = 3
[target]
name = "ising-2d"
L = [4, 8]
beta = [0.3, 0.44, 0.6]
[[sampler]]
name = "heat-bath"
n_draws = 60
thin = 2
[[sampler]]
name = "swendsen-wang"
n_draws = 60
"""


NEURAL = """
seed = 3
[target]
name = "phi4-2d"
L = 4
convention = "unhalved"
m2 = -4.0
lam = [6.975, 8.0]
[model]
features = 3
frequencies = 4
times = 3
steps = 4
[train]
n_epochs = 3
draws_per_epoch = 2560
n_validation = 256
[importance]
n_draws = 6400
[sampler]
name = "auto"
n_draws = 20
thin = 5
[smc]
n_particles = 64
n_islands = 16
"""


def run_of(text, folder):
    """Run the config `text`, which goes into `folder` beside the run."""
    (folder / "config.toml").write_text(text)
    assert main(["run", str(folder / "config.toml"), "--out", str(folder / "run")]) == 0


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
    return once(tmp_path_factory, "finished", partial(run_of, toy_text)) / "run"


@pytest.fixture(scope="session")
def scanned(tmp_path_factory):
    """One finished toy scan; tests must not change it."""
    return once(tmp_path_factory, "scanned", partial(run_of, SCAN)) / "run"


@pytest.fixture(scope="session")
def weighed(tmp_path_factory):
    """One finished toy run of neural samplers; tests must not change it."""
    return once(tmp_path_factory, "weighed", partial(run_of, NEURAL)) / "run"


@pytest.fixture
def scan_config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(SCAN)
    return path
