"""General flows through zuko: one adaptor, the contract of every density."""

import numpy as np
import pytest
import torch

from physgen import Phi4, ReverseKL, as_target, fit, importance, models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models import Decimated, ZukoFlow
from physgen.training import FitSettings

SMALL = {"transforms": 2, "hidden": [8]}
CASES = {
    "maf": {"flow": "maf"},
    "iaf": {"flow": "iaf"},
    "nsf": {"flow": "nsf", "options": {"bins": 4}},
    "nsf, draws in one pass": {"flow": "nsf", "inverse": True},
    "realnvp": {"flow": "realnvp"},
    "realnvp, mixed": {"flow": "realnvp", "mixing": True},
    "cnf": {"flow": "cnf", "transforms": 1},
}
every_flow = pytest.mark.parametrize("name", CASES)


def make(name, shape=(2,), size=0.2, **options):
    config = {"family": "zuko-flow", "shape": list(shape), "scale": 1.3, **SMALL, **CASES[name]}
    model = models.build({**config, **options}, rng=3).double()
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


@every_flow
def test_it_is_a_density(name):
    model = make(name, (2, 3))
    assert isinstance(model, Density)
    x, log_q = model.sample_and_log_prob(20, rng=1)
    assert x.shape == (20, 2, 3)
    assert log_q.dtype == torch.float64
    # zuko's cnf chooses its steps to 1e-5.
    np.testing.assert_allclose(model.log_prob(x), log_q, atol=2e-3 if name == "cnf" else 2e-4)
    torch.testing.assert_close(model.sample(7, rng=1), x[:7], rtol=0, atol=0)


@every_flow
def test_log_determinant_is_that_of_the_jacobian(name):
    model = make(name, (3,))
    generator = torch.Generator().manual_seed(1)

    def map_(x):
        return model.transform()(x[None] / 1.3)[0]

    x = model.draw(1, generator)[0].detach()[0]
    jacobian = torch.autograd.functional.jacobian(map_, x)
    z = map_(x).detach()
    base = -0.5 * float((z * z).sum()) - 1.5 * np.log(2 * np.pi)
    exact = base + float(torch.linalg.slogdet(jacobian)[1])
    assert float(model(x[None]).detach()) == pytest.approx(exact, abs=1e-3)


def integral(model):
    grid = torch.linspace(-25, 25, 401, dtype=torch.float64)
    x = torch.cartesian_prod(grid, grid)
    return float(torch.exp(torch.as_tensor(model.log_prob(x))).sum() * (grid[1] - grid[0]) ** 2)


@pytest.mark.parametrize("name", ["iaf", "nsf", "realnvp, mixed"])
def test_it_integrates_to_one_and_without_the_determinant_it_does_not(name, monkeypatch):
    model = make(name)
    assert integral(model) == pytest.approx(1, abs=3e-3)
    monkeypatch.setattr(type(model), "_log_scale", 0.0)
    assert abs(integral(model) - 1) > 0.3


def test_initial_weights_leave_the_global_generator_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (models.ZukoFlow([3], rng=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@every_flow
def test_weights_and_architecture_come_back(name):
    model = make(name).float()
    again = models.from_dataset(models.to_dataset(model))
    x = model.sample(6, rng=1)
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x), rtol=0, atol=0)
    assert again.config == model.config


def test_a_target_without_a_lattice_is_learned():
    """A banana of two numbers, known up to a constant: log Z = log(2 pi 0.5)."""

    def action(x):
        y = x[..., 1] - 0.5 * (x[..., 0] ** 2 - 1)
        return 0.5 * (x[..., 0] ** 2 + (y / 0.5) ** 2)

    target = as_target(action, (2,), force=None)
    model = models.for_target(target, flow="nsf", transforms=2, hidden=[16], rng=1)
    settings = FitSettings(n_epochs=3, batch_size=256, learning_rate=1e-2, ema_decay=0.95)
    fit(model, ReverseKL(target, n_validation=256), settings, rng=1)
    found = importance(model, target, 8192, 2)
    assert float(found.ess_reverse) > 0.9
    off = float(found.log_z) - np.log(2 * np.pi * 0.5)
    assert abs(off) < 4 * float(found.log_z_error)


def test_lattice_targets_are_decimated():
    phi4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = ZukoFlow.for_target(phi4, hidden=[8])
    assert isinstance(model, Decimated)
    assert model.even.config["inverse"]  # path gradients draw
    assert ZukoFlow.for_target(phi4, decimate=False, hidden=[8]).event_shape == (4, 4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"flow": "glow"}, "flow must be one of"),
        ({"flow": "realnvp", "inverse": True}, "costs the same both ways"),
        ({"flow": "iaf", "inverse": False}, "take 'maf'"),
        ({"options": {"colour": 3}}, "of zuko: .*colour"),
        ({"hidden": [0]}, "each width in hidden must be"),
        ({"scale": 0.0}, "scale must be a positive number"),
        ({"flow": "realnvp", "shape": [1]}, "couples at least 2 numbers"),
    ],
)
def test_bad_input(options, says):
    with pytest.raises(InputError, match=says):
        models.build({"family": "zuko-flow", "shape": [4], **options})
