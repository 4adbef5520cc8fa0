"""Tempering along a trajectory: detailed balance, round trips, log Z on the way, the ladder."""

import math
from itertools import pairwise

import numpy as np
import pytest
from helpers.boltzmann import SmallGibbs, SmallRBM, states
from helpers.statistics import joint_p, within

from physgen.core.chains import State
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.enumeration import enumerated_observables
from physgen.samplers import run
from physgen.samplers.annealed_importance import log_z_sandwich
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.tempering import ParallelTempering
from physgen.samplers.trajectory import Follower, follow
from physgen.samplers.trajectory_tempering import TrajectoryTempering
from physgen.samplers.weight_path import WeightPath
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising


def magnet(strength, n_visible=12, n_hidden=6):
    """Two modes, all up and all down, a little uneven; the stronger, the deeper."""
    rough = 0.05 * np.random.default_rng(0).standard_normal((n_visible, n_hidden))
    W = strength / math.sqrt(n_visible * n_hidden) + rough
    return SmallRBM(W, np.full(n_visible, 0.02), np.zeros(n_hidden))


TRAINING = [(1, magnet(0.3)), (10, magnet(1.0)), (100, magnet(2.5)), (1000, magnet(5.0))]
LAST = TRAINING[-1][1]


def swaps(replicas, x, y):
    """A of configurations x at the first model and y at the second."""
    return replicas._log_acceptance([State(x), State(y)], [0])[0]


def test_exchanges_are_in_detailed_balance():
    """pi P = pi on all pairs of states, by the acceptance that the sampler computes."""
    models = [SmallRBM.random(3, 2, 0.4, seed=1), SmallRBM.random(3, 2, 1.2, seed=2)]
    replicas = TrajectoryTempering(SmallGibbs(), models).bind(models[1])
    i, j = (k.ravel() for k in np.indices((8, 8)))
    pi = np.outer(models[0].probabilities, models[1].probabilities)

    def flow(factor):
        A = factor * swaps(replicas, states(3)[i], states(3)[j])
        accept = np.exp(np.minimum(A, 0)).reshape(8, 8)
        after = pi * (1 - accept)
        after += (pi * accept).T  # (x, y) becomes (y, x)
        return np.abs(after - pi).max()

    assert flow(1.0) < 1e-15
    assert flow(1 / 1.05) > 1e-4  # at a temperature 5 % off
    assert flow(-1.0) > 1e-2  # with the wrong sign


def test_a_ladder_of_temperatures_is_parallel_tempering():
    betas = (0.1, 0.3, 0.5)
    models = [Ising(L=4, beta=beta) for beta in betas]
    how = {"n_chains": 20, "n_draws": 30, "warmup": 10, "seed": 4, "quiet": True}
    ours = run(TrajectoryTempering(HeatBath(), models), models[-1], **how)
    known = run(ParallelTempering(HeatBath(), betas), models[-1], **how)
    np.testing.assert_array_equal(ours["energy"].values, known["energy"].values)
    np.testing.assert_array_equal(ours["round_trips"], known["round_trips"])
    assert ours["energy"].dims == ("chain", "draw", "checkpoint")
    assert ours["round_trips"].sum() > 0


@pytest.mark.statistical
def test_replicas_reach_both_modes_and_plain_chains_do_not():
    exact = LAST.probabilities @ states(12).mean(axis=1)
    found = follow(TRAINING, SmallGibbs(), rng=1)
    tempering = TrajectoryTempering(SmallGibbs(), found.models, labels=found.labels)
    up = np.ones((64, 12), np.int8)  # all chains begin in one mode
    how = {"n_chains": 64, "n_draws": 150, "warmup": 150, "seed": 2, "quiet": True, "start": up}
    ds = run(tempering, LAST, **how)
    assert ds["round_trips"].sum() > 64
    m = ds["magnetization"].isel(checkpoint=-1).mean("draw").values
    assert within(m.mean(), exact, m.std(ddof=1) / 8, largest=0.08)
    plain = run(SmallGibbs(), LAST, **how)["magnetization"].mean("draw").values
    assert abs(plain.mean() - exact) > 5 * max(plain.std(ddof=1) / 8, 0.02)
    # Neighbours exchange as often as the walk along the training expected.
    seen = ds["swap_rate"].mean("chain").values
    np.testing.assert_allclose(seen, found.swap_rates, atol=0.12)


@pytest.mark.statistical
def test_log_z_along_the_training_closes_with_exact_sums_and_the_sandwich():
    found = follow(TRAINING, SmallGibbs(), n_chains=1024, rng=3)
    exact = [model.log_z for _, model in TRAINING]
    value, error = found.data["log_z"].values, found.data["log_z_error"].values
    # Later values contain the earlier ones: each has to be right, and not their joint law.
    for v, z, e in zip(value, exact, error, strict=True):
        assert within(v, z, e, largest=0.08)
    assert not within(value[-1], exact[-2], error[-1], largest=0.08)
    sandwich = log_z_sandwich(
        LAST, move=SmallGibbs(), samples=LAST.draws(256, 1), n_chains=256, n_temperatures=150,
        seed=1,
    )  # fmt: skip
    apart = abs(value[-1] - sandwich["log_z"].item())
    assert apart < 4 * math.hypot(error[-1], sandwich["log_z_error"].item())
    np.testing.assert_array_equal(found.data["label"], [1, 10, 100, 1000])


def test_the_ladder_keeps_its_share():
    for least in (0.2, 0.5):
        found = follow(TRAINING, SmallGibbs(), n_chains=256, least=least, rng=1)
        assert min(found.swap_rates) > least
        assert found.labels[0] == -1
        assert found.labels[-1] == 1000
        assert np.all(np.diff(found.labels) > 0)
        assert len(found.models) == len(found.swap_rates) + 1
        np.testing.assert_array_equal(found.models[-1].W, LAST.W)
        exact = [_exchange(*pair) for pair in pairwise(found.models)]
        np.testing.assert_allclose(found.swap_rates, exact, atol=0.1)
    loose = follow(TRAINING, SmallGibbs(), n_chains=256, least=0.2, rng=1)
    assert len(loose.models) < len(found.models)


def _exchange(one, two):
    """Mean probability of an exchange, by all pairs of states."""
    c = two.action(states(12)) - one.action(states(12))
    # A = S_1(x) + S_2(y) - S_1(y) - S_2(x), x drawn of the first model and y of the second
    A = c[None, :] - c[:, None]
    return float(one.probabilities @ np.exp(np.minimum(A, 0.0)) @ two.probabilities)


def test_snapshots_can_be_followed_one_by_one():
    follower = Follower(SmallGibbs(), rng=5)
    online = [follower.advance(step, model) for step, model in TRAINING]
    whole = follow(TRAINING, SmallGibbs(), rng=5)
    np.testing.assert_array_equal([v for v, _ in online], whole.data["log_z"])
    assert follower.result().labels == whole.labels


def test_the_model_is_copied():
    model = magnet(0.5)
    follower = Follower(SmallGibbs(), rng=1)
    follower.advance(1, model)
    model.load_state_dict({"W": 10 * model.W})
    assert follower.advance(2, magnet(0.5))[0] == pytest.approx(magnet(0.5).log_z, abs=0.2)


def test_weights_in_between():
    path = WeightPath(TRAINING[0][1], LAST, np.ones((4, 12), np.int8))
    assert path.at(0.0) is TRAINING[0][1]
    assert path.at(1.0) is LAST
    np.testing.assert_allclose(path.at(0.25).W, 0.75 * TRAINING[0][1].W + 0.25 * LAST.W)
    with pytest.raises(InputError, match="weights of the same shapes"):
        WeightPath(LAST, magnet(1.0, n_hidden=5), path.x)
    with pytest.raises(InputError, match="number of draws at hand, 4, got 5"):
        path.sample(Stream(1), 5)


@pytest.mark.statistical
def test_replicas_of_different_couplings_keep_their_laws():
    models = [Ising(L=4, beta=beta) for beta in (0.1, 0.3, 0.5)]
    exact = [16 * enumerated_observables(m)["energy_per_site"].item() for m in models]
    ds = run(
        TrajectoryTempering(HeatBath(), models), models[-1], n_chains=128, n_draws=60, warmup=60,
        seed=1, quiet=True,
    )  # fmt: skip
    means = ds["energy"].mean("draw")
    error = means.std("chain", ddof=1) / math.sqrt(128)
    assert joint_p(((means.mean("chain") - exact) / error).values) > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrajectoryTempering(SmallGibbs(), []), "at least one target, got none"),
        (lambda: TrajectoryTempering("gibbs", [LAST]), "sampler must have a bind"),
        (lambda: TrajectoryTempering(SmallGibbs(), [3]), "models must be targets"),
        (
            lambda: TrajectoryTempering(SmallGibbs(), [LAST, magnet(1.0, n_visible=5)]),
            r"one event_shape, got \(12,\) and \(5,\)",
        ),
        (
            lambda: TrajectoryTempering(HeatBath(), [Ising(L=4, beta=0.1), FreeField(4, m2=1.0)]),
            "one support",
        ),
        (
            lambda: TrajectoryTempering(SmallGibbs(), [LAST, LAST], labels=[1, 1]),
            "labels must be increasing",
        ),
        (
            lambda: TrajectoryTempering(SmallGibbs(), [LAST]).bind(magnet(1.0)),
            "models must contain the target",
        ),
        (lambda: Follower("gibbs"), "move must be a sampler"),
        (lambda: Follower(least=1.0), r"least must be between 0 and 1, got 1\.0"),
        (lambda: Follower(n_chains=0), "n_chains must be an integer >= 64, got 0"),
        (lambda: follow([], SmallGibbs()), "needs at least one snapshot"),
        (
            lambda: follow([(2, LAST), (1, LAST)], SmallGibbs()),
            "label must be larger than 2, that before, got 1",
        ),
        (lambda: follow([(1, 3)], SmallGibbs()), "must be a target with an action"),
    ],
)
def test_what_makes_no_trajectory_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_its_name_tells_the_weights():
    one, two = (TrajectoryTempering(SmallGibbs(), [model]) for model in (LAST, magnet(1.0)))
    assert repr(one) == repr(TrajectoryTempering(SmallGibbs(), [LAST]))
    assert repr(one) != repr(two)
