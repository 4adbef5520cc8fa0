"""What a batch script can tell from the exit status."""

import signal

import pytest

from physgen.cli import main
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
