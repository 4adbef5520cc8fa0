"""A run by several processes is the run by one; what stops or refuses one does so to all."""

import signal
import time

import pytest
import tomli_w
from helpers.ranks import begun, ended
from helpers.same import assert_same

from physgen.core.errors import InputError
from physgen.workflow.loading import config_from_dict

LATTICE = {
    "seed": 4,
    "target": {"name": "ising-2d", "L": [3, 4], "beta": 0.3},
    "sampler": {"name": "swendsen-wang", "n_chains": 64, "n_draws": 8},
    "model": {"family": "coloured-net", "hidden": 4},
    "train": {"n_epochs": 2, "draws_per_epoch": 128, "batch_size": 64, "n_validation": 64,
              "shards": 2},
    "importance": {"n_draws": 2560},  # three blocks
    "smc": {"n_particles": 0},
}  # fmt: skip
RECONSTRUCTION = {
    "seed": 4,
    "system": {"name": "tfim-1d", "L": 4, "h": 1.0},
    "data": {"n_shots": 400},
    "model": {"family": "lstm", "hidden": 6},
    "train": {"n_epochs": 2, "batch_size": 38, "shards": 2},
    "errors": {"refits": 2, "n_samples": 100},
    "sample": {"n_samples": 100},
}
KINDS = {"lattice": (LATTICE, "draw"), "reconstruction": (RECONSTRUCTION, "validate")}


def written(table, path):
    path.write_text(tomli_w.dumps(table))
    return str(path)


def command(stage, config, out):
    return ["-m", "physgen", stage, config, "--out", str(out), "--quiet"]


def test_shards_of_one_do_not_change_what_a_run_is():
    for table in (LATTICE, RECONSTRUCTION):
        one = table | {"train": table["train"] | {"shards": 1}}
        none = table | {"train": {k: v for k, v in table["train"].items() if k != "shards"}}
        two = config_from_dict(table)
        assert config_from_dict(one).canonical() == config_from_dict(none).canonical()
        assert two.canonical() != config_from_dict(none).canonical()
        assert two.least_shards == 2
        with pytest.raises(InputError, match="shards must be a positive integer"):
            config_from_dict(table | {"train": {"shards": 0}})


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_make_the_run_of_one(kind, tmp_path):
    table, stage = KINDS[kind]
    config = written(table, tmp_path / "config.toml")
    both = ended(begun(command(stage, config, tmp_path / "two"), 2))
    assert [each.status for each in both] == [0, 0], both
    assert both[1].out == ""  # one of them tells
    (alone,) = ended(begun(command(stage, config, tmp_path / "one"), 1))
    assert alone.status == 0, alone.err
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
def test_a_signal_to_one_process_stops_both_and_one_goes_on(tmp_path):
    long = RECONSTRUCTION | {
        "train": RECONSTRUCTION["train"] | {"n_epochs": 200}
    }  # it has not ended when the signal comes
    config = written(long, tmp_path / "config.toml")
    log = tmp_path / "log"

    def each(rank):
        return ["--log-file", str(log)] if rank == 0 else []

    both = begun(command("train", config, tmp_path / "two"), 2, each)
    until = time.monotonic() + 90
    while not (log.exists() and "maximum likelihood" in log.read_text()):
        assert time.monotonic() < until
        time.sleep(0.05)
    time.sleep(1)  # the fit has begun, and takes five at least
    both[1].send_signal(signal.SIGUSR1)
    told = ended(both)
    assert [each.status for each in told] == [128 + signal.SIGUSR1] * 2, told
    assert all("stopped by SIGUSR1; continue with `physgen resume" in each.err for each in told)
    for out in ("two", "one"):
        (alone,) = ended(begun(command("train", config, tmp_path / out), 1))
        assert alone.status == 0, alone.err
    assert_same(tmp_path / "one", tmp_path / "two")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({1: ["--set", "train.n_epochs=3"]}, "n_epochs = 2 on process 0 and "),
        ({k: ["--set", "train.shards=1"] for k in (0, 1)}, "at least the number of processes, 2"),
        ({k: ["--jobs", "2"] for k in (0, 1)}, "use one of the two"),
    ],
)
def test_processes_that_do_not_fit_together_are_refused(more, said, tmp_path):
    config = written(LATTICE, tmp_path / "config.toml")
    run = command("run", config, tmp_path / "run")
    for end in ended(begun(run, 2, lambda rank: more.get(rank, []))):
        assert end.status == 2
        assert said in end.err
    assert not (tmp_path / "run").exists()
