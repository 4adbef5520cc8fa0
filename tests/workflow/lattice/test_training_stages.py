"""Stages of training, snapshots, and chains along them; a kill in any stage changes no bit."""

import inspect
import json
import os
import signal
import warnings
from importlib import import_module

import numpy as np
import pytest
import xarray as xr

from physgen import models
from physgen.core.errors import InputError
from physgen.results import RunStore, open_run
from physgen.training.energy_objectives import ENERGY_OBJECTIVES, ENERGY_OPTIONS
from physgen.workflow.lattice.along import closes
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.job import JOB
from physgen.workflow.lattice.summary import summarize
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run

ISING = {"name": "ising-2d", "L": 3, "beta": 0.4}
PHI4 = {"name": "phi4-2d", "convention": "hopping", "L": 4, "kappa": 0.2, "lam": 0.1}
SAMPLER = {"name": "auto", "n_chains": 64, "n_draws": 20, "thin": 3}
PCD = {"objective": "contrastive-divergence", "n_epochs": 2, "k": 2, "n_chains": 50}
STAGES = ("stage1/", "")
GROUP = "models/rbm/L3/beta0.4"
TIMINGS = ("/", "/scan", "/trained", "/drawn")  # when and how long


def table(target, model, **more):
    return {
        "seed": 3, "target": target, "sampler": SAMPLER, "model": model,
        "smc": {"n_particles": 0}, **more,
    }  # fmt: skip


def machine(**train):
    known = {"n_epochs": 3, "batch_size": 100, "k": 3, "n_chains": 50, "trajectory": True}
    chains = {"name": "trajectory-tempering", "n_chains": 32, "n_draws": 30}
    return {"family": "rbm", "n_hidden": 4, "train": known | train, "chains": chains}


@pytest.fixture(scope="module")
def config():
    train = {"then": PCD, "checkpoint_every": 1e-6}
    return config_from_dict(table(ISING, machine(**train)))


@pytest.fixture(scope="module")
def whole(config, tmp_path_factory):
    return run(config, tmp_path_factory.mktemp("run") / "whole")


def weights(tree, group):
    return models.from_dataset(tree[group].to_dataset()).W.detach().numpy()


def test_a_stage_goes_on_from_the_weights_of_the_one_before(whole, tmp_path):
    tree = open_run(whole)
    first, last = (weights(tree, f"{GROUP}/{stage}model") for stage in STAGES)
    moved = np.abs(last - first)
    assert 0 < moved.max() < 0.05  # a hundredth of the rate
    alone = run(config_from_dict(table(ISING, machine())), tmp_path / "a", until="train")
    np.testing.assert_array_equal(weights(open_run(alone), f"{GROUP}/model"), first)
    assert [tree[f"{GROUP}/{stage}training"].attrs["k"] for stage in STAGES] == [3, 2]
    known = json.loads(tree[f"{GROUP}/model"].attrs["trained_by"])
    assert (known["k"], known["n_chains"]) == (2, 50)
    written = {JOB.group_of(g) for g in tree.groups if tree[g].has_data}
    assert {"models/along", "models/trajectory"} <= written <= {*JOB.groups, ""}


def test_replicas_along_the_training_give_round_trips_and_log_z(whole):
    tree = open_run(whole)
    along = tree[f"{GROUP}/along"].to_dataset()
    exact = float(tree[f"{GROUP}/log_z"]["log_z"])  # summed: four hidden units
    assert along["log_z"][-1] == pytest.approx(exact, abs=5 * float(along["log_z_error"][-1]))
    steps = along["label"].values
    assert (np.diff(steps) > 0).all()
    # Steps are counted through both stages.
    assert steps[-1] == 1 + sum(int(tree[f"{GROUP}/{s}training"]["step"][-1]) for s in STAGES)
    draws = tree[f"{GROUP}/draws"]
    assert draws.attrs["sampler"].startswith("TrajectoryTempering(BlockGibbs")
    assert int(draws["round_trips"].sum()) > 0
    (energies,) = (t for t in summarize(tree, config_of(whole)).tables if t.heading == "Energies")
    heads = [column.head.replace("\n", " ") for column in energies.columns]
    assert {"chains of training", "log Z along training", "round trips"} <= set(heads)


def config_of(out):
    return config_from_dict(json.loads(open_run(out).attrs["config"]))


def killed(config, out, enough):
    """Run a config in a child that dies by SIGKILL after the first commit that is `enough`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # fork beside threads
        child = os.fork()
    if child == 0:
        commit = RunStore.commit

        def dying(store, groups, **how):
            commit(store, groups, **how)
            if enough(groups):
                os.kill(os.getpid(), signal.SIGKILL)

        RunStore.commit = dying
        try:
            run(config, out)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES, ids=["first", "second"])
def test_kill_9_in_either_stage_changes_no_bit(config, whole, stage, tmp_path):
    """Persistent chains, optimizer, snapshots and all: contrastive divergence in both stages."""

    def in_the_middle(groups):
        attrs = groups["checkpoint"].attrs if "checkpoint" in groups else {}
        if attrs.get("group") != f"{GROUP}/{stage}model":
            return False
        counters = json.loads(attrs["counters"])
        return counters["step"] >= counters["n_steps"] // 2

    killed(config, tmp_path / "run", in_the_middle)
    tree = open_run(tmp_path / "run")
    assert f"/{GROUP}/{stage}model" not in tree.groups
    assert any(name.startswith("carry.chains") for name in map(str, tree["checkpoint"].data_vars))
    ours, theirs = (open_run(out) for out in (run(config, tmp_path / "run"), whole))
    assert sorted(ours.groups) == sorted(theirs.groups)
    for group in set(theirs.groups) - set(TIMINGS):
        one, two = (t[group].to_dataset(inherit=False) for t in (ours, theirs))
        xr.testing.assert_identical(one, two)


@pytest.mark.slow
def test_moments_are_matched_after_score_matching(tmp_path):
    stage = {"objective": "moment-matching", "rounds": 1, "n_chains": 64}
    train = {"n_epochs": 1, "then": [stage]}
    model = {"family": "convolutional-energy", "channels": 2, "hidden": 3, "train": train}
    tree = open_run(run(config_from_dict(table(PHI4, model)), tmp_path / "a", until="train"))
    group = "models/convolutional-energy/L4/kappa0.2"
    history = tree[f"{group}/training"]
    assert np.isfinite(float(history["deviation_0_0"][-1]))
    assert "validation_score_matching" in tree[f"{group}/stage1/training"]
    first, last = (
        models.from_dataset(tree[f"{group}/{s}model"].to_dataset()).state_dict() for s in STAGES
    )
    moved = {name for name in first if not bool((first[name] == last[name]).all())}
    assert moved == {"soft_couplings"}  # Newton's step knows no other weight


@pytest.mark.slow
def test_a_known_action_is_corrected(tmp_path):
    """A correction that learns nothing leaves the action; it is stored without it."""
    train = {"n_epochs": 1, "learning_rate": 1e-9, "batch_size": 256}
    chains = {"n_chains": 16, "n_draws": 10, "warmup": 20}
    model = {"family": "residual-energy", "channels": 2, "hidden": 3, "train": train}
    config = config_from_dict(table(PHI4, model | {"chains": chains}))
    tree = open_run(run(config, tmp_path / "a"))
    group = "models/residual-energy/L4/kappa0.2"
    assert json.loads(tree[f"{group}/model"].attrs["model"])["family"] == "convolutional-energy"
    spread = tree[f"{group}/draws"]["log_weight"].values.std()
    assert 0 < spread < 0.2
    assert tree[f"{group}/draws"].attrs["target"].startswith("ResidualEnergy")
    assert np.isfinite(float(tree[f"{group}/log_z"]["log_z"]))


def test_both_ends_of_a_training_must_agree():
    def said(off):
        along = xr.Dataset({"log_z": ("s", [3.0, 5.0 + off]), "log_z_error": ("s", [9.0, 0.3])})
        return closes(xr.Dataset({"log_z": 5.0, "log_z_error": 0.4}), along)

    assert said(1.5) == (pytest.approx(3.0), "")
    off, warning = said(2.5)
    assert off == pytest.approx(5.0)
    assert "are 5.0 errors apart: trust neither" in warning


@pytest.mark.parametrize("name", ENERGY_OPTIONS)
def test_objectives_take_what_a_config_may_tell_them(name):
    module, cls = ENERGY_OBJECTIVES[name].split(":")
    signature = inspect.signature(getattr(import_module(f"physgen.training.{module}"), cls))
    assert set(ENERGY_OPTIONS[name]) <= set(signature.parameters)


def test_a_run_without_stages_is_the_run_that_it_was():
    """No new key is in what identifies a run that does not give it."""
    plain = config_from_dict(table(PHI4, {"family": "local-action"})).canonical()
    assert not {"k", "n_chains", "rounds", "trajectory", "then"} & set(plain["model"][0]["train"])
    staged = config_from_dict(table(ISING, machine(then=PCD)))
    assert isinstance(staged, Config)
    again = config_from_dict(staged.canonical())
    assert again.canonical() == staged.canonical()
    assert staged.canonical()["model"][0]["train"]["then"][0]["k"] == 2


@pytest.mark.parametrize(
    ("train", "says"),
    [
        ({"k": 0}, "[model.train] k must be an integer from 1 to 1,000,000, got 0"),
        ({"k": 10**30}, "[model.train] k must be an integer from 1 to 1,000,000, got 1000"),
        ({"n_chains": 1}, "[model.train] n_chains must be an integer >= 2, got 1"),
        ({"rounds": 2}, "[train] rounds is of objective 'moment-matching', got 'contrastive-d"),
        ({"objective": "pseudo-likelihood"}, "[train] k is of objective 'contrastive-divergence'"),
        ({"then": {}}, "[model.train.then] objective must be given as one of 'score-matching'"),
        ({"then": {"objective": "reverse-kl"}}, "[model.train.then] objective must be one of"),
        ({"then": PCD | {"budget": "9s"}}, "[train] takes budget or n_epochs, got both"),
        ({"then": PCD | {"steps": 9}}, "[model.train.then] steps is not a known key"),
        ({"then": "more"}, "[model.train] then must be a table, or a list of them, got 'more'"),
        ({"then": [3]}, "[model.train] then must be a table, got 3; write it as then = { ... }"),
        ({"trajectory": 1}, "[model.train] trajectory must be true or false, got 1"),
        ({"trajectory": False}, "[[model]] chains 'trajectory-tempering' exchange replicas"),
    ],
)
def test_what_no_training_is_is_refused(train, says):
    with pytest.raises(InputError) as error:
        config_from_dict(table(ISING, machine(**train)))
    assert str(error.value).startswith(says)


@pytest.mark.parametrize("key", [{"then": PCD}, {"trajectory": True}, {"rounds": 3}])
def test_a_density_has_one_fit_and_no_chains(key):
    with pytest.raises(InputError, match="is for energies, and 'coloured-net' is a density"):
        config_from_dict(table(ISING, {"family": "coloured-net", "train": key}))


@pytest.mark.parametrize(
    ("chains", "says"),
    [
        ({"swap_every": 0}, "[model] chains swap_every must be a positive integer, got 0"),
        ({"rungs": 5}, "[model] chains rungs is not a known key of 'trajectory-tempering'"),
    ],
)
def test_settings_of_replicas_are_checked(chains, says):
    model = machine()
    with pytest.raises(InputError) as error:
        config_from_dict(table(ISING, model | {"chains": model["chains"] | chains}))
    assert str(error.value).startswith(says)


@pytest.mark.parametrize(
    ("goal", "says"),
    [
        ("moment-matching", r"rbm, .*: moment matching needs .*, got 'rbm'; take"),
        ("score-matching", r"\[train\] rbm, .*, score-matching: "),
    ],
)
def test_a_later_stage_is_refused_before_anything_is_drawn(goal, says, tmp_path):
    config = config_from_dict(table(ISING, machine(then={"objective": goal})))
    with pytest.raises(InputError, match=says):
        run(config, tmp_path / "a")
    assert not (tmp_path / "a" / "run.h5").exists()


def test_a_correction_needs_an_action(tmp_path):
    data = {"holds": "configurations", "file": str(tmp_path / "x.npy")}
    np.save(tmp_path / "x.npy", np.random.default_rng(1).standard_normal((50, 4, 4)))
    with pytest.raises(InputError, match=r"'residual-energy' corrects a known action"):
        config_from_dict({"seed": 1, "data": data, "model": {"family": "residual-energy"}})
