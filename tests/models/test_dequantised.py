"""Dequantised densities: a bound of the exact probabilities, exact weights, and no likelihood."""

import itertools
import math

import numpy as np
import pytest
import torch
from helpers.flows import stirred

from physgen import Configurations, Ising, Phi4, draws_of, fit, importance, models
from physgen.core.errors import InputError
from physgen.core.protocols import Density, JointDensity, Target
from physgen.core.random import Stream
from physgen.models import Dequantised
from physgen.training import DequantisedBound, FitSettings, MaximumLikelihood

LAWS = ("uniform", "variational")
SPINS = np.array(list(itertools.product((-1, 1), repeat=2)), dtype=np.int8)


def make(law, size=0.15):
    config = {"family": "mixture-net", "shape": [2, 2], "halved": True, "n_components": 4}
    base = stirred(models.build(config | {"odd": False}, rng=3).double(), size)
    model = Dequantised(base, law).double()
    if law == "variational":
        with torch.no_grad():
            model.bonds.copy_(torch.tensor([[0.1, -0.2], [0.3, 0.0]]))
    return model


def orthants(model):
    """P(s) of two spins: integrals of q over the four quadrants."""
    grid = (torch.arange(200, dtype=torch.float64) + 0.5) * 0.05
    found = []
    for s in SPINS:
        y = torch.cartesian_prod(s[0] * grid, s[1] * grid)
        found.append(np.exp(model.base.log_prob(y.numpy())).sum() * 0.05**2)
    return np.array(found)


@pytest.mark.parametrize("law", LAWS)
def test_a_bound_is_below_the_exact_probability_and_rises_to_it(law):
    model, P = make(law), orthants(make(law))
    assert P.sum() == pytest.approx(1, abs=1e-4)
    x = np.repeat(SPINS, 2000, axis=0)
    one = model.bound(x, rng=1).reshape(4, -1)
    assert (one.mean(1) < np.log(P)).all()
    few = model.bound(np.repeat(SPINS, 200, axis=0), rng=1, n_draws=400).reshape(4, -1).mean(1)
    assert (few > one.mean(1)).all()
    # E_r[q / r] is P of the part of an orthant where r is not 0.
    ratio = np.exp(one)
    error = ratio.std(1) / math.sqrt(2000)
    if law == "variational":
        assert (np.abs(ratio.mean(1) - P) < 5 * error).all()
        np.testing.assert_allclose(few, np.log(P), atol=0.1)
    else:
        assert (ratio.mean(1) < P + 5 * error).all()
    # Saboteur: without the law of y the "bound" is above log P.
    y, log_r = model._behind(torch.from_numpy(x).double(), torch.Generator().manual_seed(1))
    bare = model.base.log_prob(y).detach().numpy().reshape(4, -1)
    assert log_r.abs().max() > 0.1
    assert np.abs(bare.mean(1) - one.mean(1)).max() > 0.1


@pytest.mark.parametrize("law", LAWS)
def test_the_law_behind_spins_is_normalised_and_draws_have_their_signs(law):
    model = make(law)
    grid = (np.arange(400) + 0.5) * 0.02
    for s in SPINS[:2]:
        y = np.stack(np.meshgrid(s[0] * grid, s[1] * grid, indexing="ij"), -1).reshape(-1, 2)
        spins = np.tile(s, (len(y), 1))
        log_r = model.posterior_log_prob(spins, y)
        assert np.exp(log_r).sum() * 0.02**2 == pytest.approx(1, abs=2e-3)
        assert (model.posterior_log_prob(spins, -y) == -math.inf).all()
    s, y = model.sample(500, rng=1)
    assert s.dtype == torch.int8
    assert torch.equal(torch.sign(y).to(torch.int8), s)
    torch.testing.assert_close(
        model.joint_log_prob(s, y), model.base.log_prob(y).detach(), rtol=0, atol=1e-12
    )
    assert (model.joint_log_prob(-s, y) == -math.inf).all()
    torch.testing.assert_close(s[:7], model.sample(7, rng=1)[0])


def test_it_is_refused_where_a_likelihood_is_needed():
    model = make("uniform")
    assert isinstance(model, JointDensity)
    assert not isinstance(model, Density | Target)
    with pytest.raises(InputError, match=r"no log_prob: P\(s\) is an integral"):
        model.log_prob(SPINS)
    lattice = models.build({"family": "mixture-net", "shape": [3, 3]}, rng=1)
    # Weights are those of (s, y), of which there is a density.
    found = importance(Dequantised(lattice), Ising(L=3, beta=0.1), 1000, 1, ess_floor=1.0,
                       forward_check=False)  # fmt: skip
    states = np.array(list(itertools.product((-1, 1), repeat=9))).reshape(-1, 3, 3)
    exact = np.logaddexp.reduce(-Ising(L=3, beta=0.1).action(states))
    assert abs(float(found.log_z) - exact) < 5 * float(found.log_z_error)
    data = Configurations(np.repeat(SPINS, 20, axis=0))
    with pytest.raises(InputError, match=r"bound.*no likelihood|no log_prob"):
        MaximumLikelihood(data).evaluate(model)
    with pytest.raises(InputError, match=r"needs a density, .* DequantisedBound"):
        MaximumLikelihood(data).begin(model, Stream(0))
    with pytest.raises(InputError, match="Dequantised density, got MeanField"):
        fit(models.build({"family": "mean-field", "shape": [2]}, rng=1), DequantisedBound(data))
    with pytest.raises(InputError, match="of spins"):
        DequantisedBound(Configurations(np.random.default_rng(1).normal(size=(50, 2))))
    for base in (models.build({"family": "mean-field", "shape": [2]}, rng=1), None):
        with pytest.raises(InputError, match="density of real numbers"):
            Dequantised(base)
    with pytest.raises(InputError, match="of the even sites"):
        Dequantised(models.for_target(Phi4.from_hopping(L=4, kappa=0.2, lam=0.1)))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = model.nothing


@pytest.mark.slow
def test_it_learns_spins_and_weighs_them_exactly():
    """The bound of a trained model, and log Z in the space of both, against exact sums."""
    target = Ising(L=2, beta=0.35, h=0.2)
    every = np.array(list(itertools.product((-1, 1), repeat=4)), dtype=np.int8).reshape(-1, 2, 2)
    log_p = -target.action(every)
    log_z = np.logaddexp.reduce(log_p)
    p = np.exp(log_p - log_z)
    x = every[np.random.default_rng(1).choice(16, 8000, p=p)]
    config = {
        "family": "mixture-net",
        "shape": [2, 2],
        "n_components": 2,
        "odd": False,
        "hidden": 6,
    }
    model = Dequantised(models.build(config, rng=1))
    objective = DequantisedBound(Configurations(x))
    before = objective.evaluate(model).mean() * 4
    fit(model, objective, FitSettings(n_epochs=4, batch_size=100, learning_rate=1e-2), rng=1)
    after, entropy = objective.evaluate(model).mean() * 4, -(p * np.log(p)).sum()
    assert before > entropy + 0.5
    # A bound of the NLL is above the entropy.
    assert entropy - 0.06 < after < min(before - 0.5, entropy + 0.5)
    ds = draws_of(model, target, 2**14, rng=1)
    assert ds.attrs["exactness_for"] == "the target"
    assert float(ds["log_z_error"]) < 0.05
    assert abs(float(ds["log_z"]) - log_z) < 4 * float(ds["log_z_error"])
    again = models.from_dataset(models.to_dataset(model))
    np.testing.assert_array_equal(again.bound(x[:5], 1), model.bound(x[:5], 1))
