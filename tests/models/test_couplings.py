"""Discrete flows: colours, targets, mixtures.  What all flows promise: test_field_contract."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.flows import CASES, generator, make, stirred
from helpers.marks import slow
from helpers.statistics import within

from physgen import (
    FreeField,
    Hypercubic,
    Ising,
    Phi4,
    ReverseKL,
    Stream,
    as_target,
    fit,
    importance,
    models,
)
from physgen.analysis.weights import ess
from physgen.core.errors import InputError
from physgen.core.protocols import Collapsed
from physgen.models import CouplingFlow, Decimated, FlipMixture, GlowFlow
from physgen.models.flows.windows import colours, window
from physgen.training import recipe

every_flow = pytest.mark.parametrize(
    "name", [name for name, c in CASES.items() if c["family"] in ("coupling-flow", "glow-flow")]
)
PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
LOG_Z = 2.405138962  # by transfer matrix


@every_flow
def test_it_begins_at_its_base(name):
    model = models.build(CASES[name], rng=3).double()
    x, log_q = model.sample_and_log_prob(2000, rng=1)
    independent = torch.distributions.Normal(0.0, 0.7).log_prob(x.flatten(1)).sum(1)
    torch.testing.assert_close(log_q, independent, atol=1e-5, rtol=0)


def test_every_other_shift_is_a_symmetry_of_the_checkerboard():
    model = make("affine")
    x = model.sample(5, rng=2)
    both, one = torch.roll(x, (1, 1), (1, 2)), torch.roll(x, 1, 1)
    torch.testing.assert_close(model.log_prob(both), model.log_prob(x), atol=1e-6, rtol=0)
    assert float((model.log_prob(one) - model.log_prob(x)).detach().abs().max()) > 1e-3


def test_initial_weights_come_from_the_stream():
    torch.manual_seed(1)
    first = models.build(CASES["glow"], rng=5)
    torch.manual_seed(2)
    state = torch.get_rng_state()
    second, other = models.build(CASES["glow"], rng=5), models.build(CASES["glow"], rng=6)
    assert torch.equal(torch.get_rng_state(), state)
    pairs = zip(first.state_dict().values(), second.state_dict().values())
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not torch.equal(first.stack[0].lower, other.stack[0].lower)


def test_colours_and_windows():
    lattice = Hypercubic((4, 6))
    for even, n in ((False, 4), (True, 4)):
        halves = colours(lattice, even)
        table = window(lattice, *halves, 1)
        assert table.shape == (n, len(halves[0]))
        step = lattice.coordinates[halves[1][table]] - lattice.coordinates[halves[0]]
        step = (step + 2) % np.array(lattice.shape) - 2
        assert (np.abs(step).sum(2) == (2 if even else 1)).all()
        # Every frozen site is seen as often.
        assert (np.bincount(table.ravel()) == n).all()
    corner = window(Hypercubic((3, 3), "open"), np.array([0]), np.array([1, 3, 5, 7]), 1)
    assert sorted(corner.ravel().tolist()) == [0, 1]
    # Both ways around a ring of two there is one site.
    assert window(Hypercubic((2,)), np.array([0]), np.array([1]), 1).tolist() == [[0]]


@pytest.mark.parametrize("cls", [CouplingFlow, GlowFlow])
def test_a_target_gets_a_decimated_flow(cls):
    model = cls.for_target(PHI4).double()
    assert isinstance(model, Decimated)
    assert isinstance(model, Collapsed)
    assert model.even.config["odd"]
    x, log_q = model.sample_and_log_prob(100, rng=4)
    assert x.shape == (100, 4, 4)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-6)
    even, target = model.collapsed_for(PHI4)
    x_even = PHI4.lattice.split(x)[0]
    weight = -target.action(x_even.numpy()) - even.log_prob(x_even.numpy())
    np.testing.assert_allclose(-PHI4.action(x) - log_q, weight, atol=1e-6)
    whole = cls.for_target(PHI4, decimate=False, hidden=3)
    assert whole.event_shape == (4, 4)
    assert whole.config["hidden"] == 3


def test_lattices_without_translations_or_halves():
    open_ = CouplingFlow.for_target(Phi4(Hypercubic((3, 4), "open"), 0.2, 1.0, 0.1))
    assert open_.even.config["boundary"] == "open"
    # Three even sites around a ring have no two colours: the flow is that of all six.
    assert CouplingFlow.for_target(FreeField(L=6, m2=1.0, dim=1)).event_shape == (6,)
    bare = as_target(lambda x: (x**2).sum(1), (4, 4))
    with pytest.raises(InputError, match="with a Hypercubic lattice"):
        CouplingFlow.for_target(bare)
    with pytest.raises(InputError, match="of real fields"):
        CouplingFlow.for_target(Ising(L=4, beta=0.3))


@pytest.mark.parametrize(
    ("family", "options", "says"),
    [
        ("coupling-flow", {"shape": [3, 4]}, "a checkerboard needs even extents"),
        ("coupling-flow", {"shape": [6], "halved": True}, "a multiple of 4"),
        ("coupling-flow", {"shape": [1]}, "two sites at least"),
        ("coupling-flow", {"kind": "cubic"}, "kind must be one of"),
        ("coupling-flow", {"kernel": 4}, "kernel must be an odd width, got 4"),
        ("coupling-flow", {"kernel": 1}, "kernel must be an integer >= 3, got 1"),
        ("coupling-flow", {"layers": 0}, "layers must be"),
        ("coupling-flow", {"bins": 0}, "bins must be"),
        ("coupling-flow", {"site_bins": -1}, "site_bins must be"),
        ("coupling-flow", {"scale": 0.0}, "scale must be a positive number"),
        ("coupling-flow", {"depth": 3}, "unexpected keyword argument 'depth'"),
        ("coupling-flow", {"shape": [4, 6], "point_group": True}, "equal extents"),
        ("coupling-flow", {"boundary": "open", "point_group": True}, "a periodic lattice"),
        ("glow-flow", {"shape": [3, 4], "boundary": "open"}, "blocks of two need even extents"),
        ("glow-flow", {"shape": [4], "halved": True}, "one channel a block"),
        ("glow-flow", {"kernel": 2}, "kernel must be an odd width, got 2"),
    ],
)
def test_bad_input(family, options, says):
    with pytest.raises(InputError, match=says):
        models.build({"family": family, "shape": [4, 4], **options})


@pytest.mark.parametrize("decimate", [slow(True), slow(False)])
def test_a_short_training_finds_the_free_energy(decimate):
    model = CouplingFlow.for_target(
        PHI4, decimate=decimate, kind="spline", layers=4, hidden=8, bins=6, rng=1
    )
    x, log_q = model.sample_and_log_prob(4096, rng=2)
    before = ess(-PHI4.action(x.numpy()) - log_q.numpy())
    objective = ReverseKL(PHI4, n_validation=64, draws_per_epoch=60 * 128, rng=1)
    settings = replace(recipe("coupling-flow"), n_epochs=2)
    fit(model, objective, settings, rng=1)
    after = importance(model, PHI4, 8192, seed=2)
    assert float(after.ess_share) > max(0.8, 1.2 * before)
    assert float(after.log_z_error) > 0
    assert within(after.log_z, LOG_Z, after.log_z_error, largest=0.004)


# --- the mixture with the mirror image ---------------------------------------------------------


def test_a_mixture_is_even_and_normalised():
    base = make("not odd")
    model = FlipMixture(base)
    x, log_q = model.sample_and_log_prob(50, rng=1)
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=5e-6)
    np.testing.assert_allclose(model.log_prob(-x.numpy()), log_q, atol=5e-6)
    exact = np.logaddexp(base.log_prob(x.numpy()), base.log_prob(-x.numpy())) - math.log(2)
    np.testing.assert_allclose(log_q, exact, atol=5e-6)
    mirrored = (base.sample(50, rng=1) - x).flatten(1).abs().amax(1) > 0
    assert 10 < int(mirrored.sum()) < 40
    torch.testing.assert_close(model.sample(7, rng=1), x[:7], rtol=0, atol=0)


def test_a_mixture_of_spins_sums_to_one():
    net = models.build({"family": "coloured-net", "shape": [2, 3], "odd": False,
                        "boundary": "open"}, rng=1)  # fmt: skip
    model = FlipMixture(stirred(net, 0.5))
    states = np.array(list(itertools.product((-1, 1), repeat=6)), np.int8).reshape(-1, 2, 3)
    q = np.exp(model.log_prob(states))
    assert q.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(q, q[::-1], rtol=1e-6)
    x, log_q = model.sample_and_log_prob(4000, rng=3)
    assert x.dtype == torch.int8
    np.testing.assert_allclose(model.log_prob(x.numpy()), log_q, atol=1e-5)
    index = ((x.flatten(1).long() + 1) // 2 @ 2 ** torch.arange(5, -1, -1)).numpy()
    pull = (np.bincount(index, minlength=64) - 4000 * q) / np.sqrt(4000 * q * (1 - q))
    assert np.mean(pull**2) < 1.9  # 64 squares of unit variance: 5 standard deviations


def test_a_mixture_has_the_gradients_of_its_density():
    model = FlipMixture(make("not odd", size=0.2))
    _, log_q = model.draw(16, generator())
    (along,) = torch.autograd.grad(log_q.sum(), model.base.couplings[0].net.window.weight)
    x_again, _ = model.draw(16, generator())
    (other,) = torch.autograd.grad(model(x_again).sum(), model.base.couplings[0].net.window.weight)
    torch.testing.assert_close(along, other, atol=1e-8, rtol=1e-6)


def test_a_mixture_is_built_stored_decimated_and_refined():
    model = FlipMixture(make("not odd").float())
    again = models.from_dataset(models.to_dataset(model))
    assert isinstance(again, FlipMixture)
    assert again.config == {"family": "flip-mixture", "base": model.base.config}
    x = model.sample(6, rng=1)
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x), rtol=0, atol=0)
    assert model.refined() is None  # takes no steps
    cnf = models.build({"family": "equivariant-cnf", "shape": [4, 4], "odd": False}, rng=1)
    assert FlipMixture(cnf).refined().base.refine == 2 * cnf.refine
    whole = Decimated(model, PHI4)
    assert whole.sample(3, rng=1).shape == (3, 4, 4)
    loss = ReverseKL(PHI4, "path").loss(whole, np.arange(8), Stream(1), {})
    loss.value.backward()
    assert math.isfinite(float(loss.value.detach()))
    for wrong in (model, whole, torch.nn.Linear(2, 2)):
        with pytest.raises(InputError, match="a flip mixture needs a model of configurations"):
            FlipMixture(wrong)
