"""Score matching in closed form against exact expectations, and its errors against truth."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.models import LocalActionEnergy
from physgen.targets import FreeField, LocalAction, Phi4
from physgen.training import Relations, solve_score_matching
from physgen.training.linear_score_matching import (
    _optimal_weights,
    equations,
    hyvarinen_losses,
)
from tests.helpers.statistics import ALPHA_RETEST, normal_p, unit_variance_p

QUADRATIC = {"nearest": -0.4, "diagonal": 0.15, "phi2": 1.3}


def energy(shape, *terms, boundary="periodic"):
    return LocalActionEnergy(shape, boundary, terms or None)


def with_exact_moments(target):
    """Return 2 V fields whose second moments are those of a Gaussian target."""
    units = np.eye(target.n_sites).reshape(-1, *target.event_shape)
    precision = -target.force(units).reshape(target.n_sites, -1)
    root = np.linalg.cholesky(np.linalg.inv(precision)) * np.sqrt(target.n_sites)
    return np.concatenate([root.T, -root.T]).reshape(-1, *target.event_shape)


@pytest.mark.parametrize(
    "lattice",
    [Hypercubic((4, 4)), Hypercubic((3, 5)), Hypercubic((2, 3, 2)),
     Hypercubic((3, 4), "open"), Hypercubic((4, 4), ("open", "periodic"))],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("weight", ["optimal", "plain"])
def test_exact_moments_of_a_gaussian_give_its_couplings(lattice, weight):
    target = LocalAction(lattice, **QUADRATIC)
    x = with_exact_moments(target)
    q = energy(lattice.shape, *QUADRATIC, boundary=lattice.boundary)
    found = solve_score_matching(q, x, weight=weight)
    np.testing.assert_allclose(found.couplings, list(QUADRATIC.values()), rtol=1e-10)
    other = LocalAction(lattice, **QUADRATIC | {"nearest": -0.35})
    found = solve_score_matching(q, with_exact_moments(other), weight=weight)
    assert abs(found.couplings[0] + 0.4) > 0.04


@pytest.mark.parametrize(
    ("lattice", "g"),
    [
        (Hypercubic((3,)), {"field": 0.3, "nearest": -0.7, "phi2": -0.5, "phi4": 0.4}),
        (Hypercubic((2,)), {"nearest": 0.3, "phi2": 0.2, "phi4": -0.3, "phi6": 0.1}),
        (Hypercubic((3,), "open"), {"nearest": -0.7, "phi2": -0.5, "phi4": 0.4}),
    ],
    ids=["chain", "double bond", "open"],
)
def test_the_equations_hold_at_the_true_couplings(lattice, g):
    target = LocalAction(lattice, **g)
    line = np.linspace(-4.5, 4.5, 61 if lattice.n_sites == 3 else 181)
    x = np.stack(np.meshgrid(*[line] * lattice.n_sites), axis=-1).reshape(-1, *lattice.shape)
    S = target.action(x)
    x, S = x[S.min() + 45 > S], S[S.min() + 45 > S]
    p = np.exp(-S) / np.exp(-S).sum()  # equidistant sums of such integrands are exact
    true = np.array(list(target.couplings.values()))
    k = np.fft.fftfreq(lattice.shape[0]) * 2 * np.pi
    for P in (None, 1 / (0.3 + 4 * np.sin(k / 2) ** 2)):
        A, b, _ = equations(target.terms, x, P)
        A, b = np.einsum("n,nab->ab", p, A), p @ b
        scale = np.abs(A).max()
        np.testing.assert_allclose(A @ true, b, atol=1e-9 * scale)
        np.testing.assert_allclose(np.linalg.solve(A, b), true, atol=1e-6)
        double = true.copy()
        double[list(g).index("nearest")] *= 2  # bonds counted twice
        assert np.abs(A @ double - b).max() > 1e-3 * scale


def test_losses_are_hyvarinens():
    target = LocalAction((3, 2), nearest=-0.5, diagonal=0.1, phi2=0.4, phi4=0.2, phi6=0.1)
    x = torch.from_numpy(target.hot(1, 4))
    expected = []
    for one in x:
        slope = torch.autograd.functional.jacobian(target.action, one)
        hessian = torch.autograd.functional.hessian(target.action, one).reshape(6, 6)
        expected.append((0.5 * (slope**2).sum() - hessian.trace()).item() / 6)
    g = list(target.couplings.values())
    np.testing.assert_allclose(hyvarinen_losses(target.terms, g, x.numpy()), expected, rtol=1e-10)


def test_the_solution_minimises_the_loss():
    x = FreeField(4, 0.7).sample(300, 1)
    q = energy((4, 4), "field", "nearest", "phi2", "phi4")
    g = solve_score_matching(q, x, weight="plain").couplings
    least = hyvarinen_losses(q.local, g, x).mean()
    for a in range(4):
        for step in (-0.02, 0.02):
            other = g + step * np.eye(4)[a]
            assert hyvarinen_losses(q.local, other, x).mean() > least


def test_weights_of_the_modes_are_the_propagator_of_a_gaussian():
    free = FreeField((6, 4), 0.8)
    x = with_exact_moments(free)
    q = energy((6, 4), "nearest", "phi2")
    P = _optimal_weights(q.local, x, Relations.fixing(q.terms))
    np.testing.assert_allclose(P, 1 / free.spectrum, rtol=1e-10)


def pulls(sets, true, weight="optimal", n_blocks=None, terms=("nearest", "phi2", "phi4")):
    found = []
    for x in sets:
        q = energy(x.shape[-2:], *terms)
        fit = solve_score_matching(q, x, weight=weight, n_blocks=n_blocks)
        found.append(((fit.couplings - true) / fit.errors, fit.errors / fit.bounds))
    return (np.array(each) for each in zip(*found))


FREE = FreeField(4, 0.5)
TRUE = np.array([-1.0, 2.25, 0.0])


def test_errors_cover_and_reach_the_bound():
    sets = [FREE.sample(400, seed) for seed in range(80)]
    found, ratio = pulls(sets, TRUE)
    p = min(unit_variance_p(found[:, a]) for a in range(3))
    assert p > ALPHA_RETEST
    assert np.abs(np.median(ratio, axis=0) - 1).max() < 0.1  # of a Gaussian as good as possible
    _, plain = pulls(sets[:20], TRUE, "plain")
    assert np.median(plain[:, 0]) > 1.1  # which score matching as usual is not
    wrong, _ = pulls(sets, np.array([-1.1, 2.25, 0.0]))
    assert unit_variance_p(wrong[:, 0]) < ALPHA_RETEST


def correlated(n, rho, seed):
    """Return one chain of free fields with autocorrelation rho^t, in equilibrium."""
    noise = FREE.sample(n, seed)
    for t in range(1, n):
        noise[t] = rho * noise[t - 1] + np.sqrt(1 - rho**2) * noise[t]
    return noise


def test_errors_of_a_chain_need_blocks():
    sets = [correlated(1500, 0.9, seed) for seed in range(60)]
    found, _ = pulls(sets, TRUE)
    assert min(unit_variance_p(found[:, a]) for a in range(3)) > ALPHA_RETEST
    single, _ = pulls(sets, TRUE, n_blocks=1500)  # a jackknife over draws
    assert max(unit_variance_p(single[:, a]) for a in range(2)) < ALPHA_RETEST


@pytest.mark.slow
def test_errors_of_phi4_cover_their_truth():
    from physgen import Phi4Cluster, run
    from physgen.samplers import unpack_configurations

    target = Phi4.from_hopping(8, kappa=0.24, lam=0.05)
    draws = run(Phi4Cluster(), target, n_chains=64, n_draws=600, seed=1, keep="configurations")
    x = unpack_configurations(draws).transpose("chain", "draw", ...).values
    sets = [part for chain in x for part in np.split(chain[None], 2, axis=1)]
    found, _ = pulls(sets, np.array([-0.48, 0.9, 0.05]))
    # Two halves of a chain are nearly independent: 128 data sets of 300 draws.
    inside = np.abs(found) < 1
    assert normal_p((inside.mean() - 0.683) / np.sqrt(0.683 * 0.317 / (len(sets)))) > ALPHA_RETEST


def test_bounds_of_independent_draws_are_cramer_rao():
    x = FREE.sample(3000, 1)[:, None]  # chains of one draw
    q = energy((4, 4), "nearest", "phi2", "phi4")
    bounds = solve_score_matching(q, x).bounds
    C = np.cov(q.local.values(x[:, 0]).T)
    np.testing.assert_allclose(bounds, np.sqrt(np.diag(np.linalg.inv(3000 * C))), rtol=1e-6)


def test_relations_between_couplings():
    x = FREE.sample(300, 1)
    q = energy((4, 4))
    hopping = Relations([[-2, 0], [0, -2], [0, 1]], [0, 1, 0])
    fit = solve_score_matching(q, x, relations=hopping)
    g = fit.couplings
    assert g[1] == pytest.approx(1 - 2 * g[2], abs=1e-12)
    assert fit.errors[1] == pytest.approx(2 * fit.errors[2])
    fixed = solve_score_matching(q, x, relations=Relations.fixing(q.terms, phi4=0.3))
    assert fixed.couplings[2] == 0.3
    assert fixed.errors[2] == fixed.bounds[2] == 0
    assert "phi4 = 0.3" in repr(fixed)
    with pytest.raises(InputError, match="each fixed coupling must be one of"):
        Relations.fixing(q.terms, phi6=0.0)
    with pytest.raises(InputError, match="at least one coupling must be free"):
        Relations.fixing(["phi2"], phi2=0.0)
    for matrix, offset, text in (
        ([[1.0, 2.0], [2.0, 4.0]], [0, 0], "must be independent"),
        ([[1.0], [np.nan]], [0, 0], "must be finite"),
        ([[1.0], [1.0]], [0], "need a matrix"),
    ):
        with pytest.raises(InputError, match=text):
            Relations(matrix, offset)
    with pytest.raises(InputError, match="must have a row for each of nearest"):
        solve_score_matching(q, x, relations=Relations(np.eye(2), [0, 0]))


def test_what_the_data_cannot_tell_is_named():
    rng = np.random.default_rng(1)
    signs = rng.choice([-1.5, 1.5], (50, 4, 4))
    with pytest.raises(InputError, match="do not tell phi2, phi4 apart; fix phi4"):
        solve_score_matching(energy((4, 4)), signs)
    flat = np.repeat(rng.standard_normal(50), 16).reshape(50, 4, 4)
    with pytest.raises(InputError, match="do not tell nearest, phi2 apart; fix phi2"):
        solve_score_matching(energy((4, 4)), flat)
    relations = Relations.fixing(("nearest", "phi2", "phi4"), nearest=-0.1)
    solve_score_matching(energy((4, 4)), flat, relations=relations)
    with pytest.raises(InputError, match="do not tell nearest, phi2, phi4 apart"):
        solve_score_matching(energy((4, 4)), np.ones((50, 4, 4)))
    with pytest.raises(InputError, match="powers of the fields must stay finite"):
        solve_score_matching(energy((4, 4)), 1e120 * FREE.sample(50, 1))
    with pytest.raises(InputError, match="the closed form needs an action of real fields"):
        solve_score_matching(object(), flat)


def test_too_few_blocks_give_no_error():
    fit = solve_score_matching(energy((4, 4)), FREE.sample(60, 1), n_blocks=3)
    assert np.isnan(fit.errors).all()
    assert np.isnan(fit.bounds).all()
    assert np.isfinite(fit.couplings).all()
