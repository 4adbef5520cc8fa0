"""Nets compute in float32 on CUDA devices: what TF32 would do to log q is computed here."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import physgen as pg
from physgen.models.precision import without_tf32
from physgen.training import ReverseKL, fit, recipe

ATEN = torch.ops.aten
PRODUCTS = {op.default for op in (ATEN.mm, ATEN.addmm, ATEN.bmm, ATEN.baddbmm, ATEN.convolution)}
ALLOWED = 1e-6


def rounded(x):
    """Return float32 numbers to the 10 bits of TF32, to nearest, ties to even."""
    if not isinstance(x, torch.Tensor) or x.dtype != torch.float32:
        return x
    bits = x.contiguous().view(torch.int32)
    bits = (bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF
    return bits.view(torch.float32).view(x.shape)


class TF32(TorchDispatchMode):
    """Rounds what is multiplied."""

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        if op in PRODUCTS:
            args = tuple(map(rounded, args))
        return op(*args, **(kwargs or {}))


def test_numbers_are_rounded_to_ten_bits():
    x = torch.tensor([1.0, 1 + 2**-10, 1 + 2**-11, 1 + 3 * 2**-11, -1 - 2**-12, 3.0e38])
    expected = torch.tensor([1.0, 1 + 2**-10, 1.0, 1 + 2**-9, -1.0, 3.0e38])
    assert torch.equal(rounded(x)[:5], expected[:5])
    assert float(rounded(x)[5]) == pytest.approx(3.0e38, rel=2**-11)


@pytest.mark.parametrize(
    ("target", "family"),
    [
        (pg.Phi4.from_unhalved((4, 4), m2=-4.0, lam=6.0), "equivariant-cnf"),
        (pg.Phi4.from_unhalved((4, 4), m2=-4.0, lam=6.0), "coupling-flow"),
        (pg.Ising(4, beta=0.44), "coloured-net"),
    ],
)
def test_log_q_would_not_survive_tf32(target, family):
    """Where this fails for a family, its products may be TF32."""
    model = pg.for_target(target, family, rng=1)
    how = replace(recipe(family), n_epochs=4, batch_size=64, budget=None)
    fit(model, ReverseKL(target, draws_per_epoch=320, n_validation=64), how, rng=1)
    x = model.sample(64, rng=3)
    with torch.no_grad():
        exact = model.log_prob(x)
        with TF32():
            moved = (model.log_prob(x) - exact).abs().max()
    assert float(moved) > 10 * ALLOWED


@pytest.fixture
def cudnn():
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = True
    without_tf32.cache_clear()
    yield torch.backends.cudnn
    torch.backends.cudnn.allow_tf32 = before
    without_tf32.cache_clear()


def test_models_on_a_cuda_device_do_not_use_it(cudnn, monkeypatch):
    model = pg.LSTM(4, 4, hidden=4, rng=1)
    model.to(torch.float64)
    assert cudnn.allow_tf32  # nothing was moved to a device
    there = SimpleNamespace(is_cuda=True)
    monkeypatch.setattr(type(model), "parameters", lambda self: iter([there]))
    model.to(torch.float32)
    assert not cudnn.allow_tf32
    assert cudnn.conv.fp32_precision != "tf32"
    assert cudnn.rnn.fp32_precision != "tf32"
    cudnn.allow_tf32 = True
    model.to(torch.float64)
    assert cudnn.allow_tf32  # the last word is the user's
