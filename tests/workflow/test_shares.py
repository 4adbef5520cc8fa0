"""A scan in shares is the serial run, bit for bit; what is missing or does not fit is refused."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tomli_w
from helpers.same import assert_same

from physgen.cli import main
from physgen.core.errors import InputError, StoreError
from physgen.results import open_run
from physgen.results.lock import Lock
from physgen.workflow.lattice.points import Scan
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run
from physgen.workflow.shares import Share, all_done, gather, run_share

TABLE = {
    "seed": 4,
    "target": {"name": "ising-2d", "L": [3, 4], "beta": [0.3, 0.4]},
    "sampler": {"name": "swendsen-wang", "n_chains": 64, "n_draws": 8},
    "model": {"family": "coloured-net", "hidden": 4},
    "train": {"n_epochs": 1, "draws_per_epoch": 128, "batch_size": 64, "n_validation": 64},
    "importance": {"n_draws": 256},
    "smc": {"n_particles": 8, "n_islands": 8},
}  # fmt: skip


@pytest.fixture(scope="module")
def config():
    return config_from_dict(TABLE)


@pytest.fixture(scope="module")
def serial(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("serial") / "run", until="validate")


@pytest.mark.parametrize("costs", [[1], [1] * 7, [9, 9, 16, 16, 25], [4, 1024, 1024, 1024]])
def test_shares_deal_out_all_places_once(costs):
    for n in range(1, len(costs) + 1):
        hands = [Share(i, n).of(costs) for i in range(n)]
        assert sorted(k for hand in hands for k in hand) == list(range(len(costs)))
        assert all(hands)
        loads = [sum(costs[k] for k in hand) for hand in hands]
        assert max(loads) <= sum(costs) / n + max(costs)  # what a greedy dealer promises


def scan(**sections):
    target = {"name": "ising-2d", "L": [8, 16, 32, 64], "beta": list(np.linspace(0.3, 0.5, 13))}
    return config_from_dict({"target": target, "sampler": {"name": "wolff"}, **sections})


def test_large_lattices_are_dealt_first_and_small_ones_make_up_for_them():
    costs = Scan(scan()).costs()
    assert costs[-1] - costs[0] == 64**2 - 8**2
    assert 51 in Share(0, 2).of(costs)
    loads = [sum(costs[k] for k in Share(i, 2).of(costs)) for i in range(2)]
    assert max(loads) - min(loads) <= min(costs)


@pytest.mark.parametrize("length", [{"budget": "10s"}, {}])
def test_places_that_are_fitted_in_a_budget_cost_the_same(length):
    fits = Scan(scan(model={}, train=length)).costs()
    assert len(fits) == 52
    assert len(set(fits)) == 1
    assert len(set(Scan(scan(model={}, train={"n_epochs": 3})).costs())) == 4


@pytest.mark.parametrize("dealt", [[1], [0, 1, 3]])  # by right 1 and 3
def test_shares_that_were_dealt_otherwise_are_refused(tmp_path, monkeypatch, dealt):
    chains = {key: TABLE[key] for key in ("seed", "target", "sampler")}
    config, out = config_from_dict(chains), tmp_path / "run"
    run_share(config, out, Share(1, 2))
    monkeypatch.setattr(Share, "of", lambda share, costs: dealt)
    run_share(config, out, Share(0, 2))
    with pytest.raises(StoreError, match=r"every point once.*another version .* run them again"):
        gather(out)
    assert "scan" not in open_run(out)


@pytest.mark.slow
def test_three_shares_are_the_serial_run(config, serial, tmp_path):
    out = tmp_path / "run"
    for i in (2, 0):
        run_share(config, out, Share(i, 3))
    assert not all_done(out, 3)
    with pytest.raises(
        InputError,
        match=r"these are not: 1/3 \(chains/swendsen-wang/L4/beta0.3.*run them with --points",
    ):
        gather(out)
    assert not (out / "run.h5").exists()
    run_share(config, out, Share(1, 3))
    run(gather(out), out, until="validate")
    assert_same(out, serial)


def test_shares_that_do_not_fit_are_refused(config, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(InputError, match="must be i/n, such as 0/4"):
        Share.parse("three")
    with pytest.raises(InputError, match=r"i = 0\.\.n-1"):
        Share.parse("3/3")
    with pytest.raises(InputError, match="at most as many shares as the scan has places, 4"):
        run_share(config, out, Share(0, 5))
    with pytest.raises(InputError, match="must hold shares"):
        gather(out)
    (out / "points" / "0-of-2").mkdir(parents=True)
    with pytest.raises(InputError, match="holds share 0-of-2, and this one is of 3"):
        run_share(config, out, Share(0, 3))
    other = config_from_dict({"seed": 1, "system": {"name": "tfim-1d", "L": 4}})
    with pytest.raises(InputError, match="this run has none"):
        run_share(other, out, Share(0, 2))


@pytest.mark.slow
def test_shares_of_another_config_are_not_mixed(config, tmp_path):
    out, quick = tmp_path / "run", {k: TABLE[k] for k in ("seed", "target", "sampler")}
    run_share(config_from_dict(quick), out, Share(0, 2))
    run_share(config_from_dict(quick | {"seed": 5}), out, Share(1, 2))
    with pytest.raises(StoreError, match="of another config"):
        gather(out)


@pytest.mark.slow
def test_jobs_are_the_serial_run_and_stop_together(config, serial, tmp_path, capfd):
    path, out = tmp_path / "config.toml", tmp_path / "run"
    path.write_text(tomli_w.dumps(TABLE))
    command = ["run", str(path), "--out", str(out), "--jobs", "2", "--quiet"]
    process = subprocess.Popen([sys.executable, "-m", "physgen", *command], stderr=subprocess.PIPE,
                               text=True, start_new_session=True)  # fmt: skip
    begun = time.monotonic()
    while not list((out / "points").glob("*/run.h5")) and time.monotonic() - begun < 120:
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGTERM)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 143, error
    assert "the same command continues all 2 shares" in error
    assert not (out / "run.h5").exists()
    assert main(command) == 0
    assert open_run(out).attrs["complete"] == 1
    serial_groups, ours = open_run(serial), open_run(out)
    for name in ("estimates", "agreement"):
        assert ours[name].to_dataset().identical(serial_groups[name].to_dataset())
    assert "0-of-2.log" in {each.name for each in (out / "points").iterdir()}


QUICK = {"seed": 4, "target": {"name": "ising-2d", "L": 3, "beta": [0.3, 0.4]},
         "sampler": {"name": "swendsen-wang", "n_chains": 64, "n_draws": 4}}  # fmt: skip


@pytest.fixture
def quick(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(tomli_w.dumps(QUICK))
    return str(path)


@pytest.mark.slow
def test_only_run_gathers_and_the_last_share_does_it(quick, tmp_path, capsys):
    out = tmp_path / "run"
    point = ["--out", str(out), "--quiet", "--points"]
    for share in ("0/2", "1/2"):
        assert main(["sample", quick, *point, share]) == 0
    assert "physgen gather" in capsys.readouterr().out
    assert not (out / "run.h5").exists()
    held = Lock(out)  # two shares that end together: the other one is at it
    assert main(["run", quick, *point, "1/2"]) == 0
    held.release()
    assert "another one gathers" in capsys.readouterr().out
    assert main(["run", quick, *point, "1/2"]) == 0
    assert open_run(out).attrs["complete"] == 1
    assert main(["gather", str(out), "--quiet"]) == 0  # again: nothing is brought twice
    assert open_run(out)["scan"].sizes["point"] == 2
    parts = [open_run(out / "points" / name, groups=()).attrs for name in ("0-of-2", "1-of-2")]
    assert open_run(out).attrs["cpu_seconds"] > sum(part["cpu_seconds"] for part in parts)


def test_force_replaces_a_share_of_another_config(quick, tmp_path, capsys):
    out = tmp_path / "run"
    point = ["--out", str(out), "--quiet", "--points", "0/2"]
    assert main(["sample", quick, *point]) == 0
    other = ["sample", quick, *point, "--set", "seed=5"]
    assert main(other) == 2
    assert "--force to replace that run" in capsys.readouterr().err
    assert main([*other, "--force"]) == 0
    assert open_run(out / "points" / "0-of-2").attrs["seed"] == 5
