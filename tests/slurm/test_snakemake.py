"""Snakemake submits the jobs of a shipped workflow with the shipped profile; their logs stay."""

import os
import subprocess
import sys
from importlib.util import find_spec

import pytest

from physgen.results import open_run
from physgen.workflow.shipped import copy_workflow


@pytest.mark.skipif(
    find_spec("snakemake_executor_plugin_slurm") is None,
    reason="needs Snakemake and its SLURM plugin: pip install 'physgen[workflow]'",
)
def test_the_profile_submits_jobs_with_a_gpu_each(cluster, tmp_path):
    folder = copy_workflow("ising_criticality", tmp_path / "mine")
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", "profiles/slurm", "--retries", "0",
         "--latency-wait", "5", "--slurm-init-seconds-before-status-checks", "5",
         "--config", "toy=true", "gres=gpu:1", "mem_mb=500", "runtime=10"],
        cwd=folder, capture_output=True, text=True,
        env=cluster.environment | {"XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    logs = [path.read_text() for path in (folder / "logs").rglob("*.log")]
    assert done.returncode == 0, done.stdout + done.stderr + "".join(logs)
    assert (folder / "compare.txt").stat().st_size > 0
    (run,) = (folder / "toy").iterdir()
    attrs = open_run(run, groups=()).attrs
    assert attrs["complete"]
    number = attrs["job"]
    assert cluster.state(number) == "COMPLETED"
    assert "gpu:1" in cluster.says("scontrol", "show", "job", number)
    assert len(logs) == 1
    assert os.path.getsize(run / "report.html") > 0
