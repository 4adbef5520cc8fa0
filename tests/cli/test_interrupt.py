"""Whatever ends a run early, `physgen resume` gives the result of a run that nothing ended."""

import json
import signal
import subprocess
import sys
import time
import tomllib

import numpy as np
import pytest
import xarray as xr

from physgen.cli import main
from physgen.core.errors import PhysgenError
from physgen.results import RunStore, collect_provenance, open_run
from physgen.workflow.loading import load_config

# Enough epochs that there is time to interrupt, checkpoints often enough to resume from.
LONG = ["--set", "train.n_epochs=30", "--set", "train.checkpoint_every=0.05"]


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


@pytest.mark.slow
def test_kill_9_in_mid_training(config, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for_checkpoint(out, process)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    resume_and_compare(config, out, uninterrupted)


@pytest.fixture
def own_shots(tmp_path, toy_text):
    """A config that reads its outcomes from a file, and the file."""
    outcomes = np.random.default_rng(1).integers(0, 6, (200, 4)).astype(np.uint8)
    np.save(tmp_path / "lab.npy", outcomes)
    table = tomllib.loads(toy_text)
    path = tmp_path / "lab.toml"
    data = '[data]\nfile = "lab.npy"\npovm = "pauli-6"\n'
    rest = [f"[{name}]\n" + "".join(f"{k} = {v}\n" for k, v in table[name].items())
            for name in table if name not in ("seed", "system", "state", "data")]  # fmt: skip
    path.write_text("seed = 7\n" + data + "".join(rest))
    return path


@pytest.mark.slow
def test_kill_9_and_resume_of_a_run_from_own_outcomes(own_shots, tmp_path):
    whole, out = tmp_path / "whole", tmp_path / "run"
    assert main(["run", str(own_shots), "--out", str(whole), *LONG]) == 0
    process = start(own_shots, out)
    wait_for_checkpoint(out, process)
    process.kill()
    process.communicate()
    assert "/model" not in open_run(out).groups
    assert main(["resume", str(out)]) == 0
    assert_identical(open_run(out), open_run(whole))


def test_a_moved_project_is_the_same_run(own_shots, tmp_path):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    for name in ("lab.npy", "lab.toml"):
        (tmp_path / name).rename(here / name)
    assert main(["generate", str(here / "lab.toml"), "--out", str(here / "run")]) == 0
    here.rename(there)
    assert main(["train", str(there / "lab.toml"), "--out", str(there / "run")]) == 0
    files = json.loads(open_run(there / "run").attrs["files"])
    assert files == {"data": str(there / "lab.npy")}


def test_a_run_does_not_go_on_with_an_input_that_has_changed(own_shots, tmp_path, capfd):
    out = tmp_path / "run"
    with RunStore.open(out, load_config(own_shots).canonical(), provenance=collect_provenance()
                       | {"files": json.dumps({"data": str(tmp_path / "lab.npy")})}):  # fmt: skip
        pass  # killed before it had read the outcomes
    np.save(tmp_path / "lab.npy", np.zeros((200, 4), dtype=np.uint8))
    assert main(["resume", str(out)]) == 2
    assert "[data] sha256 must be the checksum of the file" in capfd.readouterr().err
    assert "/data" not in open_run(out).groups


@pytest.mark.slow
def test_sigterm_checkpoints_and_exits_with_one_line(config, tmp_path, uninterrupted):
    out = tmp_path / "run"
    process = start(config, out)
    wait_for_checkpoint(out, process)
    process.terminate()
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    last = err.splitlines()[-1]
    assert last.startswith("physgen: stopped by SIGTERM")
    assert f"physgen resume {out}" in last
    assert "Traceback" not in err
    assert not (out / ".segments").exists()  # merged into run.h5 on the way out
    resume_and_compare(config, out, uninterrupted)
