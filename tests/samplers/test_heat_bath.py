"""Heat bath of Ising chains: exact matrices, exact starts, Kaufman, independence of chains."""

import math

import numpy as np
import pytest
from helpers.ising import RULES, distribution, reference_sweeps, states, sweep_matrix
from helpers.marks import slow
from helpers.statistics import accepts, chi_square_p, joint_p, normal_p, unit_variance_p
from numba import config

from physgen.core.chains import BoundSampler, Sampler
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.lattice import Graph, Hypercubic
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.spins.chains import IsingChains
from physgen.samplers.spins.int8 import IsingInt8
from physgen.samplers.spins.lattice import IsingLattice
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

KC = math.log(1 + math.sqrt(2)) / 2
BONDS = Stream(3).numpy()
CASES = {
    "torus": Ising(L=3, beta=0.4),
    "glass": Ising.spin_glass(L=(2, 4), beta=0.7, rng=Stream(1)),
    "open": Ising(lattice=Hypercubic((3, 3), "open"), beta=0.5),
    "glass in a field": Ising.spin_glass(L=3, beta=0.5, rng=Stream(1), h=-0.3),
    "field on some sites": Ising(L=3, beta=0.5, h=np.array([0.2, 0, 0, 0, -0.2, 0, 0.2, 0, 0])),
    "tree": Ising(lattice=Graph(7, [(0, 1), (0, 2), (0, 3), (0, 4), (4, 5)]), beta=0.6, h=0.1),
}
COUPLINGS = Ising(L=3, beta=0.5, J=BONDS.normal(size=18), h=BONDS.normal(size=9))


def number(x):
    return (x.reshape(len(x), -1) > 0) @ (1 << np.arange(x[0].size))


def exact_draws(target, n, seed):
    p = distribution(target)
    index = np.searchsorted(np.cumsum(p), Stream(seed, ("start",)).numpy().random(n))
    return states(target.n_sites)[index].reshape(-1, *target.event_shape)


def invariance_p(sampler, target, moved, n, seed):
    """p-value of the states after 3 sweeps for `moved` from exact draws of `target`."""
    chains = sampler.bind(moved)
    state = chains.init(Stream(seed), n, exact_draws(target, n, seed))
    state, _ = chains.step(Stream(seed).child("step"), state, 3)
    counts = np.bincount(number(chains.configurations(state)), minlength=2**target.n_sites)
    return chi_square_p(counts, distribution(target))


def test_protocols():
    assert isinstance(HeatBath(), Sampler)
    assert isinstance(HeatBath().bind(CASES["torus"]), BoundSampler)


@pytest.mark.parametrize("name", list(CASES))
def test_pi_is_invariant_under_the_transition_matrix(name):
    P, pi = sweep_matrix(CASES[name], RULES["heat bath"]), distribution(CASES[name])
    np.testing.assert_allclose(P.sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(pi @ P, pi, atol=1e-12)


def test_a_sweep_is_ergodic_at_any_temperature_but_not_reversible():
    for beta in (0.0, 0.4):
        P = sweep_matrix(Ising(L=3, beta=beta), RULES["heat bath"])
        assert np.all(P > 0)
    pi = distribution(Ising(L=3, beta=0.4))
    assert np.abs(pi[:, None] * P - (pi[:, None] * P).T).max() > 1e-3


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("name", "rng"),
    [("torus", "fast"), ("glass", "philox")]
    + [slow(n, "philox") for n in ("torus", "open", "tree")],
)
def test_exact_starts_stay_exact(name, rng):
    target = CASES[name]
    sampler = HeatBath(rng=rng)
    hotter = target.at(beta=0.95 * target.beta)
    assert accepts(lambda n, seed: invariance_p(sampler, target, target, n, seed), 60_000)
    assert not accepts(lambda n, seed: invariance_p(sampler, target, hotter, n, seed), 60_000)


@pytest.mark.statistical
@pytest.mark.parametrize("target", [COUPLINGS, CASES["open"], CASES["tree"]])
def test_exact_starts_stay_exact_as_int8(target):
    assert isinstance(HeatBath().bind(COUPLINGS), IsingInt8)
    sampler, hotter = HeatBath(layout="int8"), target.at(beta=0.9 * target.beta)
    assert accepts(lambda n, seed: invariance_p(sampler, target, target, n, seed), 60_000)
    assert not accepts(lambda n, seed: invariance_p(sampler, target, hotter, n, seed), 60_000)


def kaufman_pulls(sampler, n_chains, seed, shift=1.0):
    """Pulls of the energy at four couplings and two sizes."""
    pulls = []
    for L, n_sweeps in ((8, 1000), (16, 4000)):
        for K in (0.3, 0.4, KC, 0.6):
            chains = sampler.bind(Ising(L=L, beta=K * shift))
            rng = Stream(seed, (L, str(K)))
            state = chains.init(rng, n_chains, "cold")
            state, _ = chains.step(rng.child("sweeps"), state, n_sweeps)
            e = chains.measure(state)["energy"] / L**2
            exact = float(energy_per_site(K, (L, L)))
            pulls.append((e.mean() - exact) / (e.std(ddof=1) / math.sqrt(n_chains)))
    return np.array(pulls)


@pytest.mark.statistical
@pytest.mark.parametrize("rng", [slow("philox"), "fast"])
def test_kaufman_energies(rng):
    sampler = HeatBath(rng=rng)
    assert accepts(lambda n, seed: joint_p(kaufman_pulls(sampler, n, seed)), 700)
    assert not accepts(lambda n, seed: joint_p(kaufman_pulls(sampler, n, seed, 1.03)), 700)


@pytest.mark.statistical
def test_large_lattice_against_onsager():
    # Correlation length 5.7 at K = 0.4: L = 128 is infinite to 1e-9.
    chains = HeatBath(layout="lattice").bind(Ising(L=128, beta=0.4))
    assert isinstance(chains, IsingLattice)

    def p_value(n, seed):
        state = chains.init(Stream(seed), n, "hot")
        state, _ = chains.step(Stream(seed).child("sweeps"), state, 400)
        e = chains.measure(state)["energy"] / 128**2
        return normal_p((e.mean() + 1.1060792037458) / (e.std(ddof=1) / math.sqrt(n)))

    assert accepts(p_value, 64)


def test_strips_are_the_lattice_they_are_cut_from():
    # After one sweep at beta = infinity no spin of the last row updated is against its field.
    target = Ising(L=(16, 128), beta=50.0)
    chains = HeatBath(layout="lattice").bind(target)
    state = chains.init(Stream(1), 3, "hot")
    x = chains.configurations(state)
    np.testing.assert_array_equal(chains.init(Stream(1), 3, x).x, state.x)
    state, _ = chains.step(Stream(2), state, 200)
    x = chains.configurations(state)
    field = target.local_field(x)
    assert np.all((x * field >= 0) | (field == 0))
    np.testing.assert_array_equal(chains.measure(state)["energy"], target.energy(x))


SHARED_L = 4


def replica_pulls(n_measurements, seed, shared):
    """Pulls of the mean energy of 512 replicas, by the spread of single replicas."""
    target, chains = Ising(L=SHARED_L, beta=0.3), None
    exact = float(energy_per_site(0.3, (SHARED_L, SHARED_L)))
    rng, pulls = Stream(seed), []
    if not shared:
        chains = HeatBath().bind(target)
        state = chains.init(rng.child("start"), 512)
    spins = 2 * rng.numpy().integers(0, 2, (512, SHARED_L, SHARED_L)) - 1
    for i in range(n_measurements):
        if chains is not None:
            state, _ = chains.step(rng.child("sweeps").at(i), state, 12)
            x = chains.configurations(state)
        else:
            x = spins = one_random_number_a_site(spins, rng.child("shared").at(i), 12)
        e = target.energy(x) / SHARED_L**2
        if i >= 3:
            pulls.append((e.mean() - exact) * math.sqrt(512) / ENERGY_SPREAD)
    return np.array(pulls), x


def spread(target):
    p, e = distribution(target), target.energy(states(16).reshape(-1, 4, 4)) / 16
    return math.sqrt(p @ e**2 - (p @ e) ** 2)


ENERGY_SPREAD = spread(Ising(L=SHARED_L, beta=0.3))


def one_random_number_a_site(x, rng, n_sweeps):
    """The saboteur: heat bath in which all replicas use the same uniform."""
    x, draw = x.copy(), rng.numpy()
    for _ in range(n_sweeps):
        for i, j in np.ndindex(x.shape[1:]):
            field = sum(np.roll(x, s, axis)[:, i, j] for axis in (1, 2) for s in (1, -1))
            x[:, i, j] = np.where(draw.random() < 1 / (1 + np.exp(-0.6 * field)), 1, -1)
    return x


@pytest.mark.statistical
@pytest.mark.parametrize("shared", [False, True])
def test_chains_share_no_random_numbers(shared):
    """Variance of the replica mean, and overlaps of pairs, as of independent chains."""
    target = Ising(L=SHARED_L, beta=0.3)
    s, p = states(16).astype(float), distribution(target)
    q2 = np.mean(((s * p[:, None]).T @ s) ** 2)  # <q^2> = sum_xy <s_x s_y>^2 / V^2

    def variance_p(n, seed):
        return unit_variance_p(replica_pulls(n, seed, shared)[0])

    def overlap_p(n, seed):
        x = replica_pulls(n, seed, shared)[1].reshape(2, 256, 16)
        q = np.mean(x[0] * x[1], axis=1)
        return normal_p((np.mean(q**2) - q2) / (np.std(q**2, ddof=1) / 16 + 1e-12))

    assert accepts(variance_p, 100 if not shared else 20) is not shared
    assert accepts(overlap_p, 12) is not shared


def test_same_chains_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr("physgen.samplers._threads.SMALL", 0.0)
    for rng in ("philox", "fast"):
        results = []
        for n_threads in (1, 2, 3):
            monkeypatch.setattr(config, "NUMBA_NUM_THREADS", n_threads)
            chains = HeatBath(rng=rng).bind(Ising(L=8, beta=0.4))
            state = chains.init(Stream(1), 1500)
            results.append(chains.step(Stream(2), state, 3)[0].x)
        np.testing.assert_array_equal(results[0], results[1])
        np.testing.assert_array_equal(results[0], results[2])


WORDS = {
    "torus of 81 sites": Ising(L=9, beta=0.44),
    "glass": CASES["glass"],
    "field on some sites": CASES["field on some sites"],
}


@pytest.mark.parametrize("sampler", [HeatBath(), Metropolis()])
@pytest.mark.parametrize("name", list(WORDS))
def test_kernel_does_what_its_documentation_says(name, sampler):
    """Bit for bit, of two blocks; sweep t of a call does not depend on how many there are."""
    chains = sampler.bind(WORDS[name])
    state = chains.init(Stream(1), 600)
    key = Stream(2).philox_key()[0]
    for n in (1, 3):
        after = chains.step(Stream(2), state, n)[0].x
        for block in range(2):
            expected = reference_sweeps(chains.model, chains.rule, state.x[block], key, block, n)
            np.testing.assert_array_equal(after[block], expected)


@pytest.mark.parametrize("layout", ["chains", "lattice", "int8"])
def test_a_step_is_a_pure_function(layout):
    chains = HeatBath(layout=layout).bind(Ising(L=(16, 128), beta=0.4))
    state = chains.init(Stream(1), 3)
    before = state.x.copy()
    after = [chains.step(Stream(2), state, 2)[0].x for _ in range(2)]
    np.testing.assert_array_equal(state.x, before)
    np.testing.assert_array_equal(*after)
    assert np.any(after[0] != before)
    other = chains.step(Stream(2).at(1), state, 2)[0].x
    assert np.any(other != after[0])


def test_the_number_of_chains_does_not_change_a_chain():
    chains = HeatBath().bind(Ising(L=6, beta=0.4))
    x = chains.configurations(chains.init(Stream(1), 700))
    ends = []
    for n in (700, 65):
        state, _ = chains.step(Stream(2), chains.init(Stream(1), n, x[:n]), 20)
        ends.append(chains.configurations(state))
        assert chains.measure(state)["energy"].shape == (n,)
    np.testing.assert_array_equal(ends[0][:65], ends[1])


@pytest.mark.parametrize("name", list(CASES))
def test_measurements_are_those_of_the_target(name):
    target = CASES[name]
    chains = HeatBath().bind(target)
    assert isinstance(chains, IsingChains)
    state = chains.init(Stream(1), 130)
    x, measured = chains.configurations(state), chains.measure(state)
    np.testing.assert_allclose(measured["energy"], target.energy(x), atol=1e-12)
    m = target.observables["magnetization"](x)
    np.testing.assert_allclose(measured["magnetization"], m, atol=1e-14)


def test_measurements_of_many_bonds():
    target = Ising.spin_glass(L=64, beta=0.4, rng=Stream(1))  # 8192 bonds: two flushes of planes
    chains = HeatBath().bind(target)
    state = chains.init(Stream(1), 70)
    x = chains.configurations(state)
    np.testing.assert_array_equal(chains.measure(state)["energy"], target.energy(x))


def test_cold_starts_have_either_sign():
    chains = HeatBath().bind(Ising(L=4, beta=0.4))
    m = chains.measure(chains.init(Stream(1), 200, "cold"))["magnetization"]
    assert set(m) == {-1.0, 1.0}


def test_bad_input():
    with pytest.raises(InputError, match="rng must be one of"):
        HeatBath(rng="mersenne")
    with pytest.raises(InputError, match="layout must be one of"):
        HeatBath(layout="words")
    with pytest.raises(InputError, match="needs an Ising target"):
        HeatBath().bind(Phi4.from_hopping(4, 0.2, 0.1))
    with pytest.raises(InputError, match="one magnitude"):
        HeatBath(layout="chains").bind(COUPLINGS)
    with pytest.raises(InputError, match="multiple of 64"):
        HeatBath(layout="lattice").bind(Ising(L=100, beta=0.4))
    with pytest.raises(InputError, match="n_chains must be"):
        HeatBath().bind(CASES["torus"]).init(Stream(1), 0)
    chains = HeatBath().bind(CASES["torus"])
    state = chains.init(Stream(1), 5)
    with pytest.raises(InputError, match="n must be"):
        chains.step(Stream(1), state, 0)
