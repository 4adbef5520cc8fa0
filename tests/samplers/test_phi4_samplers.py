"""Every sampler of fields against exact numbers: quadrature, free fields, and each other."""

import numba
import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import accepts, joint_p, normal_p

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice.hypercubic import Hypercubic
from physgen.samplers import HMC, MALA, Metropolis, Overrelaxation, Phi4Cluster
from physgen.samplers.fields import blocked
from physgen.targets import FreeField, Ising, Phi4

SAMPLERS = {
    "metropolis": Metropolis(),
    "overrelaxation": Overrelaxation(),
    "cluster": Phi4Cluster(),
    "hmc": HMC(),
    "hmc float64": HMC(dtype="float64"),
    "hmc fast": HMC(rng="fast"),
    "mala": MALA(),
}
QUADRATURE = {8.0: 0.14774621, 6.975: 0.16739177}  # <phi^2> on 4x4, m2 = -4


def chain_means(sampler, target, n, seed, n_chains=256, warmup=80, thin=2, names=("phi2",)):
    """Means over n draws of each chain, after tuning and warm-up: {name: (n_chains,)}."""
    rng = Stream(seed)
    chains = sampler.bind(target)
    state = chains.init(rng.child("init"), n_chains)
    chains, state = chains.tune(rng.child("tune"), state, warmup)
    state, _ = chains.step(rng.child("warm"), state, warmup)
    sums = dict.fromkeys(names, 0.0)
    for i in range(n):
        state, _ = chains.step(rng.child("draws").at(i), state, thin)
        seen = chains.measure(state)
        seen = {**seen, "abs_m": np.abs(seen["magnetization"]), "m2": seen["magnetization"] ** 2}
        sums = {name: total + seen[name] / n for name, total in sums.items()}
    return sums


def pull(values, exact):
    return (values.mean() - exact) / (values.std(ddof=1) / np.sqrt(len(values)))


@pytest.mark.statistical
@pytest.mark.parametrize("name", [slow(n) if n == "hmc float64" else n for n in SAMPLERS])
def test_phi4_against_quadrature(name):
    target = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)

    def p(n, seed, exact=QUADRATURE[8.0]):
        return normal_p(pull(chain_means(SAMPLERS[name], target, n, seed)["phi2"], exact))

    assert accepts(p, 60)
    assert not accepts(lambda n, seed: p(n, seed, QUADRATURE[6.975]), 60)


@pytest.mark.statistical
@pytest.mark.parametrize("name", list(SAMPLERS))
def test_free_field_modes(name):
    """Power of every Fourier mode is 1 / lambda_k; another mass is rejected."""
    target = FreeField(L=(4, 6), m2=0.8)
    kinds = np.unique(np.round(target.spectrum, 9), return_inverse=True)[1].ravel()

    def p(n, seed, spectrum=target.spectrum):
        rng = Stream(seed)
        chains = SAMPLERS[name].bind(target)
        state = chains.init(rng, 64, target.sample(64, rng.child("exact")))
        chains, state = chains.tune(rng.child("tune"), state, 40)
        total = np.zeros((64, 24))
        for i in range(n):
            state, _ = chains.step(rng.child("draws").at(i), state, 4)
            x = chains.configurations(state)
            total += (np.abs(np.fft.fft2(x)) ** 2 / 24).reshape(64, -1) / n
        scaled = total * spectrum.ravel()
        # Modes k and -k, and those that reflections connect, have one spectrum and are pooled.
        pooled = np.stack([scaled[:, kinds == k].mean(axis=1) for k in range(kinds.max() + 1)])
        error = pooled.std(axis=1, ddof=1) / 8
        return joint_p((pooled.mean(axis=1) - 1) / error * np.sqrt(0.95))

    assert accepts(p, 60)
    assert not accepts(lambda n, seed: p(n, seed, FreeField(L=(4, 6), m2=1.2).spectrum), 60)


@pytest.mark.statistical
def test_clusters_and_trajectories_agree_in_the_broken_phase():
    target = Phi4.from_hopping(L=6, kappa=0.32, lam=0.022)
    names = ("abs_m", "m2", "phi2", "action")

    def p(n, seed, other=target):
        a = chain_means(Phi4Cluster(), target, n, seed, names=names)
        b = chain_means(HMC(), other, n, seed + 1, names=names, thin=6)
        pulls = [
            (a[k].mean() - b[k].mean()) / np.sqrt((a[k].var() + b[k].var()) / 256) for k in names
        ]
        return min(4 * min(normal_p(v) for v in pulls), 1.0)

    assert accepts(p, 60)
    assert not accepts(lambda n, seed: p(n, seed, target.at(kappa=0.325)), 60)


@pytest.mark.statistical
def test_clusters_change_the_sign_where_trajectories_do_not():
    target = Phi4.from_hopping(L=6, kappa=0.45, lam=0.022)

    def p(n, seed, sampler):
        chains, rng = sampler.bind(target), Stream(seed)
        state = chains.init(rng, n, np.full((n, 6, 6), 4.0))
        chains, state = chains.tune(rng.child("tune"), state, 20)
        state, _ = chains.step(rng.child("step"), state, 10)
        signs = np.sign(chains.measure(state)["magnetization"])
        return normal_p(signs.sum() / np.sqrt(n))

    assert accepts(lambda n, seed: p(n, seed, Phi4Cluster()), 128)
    assert not accepts(lambda n, seed: p(n, seed, HMC()), 128)


def test_antiferromagnet_is_a_staggered_ferromagnet():
    """hop -> -hop with phi -> (-1)^x phi on a bipartite lattice."""
    stagger = 1 - 2.0 * Hypercubic((4, 4)).checkerboard().reshape(4, 4)
    rng, moved = Stream(1), []
    for sign in (1.0, -1.0):
        chains = Phi4Cluster(n_clusters=4, n_reflections=0).bind(Phi4(4, sign * 0.5, 0.9, 0.1))
        x = rng.numpy().normal(size=(8, 4, 4))
        state = chains.init(rng, 8, x if sign > 0 else x * stagger)
        state, _ = chains._flip(rng.child("flip"), state)
        moved.append(chains.configurations(state))
    np.testing.assert_array_equal(moved[0], moved[1] * stagger)


ALL = {**SAMPLERS, "cluster fast": Phi4Cluster(rng="fast", dtype="float64")}


@pytest.mark.parametrize("name", [slow(n) if n == "cluster fast" else n for n in ALL])
def test_threads_make_no_difference(name, monkeypatch):
    target = Phi4.from_halved(L=16, m2=-0.5, lam=0.2)
    monkeypatch.setattr(blocked, "_SECONDS", 1.0)  # any work is worth a thread
    ends = []
    for n_threads in (1, 3):
        monkeypatch.setattr(numba.config, "NUMBA_NUM_THREADS", n_threads)
        chains = ALL[name].bind(target)
        state, _ = chains.step(Stream(3), chains.init(Stream(2), 300), 2)
        ends.append(chains.configurations(state))
    np.testing.assert_array_equal(ends[0], ends[1])


@pytest.mark.parametrize("name", ["metropolis", "overrelaxation", "hmc", "mala"])
def test_a_chain_does_not_depend_on_its_company(name):
    target = Phi4.from_halved(L=4, m2=-0.5, lam=0.2)
    x = target.hot(Stream(1), 70)
    chains = SAMPLERS[name].bind(target)
    alone, all_ = (
        chains.configurations(chains.step(Stream(3), chains.init(Stream(2), n, x[:n]), 3)[0])
        for n in (5, 70)
    )
    np.testing.assert_array_equal(alone, all_[:5])


@pytest.mark.parametrize("name", list(ALL))
def test_a_step_is_a_pure_function(name):
    target = Phi4.from_halved(L=4, m2=-0.5, lam=0.2)
    chains = ALL[name].bind(target)
    state = chains.init(Stream(1), 20, "cold")
    before = state.x.copy()
    (one, info), (two, _) = (chains.step(Stream(2), state, 3) for _ in range(2))
    np.testing.assert_array_equal(state.x, before)
    np.testing.assert_array_equal(one.x, two.x)
    assert info.accepted.shape == (20,)
    assert np.all((info.accepted >= 0) & (info.accepted <= 1))
    assert all(np.shape(v) == (20,) for v in info.metrics.values())
    x = chains.configurations(one)
    seen = chains.measure(one)
    assert x.shape == (20, 4, 4)
    np.testing.assert_allclose(seen["action"], target.action(x), rtol=1e-6, atol=3e-6)
    for name_, function in target.observables.items():
        np.testing.assert_allclose(seen[name_], function(x), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize("name", list(SAMPLERS))
def test_tuned_values_come_back(name):
    target = Phi4.from_halved(L=4, m2=-0.5, lam=0.2)
    chains = SAMPLERS[name].bind(target)
    tuned, state = chains.tune(Stream(2), chains.init(Stream(1), 64), 60)
    again = chains.with_tuning(dict(tuned.tuning))
    assert again.tuning == tuned.tuning
    np.testing.assert_array_equal(
        again.step(Stream(3), state)[0].x, tuned.step(Stream(3), state)[0].x
    )


def test_acceptance_is_tuned():
    target = Phi4.from_halved(L=8, m2=-0.5, lam=0.2)
    for sampler, wanted, width in ((MALA(), 0.574, 0.03), (Metropolis(), 0.5, 0.03)):
        chains = sampler.bind(target)
        chains, state = chains.tune(Stream(2), chains.init(Stream(1), 256), 150)
        _, info = chains.step(Stream(3), state, 20)
        assert abs(info.accepted.mean() - wanted) < width


def test_targets_that_do_not_fit():
    ising, odd = Ising(L=4, beta=0.4), Phi4(3, hop=-0.3, quad=1.0, quart=0.1)
    for sampler in (HMC(), MALA(), Overrelaxation(), Phi4Cluster()):
        with pytest.raises(InputError, match=r"Ising|spins"):
            sampler.bind(ising)
    with pytest.raises(InputError, match="bipartite"):
        Phi4Cluster().bind(odd)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: Overrelaxation(n_reflections=0), "n_reflections"),
        (lambda: Overrelaxation(width=-1.0), "width"),
        (lambda: Phi4Cluster(n_clusters=0), "n_clusters"),
        (lambda: Phi4Cluster(n_clusters="many"), "n_clusters"),
        (lambda: Phi4Cluster(dtype="float16"), "dtype"),
        (lambda: MALA(step_size=0.0), "step_size"),
        (lambda: MALA(target_accept=1.0), "target_accept"),
        (lambda: HMC(jitter=1.0), "jitter"),
        (lambda: HMC(n_leapfrog=0), "n_leapfrog"),
        (lambda: HMC(rng="mersenne"), "rng"),
    ],
)
def test_settings_are_checked(make, match):
    with pytest.raises(InputError, match=match):
        make()
