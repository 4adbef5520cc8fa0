"""What a batch script can tell from the exit status, and where a job keeps compiled kernels."""

import signal

import pytest

from physgen import cli
from physgen.cli import main, node_local_cache
from physgen.core.errors import InputError, InterruptedRunError


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InterruptedRunError("stopped by SIGTERM; go on"), 143, "physgen: stopped by SIGTERM"),
        (InterruptedRunError("stopped by SIGUSR1", signal.SIGUSR1), 138, "physgen: stopped"),
        (InterruptedRunError("stopped by SIGINT", signal.SIGINT), 130, "physgen: stopped"),
        (InputError("L must be even"), 2, "physgen: error: L must be even"),
    ],
)
def test_a_stopped_run_is_no_wrong_input(error, status, said, monkeypatch, capsys):
    def fails(**_):
        raise error

    monkeypatch.setattr("physgen.cli.app.app", fails)
    assert main(["run"]) == status
    assert capsys.readouterr().err.startswith(said)


def test_a_job_has_a_cache_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(cli.tempfile, "gettempdir", lambda: str(tmp_path))
    job = {"SLURM_JOB_ID": "17"}
    assert node_local_cache({}) == ""
    assert node_local_cache(job | {"NUMBA_CACHE_DIR": "/mine"}) == ""
    assert node_local_cache(job).startswith(str(tmp_path))
    places = {node_local_cache(job | {"SLURM_PROCID": str(k)}) for k in range(3)}
    assert len(places) == 3  # tasks of a job compile at the same time
    assert node_local_cache(job | {"SLURM_TMPDIR": "/scratch/17"}).startswith("/scratch/17")
