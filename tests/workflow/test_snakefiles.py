"""Every shipped Snakefile runs, in miniature, and a second call finds nothing to do."""

import os
import signal
import time
from importlib.util import find_spec

import pytest
from helpers.snakefiles import begun, snakemake

from physgen.results import open_run
from physgen.workflow.shipped import copy_workflow, find_workflow, list_workflows

NAMES = [n for n in list_workflows() if (find_workflow(n) / "Snakefile").exists()]
here = pytest.mark.skipif(
    find_spec("snakemake") is None, reason="needs Snakemake: pip install 'physgen[workflow]'"
)


LONG = {"family_comparison", "ebm_phi4"}  # minutes each: `make test-all` runs them, CI does not


def one(name):
    """A case of the test below."""
    return pytest.param(name, marks=pytest.mark.snakemake) if name in LONG else name


@here
@pytest.mark.slow
@pytest.mark.parametrize("name", [one(name) for name in NAMES])
def test_a_shipped_snakefile_runs_in_miniature(name, tmp_path):
    folder = copy_workflow(name, tmp_path / name)
    given = ["--cores", "1", "--retries", "0", "--config", "toy=true"]
    status, told = snakemake(folder, *given)
    logs = list((folder / "logs").rglob("*.log"))
    assert status == 0, told + "".join(log.read_text()[-2000:] for log in logs)
    compared = [path.stat().st_size for path in folder.glob("compare.*")]
    assert compared
    assert min(compared) > 0
    runs = sorted((folder / "toy").iterdir())
    assert len(logs) == len(runs) >= 1
    assert all(open_run(run, groups=()).attrs["complete"] for run in runs)
    status, told = snakemake(folder, *given)
    assert (status, "Nothing to be done" in told) == (0, True), told


@here
@pytest.mark.slow
def test_settings_choose_what_runs_and_what_a_job_asks_for(tmp_path):
    folder = copy_workflow("ising_criticality", tmp_path / "mine")
    status, told = snakemake(
        folder, "--cores", "1", "--dry-run", "--config", "sizes=[8,12]", "seeds=[5,6,7]",
        "gres=gpu:1", "runtime=7", "mem_mb=123",
    )  # fmt: skip
    assert status == 0, told
    assert told.count("rule scan:") == 6
    assert "runs/L12_seed7/report.html" in told
    assert all(asked in told for asked in ("gres=gpu:1", "runtime=7", "mem_mb=123"))


@here
@pytest.mark.slow
def test_after_a_kill_only_what_is_missing_is_done(tmp_path):
    folder = copy_workflow("ising_criticality", tmp_path / "mine")
    given = ["--profile", "profiles/local", "--cores", "1"]
    settings = ["--config", "sizes=[4]", "seeds=[1,2]", "options=--toy"]
    process = begun(folder, *given, *settings)
    while process.poll() is None and not (done := list(folder.glob("runs/*/report.html"))):
        time.sleep(0.1)
    time.sleep(1.0)  # into the second job
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    (first,) = (path.parent for path in done)
    before = (first / "run.h5").read_bytes()
    assert len(list(folder.glob("runs/*/report.html"))) == 1
    status, told = snakemake(folder, *given, *settings)
    assert status != 0, told
    assert "--unlock" in told
    assert snakemake(folder, *given, "--unlock", *settings)[0] == 0
    status, told = snakemake(folder, *given, *settings)
    assert status == 0, told
    assert told.count("rule scan:") == 1
    assert (first / "run.h5").read_bytes() == before
    runs = list((folder / "runs").iterdir())
    assert len(runs) == 2
    assert all(open_run(run, groups=()).attrs["complete"] for run in runs)


@here
@pytest.mark.slow
def test_the_local_profile_is_taken(tmp_path):
    folder = copy_workflow("ising_criticality", tmp_path / "mine")
    status, told = snakemake(
        folder, "--profile", "profiles/local", "--dry-run", "--config", "toy=true"
    )
    assert status == 0, told


def test_every_snakefile_says_what_its_jobs_need():
    for name in NAMES:
        text = (find_workflow(name) / "Snakefile").read_text()
        settings = (find_workflow(name) / "settings.yaml").read_text()
        for said in ('configfile: "settings.yaml"', "log:", "retries:", "runtime=", "mem_mb=",
                     "localrules:", "**GPU"):  # fmt: skip
            assert said in text, (name, said)
        for key in ("seeds:", "toy: false", "runtime:", "mem_mb:", "gres:", "options:"):
            assert key in settings, (name, key)
