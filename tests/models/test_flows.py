"""The continuous flow: steps, score, targets.  What all flows promise: test_field_contract."""

import numpy as np
import pytest
import torch
from helpers.flows import CASES, generator, make

from physgen import Hypercubic, Phi4, as_target, models
from physgen.core.errors import InputError
from physgen.core.learning import Stepped
from physgen.core.protocols import Collapsed, Density
from physgen.models.decimated import Decimated
from physgen.models.flows.continuous import EquivariantCNF

every_flow = pytest.mark.parametrize("name", [name for name in CASES if name.startswith("cnf")])


def test_the_error_of_steps_is_of_sixth_order():
    model = make("cnf, even")
    z, log_r, _ = model.base.draw(8, generator())
    with torch.no_grad():
        found = [model._carried(z, log_r, None, n)[1] for n in (4, 8, 64)]
    coarse, fine = (float((log_q - found[2]).abs().max()) for log_q in found[:2])
    assert 2**5.3 < coarse / fine < 2**7.5
    assert torch.equal(model.refined().sample(5, rng=1), model.refined().sample(5, rng=1))
    assert model.refined().refine == 2 * model.refine


def test_a_stiff_flow_asks_for_more_steps_and_takes_them_along():
    gentle, stiff = make("cnf, even", size=0.02, steps=2), make("cnf, even", size=1.5, steps=2)
    assert isinstance(stiff, Stepped)
    assert gentle.steps_needed(1) == 2
    assert stiff.steps_needed(1) == 3
    stiff.steps = 24
    assert stiff.config["steps"] == 24
    with torch.no_grad():  # run away: no number of steps would do
        for p in (runaway := make("cnf, even", steps=30)).parameters():
            p.mul_(40)
    assert runaway.steps_needed(1) == 32
    runaway.steps = 32
    assert runaway.steps_needed(1) == 32
    other = make("cnf, even", steps=2)
    other.load_state_dict(stiff.state_dict())
    assert other.steps == 24
    assert models.from_dataset(models.to_dataset(stiff.float())).steps == 24


MAPS = ("equivariant-cnf", "coupling-flow", "glow-flow")


@pytest.mark.parametrize("name", [name for name, c in CASES.items() if c["family"] in MAPS])
def test_latents_are_the_numbers_that_a_draw_came_from(name):
    model = make(name)
    with torch.no_grad():
        x, _ = model.draw(5, generator())
        z, _, _ = model.base.draw(5, generator())
    np.testing.assert_allclose(model.latents(x), z.numpy(), atol=2e-4)


@every_flow
def test_the_score_is_the_gradient_of_log_q(name):
    model = make(name, steps=12)
    x, log_q, score = model.draw_with_score(3, generator())
    at = x.detach().requires_grad_(True)
    (exact,) = torch.autograd.grad(model(at).sum(), at)
    torch.testing.assert_close(score, exact, atol=2e-4, rtol=1e-3)
    torch.testing.assert_close(log_q, model(at.detach()), atol=1e-4, rtol=0)


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
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-6)
    even, target = model.collapsed_for(phi4)
    x_even = phi4.lattice.split(x)[0]
    weight = -target.action(x_even.numpy()) - even.log_prob(x_even.numpy())
    np.testing.assert_allclose(-phi4.action(x) - log_q, weight, atol=1e-6)


def test_kernels_transfer_to_a_larger_lattice():
    """At displacements that both know the velocity is the same: a local bump does not tell."""
    small, shape = make("cnf, even", shape=[8, 8]), (12, 12)
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
    model = make("cnf, even")
    with pytest.raises(InputError, match=r"x must have shape \(\.\.\., 8\), got \(4, 4\)"):
        model.log_prob(np.zeros((4, 4)))
    with pytest.raises(InputError, match="times must be"):
        make("cnf, even", times=1)
    with pytest.raises(InputError, match="even periodic extents"):
        make("cnf, even", shape=[3, 3])
    with pytest.raises(InputError, match="integrates its odd sublattice"):
        Decimated(model, as_target(lambda x: (x**2).sum(1), (8,)))
