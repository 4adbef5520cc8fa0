"""Whatever ends a run early, `physgen resume` gives the result of a run that nothing ended."""

import signal
import subprocess
import sys
import time

import pytest
import xarray as xr

from physgen.cli import main
from physgen.core.errors import PhysgenError
from physgen.results import open_run

# Enough epochs that there is time to interrupt, checkpoints often enough to resume from.
LONG = ["--set", "train.n_epochs=120", "--set", "train.checkpoint_every=0.05"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory, toy_text):
    folder = tmp_path_factory.mktemp("whole")
    (folder / "config.toml").write_text(toy_text)
    argv = ["validate", str(folder / "config.toml"), "--out", str(folder / "run"), *LONG]
    assert main(argv) == 0
    return open_run(folder / "run")


def start(config, out):
    argv = [sys.executable, "-m", "physgen", "train", str(config), "--out", str(out), *LONG]
    return subprocess.Popen(argv, stderr=subprocess.PIPE, text=True)


def wait_for_checkpoint(out, process):
    """Wait until training has committed a checkpoint that is not the last."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        try:
            groups = open_run(out, groups=["training/checkpoint", "model"]).groups
        except PhysgenError:  # the directory is only being made
            groups = ()
        if "/training/checkpoint" in groups:
            return
        time.sleep(0.02)
    raise TimeoutError("no checkpoint appeared")


def assert_identical(ours, theirs):
    assert sorted(ours.groups) == sorted(theirs.groups)
    for group in theirs.groups:
        if group != "/":
            one, two = (t[group].to_dataset(inherit=False) for t in (ours, theirs))
            xr.testing.assert_identical(one, two)


def resume_and_compare(config, out, uninterrupted):
    partial = open_run(out)
    assert "/model" not in partial.groups
    # Not further than validation, so that the uninterrupted run need not draw figures either.
    assert main(["validate", str(config), "--out", str(out), *LONG]) == 0
    assert_identical(open_run(out), uninterrupted)


def test_kill_9_in_mid_training(config, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for_checkpoint(out, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resume_and_compare(config, out, uninterrupted)


def test_sigterm_checkpoints_and_exits_with_one_line(config, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for_checkpoint(out, process)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    last = err.splitlines()[-1]
    assert last.startswith("physgen: error: stopped by SIGTERM")
    assert f"physgen resume {out}" in last
    assert "Traceback" not in err
    assert not (out / ".segments").exists()  # merged into run.h5 on the way out
    resume_and_compare(config, out, uninterrupted)
