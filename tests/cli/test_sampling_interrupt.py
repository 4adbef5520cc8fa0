"""Whatever ends `physgen sample` early, going on gives the file of a run that nothing ended."""

import signal
import subprocess
import sys
import time

import pytest
import xarray as xr
from helpers.marks import slow

from physgen.cli import main
from physgen.core.errors import PhysgenError
from physgen.results import open_run

# Long enough to interrupt in any of its points; a checkpoint after every block.
LONG = """
seed = 5
[target]
name = "ising-2d"
L = [8, 12]
beta = [0.4, 0.44]
[sampler]
name = "heat-bath"
n_chains = 64
n_draws = 800
thin = 4
[sample]
checkpoint_every = 0.02
"""
TIMINGS = ("/", "/scan")  # when and how long


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(LONG)
    return path


@pytest.fixture(scope="module")
def uninterrupted(config):
    out = config.parent / "whole"
    assert main(["sample", str(config), "--out", str(out)]) == 0
    return open_run(out)


def start(config, out):
    argv = [sys.executable, "-m", "physgen", "sample", str(config), "--out", str(out)]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


def wait_for(out, process, enough):
    """Wait until ``enough(groups)`` says that the run has come far enough to be interrupted."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)  # the run itself needs the core
        try:
            tree = open_run(out)
        except PhysgenError:  # the directory is only being made
            continue
        if enough(tree):
            return
    raise TimeoutError("the run did not come so far")


def in_mid_point(tree):
    """Whether some draws of a point are committed, and not all of them."""
    parts = [node for node in tree.subtree if node.sizes.get("draw")]
    return any("complete" not in node.attrs for node in parts)


def in_second_size(tree):
    return any("/L12/" in group for group in tree.groups)


def assert_same_draws(ours, theirs):
    assert sorted(ours.groups) == sorted(theirs.groups)
    for group in theirs.groups:
        if group not in TIMINGS:
            one, two = (t[group].to_dataset(inherit=False) for t in (ours, theirs))
            xr.testing.assert_identical(one, two)


@pytest.mark.slow
@pytest.mark.parametrize("enough", [in_mid_point, in_second_size])
def test_kill_9_in_mid_run(config, tmp_path, uninterrupted, enough):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for(out, process, enough)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert "/scan" not in open_run(out).groups
    assert main(["sample", str(config), "--out", str(out)]) == 0
    assert_same_draws(open_run(out), uninterrupted)


@pytest.mark.parametrize("number", [signal.SIGTERM, slow(signal.SIGINT)])
def test_a_signal_keeps_what_was_drawn(config, tmp_path, uninterrupted, number):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for(out, process, in_mid_point)
    process.send_signal(number)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 128 + number, error
    last = error.splitlines()[-1]
    assert f"stopped by {number.name}; continue with `physgen resume {out}`" in last
    partial = open_run(out)
    drawn = sum(node.sizes.get("draw", 0) for node in partial.subtree)
    assert 0 < drawn < 4 * 800
    assert main(["sample", str(config), "--out", str(out)]) == 0
    assert_same_draws(open_run(out), uninterrupted)
