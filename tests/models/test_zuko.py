"""Flows through zuko: streams and targets.  What all flows promise: test_field_contract."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import Phi4, ReverseKL, as_target, fit, importance, models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.models import Decimated, ZukoFlow
from physgen.training import FitSettings


def test_initial_weights_leave_the_global_generator_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (models.ZukoFlow([3], rng=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    weights = [torch.cat([p.flatten() for p in m.parameters()]) for m in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.slow
def test_a_target_without_a_lattice_is_learned():
    """A banana of two numbers, known up to a constant: log Z = log(2 pi 0.5)."""

    def action(x):
        y = x[..., 1] - 0.5 * (x[..., 0] ** 2 - 1)
        return 0.5 * (x[..., 0] ** 2 + (y / 0.5) ** 2)

    target = as_target(action, (2,), force=None)
    model = models.for_target(target, flow="nsf", layers=2, hidden=[16], rng=1)
    settings = FitSettings(n_epochs=3, batch_size=256, learning_rate=1e-2, ema_decay=0.95)
    fit(model, ReverseKL(target, n_validation=256), settings, rng=1)
    found = importance(model, target, 8192, 2)
    assert float(found.ess_reverse) > 0.9
    assert within(found.log_z, np.log(2 * np.pi * 0.5), found.log_z_error, largest=0.005)


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


def test_large_flows_are_trained_without_scoring_their_draws(monkeypatch):
    """A path gradient scores what it drew, in n passes: from 33 on the default is reparam."""
    scored = []
    monkeypatch.setattr(
        ZukoFlow, "forward", lambda self, x: scored.append(len(x)) or (x * 0).flatten(1).sum(1)
    )
    for n, how, calls in ((32, {}, 1), (33, {}, 0), (33, {"flow": "realnvp"}, 1)):
        target = as_target(lambda x: (x**2).sum(1), (n,), lambda x: -2 * x)
        model = ZukoFlow.for_target(target, hidden=[4], layers=1, rng=1, **how)
        assert model.passes == (1 if how else n)
        loss = ReverseKL(target).loss(model, np.arange(8), Stream(1), {})
        loss.value.backward()
        assert torch.isfinite(loss.value)
        assert len(scored) == calls
        scored.clear()
        ReverseKL(target, "path").loss(model, np.arange(8), Stream(1), {})  # as it was asked for
        assert len(scored) == 1
        scored.clear()
