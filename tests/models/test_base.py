"""What every model has: arrays of the kind that came in, gradients, an identity."""

import numpy as np
import pytest
import torch
from torch import nn

from physgen import HMC, models, run
from physgen.core.errors import InputError
from physgen.core.protocols import REALS, SPINS, Fingerprinted, Simulator, Target
from physgen.core.protocols import EnergyModel as EnergyProtocol
from physgen.models.base import EnergyModel, Generator, Model

CNF = {"family": "equivariant-cnf", "shape": [4, 4], "features": 2, "frequencies": 2, "times": 2}
DENSITIES = {
    "strings": {"family": "gru", "L": 4, "K": 3, "hidden": 5},
    "fields": CNF,
    "spins": {"family": "masked-net", "shape": [4, 4], "hidden": 2},
}


class Quartic(EnergyModel):
    """S = a sum x^2 + b sum x^4, with the weight a."""

    def __init__(self, a=0.5, b=0.1, support=REALS):
        super().__init__((3,), support)
        self.a, self.b = nn.Parameter(torch.tensor(a)), b

    block = 7

    @property
    def config(self):
        return {"family": "quartic", "b": self.b}

    def forward(self, x):
        x = x.double()
        return (self.a.double() * x**2 + self.b * x**4).sum(1)


class Noise(Generator):
    """Normal numbers of a learned size."""

    def __init__(self):
        super().__init__((3,), REALS)
        self.size = nn.Parameter(torch.ones(3))

    block = 100
    config = {}

    def sample(self, n, rng):
        return self.size.detach() * torch.randn(n, 3, generator=torch.Generator().manual_seed(rng))


def drawn(name):
    model = models.build(DENSITIES[name], rng=1)
    return model, model.sample(6, rng=2).reshape(2, 3, *model.event_shape)


@pytest.mark.parametrize("name", DENSITIES)
def test_one_contract_for_gradients(name):
    """A tensor is scored with gradients where these are enabled, an array never."""
    model, x = drawn(name)
    log_q = model.log_prob(x)
    assert (log_q.shape, log_q.dtype) == ((2, 3), torch.float64)
    log_q.sum().backward()
    assert sum(float(p.grad.abs().sum()) for p in model.parameters() if p.grad is not None) > 0
    scored = model.log_prob(x.numpy())
    assert (type(scored), scored.shape, scored.dtype) == (np.ndarray, (2, 3), np.float64)
    np.testing.assert_allclose(scored, log_q.detach(), atol=1e-5)
    with torch.no_grad():
        assert not model.log_prob(x).requires_grad


def test_log_prob_of_a_field_is_differentiable_in_the_field():
    model, x = drawn("fields")
    x.requires_grad_(True)
    (slope,) = torch.autograd.grad(model.log_prob(x).sum(), x)
    torch.testing.assert_close(slope, model.force(x.detach()))


@pytest.mark.parametrize("name", DENSITIES)
def test_a_fingerprint_is_one_of_the_weights_and_of_the_architecture(name):
    model, _ = drawn(name)
    assert isinstance(model, Fingerprinted)
    again = models.from_dataset(models.to_dataset(model))
    assert again.fingerprint == model.fingerprint
    with torch.no_grad():
        weight = next(p for p in again.parameters() if p.numel())
        weight.view(-1)[0] += 1e-6
    assert again.fingerprint != model.fingerprint
    # No number of a checkpoint is one of a model of other architecture.
    family = model.config["family"]
    other = {"gru": {"L": 5}, "equivariant-cnf": {"odd": False}, "masked-net": {"odd": False}}
    assert models.build(DENSITIES[name] | other[family], rng=1).fingerprint != model.fingerprint


def test_an_energy_is_a_target_with_a_force():
    model = Quartic()
    for protocol in (Target, EnergyProtocol):
        assert isinstance(model, protocol)
    x = np.random.default_rng(1).normal(size=(4, 5, 3))
    action, force = model.action(x), model.force(x)
    np.testing.assert_allclose(action, (0.5 * x**2 + 0.1 * x**4).sum(-1), rtol=1e-6)
    np.testing.assert_allclose(force, -(x + 0.4 * x**3), rtol=1e-5)
    assert (type(action), force.dtype, force.shape) == (np.ndarray, x.dtype, x.shape)
    tensor = torch.tensor(x)
    assert model.action(tensor).requires_grad
    torch.testing.assert_close(model.force(tensor), torch.tensor(force))
    other = Quartic(a=0.6)
    assert model.fingerprint != other.fingerprint
    with pytest.raises(InputError, match=r"x must have shape \(\.\.\., 3\), got \(2, 4\)"):
        model.action(np.zeros((2, 4)))
    with pytest.raises(InputError, match="a force needs real fields"):
        Quartic(support=SPINS).force(np.ones((2, 3)))


def test_samplers_run_on_an_energy():
    draws = run(HMC(), Quartic(b=0.0), n_chains=64, n_draws=50, warmup=50, seed=1, quiet=True)
    # Of a Gaussian with S = x^2 / 2, <S> = n / 2.
    action = draws["action"] if "action" in draws else draws["action_per_site"] * 3
    assert float(action.mean()) == pytest.approx(1.5, abs=0.15)


def test_a_generator_draws_and_has_no_density():
    model = Noise()
    assert isinstance(model, Simulator)
    assert model.sample(5, 1).shape == (5, *model.event_shape)
    assert not hasattr(model, "log_prob")
    assert not hasattr(model, "action")


def test_bases_are_abstract():
    for base in (Model, EnergyModel, Generator):
        with pytest.raises(TypeError, match="abstract"):
            base((3,), REALS)
