import itertools

import numpy as np
import pytest
import torch
from helpers.statistics import accepts, chi_square_p

from physgen import models
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.models.autoregressive import fused
from physgen.models.autoregressive.recurrent import CELLS
from physgen.models.io import dataset_to_tensors

CASES = list(itertools.product(CELLS, (1, 2)))


def make(family="gru", L=3, K=4, hidden=7, layers=1, **kwargs):
    config = {"family": family, "L": L, "K": K, "hidden": hidden, "layers": layers, **kwargs}
    model = models.build(config, rng=5)
    with torch.no_grad():  # far from uniform, so that errors show
        for parameter in model.parameters():
            parameter.mul_(2.5)
    return model


def all_strings(L, K):
    return np.array(list(itertools.product(range(K), repeat=L)), dtype=np.uint8)


@pytest.mark.parametrize(("family", "layers"), CASES)
def test_sums_to_one(family, layers):
    model = make(family, layers=layers)
    assert isinstance(model, Density)
    total = np.exp(model.log_prob(all_strings(3, 4))).sum()
    assert total == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("family", "layers"), CASES)
def test_fused_equals_torch(family, layers):
    """The fused loops against torch's own cells in float64: values, gradients and draws."""
    fused = make(family, L=6, layers=layers)
    reference = make(family, L=6, layers=layers).double()
    x = torch.randint(0, 4, (40, 6), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(fused(x), reference(x), atol=3e-6, rtol=0)
    fused(x).mean().backward()
    reference(x).mean().backward()
    for p, q in zip(fused.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(p.grad.double(), q.grad, atol=2e-6, rtol=1e-4)
    strings, log_q = fused.sample_and_log_prob(500, 3)
    same, log_same = reference.sample_and_log_prob(500, 3)
    # A uniform may fall between the two roundings of a cumulative sum, once in about 1e6 draws.
    assert (strings == same).all(1).float().mean() > 0.99
    equal = (strings == same).all(1)
    torch.testing.assert_close(log_q[equal], log_same[equal], atol=3e-6, rtol=0)


def test_gradient_against_finite_differences():
    model = make("gru", L=4, layers=2)
    reference = make("gru", L=4, layers=2).double()
    x = torch.randint(0, 4, (10, 4), generator=torch.Generator().manual_seed(2))
    model(x).mean().backward()
    weight = reference.rnn.weight_hh_l0
    for index in [(0, 0), (9, 3), (20, 6)]:
        values = []
        for step in (1e-5, -2e-5):
            with torch.no_grad():
                weight[index] += step
            values.append(reference(x).mean().item())
        with torch.no_grad():
            weight[index] += 1e-5
        slope = (values[0] - values[1]) / 2e-5
        assert model.rnn.weight_hh_l0.grad[index].item() == pytest.approx(slope, abs=1e-5)


@pytest.mark.statistical
@pytest.mark.parametrize("family", CELLS)
def test_draws_follow_log_prob(family):
    model, strings = make(family), all_strings(3, 4)
    probability = np.exp(model.log_prob(strings))
    probability /= probability.sum()

    def p_value(n, seed, expected=probability):
        drawn = model.sample(n, seed).numpy().astype(int)
        counts = np.bincount(drawn @ [16, 4, 1], minlength=64)
        return chi_square_p(counts, expected)

    assert accepts(p_value, 20_000)
    # Saboteur: outcomes 0 and 1 exchanged in the expected distribution.
    swapped = probability[(np.array([1, 0, 2, 3])[strings] @ [16, 4, 1])]
    assert not accepts(lambda n, s: p_value(n, s, swapped), 20_000)


def test_draws_do_not_depend_on_how_many():
    model = make("gru", L=5)
    many, few = model.sample(5000, 9), model.sample(2100, 9)
    assert torch.equal(many[:2100], few)
    drawn, log_q = model.sample_and_log_prob(5000, 9)
    assert torch.equal(drawn, many)
    np.testing.assert_allclose(model.log_prob(many.numpy()), log_q.numpy(), atol=1e-5)


def test_bfloat16_stays_close(monkeypatch):
    monkeypatch.setattr(fused, "has_bfloat16", lambda: True)  # torch computes it anywhere, slowly
    exact, fast = make("gru", L=20, hidden=32), make("gru", L=20, hidden=32, precision="bfloat16")
    strings, log_q = fast.sample_and_log_prob(2000, 1)
    np.testing.assert_allclose(fast.log_prob(strings.numpy()), log_q.numpy(), atol=1e-5)
    error = exact.log_prob(strings.numpy()) - log_q.numpy()
    assert 0 < abs(error).max() < 0.1


def test_a_processor_without_bfloat16_uses_float32_and_says_so(monkeypatch):
    monkeypatch.setattr(fused, "has_bfloat16", lambda: False)
    exact, asked = make("gru", L=20, hidden=32), make("gru", L=20, hidden=32, precision="bfloat16")
    with pytest.warns(UserWarning, match="which this one lacks; products are made in float32"):
        strings, log_q = asked.sample_and_log_prob(200, 1)
    ours = exact.sample_and_log_prob(200, 1)
    assert torch.equal(ours[0], strings)
    assert torch.equal(ours[1], log_q)


def test_array_kind_and_shape_are_kept():
    model = make("gru")
    x = np.zeros((2, 5, 3), dtype=np.uint8)
    assert isinstance(model.log_prob(x), np.ndarray)
    assert model.log_prob(x).shape == (2, 5)
    assert model.log_prob(x).dtype == np.float64
    assert model.log_prob(torch.from_numpy(x)).requires_grad
    assert model.log_prob(np.zeros((0, 3), dtype=np.uint8)).shape == (0,)


def test_same_seed_same_weights_and_no_global_state():
    before = torch.random.get_rng_state()
    a, b, c = models.GRU(4, 4, rng=1), models.GRU(4, 4, rng=1), models.GRU(4, 4, rng=2)
    assert torch.equal(before, torch.random.get_rng_state())
    x = all_strings(4, 4)
    np.testing.assert_array_equal(a.log_prob(x), b.log_prob(x))
    assert abs(a.log_prob(x) - c.log_prob(x)).max() > 1e-3


@pytest.mark.parametrize(("family", "layers"), CASES)
def test_stored_model_comes_back(family, layers):
    model = make(family, layers=layers)
    again = models.from_dataset(models.to_dataset(model))
    x = all_strings(3, 4)
    np.testing.assert_array_equal(model.log_prob(x), again.log_prob(x))
    assert again.config == model.config
    assert set(dataset_to_tensors(models.to_dataset(model))) == set(model.state_dict())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"L": 0}, "L must be a positive integer"),
        ({"K": 300}, "K must be at most 256"),
        ({"hidden": -1}, "hidden must be a positive integer"),
        ({"family": "gruu"}, "family must be one of"),
        ({"precision": "float16"}, "precision must be one of"),
        ({"widht": 3}, "widht"),
    ],
)
def test_bad_configs(change, message):
    with pytest.raises(InputError, match=message):
        models.build({"family": "gru", "L": 4, "K": 4} | change)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 4), dtype=np.uint8), "shape"),
        (np.full((2, 3), 4, dtype=np.uint8), r"outcomes must lie in 0\.\.3"),
        (np.zeros((2, 3)), "integer outcomes"),
    ],
)
def test_bad_strings(x, message):
    with pytest.raises(InputError, match=message):
        make().log_prob(x)
