"""What every flow promises.  A new family is one entry of CASES."""

import math

import numpy as np
import pytest
import torch

from physgen import Hypercubic, Phi4, as_target, models
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed, Density, Stepped
from physgen.models.decimated import Decimated
from physgen.models.flows.continuous import EquivariantCNF

SMALL = {"features": 3, "frequencies": 4, "times": 3, "steps": 6}
CASES = {
    "whole": {"shape": [4, 4]},
    "even": {"shape": [4, 4], "even": True},
    "cube": {"shape": [2, 2, 2], "even": True},
    "no point group": {"shape": [2, 4], "point_group": False},
    "not odd": {"shape": [4, 4], "even": True, "odd": False},
}
every_flow = pytest.mark.parametrize("name", CASES)


def make(name, size=0.15, **options):
    """A flow in float64, far from the identity."""
    config = {"family": "equivariant-cnf", **SMALL, **CASES.get(name, {}), **options}
    model = models.build(config, rng=3).double()
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    return model


def generator(seed=1):
    return torch.Generator().manual_seed(seed)


@every_flow
def test_it_is_a_density_of_fields(name):
    model = make(name)
    assert isinstance(model, Density)
    x, log_q = model.sample_and_log_prob(40, rng=1)
    assert x.shape == (40, *model.event_shape)
    assert log_q.dtype == torch.float64
    # What is drawn is scored alike: the way back is the inverse of the way there.
    np.testing.assert_allclose(model.log_prob(x), log_q, atol=2e-4)
    assert isinstance(model.log_prob(x.numpy()), np.ndarray)
    # Draws do not depend on how many are made.
    torch.testing.assert_close(model.sample(7, rng=1), x[:7], rtol=0, atol=0)


@every_flow
def test_log_determinant_is_that_of_the_jacobian(name):
    model = make(name)
    n = math.prod(model.event_shape)
    z, log_r, _ = model.base.draw(1, generator())
    zero = torch.zeros(1, dtype=torch.float64)

    def map_(z):
        return model._carried(z[None], zero, None, model.fine_steps)[0][0]

    jacobian = torch.autograd.functional.jacobian(map_, z[0])
    assert jacobian.shape == (n, n)
    exact = float((log_r - torch.linalg.slogdet(jacobian)[1]).detach())
    assert abs(exact - float(log_r.detach())) > 0.05  # there is something to see
    with torch.no_grad():
        _, log_q, _ = model._carried(z, log_r, None, model.fine_steps)
    assert float(log_q) == pytest.approx(exact, abs=5e-5)


def test_the_error_of_steps_is_of_sixth_order():
    model = make("even")
    z, log_r, _ = model.base.draw(8, generator())
    with torch.no_grad():
        found = [model._carried(z, log_r, None, n)[1] for n in (4, 8, 64)]
    coarse, fine = (float((log_q - found[2]).abs().max()) for log_q in found[:2])
    assert 2**5.3 < coarse / fine < 2**7.5
    assert torch.equal(model.refined().sample(5, rng=1), model.refined().sample(5, rng=1))
    assert model.refined().refine == 2 * model.refine


def test_a_stiff_flow_asks_for_more_steps_and_takes_them_along():
    gentle, stiff = make("even", size=0.02, steps=2), make("even", size=1.5, steps=2)
    assert isinstance(stiff, Stepped)
    assert gentle.steps_needed(1) == 2
    assert stiff.steps_needed(1) == 3
    stiff.steps = 24
    assert stiff.config["steps"] == 24
    with torch.no_grad():  # run away: no number of steps would do
        for p in (runaway := make("even", steps=30)).parameters():
            p.mul_(40)
    assert runaway.steps_needed(1) == 32
    runaway.steps = 32
    assert runaway.steps_needed(1) == 32
    other = make("even", steps=2)
    other.load_state_dict(stiff.state_dict())
    assert other.steps == 24
    assert models.from_dataset(models.to_dataset(stiff.float())).steps == 24


@every_flow
def test_the_score_is_the_gradient_of_log_q(name):
    model = make(name, steps=12)
    x, log_q, score = model.draw_with_score(3, generator())
    at = x.detach().requires_grad_(True)
    (exact,) = torch.autograd.grad(model(at).sum(), at)
    torch.testing.assert_close(score, exact, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(log_q, model(at.detach()), atol=1e-4, rtol=0)


@every_flow
def test_symmetries_are_exact(name):
    model = make(name)
    shape = CASES[name]["shape"]
    lattice = Hypercubic(tuple(shape))
    even = CASES[name].get("even", False)
    x = model.sample(5, rng=2)

    def log_q(whole):
        return model.log_prob(lattice.split(whole)[0] if even else whole)

    whole = lattice.merge(x, torch.zeros_like(x)) if even else x
    axes = tuple(range(1, 1 + len(shape)))
    images = [torch.roll(whole, (1, 1), axes[:2])]
    if "point group" not in name:
        images += [torch.roll(whole.flip(1), 1, 1), whole.transpose(1, 2)]
    for image in images:
        torch.testing.assert_close(log_q(image), log_q(whole), atol=1e-9, rtol=0)
    if name == "not odd":
        assert float((log_q(-whole) - log_q(whole)).abs().max()) > 1e-3
    else:
        torch.testing.assert_close(log_q(-whole), log_q(whole), atol=1e-9, rtol=0)


def integral(model):
    """Integral of a density of two numbers by the trapezoidal rule."""
    grid = torch.linspace(-9, 9, 241, dtype=torch.float64)
    x = torch.cartesian_prod(grid, grid)
    return float(torch.exp(torch.as_tensor(model.log_prob(x))).sum() * (grid[1] - grid[0]) ** 2)


@pytest.mark.parametrize("odd", [True, False])
def test_it_integrates_to_one_and_without_the_divergence_it_does_not(odd, monkeypatch):
    model = make("pair", shape=[2, 2], even=True, odd=odd)
    assert integral(model) == pytest.approx(1, abs=1e-4)
    monkeypatch.setattr(
        type(model.velocity),
        "derivatives",
        lambda self, phase, at: (0 * phase.sine[0].view(model.velocity.n, -1)[0], None),
    )
    assert abs(integral(model) - 1) > 0.02


def test_weights_and_architecture_come_back():
    model = make("even")
    again = models.from_dataset(models.to_dataset(model.float()))
    x = model.sample(6, rng=1)
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x), rtol=0, atol=0)
    assert again.config == model.config


def test_a_target_gets_the_flow_of_its_symmetries():
    phi4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = EquivariantCNF.for_target(phi4)
    assert isinstance(model, Decimated)
    assert isinstance(model, Collapsed)
    assert isinstance(model, Density)
    assert model.even.config["odd"]
    whole = EquivariantCNF.for_target(phi4, decimate=False, steps=4)
    assert whole.event_shape == (4, 4)
    # An odd extent has no checkerboard: the flow is then that of all sites.
    assert EquivariantCNF.for_target(Phi4.from_unhalved(L=3, m2=1.0, lam=1.0)).event_shape == (
        3,
        3,
    )


def test_a_decimated_flow_is_a_density_of_all_sites():
    """log q = log q_even + S_even - S, so weights are those of the even sites."""
    phi4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = EquivariantCNF.for_target(phi4).double()
    x, log_q = model.sample_and_log_prob(200, rng=4)
    assert x.shape == (200, 4, 4)
    np.testing.assert_allclose(model.log_prob(x), log_q, atol=1e-6)
    even, target = model.collapsed_for(phi4)
    x_even = phi4.lattice.split(x)[0]
    weight = -target.action(x_even) - even.log_prob(x_even)
    np.testing.assert_allclose(-phi4.action(x) - log_q, weight, atol=1e-6)


def test_kernels_transfer_to_a_larger_lattice():
    """At displacements that both know the velocity is the same: a local bump does not tell."""
    small, shape = make("even", shape=[8, 8]), (12, 12)
    with torch.no_grad():  # short kernels: nothing reaches around the smaller lattice
        far = [max(d) > 2 for d in small.orbits.displacements]
        small.velocity.kappa[..., far] = 0
        small.base.log_spectrum_orbits[far] = 0
    large = small.transferred(shape)
    assert large.event_shape == (72,)
    one, seen = torch.ones(1, dtype=torch.float64), []
    for model in (small, large):
        bump = torch.zeros(1, *model.orbits.lattice.shape, dtype=torch.float64)
        bump[0, 2, 2] = 0.7
        at = model.velocity.kernels(one * 0.3)[0]
        v, _ = model.velocity(model.orbits.lattice.split(bump)[0].t(), at)
        seen.append(model.orbits.lattice.merge(v.t(), 0 * v.t())[0, :5, :5])
    torch.testing.assert_close(*seen, atol=1e-12, rtol=0)
    with pytest.raises(InputError, match="lattices of 2 axes"):
        small.transferred((8, 8, 8))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (as_target(lambda x: (x**2).sum(1), (3,)), "declares no symmetries"),
        (Phi4(Hypercubic((4, 4), "open"), 0.2, 1.0, 0.1), "has no translations"),
    ],
)
def test_targets_without_symmetries_are_refused(target, says):
    with pytest.raises(InputError, match=says):
        EquivariantCNF.for_target(target)


def test_bad_input():
    model = make("even")
    with pytest.raises(InputError, match=r"x must have shape \(\.\.\., 8\), got \(4, 4\)"):
        model.log_prob(np.zeros((4, 4)))
    with pytest.raises(InputError, match="times must be"):
        make("even", times=1)
    with pytest.raises(InputError, match="even periodic extents"):
        make("odd extent", shape=[3, 3], even=True)
    with pytest.raises(InputError, match="integrates its odd sublattice"):
        Decimated(model, as_target(lambda x: (x**2).sum(1), (8,)))
