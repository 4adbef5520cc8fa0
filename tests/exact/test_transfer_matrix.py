"""The transfer matrix against enumeration, chains in closed form, and other axes."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import enumerated_observables, strip_observables
from physgen.exact.transfer_matrix import time_axis
from physgen.lattice import Graph, Hypercubic
from physgen.targets import Ising

NAMES = ("log_z", "energy_per_site", "specific_heat", "entropy_per_site")
LATTICES = [
    Hypercubic(shape, boundary)
    for shape, boundary in [
        ((4, 5), ("open", "periodic")),
        ((4, 5), ("periodic", "open")),
        ((4, 4), "periodic"),
        ((4, 4), "open"),
        ((2, 3), "periodic"),
        ((2, 6), ("periodic", "open")),
        ((1, 6), "periodic"),
        ((2, 2, 4), "periodic"),
        ((3, 2, 2), "open"),
        ((7,), "periodic"),
        ((7,), "open"),
    ]
]


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
@pytest.mark.parametrize("kind", ["+-J", "Gaussian", "+-J in a field"])
def test_equals_enumeration(lattice, kind):
    rng = np.random.default_rng(4)
    J = rng.choice([-1.0, 1.0], lattice.n_bonds)
    if kind == "Gaussian":
        J = rng.normal(size=lattice.n_bonds)
    h = rng.normal(size=lattice.n_sites) if kind.endswith("field") else 0.0
    target = Ising(lattice=lattice, beta=0.7, J=J, h=h)
    ours, listed = strip_observables(target), enumerated_observables(target)
    for name in NAMES:
        assert float(ours[name]) == pytest.approx(float(listed[name]), abs=1e-12), name
    # saboteur: with one stronger bond it is another model
    J[0] *= 1.5
    other = strip_observables(target.at(J=J))
    assert abs(float(other.log_z) - float(listed.log_z)) > 1e-6


def test_chains_in_closed_form():
    n, K = 400, 0.8
    ring = strip_observables(Ising((n,), beta=K))
    log_z = n * np.log(2 * np.cosh(K)) + np.log1p(np.tanh(K) ** n)
    assert float(ring.log_z) == pytest.approx(log_z, rel=1e-14)
    chain = strip_observables(Ising(lattice=Hypercubic((n,), "open"), beta=K))
    assert float(chain.log_z) == pytest.approx(
        n * np.log(2) + (n - 1) * np.log(np.cosh(K)), rel=1e-14
    )
    assert float(chain.energy_per_site) == pytest.approx(-(n - 1) / n * np.tanh(K), rel=1e-13)
    assert float(chain.specific_heat) == pytest.approx(
        (n - 1) / n * K**2 / np.cosh(K) ** 2, rel=1e-10
    )


def test_a_glass_reaches_its_ground_state():
    """At low temperature log Z + beta E_0 is the log of the degeneracy: one energy, one count."""
    target = Ising.spin_glass(beta=30.0, rng=3, lattice=Hypercubic((12, 12), "open"))
    ds = strip_observables(target)
    ground = float(ds.energy_per_site) * 144
    assert ground == pytest.approx(round(ground), abs=1e-8)
    degeneracy = np.exp(float(ds.log_z) + 30.0 * ground)
    assert degeneracy == pytest.approx(round(degeneracy), rel=1e-8)
    assert round(degeneracy) % 2 == 0  # a state and its mirror image
    assert float(ds.specific_heat) < 1e-9


def test_gauge_transformation():
    """Turning spins and their bonds leaves log Z of a field-free glass as it is."""
    lattice = Hypercubic((3, 10), ("periodic", "open"))
    glass = Ising.spin_glass(beta=0.9, rng=5, lattice=lattice)
    eta = np.random.default_rng(1).choice([-1.0, 1.0], lattice.n_sites)
    turned = glass.at(J=glass.bond_couplings * eta[lattice.bonds].prod(axis=1))
    assert float(strip_observables(turned).log_z) == pytest.approx(
        float(strip_observables(glass).log_z), rel=1e-13
    )


def test_the_cheapest_axis_is_time():
    assert time_axis(Hypercubic((100, 20), "open")) == 0
    assert time_axis(Hypercubic((20, 100), "open")) == 1
    assert time_axis(Hypercubic((8, 12), "periodic")) == 1
    assert time_axis(Hypercubic((12, 12), ("periodic", "open"))) == 1
    assert time_axis(Hypercubic((13, 13), "periodic")) is None
    assert time_axis(Hypercubic((21, 21), "open")) is None
    assert time_axis(Graph(3, [(0, 1)])) is None


def test_bad_input():
    with pytest.raises(InputError, match="layers of at most 20 sites"):
        strip_observables(Ising(L=16, beta=0.4))
