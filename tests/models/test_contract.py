"""What every model of strings promises.  A new family is one line of SMALL."""

import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen import models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models.autoregressive.base import AutoregressiveNet
from physgen.training.recipes import RECIPES

SMALL = {
    "rnn": {"hidden": 7},
    "gru": {"hidden": 7},
    "lstm": {"hidden": 7, "layers": 1},
    "convolution": {"hidden": 6},
    "transformer": {"hidden": 6},
    "mps": {"povm": "pauli-4", "bond": 3},
    "lpdo": {"povm": "pauli-4", "bond": 3},
}
VARIANTS = {
    "convolution, more layers than sites": {
        "family": "convolution",
        "hidden": 6,
        "layers": 5,
        "shared": False,
    },
    "transformer, one head": {"family": "transformer", "hidden": 6, "heads": 1},
    "gru, no features": {"family": "gru", "hidden": 7, "site_features": False},
    "lstm, reflected": {"family": "lstm", "hidden": 7, "symmetries": ["reflection"]},
    "convolution on a ring": {
        "family": "convolution",
        "hidden": 6,
        "symmetries": ["translation", {"name": "swap", "outcomes": [1, 0, 2, 3]}],
    },
    "ensemble": {
        "family": "ensemble",
        "members": [{"family": "gru", "hidden": 7}, {"family": "transformer", "hidden": 6}],
        "weights": [0.25, 0.75],
    },
}
CASES = {name: {"family": name, **sizes} for name, sizes in SMALL.items()} | VARIANTS
L, K = 4, 4


def make(name, L=L, K=K, rng=5):
    config, shape = dict(CASES[name]), {"L": L, "K": K}
    if "members" in config:
        config["members"] = [member | shape for member in config["members"]]
        shape = {}
    model = models.build(config | shape, rng=rng)
    generator = torch.Generator().manual_seed(8)
    with torch.no_grad():  # far from uniform and from a fresh start, so that errors show
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator))
    return model


STRINGS = np.array(list(itertools.product(range(K), repeat=L)), dtype=np.uint8)
AUTOREGRESSIVE = [name for name in CASES if isinstance(make(name), AutoregressiveNet)]
every_model = pytest.mark.parametrize("name", CASES)


def test_every_family_is_here_and_has_a_recipe():
    assert set(SMALL) == set(models.families.names())
    of_all = [models.families.names(support, None) for support in models.families.SUPPORTS]
    assert {name for names in of_all for name in names} == set(RECIPES)


@every_model
def test_sums_to_one(name):
    model = make(name)
    assert isinstance(model, Density)
    assert (model.event_shape, model.support.K) == ((L,), K)
    log_q = model.log_prob(STRINGS)
    assert np.exp(log_q).sum() == pytest.approx(1.0, abs=2e-6)
    assert log_q.std() > 0.1


@pytest.mark.parametrize("name", AUTOREGRESSIVE)
def test_an_outcome_depends_on_those_before_it_only(name, monkeypatch):
    model = make(name, L=11)
    x = torch.randint(0, K, (11, 20), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        before = model._logits(x)
        for i in range(11):
            changed = x.clone()
            changed[i] = (x[i] + 1) % K
            moved = (model._logits(changed) - before).abs().amax((1, 2))
            assert moved[: i + 1].max() == 0
            assert i == 10 or moved[i + 1 :].min() > 0  # every later site sees the change
        # Saboteur: a network that reads the outcome it predicts does not sum to one.
        monkeypatch.setattr(AutoregressiveNet, "_previous", lambda self, sites: sites)
        total = make(name)(torch.from_numpy(STRINGS)).exp().sum().item()
    assert abs(total - 1) > 0.01


@every_model
def test_draws_carry_their_log_prob_and_do_not_depend_on_how_many(name):
    model = make(name, L=7)
    strings, log_q = model.sample_and_log_prob(1200, 9)  # more than a block of random numbers
    assert (strings.shape, strings.dtype, log_q.dtype) == ((1200, 7), torch.uint8, torch.float64)
    np.testing.assert_allclose(model.log_prob(strings.numpy()), log_q.numpy(), atol=2e-5)
    assert torch.equal(model.sample(1200, 9), strings)
    fewer, fewer_log_q = model.sample_and_log_prob(1100, 9)
    assert torch.equal(fewer, strings[:1100])
    torch.testing.assert_close(fewer_log_q, log_q[:1100], atol=2e-5, rtol=0)
    assert not torch.equal(model.sample(1100, 10), fewer)


@pytest.mark.statistical
@every_model
def test_draws_follow_log_prob(name):
    model = make(name)
    probability = np.exp(model.log_prob(STRINGS))
    probability /= probability.sum()

    def p_value(n, seed, expected=probability):
        drawn = model.sample(n, seed).numpy().astype(int)
        return chi_square_p(np.bincount(drawn @ [64, 16, 4, 1], minlength=256), expected)

    assert accepts(p_value, 6000)
    # Saboteur: outcomes 1 and 2 exchanged in the expected distribution.
    swapped = probability[np.array([0, 2, 1, 3])[STRINGS] @ [64, 16, 4, 1]]
    assert not accepts(lambda n, s: p_value(n, s, swapped), 6000)


@every_model
def test_agrees_with_float64(name):
    single, double = make(name, L=11), make(name, L=11).double()
    x = torch.randint(0, K, (50, 11), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(single(x), double(x), atol=2e-5, rtol=0)
    drawn, same = single.sample(400, 3), double.sample(400, 3)
    # A uniform may fall between the two roundings of a cumulative sum, once in about 1e6 draws.
    assert (drawn == same).all(1).float().mean() > 0.99


@every_model
def test_gradient_reaches_every_weight_and_is_the_slope(name):
    model = make(name).double()
    x = torch.from_numpy(STRINGS[::5])
    model(x).mean().backward()
    generator, slope = torch.Generator().manual_seed(2), 0.0
    directions = []
    for label, p in model.named_parameters():
        assert p.grad is not None, label
        assert p.grad.abs().max() > 0, label
        directions.append(torch.randn(p.shape, generator=generator, dtype=torch.float64))
        slope += float((p.grad * directions[-1]).sum())
    values = []
    with torch.no_grad():
        for step in (1e-5, -2e-5):
            for p, d in zip(model.parameters(), directions):
                p.add_(step * d)
            values.append(model(x).mean().item())
    assert slope == pytest.approx((values[0] - values[1]) / 2e-5, rel=1e-5, abs=1e-8)


@every_model
def test_stored_model_comes_back(name):
    model = make(name)
    again = models.from_dataset(models.to_dataset(model))
    assert type(again) is type(model)
    assert again.config == model.config
    np.testing.assert_array_equal(model.log_prob(STRINGS), again.log_prob(STRINGS))
    assert torch.equal(model.sample(100, 1), again.sample(100, 1))


@every_model
def test_weights_come_from_the_stream_alone(name):
    before = torch.random.get_rng_state()
    a, b, c = make(name, rng=1), make(name, rng=1), make(name, rng=2)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(a.log_prob(STRINGS), b.log_prob(STRINGS))
    assert abs(a.log_prob(STRINGS) - c.log_prob(STRINGS)).max() > 1e-3


@every_model
def test_array_kind_and_shape_are_kept(name):
    model, x = make(name), STRINGS[:10].reshape(2, 5, L)
    value = model.log_prob(x)
    assert (type(value), value.shape, value.dtype) == (np.ndarray, (2, 5), np.float64)
    assert model.log_prob(torch.from_numpy(x)).requires_grad
    with torch.no_grad():
        scored = model.log_prob(torch.from_numpy(x))
    assert not scored.requires_grad
    np.testing.assert_allclose(scored.numpy(), value, atol=1e-6)
    assert model.log_prob(x[0, 0]).shape == ()
    assert model.log_prob(x[:0]).shape == (0, 5)
    assert make(name, L=1).log_prob(np.array([[0], [3]])).shape == (2,)


@every_model
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3), dtype=np.uint8), "shape"),
        (np.full((2, L), K, dtype=np.uint8), r"outcomes must lie in 0\.\.3"),
        (np.zeros((2, L)), "integer outcomes"),
    ],
)
def test_bad_strings(name, x, message):
    with pytest.raises(InputError, match=message):
        make(name).log_prob(x)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L": 0}, "L must be a positive integer"),
        ({"K": 1}, "K must be an integer >= 2"),
        ({"K": 257}, "K must be at most 256"),
        ({"widht": 3}, "widht"),
    ],
)
def test_bad_configs(name, change, message):
    with pytest.raises(InputError, match=message):
        models.build(CASES[name] | {"L": L, "K": K} | change)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"family": "convolution", "layers": 0}, "layers must be a positive integer"),
        ({"family": "transformer", "hidden": 10, "heads": 3}, "multiple of heads = 3, got 10"),
        ({"family": "transformer", "heads": 0}, "heads must be a positive integer"),
        ({"family": "wavenet"}, "family must be one of"),
    ],
)
def test_bad_sizes(config, message):
    with pytest.raises(InputError, match=message):
        models.build({"L": 4, "K": 4} | config)


def test_receptive_field_covers_the_chain_or_is_stated():
    for L in (1, 2, 3, 5, 33, 34, 50, 200):
        assert models.ConvolutionNet(L, 2, hidden=2).receptive_field >= L - 1
    short = models.ConvolutionNet(9, 2, hidden=3, layers=2, rng=1)
    assert short.receptive_field == 4
    x = torch.zeros(9, 1, dtype=torch.long)
    changed = x.clone()
    changed[0] = 1
    moved = (short._logits(x) - short._logits(changed)).abs().amax((1, 2))
    assert moved[1:5].min() > 0
    assert moved[5:].max() == 0
