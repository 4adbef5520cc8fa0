"""Parallel tempering: the joint distribution of replicas, round trips, restarts."""

import numpy as np
import pytest
from helpers.clusters import states
from helpers.statistics import accepts, chi_square_p, joint_p

from physgen.core.chains import BoundSampler
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.enumeration import enumerated_observables
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.hmc import HMC
from physgen.samplers.run import blocks, run
from physgen.samplers.tempering import ParallelTempering, Replicas
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

BETAS = (0.1, 0.5)


class Aligned(ParallelTempering):
    """Tempering that swaps whatever the actions say."""

    def bind(self, target):
        return Careless(**vars(super().bind(target)))


class Careless(Replicas):
    def _log_acceptance(self, states, pairs):
        return [0.0 for _ in pairs]


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", [HeatBath(), Wolff(n_clusters=1)], ids=["heat bath", "wolff"])
def test_replicas_keep_their_joint_distribution(sampler):
    target = Ising(L=2, beta=0.5)
    x = states(4)
    single = [np.exp(-target.at(beta=b).action(x.reshape(-1, 2, 2))) for b in BETAS]
    single = [w / w.sum() for w in single]
    joint = np.outer(single[1], single[0]).ravel()  # the first replica is the lower digit

    def p_value(tempering):
        def test(n, seed):
            replicas, rng = tempering.bind(target), Stream(seed)
            parts = []
            for k, (bound, p) in enumerate(zip(replicas.bounds, single, strict=True)):
                u = rng.child("start", k).numpy().random(n)
                start = x[np.searchsorted(np.cumsum(p), u)].reshape(-1, 2, 2)
                parts.append(bound.init(rng, n, start))
            state = replicas.init(rng, n)._replace(x=np.stack([s.x for s in parts]))
            state, info = replicas.step(rng, state, 3)
            assert info.metrics["swap_rate"].shape == (n, 1)
            low, high = (
                (b.configurations(s._replace(x=y)).reshape(n, 4) > 0) @ (1 << np.arange(4))
                for b, s, y in zip(replicas.bounds, parts, state.x, strict=True)
            )
            return chi_square_p(np.bincount(low + 16 * high, minlength=256), joint)

        return test

    assert accepts(p_value(ParallelTempering(sampler, BETAS)), 20_000)
    assert not accepts(p_value(Aligned(sampler, BETAS)), 20_000)


@pytest.mark.statistical
def test_spin_glass_at_low_temperature_against_enumeration():
    glass = Ising.spin_glass(L=4, beta=2.0, rng=3)
    betas = (0.3, 0.6, 0.9, 1.2, 1.6, 2.0)
    exact = [enumerated_observables(glass.at(beta=b))["energy_per_site"].item() for b in betas]

    def p_value(n, seed):
        tempering = ParallelTempering(HeatBath(), betas)
        ds = run(tempering, glass, n_chains=128, n_draws=n, warmup=200, seed=seed, quiet=True)
        assert ds["energy"].dims == ("chain", "draw", "beta")
        np.testing.assert_array_equal(ds["beta"], betas)
        means = ds["energy"].mean("draw") / 16
        error = means.std("chain", ddof=1) / np.sqrt(128)
        assert float(ds["round_trips"].min()) > 0
        assert np.all(ds["swap_rate"].mean("chain") > 0.2)
        # Replicas of one chain are correlated, its pulls nearly not: walkers move on quickly.
        return joint_p(((means.mean("chain") - exact) / error).values)

    assert accepts(p_value, 100)


@pytest.mark.statistical
def test_any_coupling_of_a_field_can_be_tempered():
    target = Phi4.from_unhalved(4, m2=-4.0, lam=8.0)
    exact = np.array([0.16739177, 0.14774621])  # <phi^2> by quadrature
    hmc = HMC(n_leapfrog=6, step_size=0.15)

    def p_value(tempering):
        def test(n, seed):
            replicas, rng = tempering.bind(target), Stream(seed)
            state, _ = replicas.step(rng.child("warmup"), replicas.init(rng, 256), 20)
            total = 0.0
            for i in range(n):
                state, _ = replicas.step(rng.at(i), state, 2)
                total = total + replicas.measure(state)["phi2"] / n
            pulls = (total.mean(0) - exact) / total.std(0, ddof=1) * 16
            return joint_p(pulls)

        return test

    tempering = ParallelTempering(hmc, (6.975, 8.0), coupling="lam")
    assert accepts(p_value(tempering), 25)
    wrong = ParallelTempering(hmc, (7.2, 8.0), coupling="lam")
    assert not accepts(p_value(wrong), 25)


def test_round_trips_are_those_of_the_walkers():
    target = Ising(L=4, beta=0.02)
    replicas = ParallelTempering(HeatBath(), (0.0, 0.01, 0.02)).bind(target)
    assert isinstance(replicas, BoundSampler)
    state = replicas.init(Stream(1), 50)
    home, trips = state.aux["walker"].copy(), np.zeros(50)
    seen = np.zeros((50, 3), int)
    seen[:, 0] = 1
    for i in range(40):
        state, _ = replicas.step(Stream(1).at(i), state)
        walker = state.aux["walker"]
        np.testing.assert_array_equal(np.sort(walker, axis=1), home)
        for c in range(50):  # by hand: first end after the last one
            a, b = walker[c, 0], walker[c, -1]
            trips[c] += seen[c, a] == 2
            seen[c, a] = 1
            seen[c, b] = 2 if seen[c, b] == 1 else seen[c, b]
    np.testing.assert_array_equal(state.aux["stat.round_trips"], trips)
    assert trips.min() >= 3


def test_a_run_is_restarted_bit_for_bit():
    target = Ising(L=4, beta=0.6)
    arguments = {"n_chains": 20, "warmup": 10, "seed": 5, "quiet": True, "thin": 3}
    for sampler in (HeatBath(), Wolff()):
        tempering = ParallelTempering(sampler, [0.3, 0.45, 0.6])
        whole = run(tempering, target, n_draws=8, keep="configurations", **arguments)
        first = list(blocks(tempering, target, n_draws=4, **arguments))[-1].checkpoint
        rest = run(tempering, target, n_draws=8, checkpoint=first, **arguments)
        np.testing.assert_array_equal(whole["energy"][:, 4:], rest["energy"])
        np.testing.assert_array_equal(whole["round_trips"], rest["round_trips"])


def test_tuning_is_one_a_replica():
    target = Phi4.from_unhalved(4, m2=-4.0, lam=8.0)
    replicas = ParallelTempering(HMC(), (6.0, 8.0), coupling="lam").bind(target)
    state = replicas.init(Stream(1), 64)
    tuned, state = replicas.tune(Stream(1), state, 40)
    assert set(tuned.tuning) == {"step_size_0", "step_size_1"}
    assert tuned.tuning != replicas.tuning
    assert replicas.with_tuning(tuned.tuning).tuning == tuned.tuning
    np.testing.assert_array_equal(
        tuned.step(Stream(2), state)[0].x, tuned.step(Stream(2), state)[0].x
    )


def test_what_makes_no_ladder_is_refused():
    with pytest.raises(InputError, match="betas must be increasing"):
        ParallelTempering(HeatBath(), [0.4, 0.3])
    with pytest.raises(InputError, match=r"betas must be a list of numbers, got 0\.4"):
        ParallelTempering(HeatBath(), 0.4)
    with pytest.raises(InputError, match="sampler must have a bind"):
        ParallelTempering("HeatBath", [0.4])
    with pytest.raises(InputError, match=r"must contain the beta of the target, 0\.5"):
        ParallelTempering(HeatBath(), [0.3, 0.4]).bind(Ising(L=4, beta=0.5))
    with pytest.raises(InputError, match=r"needs a target with at\(kappa=...\)"):
        ParallelTempering(HeatBath(), [0.3], coupling="kappa").bind(Ising(L=4, beta=0.3))
