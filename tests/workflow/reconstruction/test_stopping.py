"""A signal ends a stage between two blocks of its work, not only when the stage is over."""

import os
import signal

import pytest
from helpers.marks import slow

from physgen.core.errors import InterruptedRunError
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.reconstruction import stages
from physgen.workflow.reporting import Reporter
from physgen.workflow.run import resume, run

TOY = {
    "seed": 7,
    "system": {"L": 4},
    "state": {"chi_max": 4},
    "data": {"n_shots": 100},
    "model": {"hidden": 4, "layers": 1},
    "train": {"n_epochs": 1},
    "sample": {"n_samples": 300},
    "validate": {"n_samples": 100},
    "errors": {"refits": 3, "n_samples": 100},
    "tomography": {"max_sites": 0},
}


class Impatient(Reporter):
    """Sends SIGTERM the first time that `stage` tells how far it has come."""

    def __init__(self, stage):
        self.stage, self.heard = stage, []

    def update(self, stage, text):
        self.heard.append(stage)
        if stage == self.stage and self.heard.count(stage) == 1:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.mark.parametrize(
    ("stage", "group"),
    [
        slow("generate", "/data"),
        slow("sample", "/samples"),
        slow("refit", "/errors"),
        ("validate", "/validation"),
    ],
)
def test_a_signal_within_a_stage(tmp_path, monkeypatch, stage, group):
    monkeypatch.setattr(stages, "SAMPLE_BLOCK", 100)
    reporter = Impatient(stage)
    with pytest.raises(InterruptedRunError, match="stopped by SIGTERM; continue with `physgen"):
        run(config_from_dict(TOY), tmp_path / "run", until="validate", reporter=reporter)
    assert reporter.heard.count(stage) == 1  # nothing more was done
    assert group not in open_run(tmp_path / "run").groups
    resume(tmp_path / "run")
    assert group in open_run(tmp_path / "run").groups
