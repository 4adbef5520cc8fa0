"""Pseudo-likelihood against exact enumeration, and its errors against truth."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.lattice import Hypercubic
from physgen.models import LocalActionEnergy
from physgen.targets import FreeField, Ising, LocalAction
from physgen.training import PseudoLikelihood, Relations, solve_pseudo_likelihood
from physgen.training.spin_pseudo_likelihood import _sigmoid, _tabulated, spin_losses
from tests.helpers.statistics import ALPHA_RETEST, unit_variance_p


def states(shape):
    n = int(np.prod(shape))
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return (2 * bits - 1).astype(np.int8).reshape(-1, *shape)


def probabilities(target):
    S = target.action(states(target.event_shape))
    w = np.exp(S.min() - S)
    return w / w.sum()


def energy(target):
    kind, boundary = target.support.kind, target.lattice.boundary
    return LocalActionEnergy(target.event_shape, boundary, tuple(target.couplings), kind=kind)


CASES = [
    LocalAction((3, 3), kind="spins", field=0.15, nearest=-0.4),
    LocalAction((4, 4), kind="spins", field=-0.1, nearest=-0.44),
    LocalAction((3, 3), kind="spins", field=0.1, nearest=-0.3, diagonal=0.2, plaquettes=-0.25),
    LocalAction(Hypercubic((3, 4), "open"), kind="spins", nearest=-0.4, plaquettes=0.3),
    LocalAction((2, 4), kind="spins", field=0.1, nearest=-0.2, diagonal=0.1),
    LocalAction((2, 2, 3), kind="spins", nearest=0.2, diagonal=-0.1, plaquettes=0.05),
]


def functions(local, x, g):
    """Return the gradient of the loss of each configuration."""
    z, position, _ = _tabulated(local, x)
    slope = 2 * z * _sigmoid(2 * z @ g)[:, None]
    return slope[position].sum(axis=1)


@pytest.mark.parametrize("target", CASES, ids=repr)
def test_the_equations_hold_at_the_true_couplings(target):
    x, p = states(target.event_shape), probabilities(target)
    g = np.array(list(target.couplings.values()))
    np.testing.assert_allclose(p @ functions(target.terms, x, g), 0.0, atol=1e-10)
    double = g * np.where(np.array(target.terms.names) == "nearest", 2.0, 1.0)
    assert np.abs(p @ functions(target.terms, x, double)).max() > 0.1
    other = probabilities(target.at(nearest=target.couplings["nearest"] * 1.1))
    assert np.abs(other @ functions(target.terms, x, g)).max() > 0.01


@pytest.mark.parametrize("target", CASES, ids=repr)
def test_losses_are_conditional_probabilities(target):
    x = states(target.event_shape)[:: 2 ** (target.n_sites - 7)]
    g = list(target.couplings.values())
    found = spin_losses(target.terms, g, x)
    S = target.action(x)
    for site in range(target.n_sites):
        flipped = x.reshape(len(x), -1).copy()
        flipped[:, site] *= -1
        other = target.action(flipped.reshape(x.shape))
        np.testing.assert_allclose(found[:, site], np.log1p(np.exp(S - other)), rtol=1e-12)


def test_a_table_holds_the_features():
    target = CASES[2]
    x = states((3, 3))[::7]
    z, position, sums = _tabulated(target.terms, x)
    slopes = target.terms.slopes(x)
    expected = np.stack([(x * f).reshape(len(x), -1) for f in slopes], axis=-1)
    np.testing.assert_array_equal(z[position], expected)
    np.testing.assert_allclose(sums, target.terms.values(x), rtol=1e-12)
    assert len(np.unique(z, axis=0)) == len(z)


def draws(target, n, seed):
    x = states(target.event_shape)
    return x[np.random.default_rng(seed).choice(len(x), n, p=probabilities(target))]


def test_the_solution_is_where_the_gradient_vanishes():
    target = CASES[2]
    objective = PseudoLikelihood((target, draws(target, 500, 1)), 0.0)
    q = energy(target)
    objective.solve(q, Stream(0))
    loss = objective.loss(q, np.arange(500), Stream(0), {})
    loss.value.backward()
    np.testing.assert_allclose(q.weights.grad.numpy(), 0.0, atol=1e-8)
    g = list(q.couplings.values())
    assert loss.value.item() == pytest.approx(
        spin_losses(q.local, g, objective.samples.train[0]).sum(1).mean()
    )


def pulls(target, n, sets, n_blocks=None):
    found = []
    for seed in range(sets):
        fit = solve_pseudo_likelihood(energy(target), draws(target, n, seed), n_blocks=n_blocks)
        found.append((fit.couplings - list(target.couplings.values())) / fit.errors)
    return np.array(found)


def test_errors_cover():
    found = pulls(CASES[0], 500, 80)
    assert min(unit_variance_p(found[:, a]) for a in range(2)) > ALPHA_RETEST
    # Saboteur: every configuration three times, as if they were other draws.
    target, thrice = CASES[0], []
    for seed in range(80):
        x = np.repeat(draws(target, 500, seed), 3, axis=0)
        fit = solve_pseudo_likelihood(energy(target), x, n_blocks=1500)
        thrice.append((fit.couplings - [0.15, -0.4]) / fit.errors)
    assert unit_variance_p(np.array(thrice)) < ALPHA_RETEST


def test_the_jackknife_is_the_one_of_whole_fits():
    target = CASES[0]
    x = draws(target, 200, 1)
    fit = solve_pseudo_likelihood(energy(target), x, n_blocks=10)
    assert fit.n_blocks == 10
    left = [
        solve_pseudo_likelihood(energy(target), np.delete(x, np.s_[i : i + 20], 0)).couplings
        for i in range(0, 200, 20)
    ]
    left = np.array(left) - np.mean(left, axis=0)
    np.testing.assert_allclose(fit.covariance, 0.9 * left.T @ left, rtol=1e-4)
    np.testing.assert_allclose(fit.errors**2, np.diag(fit.covariance))


def test_relations_fix_couplings():
    x = draws(CASES[0], 300, 1)
    q = energy(CASES[0])
    fixed = Relations.fixing(q.terms, field=0.15)
    fit = solve_pseudo_likelihood(q, x, relations=fixed)
    assert fit.couplings[0] == 0.15
    assert fit.errors[0] == fit.bounds[0] == 0
    assert 0 < fit.errors[1] < 0.1
    assert 0.9 < fit.errors[1] / fit.bounds[1] < 2


def test_ordered_data_have_no_finite_optimum():
    q = LocalActionEnergy((4, 4), terms=("field", "nearest"), kind="spins")
    up = np.ones((50, 4, 4), np.int8)
    with pytest.raises(InputError, match="do not tell field, nearest apart"):
        solve_pseudo_likelihood(q, up)
    only = LocalActionEnergy((4, 4), terms=("nearest",), kind="spins")
    signs = np.where(np.arange(50) % 2, 1, -1).astype(np.int8)
    with pytest.raises(InputError, match=r"falls without end along nearest \(down\)"):
        solve_pseudo_likelihood(only, up * signs[:, None, None])
    board = (1 - 2 * (np.indices((4, 4)).sum(0) % 2)).astype(np.int8)
    with pytest.raises(InputError, match=r"falls without end along nearest \(up\)"):
        solve_pseudo_likelihood(only, board * signs[:, None, None])
    some = up.copy()
    some[0, 0, 0] = -1  # one spin of 800 that disobeys: an optimum far out, but finite
    fit = solve_pseudo_likelihood(only, some)
    assert -2 < fit.couplings[0] < -0.5
    some[0, 0, 0], some[:, 1, 1] = 1, -1
    with pytest.raises(InputError, match="without end along"):
        solve_pseudo_likelihood(q, some)


def test_bad_data_are_refused():
    target = Ising(4, 0.4)
    bits = np.random.default_rng(1).integers(0, 2, (50, 4, 4))
    with pytest.raises(InputError, match=r"spins must be -1 and \+1, got 0 to 1; for bits"):
        PseudoLikelihood((target, bits))
    with pytest.raises(InputError, match="spins must be"):
        PseudoLikelihood((target, np.full((50, 4, 4), 1.5)))
    with pytest.raises(InputError, match=r"array \(n, 4, 4\) or \(n_chains, n_draws, 4, 4\)"):
        PseudoLikelihood((target, 2 * bits[:10] - 1))
    objective = PseudoLikelihood((target, 2 * bits - 1))
    field = LocalActionEnergy.for_target(FreeField(4, 1.0))
    with pytest.raises(InputError, match=r"of spins of shape \(4, 4\), as the data are"):
        objective.solve(field, Stream(0))
    assert not objective.solves(object())
    for refused in (objective.evaluate, lambda q: objective.loss(q, np.arange(3), Stream(0), {})):
        with pytest.raises(InputError, match="needs an action that is linear in its couplings"):
            refused(object())
    with pytest.raises(InputError, match="needs an action that is linear in its couplings"):
        solve_pseudo_likelihood(object(), 2 * bits - 1)
    fields = PseudoLikelihood((FreeField(4, 1.0), FreeField(4, 1.0).sample(50, 1)))
    with pytest.raises(InputError, match="takes steps for actions of spins alone"):
        fields.loss(field, np.arange(3), Stream(0), {})


def test_a_known_temperature_is_found():
    x = draws(LocalAction((4, 4), kind="spins", nearest=-0.44), 3000, 1)
    q = LocalActionEnergy.for_target(Ising(4, 0.44))
    fit = solve_pseudo_likelihood(q, x)
    assert abs(fit.couplings[0] + 0.44) < 4 * fit.errors[0]
    assert fit.errors[0] < 0.01
    assert torch.is_tensor(q.weights)
