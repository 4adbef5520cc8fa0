"""Pseudo-likelihood of real fields against quadrature, and its errors against truth."""

import numpy as np
import pytest
from scipy.integrate import quad

from physgen import fit
from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.models import LocalActionEnergy
from physgen.targets import Configurations, LocalAction
from physgen.training import (
    PseudoLikelihood,
    Relations,
    solve_pseudo_likelihood,
    solve_score_matching,
)
from physgen.training.field_pseudo_likelihood import SiteMoments, _sums, field_losses, solve_fields
from tests.helpers.statistics import ALPHA_RETEST, unit_variance_p


def energy(shape, *terms):
    return LocalActionEnergy(shape, terms=terms or None)


@pytest.mark.parametrize("powers", [{2: 0.7}, {2: -3.0, 4: 2.0}, {2: 0.5, 4: -1.0, 6: 0.4}])
def test_moments_of_a_site(powers):
    moments = SiteMoments(powers, 3.0, 6)
    B = np.array([-3.0, -1.234, 0.0, 0.567, 2.9])
    found = moments(B, range(7))
    for i, b in enumerate(B):

        def w(phi, b=b):
            return np.exp(-sum(g * phi**p for p, g in powers.items()) - b * phi)

        z = quad(w, -12, 12, epsabs=1e-13, epsrel=1e-12, limit=200)[0]
        assert found[0][i] == pytest.approx(np.log(z), abs=1e-9)
        for k in range(1, 7):
            m = quad(lambda phi, k=k, w=w: phi**k * w(phi), -12, 12, epsabs=1e-12, limit=200)[0]
            assert found[k][i] == pytest.approx(m / z, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    ("lattice", "g"),
    [
        (Hypercubic((3,)), {"field": 0.3, "nearest": -0.7, "phi2": -0.5, "phi4": 0.4}),
        (Hypercubic((2,)), {"nearest": 0.3, "phi2": 0.2, "phi4": -0.3, "phi6": 0.1}),
    ],
    ids=["chain", "double bond"],
)
def test_the_equations_hold_at_the_true_couplings(lattice, g):
    target = LocalAction(lattice, **g)
    line = np.linspace(-4.5, 4.5, 61 if lattice.n_sites == 3 else 181)
    x = np.stack(np.meshgrid(*[line] * lattice.n_sites), axis=-1).reshape(-1, *lattice.shape)
    S = target.action(x)
    near = S.min() + 45 > S
    p = np.exp(-S[near]) / np.exp(-S[near]).sum()
    true = np.array(list(target.couplings.values()))
    at_true = _sums(target.terms, x[near], true)
    np.testing.assert_allclose(p @ at_true.gradient, 0.0, atol=1e-6)
    double = true.copy()
    double[target.terms.names.index("nearest")] *= 2
    assert np.abs(p @ _sums(target.terms, x[near], double).gradient).max() > 0.05


def test_derivatives_of_the_loss():
    target = LocalAction(
        (3, 2), field=0.2, nearest=-0.5, diagonal=0.1, phi2=-0.4, phi4=0.3, phi6=0.1
    )
    x, g, eps = target.hot(1, 5), np.array(list(target.couplings.values())), 1e-4
    here = _sums(target.terms, x, g)
    np.testing.assert_allclose(here.loss / 6, field_losses(target.terms, g, x), rtol=1e-10)
    for a in range(len(g)):
        step = eps * np.eye(len(g))[a]
        up, down = (_sums(target.terms, x, g + s) for s in (step, -step))
        slope = (up.loss - down.loss) / (2 * eps)
        np.testing.assert_allclose(here.gradient[:, a], slope, rtol=1e-5, atol=1e-5)
        curve = (up.gradient - down.gradient) / (2 * eps)
        np.testing.assert_allclose(here.hessian[:, a], curve, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_errors_cover_and_beat_score_matching():
    true = np.array([0.0, -3.0, 2.0])  # two wells, and sites without neighbours
    target = LocalAction((4, 4), phi2=-3.0, phi4=2.0)
    found, ratio, other = [], [], []
    for seed in range(60):
        part = target.hot(seed, 150)
        best = solve_pseudo_likelihood(energy((4, 4)), part)
        found.append((best.couplings - true) / best.errors)
        ratio.append(best.errors / best.bounds)
        other.append(solve_score_matching(energy((4, 4)), part).errors / best.errors)
    found = np.array(found)
    assert min(unit_variance_p(found[:, a]) for a in range(3)) > ALPHA_RETEST
    assert unit_variance_p(found[:, 0] + 1.5) < ALPHA_RETEST
    assert np.median(ratio, axis=0).max() < 1.1
    assert np.median(other, axis=0)[0] > 1.5


def test_a_fit_of_fields():
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 4, 4))  # phi2 = 1/2, and no neighbours
    q = energy((4, 4), "nearest", "phi2")
    objective = PseudoLikelihood(Configurations(x, boundary="periodic"))
    result = fit(q, objective)
    for name, true in (("nearest", 0.0), ("phi2", 0.5)):
        assert abs(q.couplings[name] - true) < 4 * q.coupling_errors[name] < 0.1
    exact = 0.5 * np.log(2 * np.pi) + 0.5  # the entropy of a site
    loss = float(result.history["train_pseudo_nll"][0])
    assert loss == pytest.approx(exact, abs=0.03)
    fixed = solve_pseudo_likelihood(q, x, relations=Relations.fixing(q.terms, phi2=0.6))
    assert fixed.couplings[1] == 0.6


def test_edges_are_refused():
    x = np.random.default_rng(1).standard_normal((400, 4, 4))
    x = np.clip(x, -1.0, 4.0)  # no density of this kind
    q = energy((4, 4), "nearest", "phi2", "phi4")
    tails = np.random.default_rng(2).standard_t(3, (400, 4, 4))
    with pytest.raises(InputError, match="one at the edge, phi4"):
        solve_pseudo_likelihood(q, tails)
    held = Relations.fixing(q.terms, phi4=-0.1)
    with pytest.raises(InputError, match="hold a site together"):
        solve_fields(q.local, x[None], np.array([0.0, 0.5, -0.1]), held)
    with pytest.raises(InputError, match="the weight of a site must be normalisable, got"):
        field_losses(q.local, [0.0, 1.0, -0.1], x)
