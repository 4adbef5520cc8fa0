"""A fit that diverges: one line that says what to change, and the last good state is kept."""

import numpy as np

from physgen.cli import main
from physgen.results import open_run


def test_a_fit_that_diverges_keeps_its_last_good_state(config, tmp_path, capfd):
    out = tmp_path / "run"
    argv = ["run", str(config), "--out", str(out), "--set", "train.warmup_fraction=0"]
    assert main([*argv, "--set", "train.learning_rate=1e30"]) == 2
    error = capfd.readouterr().err.splitlines()[-1]
    assert error.startswith("physgen: error: the ")
    assert "Lower learning_rate (now 1e+30)" in error
    assert "--force" in error
    assert "physgen resume" not in error
    tree = open_run(out)
    assert "/model" not in tree.groups
    kept = tree["training/checkpoint"].to_dataset()
    weights = [v for name, v in kept.data_vars.items() if str(name).startswith("best.")]
    assert weights
    assert all(np.isfinite(w).all() for w in weights)
    assert main(["report", str(out)]) == 0


def test_the_remedy_of_a_diverged_fit_works(config, tmp_path):
    out = tmp_path / "run"
    argv = ["train", str(config), "--out", str(out)]
    assert main([*argv, "--set", "train.learning_rate=1e30"]) == 2
    assert main([*argv, "--force"]) == 0
    assert "/model" in open_run(out).groups
