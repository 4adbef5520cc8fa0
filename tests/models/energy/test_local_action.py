"""The local action as a model: its action and force, what it keeps of a fit, chains on it."""

import doctest
from pathlib import Path

import numpy as np
import pytest
import torch

from physgen import HMC, Metropolis, models, run
from physgen.core.errors import InputError, UnboundedTargetError
from physgen.core.protocols import Compilable, EnergyModel
from physgen.models import LocalActionEnergy
from physgen.models.families import name_of
from physgen.samplers import HeatBath
from physgen.targets import Configurations, FreeField, Ising, LocalAction, Phi4
from physgen.training.linear_fit import LinearFit
from tests.helpers.statistics import within

G = {"nearest": -0.5, "diagonal": 0.1, "phi2": 1.2, "phi4": 0.05, "phi6": 0.01}
S = {"field": 0.2, "nearest": -0.3, "diagonal": -0.1, "plaquettes": 0.15}


def model(**couplings):
    kind = "spins" if "plaquettes" in couplings else "reals"
    return LocalActionEnergy((3, 4), terms=tuple(couplings), kind=kind).at(**couplings)


@pytest.mark.parametrize("g", [G, S], ids=["reals", "spins"])
def test_it_is_the_action_of_its_couplings(g):
    q = model(**g)
    target = LocalAction((3, 4), kind=q.kind, **g)
    assert isinstance(q, EnergyModel)
    assert dict(q.couplings) == dict(target.couplings)
    assert (
        q.numbers == target.numbers == {f"g_{name}": value for name, value in q.couplings.items()}
    )
    x = target.hot(1, 5)
    np.testing.assert_allclose(q.action(x), target.action(x), rtol=1e-12)
    assert q.symmetries == target.symmetries
    assert q.target.fingerprint == target.fingerprint
    assert isinstance(q, Compilable) == ("plaquettes" not in g)
    t = torch.from_numpy(x)
    q.action(t).sum().backward()
    np.testing.assert_allclose(q.weights.grad.numpy(), target.terms.values(x).sum(0), rtol=1e-12)


def test_its_force_is_the_gradient():
    q = model(**G)
    x = torch.from_numpy(q.hot(1, 5)).requires_grad_(True)
    (slope,) = torch.autograd.grad(q.action(x).sum(), x)
    np.testing.assert_allclose(q.force(x).numpy(), -slope.numpy(), atol=1e-12)
    assert not q.force(x).requires_grad
    single = q.force(x.detach().numpy().astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, -slope.numpy(), rtol=1e-4, atol=1e-4)
    assert q.kernel[0] == "local-action"
    with pytest.raises(InputError, match="a force needs real fields"):
        model(**S).force(np.ones((2, 3, 4), np.int8))


def test_terms_follow_from_what_a_source_declares():
    phi4 = Phi4.from_hopping(4, kappa=0.2, lam=0.02)
    q = LocalActionEnergy.for_target(phi4)
    assert q.terms == ("nearest", "phi2", "phi4")
    assert q.even
    assert name_of(q) == "local-action"
    # A fresh model is a Gaussian of the size of the field, and nothing of the couplings.
    assert q.couplings["phi2"] == pytest.approx(1 / (2 * phi4.hot(1, 4096).var()), rel=0.1)
    assert q.couplings["nearest"] == 0
    assert LocalActionEnergy.for_target(Ising(3, 0.3)).terms == ("nearest",)
    odd = LocalActionEnergy.for_target(Ising(3, 0.3, h=0.1))
    assert odd.terms == ("field", "nearest")
    assert not odd.even
    assert name_of(odd) == "local-spin-action"
    x = np.random.default_rng(1).standard_normal((50, 3, 3))
    data = Configurations(x, boundary=("open", "periodic"), symmetries=["z2"])
    found = LocalActionEnergy.for_target(data, terms=["phi4", "phi2"])
    assert found.terms == ("phi2", "phi4")
    assert found.boundary == ("open", "periodic")
    lonely = LocalActionEnergy((4,), terms=("phi6",), scale=2.0)
    assert lonely.couplings["phi6"] == pytest.approx(1 / (6 * 2.0**6))


def test_it_is_stored_with_errors_and_bounds():
    q = model(**G)
    n = len(q.terms)
    fit = LinearFit(
        q.terms, np.array([*G.values()]), np.arange(n) + 1.0, np.arange(n) + 2.0, np.eye(n), 9
    )
    assert np.isnan(list(q.coupling_errors.values())).all()
    before = q.fingerprint
    q.set_fit(fit)
    assert q.fingerprint != before
    again = models.from_dataset(models.to_dataset(q))
    assert again.fingerprint == q.fingerprint
    assert again.coupling_errors == q.coupling_errors == dict(zip(q.terms, fit.errors))
    assert again.coupling_bounds == dict(zip(q.terms, fit.bounds))
    np.testing.assert_array_equal(again.coupling_covariance, np.eye(n))
    with torch.no_grad():  # a step of an optimiser: the errors are those of other couplings
        again.weights[0] += 1e-3
    assert np.isnan(list(again.coupling_errors.values())).all()
    assert np.isnan(again.coupling_covariance).all()
    assert q.at().coupling_errors == q.coupling_errors
    assert np.isnan(q.at(phi2=1.0).coupling_bounds["phi2"])
    with pytest.raises(InputError, match="couplings must be of the terms"):
        model(phi2=1.0).set_fit(fit)


def test_chains_of_a_field():
    free = FreeField(4, m2=1.0)
    q = LocalActionEnergy.for_target(free, terms=("nearest", "phi2")).at(nearest=-1.0, phi2=2.5)
    draws = run(HMC(), q, n_chains=64, n_draws=60, seed=1, quiet=True)
    phi2 = draws["phi2"].transpose("chain", "draw").values.mean(axis=1)
    exact = free.propagator()[0, 0]
    value, error = phi2.mean(), phi2.std(ddof=1) / np.sqrt(len(phi2))
    assert within(value, exact, error, largest=0.01)
    wrong = FreeField(4, m2=1.2).propagator()[0, 0]
    assert not within(value, wrong, error, largest=0.01)


@pytest.mark.parametrize("sampler", [HeatBath(), Metropolis()], ids=["pairs", "plaquettes"])
def test_chains_of_spins(sampler):
    q = model(**S) if sampler == Metropolis() else model(**S).at(plaquettes=0.0)
    states = 2 * ((np.arange(2**12)[:, None] >> np.arange(12)) & 1).astype(np.int8) - 1
    states = states.reshape(-1, 3, 4)
    w = np.exp(-(a := q.action(states)) + a.min())
    m = states.mean(axis=(1, 2))
    exact = (w * m).sum() / w.sum()
    draws = run(sampler, q, n_chains=128, n_draws=40, seed=1, quiet=True)
    found = draws["magnetization"].transpose("chain", "draw").values.mean(axis=1)
    error = found.std(ddof=1) / np.sqrt(len(found))
    assert within(found.mean(), exact, error, largest=0.02)
    wrong = (np.exp(-1.2 * (a - a.min())) * m).sum() / np.exp(-1.2 * (a - a.min())).sum()
    assert not within(found.mean(), wrong, error, largest=0.02)


def test_spins_with_neighbours_alone_are_an_ising_model():
    q = model(**S).at(diagonal=0.0, plaquettes=0.0)
    ising = q.target.as_ising
    x = ising.hot(1, 4)
    np.testing.assert_allclose(ising.action(x), q.action(x), rtol=1e-12)
    with pytest.raises(InputError, match="nearest and field alone, got diagonal, plaquettes"):
        _ = model(**S).target.as_ising


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"phi6": -0.01}, r"phi6 = -0\.01"),
        ({"phi6": 0.0, "phi4": -0.2}, r"phi4 = -0\.2"),
        ({"phi6": 0.0, "phi4": 0.0, "phi2": 0.3}, r"raise phi2"),
    ],
)
def test_energies_unbounded_below_are_evaluated_but_not_sampled(bad, text):
    q = model(**G).at(**bad)
    assert np.isfinite(q.action(np.ones((2, 3, 4)))).all()
    assert np.isfinite(q.force(np.ones((2, 3, 4)))).all()
    start = np.zeros((4, 3, 4))
    for sampler in (HMC(), Metropolis()):
        with pytest.raises(UnboundedTargetError, match=text):
            run(sampler, q, n_chains=4, n_draws=10, seed=1)
        with pytest.raises(UnboundedTargetError, match="fit it to more configurations"):
            run(sampler, q, n_chains=4, n_draws=10, seed=1, start=start)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (dict(shape=(4, 4), boundary=None), "needs neighbours"),
        (dict(shape=()), "at least one extent"),
        (dict(shape=(4, 4), terms=("nearest",)), "nothing holds the field together"),
        (dict(shape=(4, 4), terms=("phi2", "phi3")), "each term of reals must be one of"),
        (dict(shape=(4, 4), terms=("phi2", "phi2")), "each once"),
        (dict(shape=(4,), terms=("phi2", "diagonal")), "at least 2 axes"),
        (dict(shape=(4, 4), kind="bits"), "kind must be one of"),
        (dict(shape=(4, 4), scale=0.0), "scale must be a positive"),
    ],
)
def test_bad_arguments_are_refused(arguments, text):
    with pytest.raises(InputError, match=text):
        LocalActionEnergy(**arguments)


def test_bad_sources_are_refused():
    with pytest.raises(InputError, match=r"model 'local-action': .*shape"):
        models.build({"family": "local-action"})  # no shape: nothing has a default size
    x = np.random.default_rng(1).standard_normal((50, 3, 3))
    with pytest.raises(InputError, match="needs a hypercubic lattice"):
        LocalActionEnergy.for_target(Configurations(x))
    with pytest.raises(InputError, match="energy of spins, got"):
        LocalActionEnergy.for_target(FreeField(4, 1.0), kind="spins")
    with pytest.raises(InputError, match="must hold spins -1 and 1"):
        model(**S).action(np.zeros((2, 3, 4), np.int8))
    with pytest.raises(InputError, match="each coupling must be one of"):
        model(**S).at(phi2=1.0)


def test_the_examples_of_the_page_are_true():
    page = Path(__file__).parents[3] / "docs" / "energy-models.md"
    assert doctest.testfile(str(page), module_relative=False).failed == 0
