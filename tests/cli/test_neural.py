"""Neural samplers from the command line: a run, its file and report, mistakes, and resuming."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from helpers.marks import slow

from physgen.cli import main
from physgen.core.errors import PhysgenError
from physgen.results import GROUPS, open_run

ISING = """
[target]
name = "ising-2d"
L = 4
beta = [0.3, 0.44]
[model]
hidden = 6
[train]
n_epochs = 3
draws_per_epoch = 12800
[importance]
n_draws = 12800
[chains]
n_draws = 20
[smc]
n_particles = 0
"""
TIMINGS = ("cpu_seconds",)


@pytest.fixture
def done(weighed):
    return weighed


@pytest.fixture
def config(tmp_path, weighed):
    return Path(shutil.copy(weighed.parent / "config.toml", tmp_path))


def refused(config, capfd, *overrides):
    sets = [part for each in overrides for part in ("--set", each)]
    assert main(["run", str(config), "--out", str(config.parent / "no"), *sets]) == 2
    assert not (config.parent / "no").exists()
    return capfd.readouterr().err.splitlines()[-1]


def test_free_energies_are_exact_within_errors(done):
    comparison = open_run(done)["comparison"].to_dataset()
    off = (comparison["log_z"] - comparison["exact_log_z"]) / comparison["log_z_error"]
    assert comparison.sizes["point"] == 2
    assert np.abs(off).max() < 4
    assert comparison["ess_share"].min() > 0.8
    assert np.isfinite(comparison["smc_log_z"]).all()
    pulls = comparison["pull_exact"].values
    assert np.isfinite(pulls).sum() >= 4
    assert np.nanmax(np.abs(pulls)) < 4.5
    assert np.nanmax(np.abs(comparison["pull_chains"])) < 4.5


def test_the_file_and_the_report_are_whole(done):
    tree = open_run(done)
    assert tree.attrs["complete"] == 1
    names = {node.path.strip("/").split("/")[0] for node in tree.subtree if node.path != "/"}
    assert names <= set(GROUPS)
    for node in tree.subtree:
        if node.has_data:
            assert node.attrs["exactness"] in ("exact", "asymptotic", "approximate"), node.path
            assert node.attrs["exactness_for"], node.path
    page = (done / "report.html").read_text()
    for word in ("Free energy", "Observables", "effective share", "log Z"):
        assert word in page
    figures = {path.stem for path in (done / "figures").iterdir()}
    assert {"training", "weights", "observables", "free_energy"} <= figures
    assert {"nis", "reverse-kl", "equivariant-cnf"} <= set(json.loads(tree.attrs["citations"]))


def test_the_terminal_shows_the_numbers_of_the_file(done, capfd):
    assert main(["report", str(done)]) == 0
    out = capfd.readouterr().out
    comparison = open_run(done)["comparison"]
    assert f"{float(comparison['exact_log_z'][1]):.5f}" in out
    assert f"{float(comparison['ess_share'][0]):.3f}" in out
    assert "no path of couplings is integrated" in out


def test_the_same_command_again_does_nothing(done, capfd):
    argv = ["run", str(done.parent / "config.toml"), "--out", str(done)]
    before = (done / "run.h5").read_bytes()
    assert main(argv) == 0
    assert (done / "run.h5").read_bytes() == before
    assert capfd.readouterr().err.count("already done") == 3


def test_ising_spins(tmp_path, capfd):
    (tmp_path / "config.toml").write_text(ISING)
    argv = ["run", str(tmp_path / "config.toml"), "--out", str(tmp_path / "run")]
    assert main(argv) == 0
    comparison = open_run(tmp_path / "run")["comparison"]
    off = (comparison["log_z"] - comparison["exact_log_z"]) / comparison["log_z_error"]
    assert np.abs(off).max() < 4
    assert np.nanmax(np.abs(comparison["pull_exact"])) < 4.5
    assert "pull" in capfd.readouterr().out


@pytest.mark.slow
def test_killed_and_resumed_it_is_the_same_run(config, tmp_path, done):
    out = tmp_path / "run"
    argv = [sys.executable, "-m", "physgen", "train", str(config), "--out", str(out)]
    argv += ["--set", "train.checkpoint_every=0.02"]
    process = subprocess.Popen(argv, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            groups = open_run(out, groups=["points/L4/lam6.975/checkpoint"]).groups
        except PhysgenError:
            continue
        if "/points/L4/lam6.975/checkpoint" in groups:
            break
    process.kill()
    process.wait()
    assert main(["validate", str(config), "--out", str(out)]) == 0
    ours, theirs = open_run(out), open_run(done)
    assert sorted(ours.groups) == sorted(theirs.groups)
    for group in theirs.groups:
        if group != "/":
            one, two = (t[group].to_dataset(inherit=False) for t in (ours, theirs))
            for ds in (one, two):
                ds.attrs.pop("cpu_seconds", None)
            drop = [name for name in TIMINGS if name in one]
            xr.testing.assert_identical(one.drop_vars(drop), two.drop_vars(drop))


def test_mistakes_are_one_line_before_anything_is_made(config, capfd, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    cases = {
        ("train.device=cuda",): "[train] device must be 'cpu' on this machine, got 'cuda'",
        ("train.device=gpu",): "[train] device must be 'cpu' or 'cuda', got 'gpu'",
        ("model.family=coloured-net",): "family of a target of reals must be one of",
        ("model.featurs=3",): "unexpected keyword argument 'featurs'",
        ("model.shape=[4]",): "[model] shape follows from target and family",
        ("train.budget=soon",): "budget must be a time such as '60s'",
        ("train.budget=5s",): "takes budget or n_epochs, got both",
        ("train.gradient=reverse",): "'path', 'reparam' or 'reinforce'",
        ("chains.name=gibbs",): "[chains] name must be 'auto' or one of",
        ("chains.name=wolff",): "[chains] wolff",
        ("importance.n_draws=5",): "an integer >= 128",
    }
    for overrides, says in cases.items():
        assert says in refused(config, capfd, *overrides), overrides


@pytest.mark.slow
def test_a_poor_model_is_refused_with_the_way_out(config, capfd):
    sets = ["--set", "importance.ess_floor=1e6"]
    assert main(["run", str(config), "--out", str(config.parent / "run"), *sets]) == 2
    err = capfd.readouterr().err.splitlines()[-1]
    assert "effective draws" in err
    assert "a longer budget" in err


@pytest.mark.parametrize("name", [slow("phi4_free_energy"), slow("ising_van")])
def test_the_shipped_workflows_run_at_toy_size(name, tmp_path):
    from physgen.workflow.shipped import find_workflow

    shutil.copytree(find_workflow(name), tmp_path / name)
    config = tmp_path / name / "config.toml"
    coupling = "lam=[7.0, 8.0]" if name.startswith("phi4") else "beta=[0.3, 0.4]"
    toy = ["target.L=4", f"target.{coupling}", "train.budget=1s", "train.n_validation=128"]
    toy += ["importance.n_draws=6400", "chains.n_draws=10"]
    if name.startswith("phi4"):
        toy.append("smc.n_particles=32")
    argv = ["run", str(config), "--out", str(tmp_path / "run")]
    assert main([*argv, *(part for each in toy for part in ("--set", each))]) == 0
    assert open_run(tmp_path / "run").attrs["complete"] == 1
