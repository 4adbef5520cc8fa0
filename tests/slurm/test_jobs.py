"""Jobs that die in every way of a batch system end in the bytes of one that did not.

The scan is of an action that takes its time where ``PAUSE`` says so: a job then lasts as long as
a test needs and costs no CPU, and all deaths happen side by side.
"""

import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from helpers.runs import assert_same_numbers

from physgen.results import open_run
from physgen.workflow.loading import load_config
from physgen.workflow.run import run
from physgen.workflow.shipped import find_workflow

ACTION = """
import os, time
import physgen
def target(L, m2):
    def action(x):
        time.sleep(float(os.environ.get("PAUSE", "0")))
        return m2 * (x**2).sum((1, 2)) / 2
    return physgen.as_target(action, (L, L), lambda x: -m2 * x)
"""
CONFIG = """
seed = 3
[target]
file = "action.py"
object = "target"
L = 2
parameters = {m2 = [1.0, 2.0, 4.0]}
[sampler]
name = "hmc"
n_chains = 64
n_draws = 200
warmup = 20
[sample]
checkpoint_every = 0.5
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "action.py").write_text(ACTION)
    (folder / "config.toml").write_text(CONFIG)
    shutil.copytree(find_workflow("slurm"), folder / "slurm")
    return folder


@pytest.fixture(scope="module")
def whole(folder):
    """The run that nothing happened to."""
    return run(load_config(folder / "config.toml"), folder / "whole")


class Job:
    """A run as a job, and what has become of it."""

    def __init__(self, cluster, folder, name, *options, script="slurm/train.sbatch", pause="0"):
        self.cluster, self.folder, self.name, self.out = cluster, folder, name, folder / name
        self.command = [*options, script, "config.toml", name] if script else [*options]
        self.log = folder / f"{name}.log"
        self.number = self.submit(pause)

    def submit(self, pause):
        return self.cluster.submit(
            f"--output={self.log}", "--mem=500", *self.command, folder=self.folder, PAUSE=pause
        )

    def wait_until_at_work(self):
        """A checkpoint is there, and the job goes on."""
        found = lambda: list(self.out.glob("run.h5*")) + list(self.out.glob(".segments/*"))  # noqa: E731
        self.cluster.wait(found, 90, f"the first checkpoint of {self.name}")
        assert self.cluster.state(self.number) == "RUNNING", self.log.read_text()

    def told(self):
        return self.log.read_text() if self.log.exists() else ""

    def again(self, whole):
        """Submit the same job again, which now ends, in the same bytes."""
        assert self.cluster.ended(self.submit("0")) == "COMPLETED", self.told()
        assert_same_numbers(self.out, whole)


@pytest.fixture(scope="module", autouse=True)
def begun(cluster, folder):
    """Those that live long begin together, before all others: they sleep most of the time."""
    wrapped = f"--wrap=exec physgen run config.toml --out {folder / 'limit'} --verbose"
    return {
        "limit": Job(cluster, folder, "limit", "--time=1", wrapped, script="", pause="0.5"),
        "warned": Job(cluster, folder, "warned", "--time=1", "--signal=USR1@30", pause="0.05"),
        "cancelled": Job(cluster, folder, "cancelled", pause="0.3"),
        "killed": Job(cluster, folder, "killed", "--gres=gpu:1", pause="0.3"),
    }


def test_a_cancelled_job_writes_a_checkpoint_and_stays_cancelled(cluster, begun, whole):
    job = begun["cancelled"]
    job.wait_until_at_work()
    cluster.says("scancel", job.number)
    assert cluster.ended(job.number) == "CANCELLED"  # srun no longer hands on what physgen says
    assert not open_run(job.out).attrs["complete"]
    job.again(whole)


def test_a_requeued_job_goes_on_by_itself(cluster, folder, whole):
    job = Job(cluster, folder, "requeued", pause="0.02")
    job.wait_until_at_work()
    cluster.says("scontrol", "requeue", job.number)
    assert cluster.ended(job.number) == "COMPLETED", job.told()
    assert cluster.field(job.number, "Restarts") == "1"
    assert_same_numbers(job.out, whole)


def test_a_killed_job_is_submitted_again(cluster, begun, whole):
    job = begun["killed"]
    job.wait_until_at_work()
    os.kill(process_of(job.out), signal.SIGKILL)
    assert cluster.ended(job.number) == "FAILED"
    assert cluster.field(job.number, "Restarts") == "0"
    job.again(whole)
    attrs = open_run(job.out).attrs
    assert attrs["job"]


def test_an_array_and_what_gathers_it_equal_the_serial_run(cluster, folder, whole):
    out = folder / "array"
    given = ["--mem=500", f"--output={folder}/array-%a.log"]
    array = cluster.submit(
        "--array=0-2", *given, "slurm/array.sbatch", "config.toml", str(out), "3", folder=folder
    )
    after = [f"--dependency=afterok:{array}", "--kill-on-invalid-dep=yes"]
    gather = cluster.submit(*after, "slurm/gather.sbatch", str(out), folder=folder)
    assert cluster.ended(gather) == "COMPLETED", [p.read_text() for p in folder.glob("*.log")]
    assert_same_numbers(out, whole)


def test_an_array_without_its_arguments_says_how(cluster, folder):
    job = cluster.submit(f"--output={folder}/usage.log", "slurm/array.sbatch", folder=folder)
    assert cluster.ended(job) == "FAILED"
    assert (
        "usage: sbatch --array=0-7 array.sbatch CONFIG OUT 8" in (folder / "usage.log").read_text()
    )


def test_a_warned_job_queues_itself_again_before_its_limit(cluster, begun, whole):
    job = begun["warned"]
    cluster.wait(lambda: "stopped by SIGUSR1" in job.told(), 100, "the warning")
    cluster.wait(lambda: cluster.state(job.number) == "PENDING", 30, "the requeue")
    cluster.says("scontrol", "update", f"jobid={job.number}", "timelimit=30")  # warned enough
    assert cluster.ended(job.number, 170) == "COMPLETED", job.told()
    assert int(cluster.field(job.number, "Restarts")) >= 1
    assert_same_numbers(job.out, whole)


def test_a_job_at_its_limit_has_written_a_checkpoint(cluster, begun, whole):
    job = begun["limit"]
    assert cluster.ended(job.number, 170) == "TIMEOUT"
    assert "stopped by SIGTERM" in job.told()
    job.again(whole)


def process_of(out):
    """Return the process of physgen that writes to `out`."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_text().split("\0")
            except OSError:
                continue
            if out.name in words and words[1].endswith("/physgen"):
                return int(path.parent.name)
        time.sleep(0.1)
    raise AssertionError(f"no process writes to {out}")
