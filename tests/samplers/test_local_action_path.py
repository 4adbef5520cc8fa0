"""The path to local actions: one site exactly, log Z against known values, compiled members."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.statistics import accepts, chi_square_p, within
from scipy import integrate

from physgen.core.errors import UnboundedTargetError
from physgen.core.random import Stream
from physgen.exact.kaufman import log_z
from physgen.models import LocalActionEnergy
from physgen.samplers import HMC
from physgen.samplers.annealed_importance import log_z_sandwich
from physgen.samplers.fields.local_action import LocalActionFields
from physgen.samplers.local_action_path import LocalActionPath
from physgen.samplers.sequential import smc
from physgen.samplers.smc_paths import usual_path
from physgen.targets.ising import Ising
from physgen.targets.local_action import LocalAction
from physgen.targets.polynomial_site import PolynomialSite

SITES = [
    {1: 0.4, 2: -1.5, 4: 0.3, 6: 0.02},  # two uneven wells
    {2: 0.5},
    {2: 0.0, 4: 8.0},
    {1: -2.0, 2: -6.0, 4: 0.7},  # deep wells
    {1: 3.0, 2: 0.01, 6: 0.5},
]
FIELD = LocalAction(4, nearest=-2.0, phi2=0.0, phi4=8.0)  # that of the quadrature of phi^4
FIELD_LOG_Z = 2.405138962
SPINS = LocalAction(3, kind="spins", nearest=-0.3, diagonal=-0.1, field=0.2, plaquettes=0.1)


def states(n):
    return (2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1).astype(np.int8)


@pytest.mark.statistical
@pytest.mark.parametrize("coefficients", SITES)
def test_one_site_is_exact(coefficients):
    site = PolynomialSite(coefficients)

    def weight(x):
        return np.exp(-sum(c * x**p for p, c in coefficients.items()))

    z, _ = integrate.quad(weight, -12, 12, epsabs=0, epsrel=1e-12, limit=500, points=[-2, 0, 2])
    assert site.log_z == pytest.approx(np.log(z), abs=1e-10)
    edges = np.quantile(site.draw(20_000, Stream(9)), np.linspace(0, 1, 21)[1:-1])
    cells = np.concatenate([[-12], edges, [12]])
    p = [integrate.quad(weight, a, b, limit=200)[0] / z for a, b in pairwise(cells)]

    def p_value(stretch):
        def test(n, seed):
            x = stretch * site.draw(n, Stream(seed))
            return chi_square_p(np.bincount(np.searchsorted(edges, x), minlength=20), np.array(p))

        return test

    assert accepts(p_value(1.0), 20_000)
    assert not accepts(p_value(1.05), 20_000)


@pytest.mark.parametrize("coefficients", [{}, {1: 1.0}, {2: -1.0}, {2: 1.0, 4: -0.1}, {2: 0.0}])
def test_a_site_that_nothing_holds_is_refused(coefficients):
    with pytest.raises(UnboundedTargetError, match="highest even power"):
        PolynomialSite(coefficients)


@pytest.mark.statistical
def test_the_start_has_its_log_z():
    """Weights of the start against another density: E[e^{-S_0} / q] = Z_0, by enumeration."""
    path = LocalActionPath(SPINS)
    S = path.at(0.0).action(states(9).reshape(-1, 3, 3))
    assert path.log_z == pytest.approx(np.log(np.exp(-S).sum()), abs=1e-12)
    m = path.sample(Stream(1), 20_000).mean(axis=0)
    exact = -np.tanh(SPINS.couplings["field"])
    assert within(m, np.full((3, 3), exact), np.full((3, 3), 0.0071), largest=0.01)
    x = LocalActionPath(FIELD).sample(Stream(2), 1000)
    assert x.shape == (1000, 4, 4)
    work = FIELD.action(x) - LocalActionPath(FIELD).at(0.0).action(x)
    np.testing.assert_allclose(work, -2.0 * FIELD.terms.values(x)[:, 0], atol=1e-9)


CASES = {
    "fields": (FIELD, FIELD_LOG_Z),
    "spins": (SPINS, None),
    "an Ising model": (LocalAction((4, 4), kind="spins", nearest=-0.4), float(log_z(0.4, (4, 4)))),
}


@pytest.mark.statistical
@pytest.mark.parametrize("case", CASES)
def test_log_z_is_right(case):
    target, exact = CASES[case]
    if exact is None:
        S = target.action(states(9).reshape(-1, 3, 3))
        exact = np.log(np.exp(-S).sum())
    ds = log_z_sandwich(target, n_chains=128, n_temperatures=25, seed=4)
    assert ds.attrs["path"] == "LocalActionPath"
    assert ds["closes"].item()
    assert within(ds["log_z"], exact, ds["log_z_error"], largest=0.1)


@pytest.mark.statistical
def test_another_coupling_has_another_log_z():
    target, exact = CASES["an Ising model"]
    off = LocalActionPath(target.at(nearest=1.05 * target.couplings["nearest"]))
    wrong = log_z_sandwich(target, path=off, n_chains=512, n_temperatures=100, seed=4)
    assert not within(wrong["log_z"], exact, wrong["log_z_error"], largest=0.05)


def test_members_run_compiled():
    path = usual_path(CASES["an Ising model"][0])
    assert isinstance(path.at(0.5), Ising)
    assert usual_path(FIELD).at(0.5).couplings["phi4"] == 8.0


@pytest.mark.parametrize("L", [(4, 4), (3, 5), (4,)])
@pytest.mark.parametrize("fraction", [0.0, 0.4, 1.0])
def test_the_slope_in_loops_is_that_of_the_terms(L, fraction):
    """Also where the chains fill no block, and at the start, whose members have no neighbours."""
    more = {"diagonal": 0.4} if len(L) == 2 else {}
    target = LocalAction(L, nearest=-0.7, phi2=0.3, phi4=0.5, field=0.2, **more)
    path = LocalActionPath(target)
    bound = HMC().bind(path.at(fraction))
    assert isinstance(bound.fields, LocalActionFields)
    x = path.sample(Stream(3), 37)
    found = path.slope(bound, bound.init(Stream(1), 37, x))
    names = ["nearest", *more]
    exact = target.terms.weighted_value(x, [target.couplings.get(n, 0.0) if n in names else 0.0
                                            for n in target.terms.names])  # fmt: skip
    np.testing.assert_allclose(found, exact, rtol=0, atol=3e-5)


@pytest.mark.statistical
def test_a_model_has_the_path_of_its_couplings():
    model = LocalActionEnergy((4, 4), terms=("nearest", "phi2", "phi4"), scale=1.0)
    model = model.at(nearest=-2.0, phi2=0.0, phi4=8.0)
    assert isinstance(usual_path(model), LocalActionPath)
    ds = smc(model, n_particles=64, n_islands=16, n_moves=2, seed=1)
    assert within(ds["log_z"], FIELD_LOG_Z, ds["log_z_error"], largest=0.07)
