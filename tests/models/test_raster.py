"""Autoregressive spins in raster order: every family's promises; a new one is a line of SMALL."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen import Hypercubic, Ising, Phi4, models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models import Decimated, MaskedNet, PixelNet, Recurrent2dNet, SpinStrings
from physgen.models.autoregressive.raster import RasterNet
from physgen.training import ReverseKL, fit, recipe

SMALL = {
    "masked-net": {"hidden": 3, "layers": 2},
    "pixel-net": {"hidden": 4, "kernel": 3},
    "recurrent-2d": {"hidden": 6},
    "spin-rnn": {"hidden": 6},
    "spin-gru": {"hidden": 6},
    "spin-lstm": {"hidden": 6, "layers": 1},
    "spin-convolution": {"hidden": 5},
    "spin-transformer": {"hidden": 6, "layers": 1},
}
VARIANTS = {
    "recurrent-2d, tanh": {"family": "recurrent-2d", "hidden": 6, "cell": "tanh"},
    "pixel-net, wide": {"family": "pixel-net", "hidden": 3, "kernel": 5, "layers": 2},
}
FAMILIES = {name: {"family": name, **sizes} for name, sizes in SMALL.items()} | VARIANTS
LATTICES = {
    "odd": {"shape": [3, 3]},
    "not odd": {"shape": [3, 3], "odd": False},
    "even": {"shape": [4, 4], "halved": True},
    "open": {"shape": [2, 4], "boundary": ["open", "periodic"], "odd": False},
    "even, open": {"shape": [3, 6], "halved": True, "boundary": "open"},
}
every_family = pytest.mark.parametrize("family", FAMILIES)
every_lattice = pytest.mark.parametrize("lattice", LATTICES)
CLASSES = {
    "masked-net": MaskedNet,
    "pixel-net": PixelNet,
    "recurrent-2d": Recurrent2dNet,
    **{f"spin-{net}": SpinStrings for net in ("rnn", "gru", "lstm", "convolution", "transformer")},
}


def make(family, lattice="even", size=0.5, **options):
    config = {**FAMILIES[family], **LATTICES[lattice], **options}
    model = models.build(config, rng=3)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():  # far from uniform, so that errors show
        for p in model.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return model


def states(model):
    n = int(np.prod(model.event_shape))
    spins = np.array(list(itertools.product((-1, 1), repeat=n)), dtype=np.int8)
    return spins.reshape(-1, *model.event_shape)


def relative(model, n=40):
    """Spins (n, n_sites) as the net sees them."""
    t = torch.randint(0, 2, (n, model.n), generator=torch.Generator().manual_seed(1)) * 2.0 - 1
    return t * t[:, :1] if model.odd else t


def test_every_family_is_here():
    rows = models.families.FAMILIES
    classical = {name for name, row in rows.items() if row.path.startswith("classical.")}
    others = {"coloured-net"} | classical
    assert set(SMALL) == set(CLASSES) == set(models.families.names("spins")) - others


@every_lattice
@every_family
def test_it_sums_to_one_and_is_odd(family, lattice):
    model = make(family, lattice)
    assert isinstance(model, Density)
    log_q = model.log_prob(states(model))
    assert np.exp(log_q).sum() == pytest.approx(1, abs=2e-6)
    assert log_q.std() > 0.1
    flipped = model.log_prob(-states(model))
    if model.odd:  # to the last bit, as each state stands at the same place of its batch
        np.testing.assert_array_equal(flipped, log_q)
    else:
        assert np.abs(flipped - log_q).max() > 0.01


@every_family
def test_a_net_that_sees_the_spin_it_predicts_does_not_sum_to_one(family, monkeypatch):
    model = make(family, "not odd")
    honest = type(model)._fields
    monkeypatch.setattr(type(model), "_fields", lambda self, t: honest(self, t.roll(-1, 1)))
    assert abs(np.exp(model.log_prob(states(model))).sum() - 1) > 0.01


@every_lattice
@every_family
def test_draws_are_scored_alike_and_do_not_depend_on_their_number(family, lattice):
    model = make(family, lattice)
    x, log_q = model.sample_and_log_prob(50, rng=1)
    assert x.dtype == torch.int8
    assert x.shape == (50, *model.event_shape)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=2e-5)
    assert torch.equal(model.sample(7, rng=1), x[:7])


@every_lattice
@every_family
def test_a_field_depends_on_the_spins_before_it_only(family, lattice):
    model = make(family, lattice)
    t = relative(model)
    with torch.no_grad():
        before, blind = model._fields(t), []
        for i in range(int(model.odd), model.n):
            changed = t.clone()
            changed[:, i:] *= -1  # of everything that is not known at i
            moved = (model._fields(changed) - before).abs().amax(0)
            assert moved[: i + 1].max() < 1e-6
            if i + 1 < model.n and moved[i + 1] < 1e-4:
                blind.append(i + 1)
    # All see the spin before, but what comes from the left and above not beyond an open end.
    expected = [3, 6] if isinstance(model, Recurrent2dNet) and lattice == "even, open" else []
    assert blind == expected


@pytest.mark.parametrize("lattice", ["even", "not odd"])
@every_family
def test_a_walk_gives_the_fields_of_a_pass(family, lattice):
    model = make(family, lattice)
    t = relative(model)
    with torch.no_grad():
        step, previous, walked = model._walk(len(t)), torch.zeros(len(t)), []
        for i in range(model.n):
            walked.append(step(i, previous))
            previous = t[:, i]
        fields, first = model._fields(t), int(model.odd)
    torch.testing.assert_close(torch.stack(walked, 1)[:, first:], fields[:, first:])


def p_value(n, seed, model, probabilities):
    x = model.sample(n, rng=seed).reshape(n, -1).numpy()
    code = ((x > 0) @ (1 << np.arange(x.shape[1])[::-1])).astype(int)
    return chi_square_p(np.bincount(code, minlength=len(probabilities)), probabilities)


@pytest.mark.parametrize("lattice", ["even", "open"])
@every_family
def test_frequencies_are_the_probabilities_and_those_of_others_are_not(family, lattice):
    model = make(family, lattice)
    right = np.exp(model.log_prob(states(model)))
    wrong = np.exp(make(family, lattice, size=0.3).log_prob(states(model)))
    assert accepts(lambda n, seed: p_value(n, seed, model, right), 20_000)
    assert p_value(20_000, 1, model, wrong) < 1e-9


@pytest.mark.parametrize("lattice", ["even", "not odd"])
@every_family
def test_a_draw_has_the_gradient_of_its_score(family, lattice):
    model = make(family, lattice)
    x, log_q = model.draw(20, torch.Generator().manual_seed(4))
    assert x.dtype == model.dtype
    assert not x.requires_grad
    weights = [p for p in model.parameters() if p.requires_grad]
    a, b = (torch.autograd.grad(y.sum(), weights, allow_unused=True) for y in (log_q, model(x)))
    torch.testing.assert_close(a, b)
    assert sum(g.abs().sum() for g in a if g is not None) > 0
    with torch.no_grad():
        again, walked = model.draw(20, torch.Generator().manual_seed(4))
    assert torch.equal(again, x)
    torch.testing.assert_close(walked, log_q.detach(), atol=2e-5, rtol=0)


@every_family
def test_a_fresh_net_is_uniform_and_depends_on_its_stream_only(family):
    config = {**FAMILIES[family], **LATTICES["odd"]}
    global_state = torch.get_rng_state()
    one, same, other = (models.build(config, rng=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), global_state)
    np.testing.assert_allclose(one.log_prob(states(one)), -9 * np.log(2), atol=1e-6)
    pairs = list(zip(one.parameters(), same.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(p, q) for p, q, _ in pairs)
    assert any(not torch.equal(p, q) for p, _, q in pairs)


@every_lattice
@every_family
def test_weights_and_architecture_come_back(family, lattice):
    model = make(family, lattice)
    again = models.from_dataset(models.to_dataset(model))
    assert again.config == model.config
    assert type(again) is type(model)
    x = model.sample(6, rng=1)
    assert torch.equal(again.log_prob(x), model.log_prob(x))


@pytest.mark.parametrize("family", SMALL)
def test_a_target_gets_the_net_of_its_symmetries(family):
    cls, options = CLASSES[family], dict(SMALL[family])
    if cls is SpinStrings:
        options["net"] = family.removeprefix("spin-")
    model = cls.for_target(Ising(L=4, beta=0.4), **options)
    assert isinstance(model, Decimated)
    assert model.config["family"] == family
    assert (model.even.odd, model.even.halved) == (True, True)
    x, log_q = model.sample_and_log_prob(30, rng=1)
    assert x.shape == (30, 4, 4)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-4)
    field = cls.for_target(Ising(L=3, beta=0.4, h=0.1), **options)
    assert field.event_shape == (3, 3)
    assert not field.odd
    lattice = Hypercubic((4, 6), "open")
    boundary = cls.for_target(Ising(lattice=lattice, beta=0.4), decimate=False, **options)
    assert boundary.event_shape == (4, 6)
    assert boundary.config["boundary"] == "open"


@pytest.mark.parametrize("shape", [(5,), (2, 2, 3)])
@pytest.mark.parametrize("family", ["masked-net", "spin-gru"])
def test_some_nets_take_any_lattice(family, shape):
    model = make(family, shape=list(shape), halved=False)
    assert np.exp(model.log_prob(states(model))).sum() == pytest.approx(1, abs=2e-6)


@pytest.mark.parametrize("family", SMALL)
def test_a_short_training_lowers_the_free_energy(family):
    target = Ising(L=4, beta=0.4)
    exact = exact_free_energy(target)
    config = {**FAMILIES[family], **LATTICES["even"]}
    even = models.build(config, rng=1)
    model = Decimated(even, target)
    objective = ReverseKL(target, n_validation=500, draws_per_epoch=1280, rng=2)
    before = objective.evaluate(model).mean() * 16 - exact
    settings = recipe(config["family"])
    changes = {"n_epochs": 4, "batch_size": 64, "validate_every": 4}
    fit(model, objective, dataclasses.replace(settings, **changes), rng=3)
    after = objective.evaluate(model).mean() * 16 - exact
    assert before > 0.5  # nats: a Kullback-Leibler divergence
    assert after < 0.4 * before


def exact_free_energy(target):
    spins = np.array(list(itertools.product((-1, 1), repeat=16)), dtype=np.int8)
    action = target.action(spins.reshape(-1, 4, 4))
    return -np.log(np.exp(-action + action.min()).sum()) + action.min()


def test_bad_input():
    with pytest.raises(InputError, match="must hold spins -1 and 1"):
        make("masked-net", "odd").log_prob(np.zeros((2, 3, 3)))
    with pytest.raises(InputError, match="PixelNet needs a target of spins"):
        PixelNet.for_target(Phi4.from_hopping(L=4, kappa=0.2, lam=0.1))
    with pytest.raises(InputError, match="lattice of 2 axes"):
        make("recurrent-2d", shape=[2, 2, 2])
    with pytest.raises(InputError, match=r"equally long.*decimate=False"):
        PixelNet.for_target(Ising(lattice=Hypercubic((3, 3), "open"), beta=0.4))
    with pytest.raises(InputError, match="at least 2, got 1"):
        make("masked-net", shape=[1, 1])
    with pytest.raises(InputError, match="kernel must be odd"):
        make("pixel-net", kernel=4)
    with pytest.raises(InputError, match="cell must be one of"):
        make("recurrent-2d", cell="gru")
    with pytest.raises(InputError, match="hidden must be a positive integer, got 0"):
        make("masked-net", hidden=0)
    with pytest.raises(InputError, match="net must be one of"):
        SpinStrings([4, 4], net="mps", rng=1)
    with pytest.raises(InputError, match="'spin-gru'"):
        models.build({"family": "spin-gru", "shape": [4, 4], "kernel": 3})
    with pytest.raises(TypeError):
        RasterNet([4, 4], "periodic", False, True)
