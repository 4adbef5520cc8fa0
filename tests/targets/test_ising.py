"""The Ising action against sums over bonds, and everything derived from it against the action."""

from itertools import product

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.protocols import (
    SPINS,
    Compilable,
    Conditional,
    Decimable,
    Differentiable,
    Target,
)
from physgen.core.random import Stream
from physgen.exact import density_of_states, exact_ising
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Ising
from physgen.targets.ising_starts import quench

DRAW = np.random.default_rng(1)
LATTICES = [
    Hypercubic((2, 2)),
    Hypercubic((3, 3)),
    Hypercubic((2, 4)),
    Hypercubic((3, 3), "open"),
    Hypercubic((2, 2, 2)),
    Graph(5, [(0, 1), (1, 2), (2, 0), (3, 4)]),
]
MODELS = [
    model
    for lattice in LATTICES
    for model in (
        Ising(lattice, 0.4),
        Ising(lattice, 0.7, J=DRAW.standard_normal(lattice.n_bonds), h=0.3),
        Ising(lattice, 1.1, J=-1.0, h=DRAW.standard_normal(lattice.n_sites)),
    )
]


def all_states(model):
    states = np.array(list(product([-1, 1], repeat=model.n_sites)), dtype=np.int8)
    return states.reshape(-1, *model.event_shape)


def brute_force_energy(model, x):
    J, h = model.bond_couplings, model.site_fields
    E = np.zeros(len(x))
    for n, s in enumerate(x.reshape(len(x), -1).astype(int)):
        E[n] = -sum(J[b] * s[i] * s[j] for b, (i, j) in enumerate(model.lattice.bonds))
        E[n] -= sum(h * s)
    return E


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_energy_of_every_state(model):
    x = all_states(model)
    E = brute_force_energy(model, x)
    np.testing.assert_allclose(model.energy(x), E, atol=1e-12)
    np.testing.assert_allclose(model.action(x), model.beta * E, atol=1e-12)
    t = torch.from_numpy(x)
    assert model.action(t).dtype == torch.float64
    np.testing.assert_allclose(model.action(t).numpy(), model.action(x), atol=1e-12)
    one = model.action(x[3])
    assert np.shape(one) == ()
    assert one == pytest.approx(model.beta * E[3])


def test_density_of_states_of_the_4x4_torus():
    """Exact integers (Beale 1996): E = -32 to 32 in steps of 4."""
    model = Ising(L=4, beta=0.4)
    bits = np.arange(2**15, dtype=np.int64)[:, None] >> np.arange(16) & 1  # last spin fixed
    x = (2 * bits - 1).astype(np.int8).reshape(-1, 4, 4)
    energy, count = np.unique(model.energy(x), return_counts=True)
    known = {-32: 2, -24: 32, -20: 64, -16: 424, -12: 1728, -8: 6688, -4: 13568, 0: 20524}
    assert dict(zip(energy, 2 * count)) == known | {-e: n for e, n in known.items()}


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_local_change_is_a_difference_of_actions(model):
    x = all_states(model)[::7]
    for site in range(model.n_sites):
        flipped = x.reshape(len(x), -1).copy()
        flipped[:, site] *= -1
        change = model.action(flipped.reshape(x.shape)) - model.action(x)
        np.testing.assert_allclose(model.local_change(x, site), change, atol=1e-12)
        by_torch = model.local_change(torch.from_numpy(x), site)
        np.testing.assert_allclose(by_torch.numpy(), change, atol=1e-12)
    with pytest.raises(InputError, match=f"site must be in 0..{model.n_sites - 1}"):
        model.local_change(x, model.n_sites)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_kernel_tables_give_the_action(model):
    name, (neighbours, K, H) = model.kernel
    assert name == "ising"
    assert (neighbours.dtype, K.dtype, H.dtype) == (np.int32, np.float64, np.float64)
    assert K.shape == neighbours.shape
    assert np.all(K[neighbours < 0] == 0)
    assert all(a.flags.writeable and a.flags.c_contiguous for a in (neighbours, K, H))
    x = all_states(model)
    s = x.reshape(len(x), -1).astype(float)
    padded = np.where(neighbours < 0, 0, neighbours)
    S = -0.5 * np.einsum("ni,niz,iz->n", s, s[:, padded], K) - s @ H
    np.testing.assert_allclose(S, model.action(x), atol=1e-12)


def test_capabilities():
    model = Ising(L=4, beta=0.4)
    for protocol in (Target, Compilable, Conditional, Decimable):
        assert isinstance(model, protocol)
    assert not isinstance(model, Differentiable)
    assert model.support == SPINS


def test_symmetries_hold_and_are_withdrawn_when_broken():
    model = Ising(L=4, beta=0.4)
    assert model.symmetries == {"z2", "translations", "point_group"}
    x = model.hot(1, 8)
    S = model.action(x)
    images = [-x, np.roll(x, (1, 2), (1, 2)), np.rot90(x, axes=(1, 2)), x.transpose(0, 2, 1)]
    for image in images:
        np.testing.assert_allclose(model.action(image), S)
    assert Ising(L=4, beta=0.4, h=0.1).symmetries == {"translations", "point_group"}
    assert Ising(L=(4, 6), beta=0.4).symmetries == {"z2", "translations"}
    assert Ising(Hypercubic((4, 4), "open"), 0.4).symmetries == {"z2", "point_group"}
    assert Ising.spin_glass(4, 0.4, rng=1).symmetries == {"z2"}


def test_observables_have_units():
    model = Ising(L=4, beta=0.4)
    x = model.hot(1, 5)
    energy, magnetization = model.observables["energy"], model.observables["magnetization"]
    assert energy.unit == "J"
    np.testing.assert_array_equal(energy(x), model.energy(x))
    np.testing.assert_array_equal(magnetization(x), x.mean(axis=(1, 2)))


def test_at_changes_couplings_only():
    model = Ising(L=4, beta=0.4, J=np.arange(32.0), h=0.2)
    colder = model.at(beta=0.8)
    x = model.hot(1, 3)
    np.testing.assert_allclose(colder.action(x), 2 * model.action(x))
    np.testing.assert_array_equal(colder.J, model.J)
    with pytest.raises(InputError, match="beta, J, h; got kappa"):
        model.at(kappa=0.1)


def test_repr_names_what_differs_from_the_plain_model():
    assert repr(Ising(L=4, beta=0.4)) == "Ising(L=4, beta=0.4)"
    assert repr(Ising(L=4, beta=0.4, dim=3, h=1)) == "Ising(L=4, dim=3, beta=0.4, h=1)"
    assert repr(Ising(L=(4, 6), beta=1, J=-1)) == "Ising(L=(4, 6), beta=1, J=-1)"


def test_spin_glass_couplings():
    glass = Ising.spin_glass(16, 0.5, rng=Stream(3))
    assert set(np.unique(glass.J)) == {-1, 1}
    assert abs(glass.J.mean()) < 4 / np.sqrt(glass.lattice.n_bonds)
    np.testing.assert_array_equal(glass.J, Ising.spin_glass(16, 0.9, rng=Stream(3)).J)
    assert np.any(glass.J != Ising.spin_glass(16, 0.5, rng=Stream(4)).J)
    assert np.all(Ising.spin_glass(4, 0.5, rng=1, p=0).J == 1)
    with pytest.raises(InputError, match=r"p must be a probability in \[0, 1\], got 1.5"):
        Ising.spin_glass(4, 0.5, rng=1, p=1.5)


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_ground_states_and_frustration(model):
    E = brute_force_energy(model, all_states(model))
    J, h = model.bond_couplings, model.site_fields
    satisfied = -np.abs(J).sum() - np.abs(h).sum()
    assert model.is_frustrated == (E.min() > satisfied + 1e-9)
    cold = model.cold(1, 20)
    assert cold.dtype == np.int8
    if model.is_frustrated:
        with pytest.raises(InputError, match="frustrated"):
            model.ground_state()
        for site in range(model.n_sites):  # local minima
            assert np.all(model.local_change(cold, site) >= -1e-12)
    else:
        assert model.energy(model.ground_state()) == pytest.approx(E.min())
        np.testing.assert_allclose(model.energy(cold), E.min())
        signs = cold.reshape(20, -1)[:, 0]
        assert (len(set(signs)) == 2) == (not np.any(h))


@pytest.mark.slow
def test_cold_glasses_are_below_equilibrium_where_quenched_ones_are_above():
    """Hot and cold starts must enclose what is sampled, or no test of them says anything."""
    for seed in range(2):
        glass = Ising.spin_glass(L=8, beta=1.2, rng=seed)
        exact = 64 * float(exact_ising(glass)["energy_per_site"])
        cold = glass.energy(glass.cold(Stream(seed), 64))
        assert cold.max() < exact < glass.energy(quench(glass, glass.hot(seed, 64))).mean()
    small = Ising.spin_glass(L=4, beta=1.0, rng=1)
    assert np.all(
        small.energy(small.cold(1, 9)) == density_of_states(small)["energy"].min().item()
    )
    signs = small.cold(1, 50)[:, 0, 0]
    assert 10 < np.sum(signs == 1) < 40


def test_lattices_without_bonds():
    field = Ising(Graph(3, []), beta=1.0, h=0.5)
    assert field.symmetries == frozenset()
    assert field.energy(np.ones(3)) == -1.5
    assert Ising(L=1).symmetries == {"z2", "translations", "point_group"}


def test_antiferromagnet_and_gauge_transformed_ground_states():
    neel = Ising(L=4, beta=1.0, J=-1).ground_state()
    assert np.all(neel == -np.roll(neel, 1, 0))
    s = np.random.default_rng(3).choice([-1, 1], (6, 6))
    lattice = Hypercubic((6, 6))
    i, j = lattice.bonds.T
    mattis = Ising(lattice, 1.0, J=2.0 * s.ravel()[i] * s.ravel()[j])
    assert not mattis.is_frustrated
    assert mattis.energy(mattis.ground_state()) == -2 * lattice.n_bonds


def test_hot_starts_are_independent_fair_spins():
    x = Ising(L=8, beta=0.4).hot(Stream(5), 2000)
    assert x.dtype == np.int8
    assert set(np.unique(x)) == {-1, 1}
    pulls = x.mean(axis=0) * np.sqrt(2000)
    assert 0.6 < pulls.var() < 1.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"L": 4, "beta": -0.1}, "beta must be >= 0, got -0.1; for an antiferromagnet"),
        ({"L": 4, "beta": np.nan}, "beta must be a finite number, got nan"),
        ({"L": 4, "J": [1.0, 2.0]}, r"J must be a number or an array of shape \(32,\)"),
        ({"L": 4, "J": np.full(32, np.nan)}, "J must be finite, got nan at position 0"),
        ({"L": 4, "h": np.ones(3)}, r"h must be a number or an array of shape \(16,\)"),
        ({"L": 4, "h": np.inf}, "h must be a finite number, got inf"),
        ({"L": 4, "J": np.full(32, 1j)}, "J must be real numbers, got an array of complex128"),
        ({"L": 4, "J": ["a"] * 32}, "J must be real numbers, got an array of <U1"),
        ({"L": 0}, "L must be a positive integer, got 0"),
        ({"beta": 0.4}, "give either L or lattice"),
        ({"L": 4, "lattice": Hypercubic((4, 4))}, "give either L or lattice"),
        ({"lattice": "square"}, "must be a Hypercubic or a Graph, got 'square'"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(InputError, match=message):
        Ising(**arguments)


def test_configurations_of_another_shape():
    with pytest.raises(InputError, match=r"shape \(\.\.\., 4, 4\), got \(2, 16\)"):
        Ising(L=4, beta=0.4).action(np.ones((2, 16)))
    with pytest.raises(InputError, match="must be an array or a tensor, got list"):
        Ising(L=4, beta=0.4).action([[1] * 4] * 4)
    with pytest.raises(InputError, match=r"site must be in 0..15, got 1.5"):
        Ising(L=4, beta=0.4).local_change(np.ones((4, 4)), 1.5)
    assert Ising(L=np.array([4, 6])).event_shape == (4, 6)


def test_fields_may_have_the_shape_of_the_lattice():
    h = np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(Ising((3, 4), 0.4, h=h).h, h.ravel())
