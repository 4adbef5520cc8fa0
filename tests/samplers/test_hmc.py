"""HMC and MALA: what detailed balance promises, targets of one's own, and what goes wrong."""

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import accepts, joint_p, normal_p, within

from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.random import Stream
from physgen.samplers import HMC, MALA, run
from physgen.samplers.fields.dual_averaging import DualAveraging
from physgen.targets import FreeField, Phi4, as_target

FREE = FreeField(L=8, m2=0.5)


def own(target):
    """The same action as a target that no compiled loop knows."""
    return as_target(target.action, target.event_shape, force=target.force)


@pytest.mark.parametrize(("sampler", "step_size"), [(HMC, 0.2), (MALA, 0.03)])
@pytest.mark.parametrize("L", [(4, 4), (3, 5, 2)], ids=str)
def test_compiled_and_numpy_loops_make_the_same_chain(sampler, step_size, L):
    target = Phi4.from_halved(L, m2=-0.5, lam=0.3)
    settings = {"step_size": step_size, "dtype": "float64"}
    x, ends = target.hot(Stream(1), 40), []
    for t in (target, own(target)):
        chains = sampler(**settings).bind(t)
        state, info = chains.step(Stream(2), chains.init(Stream(1), 40, x), 4)
        assert 0.1 < info.accepted.mean() < 1
        ends.append((chains.configurations(state), info.accepted, info.metrics["delta_h"]))
    for compiled, plain in zip(*ends, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-9, atol=1e-11)


@pytest.mark.statistical
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_of_exp_minus_delta_h_is_one(dtype):
    """From exact draws; from those of another mass it is not."""

    def p(n, seed, start=FREE):
        chains = HMC(step_size=0.35, n_leapfrog=3, dtype=dtype).bind(FREE)
        state = chains.init(Stream(1), n, start.sample(n, Stream(seed)))
        _, info = chains.step(Stream(seed).child("step"), state)
        w = np.exp(-info.metrics["delta_h"])
        assert 0.3 < info.accepted.mean() < 0.95
        return normal_p((w.mean() - 1) / (w.std() / np.sqrt(n)))

    assert accepts(p, 20_000)
    assert not accepts(lambda n, seed: p(n, seed, FreeField(L=8, m2=0.6)), 20_000)


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", [HMC(step_size=0.3, n_leapfrog=2), MALA(step_size=0.08)])
def test_exact_draws_stay_exact(sampler):
    """pi P = pi: the action of exact draws is chi-square before and after."""

    def p(n, seed, start=FREE):
        chains = sampler.bind(FREE)
        state = chains.init(Stream(1), n, start.sample(n, Stream(seed)))
        state, _ = chains.step(Stream(seed).child("step"), state, 3)
        x = chains.configurations(state)
        power = np.abs(np.fft.fft2(x)) ** 2 * FREE.spectrum / 64
        # The four modes that are their own partners are squares of normal deviates.
        z = power[:, ::4, ::4].reshape(n, -1)
        return joint_p((z.mean(axis=0) - 1) / np.sqrt(2 / n))

    assert accepts(p, 4000)
    assert not accepts(lambda n, seed: p(n, seed, FreeField(L=8, m2=0.7)), 4000)


SCALES = np.array([0.3, 1.0, 2.0])


def gaussian(library):
    if library == "numpy":
        return as_target(
            lambda x: 0.5 * np.sum((x / SCALES) ** 2, axis=1), 3, force=lambda x: -x / SCALES**2
        )
    import torch

    scales = torch.from_numpy(SCALES)
    return as_target(lambda x: 0.5 * ((x / scales) ** 2).sum(1), 3, library="torch")


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", [HMC(), slow(HMC(dtype="float32")), slow(MALA())], ids=str)
@pytest.mark.parametrize("library", ["numpy", slow("torch")])
def test_a_target_of_one_s_own(library, sampler):
    target = gaussian(library)

    def p(n, seed, scales=SCALES):
        rng = Stream(seed)
        chains = sampler.bind(target)
        state = chains.init(rng, 256)
        chains, state = chains.tune(rng.child("tune"), state, 60)
        state, _ = chains.step(rng.child("warm"), state, 200)
        total = 0.0
        for i in range(n):
            state, _ = chains.step(rng.child("draws").at(i), state, 2)
            total = total + chains.configurations(state).astype(float) ** 2 / n
        error = total.std(axis=0) / 16
        return joint_p((total.mean(axis=0) - scales**2) / error)

    assert accepts(p, 60)
    assert not accepts(lambda n, seed: p(n, seed, SCALES * [1.0, 1.0, 1.15]), 60)


def test_hmc_runs_in_the_loop_that_all_samplers_share():
    ds = run(HMC(), FREE, n_chains=64, n_draws=60, seed=1)
    assert ds.attrs["exactness"] == "asymptotic"
    assert 0.7 < ds.acceptance_rate.mean() < 0.98
    assert ds.divergent.sum() == 0
    error = ds.phi2.mean("draw").std("chain") / 8
    assert within(ds.phi2.mean(), np.mean(1 / FREE.spectrum), error, largest=0.003)


def test_step_size_and_length_of_a_trajectory():
    chains = HMC(trajectory_length=2.0, step_size=0.3).bind(FREE)
    assert chains.n_leapfrog == 7
    assert HMC(n_leapfrog=5, step_size=0.3).bind(FREE).n_leapfrog == 5
    chains, _ = HMC(trajectory_length=2.0).bind(FREE), None
    tuned, _ = chains.tune(Stream(1), chains.init(Stream(2), 64), 60)
    assert tuned.step_size * tuned.n_leapfrog == pytest.approx(2.0)
    fixed = HMC(step_size=0.3).bind(FREE)
    assert fixed.tune(Stream(1), fixed.init(Stream(2), 8), 5)[0].step_size == 0.3


def test_without_jitter_a_mode_can_come_back_to_where_it_was():
    """One oscillator, trajectory one period long: it never moves.  With jitter it does."""
    target = as_target(lambda x: 0.5 * np.sum(x**2, axis=1), 1, force=lambda x: -x)
    spread = {}
    for jitter in (0.0, 0.2):
        sampler = HMC(n_leapfrog=200, step_size=2 * np.pi / 200, jitter=jitter)
        chains = sampler.bind(target)
        state, _ = chains.step(Stream(1), chains.init(Stream(2), 64, np.full((64, 1), 2.0)), 10)
        spread[jitter] = chains.configurations(state).std()
    assert spread[0.0] < 0.02
    assert spread[0.2] > 0.5


def test_dual_averaging_finds_the_root():
    adaptation = DualAveraging(first=1.0, target_accept=0.7)
    for _ in range(300):
        adaptation.update(float(np.exp(-(adaptation.trial**2))))
    assert adaptation.result == pytest.approx(np.sqrt(-np.log(0.7)), rel=0.03)


@pytest.mark.parametrize("make", [lambda t: t, own])
def test_divergent_trajectories_are_rejected_and_counted(make):
    target = Phi4.from_halved(L=4, m2=1.0, lam=1.0)
    chains = HMC(step_size=6.0, n_leapfrog=10, jitter=0.0).bind(make(target))
    state = chains.init(Stream(1), 16, target.hot(Stream(1), 16))
    new, info = chains.step(Stream(2), state, 3)
    np.testing.assert_array_equal(info.metrics["divergent"], 3)
    np.testing.assert_array_equal(info.accepted, 0)
    np.testing.assert_array_equal(chains.configurations(new), chains.configurations(state))
    np.testing.assert_array_equal(chains.measure(new)["action"], chains.measure(state)["action"])


def test_an_action_that_is_not_a_number_names_the_chain():
    def action(x):
        return np.where(x[:, 0] > 3, np.nan, 0.5 * np.sum(x**2, axis=1))

    chains = HMC(step_size=0.1).bind(as_target(action, 2, force=lambda x: -x))
    x = np.zeros((5, 2))
    x[3] = 6.0
    with pytest.raises(NonFiniteActionError, match="chain 3") as caught:
        chains.init(Stream(1), 5, x)
    assert caught.value.chain == 3
    state = chains.init(Stream(1), 5, np.zeros((5, 2)))
    with pytest.raises(NonFiniteActionError, match="chain") as caught:
        chains.step(Stream(2), state, 2000)  # three standard deviations off, now and then
    assert caught.value.state is state


def test_wrong_and_missing_forces_are_refused():
    def action(x):
        return 0.5 * np.sum(x**2, axis=1)

    for sampler in (HMC(), MALA()):
        with pytest.raises(InputError, match="force"):
            sampler.bind(as_target(action, 4))
        with pytest.raises(InputError, match="-dS/dx"):
            sampler.bind(as_target(action, 4, force=lambda x: x))


def test_a_run_says_at_which_draw_an_action_stopped_being_a_number():
    def action(x):
        return np.where(x[:, 0] > 3, np.nan, 0.5 * np.sum(x**2, axis=1))

    target = as_target(action, 2, force=lambda x: -x)
    with pytest.raises(NonFiniteActionError, match=r"chain \d+ .* at draw") as caught:
        run(HMC(step_size=0.5), target, n_chains=8, n_draws=5000, warmup=0, seed=1, start="cold")
    assert caught.value.draw > 0
    assert np.all(np.isfinite(caught.value.state.x))
