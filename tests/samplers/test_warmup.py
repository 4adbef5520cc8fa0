"""Warm-up: it accepts what has converged, at the stated rate, and rejects what has not."""

import json

import numpy as np
import pytest
from helpers.chains import BoundChain, Chain, Gaussian, TunedChain, ar1
from helpers.statistics import accepts, normal_p, unit_variance_p
from scipy import stats

from physgen.analysis import mean_estimate
from physgen.core.chains import State
from physgen.core.errors import ChainTooShortError, InputError
from physgen.core.random import Stream
from physgen.samplers import AutoWarmup, HeatBath, blocks, diagnose, run
from physgen.samplers.loop.agreement import chains_apart, drift_p, even_observables, hot_cold_p
from physgen.samplers.loop.diagnostics import stuck_chains
from physgen.samplers.loop.warmup import warm_up
from physgen.targets import Ising

HOT = np.arange(64) < 32


def uniform_p(p_values):
    return stats.kstest(p_values, "uniform").pvalue


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(64, 30), (16, 200), (4, 3000)], ids=str)
def test_p_values_of_converged_chains_are_uniform(shape):
    """Whatever the autocorrelation: false alarms come at the stated rate, for few chains too."""
    hot = np.arange(shape[0]) < shape[0] // 2
    series = [ar1(0.8, *shape, seed=[s, 5]) for s in range(300)]
    for p in ([hot_cold_p(x, hot) for x in series], [drift_p(x) for x in series]):
        assert uniform_p(p) > 1e-3
        assert np.mean(np.array(p) < 0.05) < 0.10
    # saboteur: starts that differ, and a drift, by half a standard deviation of one draw
    apart = [hot_cold_p(x + 0.5 * hot[:, None], hot) for x in series[:50]]
    drift = [drift_p(x + 0.5 * np.linspace(-1, 1, shape[1])) for x in series[:50]]
    assert np.mean(np.array(apart) < 0.05) > 0.4
    assert np.mean(np.array(drift) < 0.05) > 0.4


@pytest.mark.statistical
@pytest.mark.parametrize("shape", [(64, 100), (8, 1000)], ids=str)
def test_chains_apart(shape):
    """Two of many chains that stay elsewhere: the means hardly see them, their range does."""
    hot = np.arange(shape[0]) < shape[0] // 2
    series = [ar1(0.5, *shape, seed=[s, 5]) for s in range(200)]
    assert np.mean([len(chains_apart(x, hot)) > 0 for x in series]) < 0.05
    stripe = 5.0 * (np.arange(shape[0]) == 1)[:, None]
    assert all(1 in chains_apart(x + stripe, hot) for x in series)
    assert all(1 in chains_apart(x - stripe, ~hot) for x in series)
    assert np.mean([hot_cold_p(x + stripe, hot) < 0.01 for x in series]) < 0.1
    gone = np.linspace(2, 0, shape[1]) ** 4  # one that leaves during the look
    assert np.mean([1 in chains_apart(x + stripe * gone, hot) for x in series]) < 0.5
    x = series[0]
    assert chains_apart(x, np.ones(shape[0], bool)).size == 0
    assert chains_apart(x[:, :7], hot).size == 0
    assert chains_apart(np.zeros(shape), hot).size == 0


def test_degenerate_series():
    one = np.ones((64, 10))
    assert hot_cold_p(one, HOT) == drift_p(one) == 1.0
    assert hot_cold_p(one + HOT[:, None], HOT) == 0.0
    assert hot_cold_p(ar1(0.5, 64, 10, seed=1), np.ones(64, bool)) == 1.0
    assert drift_p(np.ones((64, 3))) == 1.0


def test_odd_observables_enter_as_their_modulus():
    m = np.array([-0.9, 0.8])
    values = {"energy": m, "magnetization": m}
    assert set(even_observables(values, "translations z2")) == {"energy", "|magnetization|"}
    np.testing.assert_array_equal(even_observables(values, "z2")["|magnetization|"], np.abs(m))
    assert set(even_observables(values, "translations")) == {"energy", "magnetization"}


def looks(sampler, seed, n_chains=64, **settings):
    bound = sampler.bind(Gaussian())
    starts = np.where(np.arange(n_chains) < n_chains // 2, "hot", "cold")
    halves = [bound.init(Stream(seed).child(k), n_chains // 2, k).x for k in ("hot", "cold")]
    state = bound.init(Stream(seed), n_chains, np.concatenate(halves))
    return list(
        warm_up(
            bound,
            state,
            Stream(seed),
            AutoWarmup(**settings),
            measure=bound.measure,
            starts=starts,
            quiet=True,
        )
    )


@pytest.mark.statistical
def test_false_alarm_rate_of_a_look():
    """Chains that have converged at once pass the first look, but for 5 % of them."""

    class Converged(Chain):
        def bind(self, target):
            return ConvergedChain(target, self.rho)

    class ConvergedChain(BoundChain):
        def init(self, rng, n_chains, start="hot"):
            if isinstance(start, str):
                start = rng.numpy().standard_normal((n_chains, 3))
            return State(start, {"age": np.zeros(n_chains, dtype=np.int64)})

    first = [looks(Converged(0.6), seed)[0].record["converged"] for seed in range(200)]
    rejected = 200 - sum(first)
    assert stats.binom.sf(rejected - 1, 200, 0.05) > 1e-3  # Bonferroni: at most 5 %
    assert stats.binom.cdf(rejected, 200, 0.01) > 1e-3  # and not never


@pytest.mark.statistical
@pytest.mark.parametrize("rho", [0.5, 0.95, 0.99])
def test_length_follows_the_relaxation(rho):
    """Starts 10 standard deviations out are forgotten: their energy falls as e^{-2 t}."""
    ends = [looks(Chain(rho), seed)[-1].record for seed in range(5)]
    assert all(record["converged"] for record in ends)
    relaxation = -1 / np.log(rho)
    steps = np.array([record["steps"] for record in ends])
    assert np.all(steps >= max(32, 4 * relaxation))
    assert np.median(steps) <= max(256, 64 * relaxation)


@pytest.mark.slow
@pytest.mark.statistical
def test_draws_right_after_the_warm_up_are_unbiased():
    """Pulls of <S> = 3/2 from 10 draws a chain; with a warm-up of 40 steps they are not normal."""

    def p_value(n, seed, warmup):
        pulls = []
        for s in range(n):
            rng = Stream(seed).child(s)
            *_, block = blocks(
                Chain(0.95), Gaussian(), n_chains=64, n_draws=10, rng=rng, warmup=warmup
            )
            means = block.data["action"].mean("draw").values
            pulls.append((means.mean() - 1.5) / means.std(ddof=1) * 8)
        return unit_variance_p(np.array(pulls))

    assert accepts(lambda n, seed: p_value(n, seed, "auto"), 60)
    assert not accepts(lambda n, seed: p_value(n, seed, 40), 60)


@pytest.mark.slow
@pytest.mark.statistical
def test_stripes_after_a_quench(monkeypatch):
    """16 x 16 Ising at beta = 0.6: the energy is not above Kaufman's for a few striped chains."""

    def mean_pull(n, seed):
        pulls = []
        for s in range(n):
            ds = run(
                HeatBath(rng="fast"),
                Ising(L=16, beta=0.6),
                n_chains=64,
                n_draws=100,
                rng=Stream(seed).child(s),
            )
            found = mean_estimate(ds["energy"].values / 256)
            pulls.append((found.value + 1.9090861748517) / found.error)
        return np.mean(pulls) * np.sqrt(n)

    assert accepts(lambda n, seed: normal_p(mean_pull(n, seed)), 60)
    # saboteur: agreement of the means alone
    monkeypatch.setattr(
        "physgen.samplers.loop.warmup.chains_apart", lambda x, hot: np.empty(0, dtype=int)
    )
    assert not accepts(lambda n, seed: normal_p(mean_pull(n, seed)), 60)


@pytest.mark.parametrize("n_chains", [64, 8])
def test_chains_that_never_agree_are_refused(n_chains):
    arguments = dict(n_chains=n_chains, n_draws=50, seed=1, warmup=AutoWarmup(max_steps=1024))
    with pytest.raises(ChainTooShortError, match="not converged in 1024 steps") as caught:
        run(Chain(0.9999), Gaussian(), **arguments)
    assert caught.value.tau_int > 50
    assert caught.value.n_draws_needed >= 2048
    with pytest.raises(ChainTooShortError, match=r"never moved|disagree"):
        run(Chain(0.5, "stuck"), Gaussian(), **arguments)
    ds = run(Chain(0.9999), Gaussian(), **arguments, quiet=True)
    assert ("disagree" if n_chains == 64 else "r_hat") in ds.attrs["warnings"]
    assert json.loads(ds.attrs["warmup"])["converged"] is False
    assert diagnose(ds)["hot_cold_p"].min() < 1e-6 or n_chains == 8


@pytest.mark.slow
def test_chains_kept_apart_by_a_wall():
    """Each chain in the well where it began; a warm-up with hot starts alone cannot see it."""
    x = np.abs(Stream(1).numpy().standard_normal((64, 3)))
    x[:32, 0] *= -1
    ds = run(
        Chain(0.5, "wells"), Gaussian(), n_chains=64, n_draws=300, seed=1, quiet=True, start=x
    )
    assert ds["mean"].attrs["tau_int_is_lower_bound"] == 1
    assert ds["mean"].attrs["r_hat"] > 1.1
    assert ds["action"].attrs["r_hat"] < 1.05
    # few chains: R-hat gates
    with pytest.raises(ChainTooShortError, match="r_hat of mean"):
        run(Chain(0.5, "wells"), Gaussian(), n_chains=8, n_draws=3000, seed=1, start=x[28:36])


def test_few_chains_must_be_long_and_many_need_not():
    with pytest.raises(ChainTooShortError, match=r"fewer than 50 tau_int") as caught:
        run(Chain(0.9), Gaussian(), n_chains=4, n_draws=100, seed=1)
    assert caught.value.n_draws_needed > 500
    assert run(Chain(0.9), Gaussian(), n_chains=4, n_draws=6000, seed=1).attrs["warnings"] == ""
    assert run(Chain(0.9), Gaussian(), n_chains=256, n_draws=10, seed=1).attrs["warnings"] == ""


def test_the_draws_that_are_asked_for_do():
    """Whatever is wrong, there is a number; and a run of that length passes."""
    for n_chains in (1, 4):
        with pytest.raises(ChainTooShortError, match=r"\(tau_int unknown\)") as caught:
            run(Chain(0.5), Gaussian(), n_chains=n_chains, n_draws=1, seed=1)
        assert caught.value.n_draws_needed > 1
    arguments = dict(n_chains=63, seed=3)
    with pytest.raises(ChainTooShortError, match="r_hat") as caught:
        run(Chain(0.5), Gaussian(), n_draws=150, **arguments)
    needed = caught.value.n_draws_needed
    assert 200 < needed < 1000
    assert run(Chain(0.5), Gaussian(), n_draws=needed, **arguments).attrs["warnings"] == ""


def test_coupled_chains_are_judged_as_one(monkeypatch):
    """However many walkers an ensemble has, it must be long."""
    monkeypatch.setattr(BoundChain, "coupled_chains", True, raising=False)
    ds = run(Chain(0.9), Gaussian(), n_chains=100, n_draws=3000, seed=1)
    assert ds.attrs["chains"] == "coupled"
    assert set(ds["start"].values) == {"hot"}
    assert np.isnan(ds["mean"].attrs["r_hat"])
    with pytest.raises(ChainTooShortError, match=r"fewer than 50 tau_int"):
        run(Chain(0.9), Gaussian(), n_chains=100, n_draws=200, seed=1)


def test_single_chain():
    ds = run(Chain(0.5), Gaussian(), n_chains=1, n_draws=3000, seed=1)
    assert list(ds["start"].values) == ["hot"]
    assert ds.attrs["warnings"] == ""


def test_tuning_happens_twice_and_is_kept():
    *_, last = blocks(TunedChain(), Gaussian(), n_chains=64, n_draws=5, seed=1)
    record = json.loads(last.checkpoint.attrs["record"])
    assert record["tuned"] == 2
    assert 0.5 <= json.loads(last.checkpoint.attrs["tuning"])["rho"] <= 0.51
    assert last.data.attrs["tuning_rho"] == json.loads(last.checkpoint.attrs["tuning"])["rho"]


def test_fixed_warm_up_takes_that_many_steps():
    for n in (0, 1, 255, 700):
        *_, last = blocks(Chain(), Gaussian(), n_chains=4, n_draws=2, seed=1, warmup=n, thin=3)
        assert np.all(last.checkpoint["aux.age"] == n + 6)
        assert json.loads(last.checkpoint.attrs["record"])["steps"] == n


def test_stuck_chains_are_those_that_chance_does_not_explain():
    rate = np.full(100, 0.3)
    rate[7] = 0
    assert stuck_chains(rate, 1000).tolist() == [7]
    assert stuck_chains(rate, 5).tolist() == []
    assert stuck_chains(np.zeros(3), 1).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_steps": 8}, "max_steps must be an integer >= 32, got 8"),
        ({"false_alarm": 0}, "false_alarm must be a positive number, got 0"),
        ({"false_alarm": 1.0}, r"false_alarm must be in \(0, 1\)"),
    ],
)
def test_bad_settings(wrong, message):
    with pytest.raises(InputError, match=message):
        AutoWarmup(**wrong)
