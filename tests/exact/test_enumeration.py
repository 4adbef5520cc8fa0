"""Enumeration against plain sums, exact counts, and the rules of its edges."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import density_of_states, enumerated_observables, kaufman, probabilities
from physgen.exact.enumeration import spins_of
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Ising

NAMES = ("energy_per_site", "magnetization", "abs_magnetization", "m2", "m4")


def models():
    rng = np.random.default_rng(7)
    strip = Hypercubic((3, 4), ("open", "periodic"))
    graph = Graph(7, [(0, 1), (1, 2), (2, 0), (2, 3), (4, 5), (5, 4)])
    return {
        "ferromagnet": Ising((3, 4), beta=0.44),
        "doubled bonds": Ising((2, 2), beta=0.3),
        "glass in a field": Ising(
            lattice=strip, beta=0.8, J=rng.normal(size=strip.n_bonds), h=rng.normal(size=12)
        ),
        "frustrated": Ising.spin_glass((3, 4), beta=1.5, rng=2),
        "graph with a free site": Ising(lattice=graph, beta=0.6, J=-0.7),
        "cube": Ising((2, 2, 3), beta=0.25, h=0.1),
        "one spin": Ising(lattice=Hypercubic((1,)), beta=2.0, h=0.3),
        "infinite temperature": Ising((3, 3), beta=0.0, h=0.5),
        "very cold": Ising((3, 4), beta=200.0, h=-0.01),
    }


@pytest.mark.parametrize("name", models())
def test_equals_the_plain_sum(name):
    target = models()[name]
    n = target.n_sites
    x = spins_of(np.arange(2**n), target.event_shape)
    E, m = target.energy(x), x.reshape(-1, n).mean(axis=1)
    weight = np.exp(-target.beta * (E - E.min()))
    p = weight / weight.sum()
    expected = dict(zip(NAMES, (p @ E / n, p @ m, p @ np.abs(m), p @ m**2, p @ m**4)))
    expected["log_z"] = np.log(weight.sum()) - target.beta * E.min()
    expected["specific_heat"] = target.beta**2 * (p @ (E - p @ E) ** 2) / n
    expected["susceptibility"] = n * (p @ m**2 - (p @ m) ** 2)
    ds = enumerated_observables(target)
    for key, value in expected.items():
        assert float(ds[key]) == pytest.approx(value, rel=1e-12, abs=1e-12), key
    assert float(ds.entropy_per_site) * n == pytest.approx(
        -np.sum(p[p > 0] * np.log(p[p > 0])), abs=1e-10
    )
    np.testing.assert_allclose(probabilities(target), p, rtol=1e-11, atol=1e-300)
    counts = [p[np.isclose(m, value)].sum() for value in ds.m.values]
    np.testing.assert_allclose(ds.p_magnetization, counts, atol=1e-14)


def test_density_of_states_of_the_4_by_4_torus():
    g = density_of_states(Ising(L=4))
    levels = g.sum("spin_sum").to_series().to_dict()
    known = {-32: 2, -24: 32, -20: 64, -16: 424, -12: 1728, -8: 6688, -4: 13568, 0: 20524}
    assert levels == known | {-E: count for E, count in known.items()}
    # all spins up or down but one: the lowest excitations, of spin sum +-14
    assert g.sel(energy=-24, spin_sum=14) == 16
    binomial = g.sum("energy")
    assert binomial.sel(spin_sum=0) == 12870
    assert binomial.sel(spin_sum=16) == 1


def test_density_of_states_gives_the_partition_function():
    target = Ising.spin_glass((3, 4), beta=0.9, rng=3).at(J=0.5 * np.resize([1.0, -1, 2], 24))
    g = density_of_states(target)
    for beta, h in [(0.3, 0.0), (1.1, 0.7)]:
        exponent = -beta * (g.energy - h * g.spin_sum)
        log_z = float(np.log((g * np.exp(exponent)).sum()))
        exact = enumerated_observables(target.at(beta=beta, h=h))
        assert log_z == pytest.approx(float(exact.log_z), abs=1e-12)


def test_numbering_of_configurations():
    x = spins_of(np.arange(16), (2, 2))
    assert x.shape == (16, 2, 2)
    assert x.dtype == np.int8
    assert np.all(x[0] == 1)
    assert x[8].ravel().tolist() == [-1, 1, 1, 1]
    assert x[1].ravel().tolist() == [1, 1, 1, -1]
    assert len(np.unique(x.reshape(16, 4), axis=0)) == 16


@pytest.mark.slow
def test_most_sites():
    """2^25 configurations: each is counted once, and the rounding error does not grow."""
    target = Ising(L=5, beta=0.44)
    ds = enumerated_observables(target)
    assert float(ds.log_z) == pytest.approx(float(kaufman.log_z(0.44, (5, 5))), abs=1e-13)
    assert int(density_of_states(target).sum()) == 2**25


def test_bad_input():
    with pytest.raises(InputError, match=r"at most 25 to sum .*, got 36; use exact_ising"):
        enumerated_observables(Ising(L=6, beta=0.4))
    with pytest.raises(InputError, match="at most 20"):
        probabilities(Ising(L=5, beta=0.4))
    with pytest.raises(InputError, match="whole multiples"):
        density_of_states(Ising((3, 3), J=np.linspace(1, 2, 18)))
