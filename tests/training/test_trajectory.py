"""Snapshots of a fit: when they are taken, what they hold, and log Z along them."""

import numpy as np
import pytest
import torch
from helpers.fits import coupled_strings, small_model
from helpers.statistics import within

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models import RBM
from physgen.samplers import BlockGibbs, TrajectoryTempering, log_z_sandwich, run
from physgen.training import FitSettings, NegativeLogLikelihood, Trajectory, fit

SETTINGS = FitSettings(n_epochs=3, batch_size=200, learning_rate=2e-2)


def machine(strength):
    """A ferromagnet: all weights of one size, beside a little disorder."""
    rbm = RBM((3, 4), n_hidden=6, even=True, rng=1)
    with torch.no_grad():
        rbm.W *= 0.3
        rbm.W += strength / np.sqrt(rbm.W.numel())
    return rbm


def recorded(strengths=(0.3, 1.5, 3.0), growth=1.25):
    trajectory = Trajectory(growth)
    for step, strength in zip((1, 10, 100), strengths):
        trajectory(step, machine(strength))
    return trajectory


def test_fit_hands_over_the_averaged_weights_and_is_not_changed():
    seen, trajectory = {}, Trajectory()

    def noted(step, model):
        seen[step] = {name: t.clone() for name, t in model.state_dict().items()}
        trajectory(step, model)

    objective = NegativeLogLikelihood(coupled_strings(1000), rng=1)
    with_it = fit(small_model(), objective, SETTINGS, rng=1, on_average=noted)
    without = fit(small_model(), objective, SETTINGS, rng=1)
    for a, b in zip(with_it.model.parameters(), without.model.parameters(), strict=True):
        assert torch.equal(a, b)
    last = int(with_it.history["step"][-1])
    powers = {2**k for k in range(12) if 2**k <= last}
    assert set(seen) == powers | set(with_it.history["step"].values.tolist())
    for step, model in trajectory.snapshots(small_model()):
        for name, tensor in model.state_dict().items():
            assert torch.equal(tensor, seen[step][name])
    assert not torch.equal(*(next(iter(seen[step].values())) for step in (1, last)))


def test_snapshots_are_a_factor_apart():
    trajectory = Trajectory(growth=2.0)
    for step in range(1, 40):
        trajectory(step, machine(0.1 * step))
    assert trajectory.steps == [1, 2, 4, 8, 16, 32]
    assert len(trajectory) == 6
    trajectory(16, machine(99.0))  # a resumed fit repeats a step: the first one counts
    assert trajectory.steps[-1] == 32


def test_they_survive_storage():
    trajectory = recorded()
    again = Trajectory.from_dataset(trajectory.to_dataset())
    assert again.steps == trajectory.steps
    for (_, a), (_, b) in zip(
        again.snapshots(machine(0.0)), trajectory.snapshots(machine(0.0)), strict=True
    ):
        assert a.fingerprint == b.fingerprint
    with pytest.raises(InputError, match="must be one that to_dataset gave"):
        Trajectory.from_dataset(trajectory.to_dataset().drop_attrs())


@pytest.mark.statistical
def test_log_z_along_a_training_closes_with_the_sum_and_the_sandwich():
    last = machine(3.5)
    found = recorded().followed(last, n_chains=512, rng=2)
    np.testing.assert_array_equal(found.data["label"], [1, 10, 100, 101])
    exact = [machine(s).log_z_exact() for s in (0.3, 1.5, 3.0, 3.5)]
    for value, error, z in zip(found.data["log_z"], found.data["log_z_error"], exact):
        assert within(value, z, error, largest=0.15)
    assert abs(exact[2] - exact[0]) > 1
    sandwich = log_z_sandwich(last, n_chains=256, n_temperatures=100, seed=1)
    assert sandwich["closes"].item()
    assert within(sandwich["log_z"], exact[-1], sandwich["log_z_error"], largest=0.05)


@pytest.mark.statistical
def test_the_ladder_carries_replicas_from_mode_to_mode():
    last = machine(3.5)
    found = recorded().followed(last, n_chains=256, rng=2)
    assert found.models[-1].fingerprint == last.fingerprint
    up = np.ones((64, 3, 4), np.int8)
    how = {"n_chains": 64, "n_draws": 80, "warmup": 80, "seed": 1, "quiet": True, "start": up}
    ds = run(TrajectoryTempering(BlockGibbs(), found.models, labels=found.labels), last, **how)
    m = ds["magnetization"].isel(checkpoint=-1).mean("draw").values
    assert within(m.mean(), 0.0, m.std(ddof=1) / 8, largest=0.12)
    assert ds["round_trips"].sum() > 64
    stuck = run(BlockGibbs(), last, **how)["magnetization"].mean("draw").values
    assert stuck.mean() > 0.5


def test_what_is_no_trajectory_is_refused():
    with pytest.raises(InputError, match="growth must be larger than 1"):
        Trajectory(1.0)
    with pytest.raises(InputError, match="model must be the one that was trained"):
        recorded().snapshots(RBM((3, 4), n_hidden=5, even=True))
    assert Trajectory().followed(machine(0.3), rng=Stream(1)).labels[-1] == 1
