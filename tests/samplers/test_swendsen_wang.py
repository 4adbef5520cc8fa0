"""Swendsen-Wang against enumeration and Kaufman, on rows of bits and on graphs."""

import math

import numpy as np
import pytest
from helpers.clusters import states
from helpers.statistics import accepts, chi_square_p, joint_p, normal_p

from physgen.core.chains import BoundSampler, Sampler
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.lattice import Graph, Hypercubic
from physgen.samplers.spins.clusters import GraphChains, RowChains, couplings
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.wolff import Wolff
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

KC = math.log(1 + math.sqrt(2)) / 2


def exact_starts(target, n, rng):
    """Independent draws of the target by enumeration, and the probabilities."""
    x = states(target.n_sites).reshape(-1, *target.event_shape)
    p = np.exp(-target.action(x) + target.action(x).min())
    p /= p.sum()
    return x[np.searchsorted(np.cumsum(p), rng.numpy().random(n))], p


def index(x):
    return (x.reshape(len(x), -1) > 0) @ (1 << np.arange(x[0].size))


def mattis(L, seed):
    """Couplings J_b = g_x g_y: signs that no loop notices."""
    lattice = Hypercubic((L, L))
    g = 2 * Stream(seed).numpy().integers(0, 2, lattice.n_sites) - 1
    i, j = lattice.bonds.T
    return Ising(lattice=lattice, beta=0.4, J=(g[i] * g[j]).astype(float))


CASES = {
    "square": Ising(L=3, beta=0.4),
    "field": Ising(L=3, beta=0.4, h=-0.2),
    "random bonds and fields": Ising(
        L=3,
        beta=0.5,
        J=Stream(1).numpy().uniform(0.2, 1.5, 18),
        h=Stream(2).numpy().normal(size=9),
    ),
    "Mattis": mattis(3, 1),
    "open, unequal, antiferromagnetic": Ising(
        lattice=Hypercubic((2, 4), ("periodic", "open")), beta=0.6, J=-1.0
    ),
    "cube": Ising(L=2, beta=0.15, dim=3),
    "tree with a field": Ising(
        lattice=Graph(6, [(0, 1), (0, 2), (1, 3), (1, 4), (2, 5)]), beta=0.8, h=0.3
    ),
}
ON_ROWS = ("square", "field", "open, unequal, antiferromagnetic", "cube")


@pytest.mark.statistical
@pytest.mark.parametrize("sampler", [SwendsenWang(), Wolff(n_clusters=3)], ids=["sw", "wolff"])
@pytest.mark.parametrize("name", CASES)
def test_exact_starts_stay_exact(name, sampler):
    target = CASES[name]

    def p_value(moved):
        def p(n, seed):
            rng = Stream(seed)
            x, probabilities = exact_starts(target, n, rng.child("start"))
            chains = sampler.bind(moved)
            state, _ = chains.step(rng, chains.init(rng, n, x), 3)
            counts = np.bincount(index(chains.configurations(state)), minlength=len(probabilities))
            return chi_square_p(counts, probabilities)

        return p

    assert isinstance(SwendsenWang().bind(target), RowChains if name in ON_ROWS else GraphChains)
    assert accepts(p_value(target), 20_000)
    assert not accepts(p_value(target.at(beta=1.1 * target.beta)), 20_000)


@pytest.mark.statistical
@pytest.mark.parametrize("beta", [0.3, 0.4, KC, 0.6])
@pytest.mark.parametrize("sampler", [SwendsenWang(), Wolff()], ids=["sw", "wolff"])
def test_energy_against_kaufman(beta, sampler):
    L, n_chains = 16, 128
    exact = float(energy_per_site(beta, (L, L))) * L * L

    def p_value(used):
        def p(n, seed):
            rng = Stream(seed)
            chains = sampler.bind(Ising(L=L, beta=used))
            state = chains.init(rng, n_chains, "cold")
            if hasattr(chains, "tune"):
                chains, state = chains.tune(rng.child("tune"), state, 40)
            state, _ = chains.step(rng.child("warmup"), state, 40)
            total = np.zeros(n_chains)
            for i in range(n):
                state, _ = chains.step(rng.at(i), state, 2)
                total += chains.measure(state)["energy"]
            error = total.std(ddof=1) / n / math.sqrt(n_chains)
            return normal_p((total.mean() / n - exact) / error)

        return p

    assert accepts(p_value(beta), 25)
    assert not accepts(p_value(0.98 * beta), 25)


@pytest.mark.statistical
def test_improved_estimator_has_the_mean_of_m2_and_less_noise():
    chains = SwendsenWang().bind(Ising(L=16, beta=0.35))
    rng, n_chains, n = Stream(4), 200, 30
    state, _ = chains.step(rng, chains.init(rng, n_chains), 30)
    plain, improved = np.zeros((2, n_chains, n))
    for i in range(n):
        state, info = chains.step(rng.child("draws").at(i), state, 2)
        plain[:, i] = 256 * chains.measure(state)["magnetization"] ** 2
        improved[:, i] = info.metrics["mean_cluster_size"]
    difference = (plain - improved).mean(axis=1)
    error = difference.std(ddof=1) / math.sqrt(n_chains)
    assert normal_p(difference.mean() / error) > 1e-3
    assert improved.var() < 0.7 * plain.var()


def test_measuring_rows_equals_the_functions_of_the_target():
    for target in (
        Ising(L=(3, 70), beta=0.4, h=0.3),
        Ising(lattice=Hypercubic((5, 6), ("open", "periodic")), beta=0.7, J=-0.5),
        Ising(L=4, beta=0.3, dim=3),
        Ising(L=5, beta=0.0),
    ):
        chains = SwendsenWang().bind(target)
        assert isinstance(chains, RowChains)
        state = chains.init(Stream(1), 6)
        x, measured = chains.configurations(state), chains.measure(state)
        assert x.dtype == np.int8
        assert set(np.unique(x)) == {-1, 1}
        for name, observable in target.observables.items():
            np.testing.assert_allclose(measured[name], observable.function(x), atol=1e-9)


def test_infinite_temperature_draws_fresh_spins():
    chains = SwendsenWang().bind(Ising(L=4, beta=0.0))
    state, info = chains.step(Stream(1), chains.init(Stream(1), 2000, "cold"))
    assert np.all(info.metrics["n_clusters"] == 16)
    m = chains.measure(state)["magnetization"]
    assert joint_p(np.array([m.mean() * math.sqrt(16 * 2000)])) > 1e-3


def test_step_is_a_pure_function_and_starts_are_kept():
    target = Ising(L=(4, 65), beta=0.44)
    for sampler in (SwendsenWang(), Wolff(2)):
        chains = sampler.bind(target)
        assert isinstance(sampler, Sampler)
        assert isinstance(chains, BoundSampler)
        x = target.hot(Stream(1), 5)
        state = chains.init(Stream(2), 5, x)
        np.testing.assert_array_equal(chains.configurations(state), x)
        a, _ = chains.step(Stream(3), state, 4)
        b, _ = chains.step(Stream(3), state, 4)
        np.testing.assert_array_equal(chains.configurations(state), x)
        np.testing.assert_array_equal(a.x, b.x)
        assert np.any(a.x != chains.step(Stream(4), state, 4)[0].x)


def test_frustrated_couplings_are_refused_and_gauges_of_a_ferromagnet_are_not():
    couplings(mattis(6, 3), "SwendsenWang")
    couplings(Ising(L=4, beta=1.0, J=-1.0), "SwendsenWang")  # even extents: no loop is odd
    for target in (Ising.spin_glass(L=4, beta=1.0, rng=1), Ising(L=3, beta=1.0, J=-1.0)):
        for sampler in (SwendsenWang(), Wolff()):
            with pytest.raises(InputError, match="without frustrated loops"):
                sampler.bind(target)


def test_other_targets_and_starts_are_refused():
    with pytest.raises(InputError, match="SwendsenWang needs an Ising target, got Phi4"):
        SwendsenWang().bind(Phi4.from_unhalved(4, m2=-4.0, lam=8.0))
    chains = SwendsenWang().bind(Ising(L=4, beta=0.4))
    with pytest.raises(InputError, match="start must have shape"):
        chains.init(Stream(1), 2, np.ones((3, 4, 4)))
    with pytest.raises(InputError, match="start must be spins"):
        chains.init(Stream(1), 2, np.zeros((2, 4, 4)))
    with pytest.raises(InputError, match="n_chains must be a positive integer, got 0"):
        chains.init(Stream(1), 0)
