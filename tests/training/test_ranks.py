"""One fit on several processes: the same bits on any number, one end for all."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers.ranks import begun, ended, problems
from helpers.ranks_fits import fitted, resumed, stopped

from physgen import models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.training import NegativeLogLikelihood, PersistentContrastiveDivergence, fit
from physgen.training.meeting import placed
from physgen.training.ranks import Ranks
from physgen.training.shards import check_shards, sharded_step
from physgen.training.state import digest


def test_processes_know_their_place():
    torchrun = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1"}
    srun = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "2", "SLURM_STEP_NUM_TASKS": "3"}
    assert placed({}) == (0, 1, 0)
    assert placed(torchrun) == (1, 4, 1)
    assert placed(srun) == (0, 1, 0)  # e.g. shares of a scan, which know nothing of each other
    assert placed(srun | {"MASTER_ADDR": "node1", "SLURM_LOCALID": "1"}) == (2, 3, 1)
    with pytest.raises(InputError, match="RANK must be below WORLD_SIZE, got 4 of 4"):
        placed(torchrun | {"RANK": "4"})
    with pytest.raises(InputError, match="must be integers"):
        placed(torchrun | {"RANK": "first"})


def test_each_shard_is_worked_on_once():
    for world in (1, 2, 3):
        taken = [k for rank in range(world) for k in Ranks(rank, world).shards(5)]
        assert sorted(taken) == list(range(5))


def test_a_process_has_a_gpu_of_its_own(monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    Ranks(5, 8, 1).use_device("cuda")
    Ranks(0, 1, 3).use_device("cuda")  # alone: the device that is current
    Ranks(2, 8, 2).use_device("cpu")
    assert chosen == [1]
    with pytest.raises(InputError, match="GPU of its own, got process 2 of a node with 2"):
        Ranks(2, 8, 2).use_device("cuda, cpu")


def test_sums_are_those_of_the_shards_in_order():
    rows = {k: torch.tensor([10.0**k, 1.0, -0.0], dtype=torch.float64) for k in (16, 0, 2)}
    total = Ranks().total({0: rows[16], 1: rows[0], 2: -rows[16]}, 3)
    assert total.tolist() == [0.0, 1.0, 0.0]  # the 1 is lost in 1e16, as in this order it must be
    assert not torch.signbit(total[2])  # -0 + 0, which a matrix of zeros would make


def test_a_batch_must_fill_its_shards():
    _, objective, _ = problems()["nll"]  # 304 strings
    check_shards(4, 4, 38, objective)
    with pytest.raises(InputError, match="at least the number of processes, 4, got 2"):
        check_shards(2, 4, 38, objective)
    with pytest.raises(InputError, match=r"at least 2 shots .* 20 shards of batches of 38"):
        check_shards(20, 1, 38, objective)
    with pytest.raises(InputError, match="batches of 4 and 50"):  # the last one of an epoch
        check_shards(4, 1, 50, objective)


def test_the_gradient_of_shards_is_the_one_of_the_batch():
    model, objective, _ = problems()["nll"]
    index = np.arange(37)  # shards of unequal size
    loss = objective.loss(model, index, Stream(1), {})
    loss.value.backward()
    whole = [p.grad.clone() for p in model.parameters()]
    step = sharded_step(model, objective, index, Stream(1), 5, Ranks())
    assert step.value == pytest.approx(loss.value.item(), rel=1e-6)
    for p, grad in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(p.grad, grad, rtol=1e-4, atol=1e-6)


def test_one_shard_is_the_fit_that_always_was():
    model, objective, settings = problems(shards=1)["nll"]
    by_hand = problems(shards=1)["nll"][0]
    assert digest(model) == digest(by_hand)
    once = dataclasses.replace(settings, n_epochs=1, batch_size=304, clip_norm=None, ema_decay=0.0)
    fit(model, objective, once, rng=2)
    adam = torch.optim.Adam(by_hand.parameters(), lr=once.learning_rate_at(0, 1), fused=True)
    index = objective.epoch_order(Stream(2).child("shuffle").at(0))
    rng = Stream(2).child("loss").at(0)
    objective.loss(by_hand, index, rng, {}).value.backward()
    adam.step()
    assert digest(model) == digest(by_hand)


def test_what_an_objective_carries_belongs_to_the_whole_batch():
    x = np.random.default_rng(1).integers(0, 4, size=(200, 3)).astype(np.uint8)
    rbm = models.build({"family": "categorical-rbm", "shape": [3], "K": 4, "n_hidden": 2}, rng=1)
    settings = dataclasses.replace(problems()["nll"][2], batch_size=45)
    with pytest.raises(InputError, match=r"shards must be 1 for Persistent.* carries"):
        fit(rbm, PersistentContrastiveDivergence(x, n_chains=20), settings)


def test_metrics_are_means_over_the_batch():
    class Told(NegativeLogLikelihood):
        def loss(self, model, index, rng, carry):
            loss = super().loss(model, index, rng, carry)
            return loss._replace(metrics={"place": float(np.mean(index))})

    model, _, _ = problems()["nll"]
    outcomes = np.random.default_rng(1).integers(0, 4, size=(60, 6)).astype(np.uint8)
    index = np.arange(11)
    step = sharded_step(model, Told(outcomes, rng=3), index, Stream(1), 3, Ranks())
    assert step.metrics["place"] == pytest.approx(5.0)


@pytest.mark.slow
def test_the_same_bits_on_one_process_and_two_interrupted_or_not(tmp_path):
    for name in ("nll", "rkl"):
        stopped(name, tmp_path / f"{name}-by-1")
    command = ["-m", "helpers.ranks_fits", "identical", str(tmp_path)]
    first, second = ended(begun(command, 2))
    assert (first.status, second.status) == (0, 0), first.err + second.err
    assert first.out == second.out
    rows = {line.split()[0]: line.split()[1:] for line in first.out.splitlines()}
    for name in ("nll", "rkl"):
        whole = fitted(name)
        assert rows[name] == [whole, whole]
        assert resumed(name, tmp_path / f"{name}-by-2") == whole
    for shards in (3, 4):
        assert rows[f"nll{shards}"][0] == fitted("nll", shards=shards)
    assert rows["nll"][0] != rows["nll3"][0]  # shards belong to the result


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("fails", "the file of process 1 is gone"),
        ("lost", "another process of this fit was lost"),
    ],
)
def test_what_ends_one_process_ends_all(kind, said):
    first, second = ended(begun(["-m", "helpers.ranks_fits", "broken", kind], 2))
    assert "the loss became nan at step 3" in first.out
    assert first.out == second.out  # the same step, and the same weights fallen back on
    assert first.status == 1
    assert second.status == (9 if kind == "lost" else 1)
    assert said in first.err
