"""Quadrature on small tori: known values, brute force, Gaussian limits, Schwinger-Dyson."""

import numpy as np
import pytest
from helpers.marks import slow

from physgen.core.errors import InputError
from physgen.exact import exact_phi4, free_field_observables, phi4_torus
from physgen.exact.phi4_quadrature import gauss_rule
from physgen.lattice import Hypercubic
from physgen.targets import Phi4

# computed independently, to the digits given
KNOWN = [
    (Phi4.from_unhalved(4, m2=-4.0, lam=8.0), (2.405138962, 5e-10), (0.14774621, 5e-9)),
    slow(Phi4.from_unhalved(4, m2=-4.0, lam=6.975), (3.218328923, 5e-10), (0.16739177, 5e-9)),
    (Phi4.from_hopping(4, kappa=0.2705, lam=0.022), (12.1540, 5e-4), (1.801, 2e-3)),
    slow(Phi4.from_hopping(4, kappa=0.3, lam=0.022), (17.53, 3e-2), (4.7, 1e-1)),
]


@pytest.mark.parametrize(("target", "log_z", "phi2"), KNOWN, ids=str)
def test_known_values(target, log_z, phi2):
    ds = phi4_torus(target, n_nodes=10)
    assert abs(float(ds.log_z) - log_z[0]) < log_z[1]
    assert abs(float(ds.phi2) - phi2[0]) < phi2[1]


@pytest.mark.slow
def test_converged_values():
    """From 18 nodes; 12 leave the error that is stated, and far less in truth."""
    exact = {
        "log_z": 12.154353364886,
        "phi2": 1.802165562642,
        "action_per_site": 0.352659268700,
        "susceptibility": 21.623267452075,
    }
    ds = phi4_torus(KNOWN[2][0], n_nodes=12)
    for name, value in exact.items():
        error = abs(float(ds[name]) - value)
        assert error < 1e-9
        assert error < float(ds[f"{name}_error"]) < 1e-7


SMALL = [
    Phi4.from_hopping((2, 2), 0.2, 0.3),
    Phi4.from_hopping((2, 2), -0.2, 0.3),
    Phi4.from_hopping((3,), 0.25, 0.1),
    Phi4.from_hopping((3,), -0.25, 0.1),
    Phi4.from_hopping_well((2,), 0.2, 0.3),
    Phi4.from_unhalved((3,), m2=-3.0, lam=1.0),
]


@pytest.mark.parametrize("target", SMALL, ids=str)
def test_equals_the_plain_integral(target):
    """Against a product of trapezoid rules over all sites at once."""
    V = target.n_sites
    x = np.linspace(-3.8, 3.8, 31) if V == 4 else np.linspace(-4.2, 4.2, 61)
    field = np.stack(np.meshgrid(*[x] * V, indexing="ij"), -1).reshape(-1, *target.event_shape)
    S, flat = target.action(field), field.reshape(-1, V)
    weight = np.exp(S.min() - S)
    p = weight / weight.sum()
    ds = phi4_torus(target, n_nodes=16)
    expected = {
        "log_z": np.log(weight.sum()) - S.min() + V * np.log(x[1] - x[0]),
        "action_per_site": p @ S / V,
        "phi2": p @ (flat**2).mean(axis=1),
        "phi4": p @ (flat**4).mean(axis=1),
        "m2": p @ flat.mean(axis=1) ** 2,
    }
    for name, value in expected.items():
        assert float(ds[name]) == pytest.approx(value, rel=1e-8), name


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (6, 3), (9,)], ids=str)
def test_schwinger_dyson(shape):
    """<phi dS/dphi> = 1 at every site: hop, quad and quart terms and links all enter."""
    target = Phi4.from_hopping(shape, 0.25, 0.05)
    ds = phi4_torus(target, n_nodes=12)
    quartic = target.quart * float(ds.phi4)
    quadratic = float(ds.action_per_site) - target.const - quartic
    assert 2 * quadratic + 4 * quartic == pytest.approx(1, abs=1e-7)
    # d log Z / d kappa = 2 <sum of links>, here from the identity above
    step = 1e-3
    low, high = (float(phi4_torus(target.at(kappa=0.25 + d), 12).log_z) for d in (-step, step))
    links = (target.quad * float(ds.phi2) - quadratic) / target.hop * target.n_sites
    assert (high - low) / (2 * step) == pytest.approx(2 * links, rel=2e-4)


def test_without_interaction_it_is_the_gaussian_field():
    target = Phi4.from_halved(4, m2=1.0, lam=0.0)
    quadrature, modes = phi4_torus(target, n_nodes=12), free_field_observables(target)
    for name in ("log_z", "action_per_site", "phi2", "phi4", "susceptibility"):
        assert float(quadrature[name]) == pytest.approx(float(modes[name]), abs=1e-7), name


def test_conventions_agree():
    """One theory in three conventions: log Z differs by the known shift."""
    hopping = Phi4.from_hopping((4, 3), kappa=0.27, lam=0.1)
    V, kappa, lam = 12, 0.27, 0.1
    well = Phi4.from_hopping_well((4, 3), kappa=kappa, lam=lam)
    unhalved = Phi4.from_unhalved((4, 3), m2=(1 - 2 * lam) / kappa - 4, lam=lam / kappa**2)
    log_z = float(phi4_torus(hopping, 10).log_z)
    assert float(phi4_torus(well, 10).log_z) == pytest.approx(log_z - V * lam, abs=1e-9)
    assert float(phi4_torus(unhalved, 10).log_z) == pytest.approx(
        log_z + V / 2 * np.log(kappa), abs=1e-9
    )
    assert hopping.log_z_shift(unhalved) == pytest.approx(V / 2 * np.log(kappa), abs=1e-12)


@pytest.mark.parametrize(("a", "quart"), [(1.0, 0.0), (0.5, 0.3), (-3.0, 0.5), (-1.0, 0.02)])
def test_gauss_rule_integrates_polynomials(a, quart):
    n = 8
    nodes, log_weights = gauss_rule(a, quart, n)
    x = np.linspace(-20, 20, 400_001)
    weight = np.exp(-a * x**2 - quart * x**4)
    for degree in range(0, 2 * n, 2):
        exact = np.sum(weight * x**degree) * (x[1] - x[0])
        assert np.exp(log_weights) @ nodes**degree == pytest.approx(exact, rel=1e-10)
    # one degree beyond, it does not
    exact = np.sum(weight * x ** (2 * n)) * (x[1] - x[0])
    assert np.exp(log_weights) @ nodes ** (2 * n) < (1 - 1e-7) * exact


@pytest.mark.slow
def test_converged_in_the_broken_phase():
    ds = phi4_torus(KNOWN[3].values[0], n_nodes=16)
    assert float(ds.log_z) == pytest.approx(17.5223084623, abs=5e-10)
    assert float(ds.log_z_error) < 1e-8


def test_bad_input():
    for target in (
        Phi4.from_hopping(5, 0.2, 0.1),
        Phi4.from_hopping((2, 2, 2), 0.2, 0.1),
        Phi4.from_hopping((33, 4), 0.2, 0.1),
        Phi4.from_hopping(Hypercubic((4, 4), "open"), 0.2, 0.1),
    ):
        with pytest.raises(InputError, match="at most 4 sites wide"):
            exact_phi4(target)
    with pytest.raises(InputError, match="n_nodes must be at most 24"):
        phi4_torus(Phi4.from_hopping(4, 0.2, 0.1), n_nodes=25)
    with pytest.raises(InputError, match="n_nodes must be an integer >= 6"):
        phi4_torus(Phi4.from_hopping(4, 0.2, 0.1), n_nodes=4)
