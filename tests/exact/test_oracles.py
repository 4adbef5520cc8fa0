"""The oracle that answers, and the names under which it does."""

import doctest
import importlib

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.exact import exact_ising, exact_phi4, exact_values
from physgen.lattice import Graph, Hypercubic
from physgen.targets import FreeField, Ising, Phi4

STRIP = Hypercubic((4, 30), ("periodic", "open"))


@pytest.mark.parametrize(
    ("target", "method"),
    [
        (Ising(L=4, beta=0.4), "enumeration"),
        (Ising(lattice=Graph(3, [(0, 1), (1, 2)]), beta=0.4), "enumeration"),
        (Ising(L=64, beta=0.4, J=-1), "Kaufman"),
        (Ising(L=10, beta=0.4, h=0.1), "transfer matrix along axis 0"),
        (Ising.spin_glass(beta=1.0, lattice=STRIP, rng=1), "transfer matrix along axis 1"),
        (Phi4.from_hopping((4, 2), 0.2, 0.1), "quadrature"),
        (Phi4.from_hopping(64, 0.2, 0.0), "Gaussian"),
        (FreeField(L=64, m2=0.1), "Gaussian"),
    ],
    ids=str,
)
def test_the_oracle_that_answers(target, method):
    ds = exact_values(target)
    assert method in ds.method
    assert ds.exactness == "exact"
    assert ds.target == repr(target)
    for name, variable in ds.data_vars.items():
        assert name.endswith("_error") or {"long_name"} <= variable.attrs.keys(), name
    assert float(ds.free_energy) == -float(ds.log_z)


def test_the_ways_agree():
    target = Ising((4, 6), beta=0.42)
    ways = {m: exact_ising(target, m) for m in ("enumeration", "kaufman", "transfer_matrix")}
    for name in ("log_z", "free_energy_per_site", "energy_per_site", "specific_heat"):
        values = [float(ds[name]) for ds in ways.values()]
        np.testing.assert_allclose(values, values[0], rtol=1e-12)
    assert [float(ds.magnetization) for ds in ways.values()] == [0, 0, 0]
    assert "magnetization" not in exact_ising(target.at(h=0.1), "transfer_matrix")


def test_energies_are_in_the_units_of_the_target():
    """Beta and J enter log Z as beta J, the energy as J."""
    one, other = exact_ising(Ising(L=8, beta=0.8)), exact_ising(Ising(L=8, beta=0.4, J=2.0))
    assert float(one.log_z) == float(other.log_z)
    assert float(other.energy_per_site) == pytest.approx(2 * float(one.energy_per_site))
    assert float(other.free_energy_per_site) == pytest.approx(2 * float(one.free_energy_per_site))
    for name in ("specific_heat", "entropy_per_site"):
        assert float(other[name]) == pytest.approx(float(one[name]))


def test_free_energy_of_infinite_temperature_is_not_given():
    ds = exact_ising(Ising(L=8, beta=0.0))
    assert "free_energy_per_site" not in ds
    assert float(ds.entropy_per_site) == pytest.approx(np.log(2))


@pytest.mark.parametrize(
    "name", ["kaufman", "enumeration", "oracles", "phi4_quadrature", "phi4_levels"]
)
def test_examples(name):
    results = doctest.testmod(importlib.import_module(f"physgen.exact.{name}"))
    assert results.attempted > 0
    assert results.failed == 0


def test_bad_input():
    with pytest.raises(InputError, match="an exact oracle must have at most 25 sites"):
        exact_ising(Ising(L=16, beta=0.4, h=0.1))
    with pytest.raises(InputError, match="method must be one of"):
        exact_ising(Ising(L=4, beta=0.4), "guess")
    with pytest.raises(InputError, match="at most 4 sites wide"):
        exact_phi4(Phi4.from_hopping(8, 0.2, 0.1))
    with pytest.raises(InputError, match="known for Ising, Phi4, FreeField"):
        exact_values(3)
