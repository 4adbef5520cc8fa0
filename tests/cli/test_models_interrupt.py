"""Whatever ends a run with models, in any stage, going on gives the run that nothing ended."""

import signal
import subprocess
import sys
import time

import pytest
import xarray as xr

from physgen.cli import main
from physgen.core.errors import PhysgenError
from physgen.results import open_run

pytestmark = pytest.mark.slow

# Long enough to be interrupted in each of its stages; a checkpoint after every block.
LONG = """
seed = 5
[target]
name = "phi4-2d"
L = 6
convention = "unhalved"
m2 = -4.0
lam = 8.0
[sampler]
name = "hmc"
n_draws = 500
thin = 10
[model]
features = 3
frequencies = 4
times = 3
[train]
n_epochs = 2
draws_per_epoch = 6400
n_validation = 256
checkpoint_every = 0.02
[importance]
n_draws = 200_000
[smc]
n_particles = 256
n_islands = 16
[sample]
checkpoint_every = 0.02
"""
TIMINGS = ("/", "/scan", "/trained", "/drawn")  # when and how long
STOP_SECONDS = 10  # generous: other tests run beside this one; `house.py` measures it


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(LONG)
    return path


@pytest.fixture(scope="module")
def uninterrupted(config):
    out = config.parent / "whole"
    assert main(["validate", str(config), "--out", str(out)]) == 0
    return open_run(out)


def in_chains(tree):
    parts = [node for node in tree.subtree if node.path.startswith("/chains/")]
    return any(node.sizes.get("draw") and "complete" not in node.attrs for node in parts)


def in_annealing(tree):
    return "/checkpoint" in tree.groups and "phase" in tree["checkpoint"].attrs


def in_training(tree):
    here = "/checkpoint" in tree.groups and "counters" in tree["checkpoint"].attrs
    return here and "/trained" not in tree.groups


def in_draws(tree):
    group = "/models/model/L6/m2-4/draws"
    return group in tree.groups and "complete" not in tree[group].attrs


def interrupted(config, out, enough, number):
    """Start the run, send a signal when it has come far enough, return seconds to its end."""
    argv = [sys.executable, "-m", "physgen", "validate", str(config), "--out", str(out)]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        try:
            if enough(open_run(out)):
                break
        except PhysgenError:  # the directory is only being made
            continue
    process.send_signal(number)
    begun = time.monotonic()
    _, error = process.communicate(timeout=120)
    return process.returncode, time.monotonic() - begun, error


def assert_same(ours, theirs):
    assert sorted(ours.groups) == sorted(theirs.groups)
    for group in theirs.groups:
        if group not in TIMINGS:
            one, two = (t[group].to_dataset(inherit=False) for t in (ours, theirs))
            xr.testing.assert_identical(one, two)


@pytest.mark.parametrize("enough", [in_chains, in_annealing, in_training, in_draws])
def test_kill_9(config, tmp_path, uninterrupted, enough):
    out = tmp_path / "run"
    code, _, _ = interrupted(config, out, enough, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert enough(open_run(out))  # it was in the middle of that
    assert main(["validate", str(config), "--out", str(out)]) == 0
    assert_same(open_run(out), uninterrupted)


@pytest.mark.parametrize("enough", [in_chains, in_annealing, in_training, in_draws])
def test_a_signal_ends_it_soon_and_keeps_what_was_done(config, tmp_path, uninterrupted, enough):
    out = tmp_path / "run"
    code, seconds, error = interrupted(config, out, enough, signal.SIGTERM)
    assert code == 128 + signal.SIGTERM
    assert f"stopped by SIGTERM; continue with `physgen resume {out}`" in error.splitlines()[-1]
    assert seconds < STOP_SECONDS
    assert main(["validate", str(config), "--out", str(out)]) == 0
    assert_same(open_run(out), uninterrupted)
