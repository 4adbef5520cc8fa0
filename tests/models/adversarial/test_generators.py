"""Generators: draws by random numbers alone, symmetries of their laws, gradients of spins."""

import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p, joint_p

from physgen import Ising, Phi4, models
from physgen.core.errors import InputError, NoDensityError
from physgen.core.protocols import Conditional, Density, Simulator
from physgen.core.random import Stream
from physgen.models import ConditionalGenerator, LatticeGenerator
from physgen.samplers import draws_of
from physgen.training.hybrid_terms import of_game, surrogate

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)
MODELS = {
    "field": {"kind": "reals", "shape": (4, 4), "boundary": "periodic", "channels": 4},
    "odd field": {
        "kind": "reals", "shape": (4, 4), "boundary": "periodic", "channels": 4, "odd": True,
    },
    "open chain": {"kind": "reals", "shape": (5,), "boundary": "open", "channels": 3},
    "dense field": {
        "kind": "reals", "shape": (3, 4), "boundary": "periodic", "net": "dense", "hidden": 8,
        "shifted": True,
    },
    "no lattice": {"kind": "reals", "shape": (6,), "net": "dense", "hidden": 8},
    "spins": {"kind": "spins", "shape": (4, 4), "boundary": "periodic", "channels": 4},
    "scored spins": {
        "kind": "spins", "shape": (3, 3), "boundary": "periodic", "channels": 4, "odd": True,
        "estimator": "reinforce",
    },
}  # fmt: skip
every = pytest.mark.parametrize("name", MODELS)


def made(name, rng=1, **more):
    return LatticeGenerator(**{**MODELS[name], **more}, rng=rng)


@every
def test_draws_are_a_function_of_the_random_numbers(name):
    model = made(name)
    x = model.sample(7, 5)
    assert isinstance(model, Simulator)
    assert x.shape == (7, *model.event_shape)
    assert x.dtype == (torch.int8 if model.kind == "spins" else torch.float32)
    assert torch.equal(model.sample(3, 5), x[:3])
    assert not torch.equal(model.sample(7, 6), x)
    assert not torch.equal(made(name, rng=2).sample(7, 5), x)


@every
def test_it_is_stored_and_read_back(name):
    model = made(name)
    back = models.from_dataset(models.to_dataset(model))
    assert torch.equal(back.sample(5, 1), model.sample(5, 1))
    assert (back.config, back.fingerprint) == (model.config, model.fingerprint)
    assert back.config["family"] == ("spin-gan" if model.kind == "spins" else "gan")


@every
def test_a_density_is_refused_with_the_reason(name):
    model = made(name)
    assert not isinstance(model, Density)
    assert not hasattr(model, "log_prob")
    assert not hasattr(model, "no such thing")
    with pytest.raises(NoDensityError, match=r"log_prob needs a density, .* only draws"):
        model.log_prob(model.sample(2, 1))
    with pytest.raises(InputError, match="sample_and_log_prob needs a density"):
        model.sample_and_log_prob(2, 1)


@pytest.mark.parametrize("name", ["odd field", "scored spins"])
def test_an_odd_network_has_an_even_law(name):
    model = made(name)
    z = torch.randn(9, model.n_latent, generator=torch.Generator().manual_seed(1))
    assert torch.equal(model(-z), -model(z))
    other = made(name, odd=False)
    with torch.no_grad():
        for p in other.parameters():
            p.add_(0.1)  # first biases are 0
    assert (other(-z) + other(z)).abs().max() > 1e-2


def test_a_convolution_moves_with_its_latent_variables():
    """Shifted latent variables of sites give the shifted field; those of the lattice stay."""
    model = made("field")
    z = torch.randn(3, model.n_latent, generator=torch.Generator().manual_seed(2))
    local = z[:, : model.network.n_local].view(3, 2, 4, 4).roll((1, 2), (2, 3)).flatten(1)
    moved = torch.cat([local, z[:, model.network.n_local :]], 1)
    torch.testing.assert_close(model(moved), model(z).roll((1, 2), (1, 2)))
    chain = made("open chain")
    z = torch.randn(3, chain.n_latent, generator=torch.Generator().manual_seed(2))
    local = z[:, : chain.network.n_local].view(3, 2, 5).roll(1, 2).flatten(1)
    moved = torch.cat([local, z[:, chain.network.n_local :]], 1)
    assert (chain(moved) - chain(z).roll(1, 1)).abs().max() > 1e-2  # an end is an end


def test_the_variable_of_the_lattice_reaches_every_site():
    model = made("field")
    z = torch.zeros(1, model.n_latent, requires_grad=True)
    for site in (0, 15):
        (slope,) = torch.autograd.grad(model(z).flatten()[site], z, retain_graph=True)
        assert slope[0, -1].abs() > 0
    assert made("field", global_latents=0).n_latent == model.n_latent - 1


def test_shifted_draws_are_translations_of_what_the_network_gives():
    model = made("dense field")
    x = torch.arange(24.0).view(2, 3, 4)
    found = model._translated(x, torch.Generator().manual_seed(3))
    for a, b in zip(x, found, strict=True):
        images = [a.roll((i, j), (0, 1)) for i in range(3) for j in range(4)]
        assert sum(torch.equal(b, image) for image in images) == 1


def test_shifts_are_uniform():
    model = made("dense field")
    x = torch.arange(12.0).view(1, 3, 4)

    def p_value(n, seed):
        moved = model._translated(x.expand(n, 3, 4), torch.Generator().manual_seed(seed))
        counts = np.bincount(moved[:, 0, 0].long().numpy(), minlength=12)
        return chi_square_p(counts, np.full(12, 1 / 12))

    assert accepts(p_value, 2000)


def test_spins_have_the_stated_conditional_law():
    model = made("spins", shape=(2, 2), channels=2)
    with torch.no_grad():
        mean = torch.tanh(model(torch.zeros(1, model.n_latent)) + 0.3)[0].double()
        model.network.out.bias += 0.3

    def p_value(n, seed, wrong=0.0):
        fixed = torch.zeros(n, model.n_latent)
        field, generator = model(fixed), torch.Generator().manual_seed(seed)
        real = torch.randn
        torch.randn = lambda *a, **k: fixed
        try:
            s = model.draw(n, generator).detach().double()
        finally:
            torch.randn = real
        assert field.shape == s.shape
        expected = (mean + wrong).clip(-0.999, 0.999)
        pulls = (s.mean(0) - expected) / ((1 - mean**2) / n).sqrt()
        return joint_p(pulls.numpy())

    assert accepts(p_value, 4000)
    assert not accepts(lambda n, seed: p_value(n, seed, wrong=0.1), 4000)


def states(n):
    return torch.tensor(list(itertools.product([-1.0, 1.0], repeat=n)))


def quartic(s):
    return s.flatten(1).sum(1) ** 4 / 9


def differences(estimator, n, seed):
    """Return the gradient in the last weights less the exact one for the same z: mean and error.

    The loss is no polynomial that is linear in every spin.
    """
    model = LatticeGenerator("spins", (3,), net="dense", hidden=4, layers=1, estimator=estimator,
                             rng=3)  # fmt: skip
    weights, parts = model.network.weights[-1], []
    for part in range(50):
        x, log_p = model.draw_scored(n // 50, torch.Generator().manual_seed(1000 * seed + part))
        value = surrogate(of_game(quartic(x)), log_p)
        (found,) = torch.autograd.grad(value, weights)
        same = torch.Generator().manual_seed(1000 * seed + part)
        z = torch.randn(n // 50, model.n_latent, generator=same)
        p = torch.sigmoid(2 * model(z)[:, None, :] * states(3)).prod(2)
        (exact,) = torch.autograd.grad((p * quartic(states(3))).sum(1).mean(), weights)
        parts.append((found - exact).double().flatten())
    parts = torch.stack(parts)
    return parts.mean(0), parts.std(0) / 50**0.5


def test_reinforce_has_the_exact_gradient_and_straight_through_a_bias():
    def p_value(estimator):
        def of(n, seed):
            off, error = differences(estimator, n, seed)
            return joint_p((off / error)[::5].numpy())  # neighbours are correlated

        return of

    assert accepts(p_value("reinforce"), 5000)
    assert not accepts(p_value("straight-through"), 5000)


def test_straight_through_is_exact_where_the_loss_is_linear_in_every_spin():
    model = made("spins", shape=(3,), channels=2)
    x, log_p = model.draw_scored(2, torch.Generator().manual_seed(1))
    assert log_p is None
    assert set(x.detach().flatten().tolist()) <= {-1.0, 1.0}
    weights = torch.tensor([1.0, -2.0, 0.5])
    z = torch.randn(2, model.n_latent, generator=torch.Generator().manual_seed(1))
    bias = model.network.out.bias
    (found,) = torch.autograd.grad((x * weights).sum(), bias)
    (exact,) = torch.autograd.grad((torch.tanh(model(z)) * weights).sum(), bias)
    torch.testing.assert_close(found, exact)


def test_for_target_takes_what_is_declared():
    model = models.for_target(PHI4, "gan", rng=1, channels=4)
    assert (model.shape, model.boundary, model.odd, model.kind) == (
        (4, 4),
        "periodic",
        True,
        "reals",
    )
    assert 0.5 < model.scale < 3
    assert models.LatticeGenerator.for_target(PHI4, rng=1, channels=4).config == model.config
    dense = models.for_target(Ising((4, 4), beta=0.2), "spin-gan", net="dense", rng=1)
    assert (dense.shifted, dense.scale, dense.estimator) == (True, 1.0, "straight-through")
    with pytest.raises(InputError, match="family of a target of spins must be"):
        models.for_target(Ising((4, 4), beta=0.2), "gan")


def test_draws_of_a_generator_are_approximate_and_have_no_weights():
    model = models.for_target(PHI4, "gan", rng=1, channels=4)
    ds = draws_of(model, PHI4, n=256, rng=1)
    assert (ds.attrs["exactness"], ds.attrs["exactness_for"]) == ("approximate", "the target")
    assert not {"log_weight", "log_z", "ess_share"} & set(ds.data_vars)


@pytest.mark.parametrize(
    ("name", "more", "said"),
    [
        ("field", {"estimator": "reinforce"}, "an estimator is for spins"),
        ("spins", {"estimator": "gumbel"}, "estimator must be one of"),
        ("no lattice", {"net": "convolutional"}, "needs a lattice of at most 3 dim"),
        ("no lattice", {"shifted": True}, "shifted draws need a periodic lattice"),
        ("field", {"scale": 0.0}, "scale must be"),
        ("field", {"layers": 0}, "layers must be a positive integer"),
    ],
)
def test_bad_input(name, more, said):
    with pytest.raises(InputError, match=said):
        made(name, **more)


# --- a range of a coupling ------------------------------------------------------------------


def test_a_family_gives_a_generator_at_every_coupling():
    family = ConditionalGenerator(MODELS["odd field"], "kappa", 0.1, 0.3, rng=1)
    assert isinstance(family, Conditional)
    with torch.no_grad():
        for c in family.coefficients:
            c[1:] += 0.05 * torch.randn(c[1:].shape, generator=torch.Generator().manual_seed(1))
    low, high = family.at(kappa=0.1), family.at(kappa=0.3)
    assert not torch.equal(low.sample(4, 1), high.sample(4, 1))
    bound = family.bound(0.3)
    torch.testing.assert_close(bound.sample(4, 1), high.sample(4, 1))
    z = torch.randn(5, high.n_latent)
    assert torch.equal(high(-z), -high(z))
    # T_0 + T_1 + T_2 at u = 1 is the sum of all coefficients.
    name, p = next(iter(high.named_parameters()))
    torch.testing.assert_close(p, family.coefficients[family.names.index(name)].sum(0))
    back = models.from_dataset(models.to_dataset(family))
    assert torch.equal(back.at(kappa=0.2).sample(4, 1), family.at(kappa=0.2).sample(4, 1))
    with pytest.raises(InputError, match="must lie in"):
        family.at(kappa=0.5)
    with pytest.raises(InputError, match="one in kappa"):
        family.at(lam=0.2)
    with pytest.raises(InputError, match="low must be below high"):
        ConditionalGenerator(MODELS["field"], "kappa", 0.3, 0.1, rng=1)


def test_gradients_reach_all_coefficients():
    family = ConditionalGenerator(MODELS["field"], "kappa", 0.1, 0.3, rng=1)
    family.bound(0.27).draw(3, Stream(1).torch()).square().sum().backward()
    assert all(c.grad is not None and c.grad[1].abs().max() > 0 for c in family.coefficients[:-3])
