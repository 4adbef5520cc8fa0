"""Stochastic flows: unbiased weights whatever the maps and however short the chains."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import HMC, FreeField, Phi4, estimates
from physgen.core.errors import InputError
from physgen.core.protocols import Transform
from physgen.core.random import Stream
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models import FlowLayer
from physgen.samplers import stochastic_flow
from physgen.training import FitSettings, fit_layers

START = FreeField(L=4, m2=1.0)
MOVE = HMC(step_size=0.15, n_leapfrog=6)
TARGETS = [Phi4.from_unhalved(L=4, m2=1.0, lam=lam) for lam in (0.3, 0.8, 1.6)]
LOG_Z = -3.780427470856  # of phi4_torus, compared below
QUICK = FitSettings(
    n_epochs=3, batch_size=128, learning_rate=1e-2, clip_norm=5.0, beta2=0.95, ema_decay=0.9
)


@pytest.fixture(scope="module")
def stages():
    def make(rng):
        return FlowLayer((4, 4), scale=0.5, rng=rng)

    return fit_layers(START, TARGETS, make, MOVE, n=4096, n_moves=2, settings=QUICK, rng=1)


def flow(stages, seed=2, **how):
    return stochastic_flow(START, stages, MOVE, n=8192, seed=seed, **how)


def test_an_untrained_layer_is_the_identity_and_a_layer_is_a_transform():
    layer = FlowLayer((4, 4), rng=1)
    assert isinstance(layer, Transform)
    x = 0.5 * Stream(1).numpy().normal(size=(3, 4, 4))
    np.testing.assert_allclose(layer.forward(x), x, atol=1e-6)
    np.testing.assert_allclose(layer.log_abs_det(x), 0, atol=1e-12)
    layer = layer.double()
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in layer.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
    y = layer.forward(x)
    assert np.abs(y - x).max() > 0.02
    np.testing.assert_allclose(layer.inverse(y), x, atol=1e-9)
    at = torch.tensor(x[:1])
    jacobian = torch.autograd.functional.jacobian(lambda z: layer.mapped(z)[0].flatten(), at)
    log_det = float(torch.linalg.slogdet(jacobian.reshape(16, 16))[1])
    assert float(layer.log_abs_det(x)[0]) == pytest.approx(log_det, abs=1e-9)


@pytest.mark.parametrize("maps", [False, True])
@pytest.mark.parametrize("n_moves", [0, 1])
def test_log_z_is_exact_within_errors(stages, maps, n_moves):
    used = stages if maps else [(None, target) for target in TARGETS]
    found = [flow(used, seed, n_moves=n_moves) for seed in range(4)]
    values, errors = ([float(ds[name]) for ds in found] for name in ("log_z", "log_z_error"))
    assert within(values, LOG_Z, errors, largest=0.007 if maps else 0.1)
    pulls = np.subtract(values, LOG_Z) / errors
    assert np.sqrt(np.mean(np.square(pulls))) < 2.2


def test_maps_and_moves_both_raise_the_effective_share(stages):
    bare = [(None, target) for target in TARGETS]
    shares = {
        (maps, n): float(flow(stages if maps else bare, n_moves=n)["ess_reverse"])
        for maps in (False, True)
        for n in (0, 2)
    }
    assert shares[False, 0] < 0.6 < 0.9 < shares[True, 2]
    assert shares[True, 0] > shares[False, 2]


def test_a_map_without_its_determinant_is_caught(stages, monkeypatch):
    right = flow(stages, n_moves=1)
    monkeypatch.setattr(FlowLayer, "log_abs_det", lambda self, x: np.zeros(len(x)))
    wrong = flow(stages, n_moves=1)
    assert within(right["log_z"], LOG_Z, right["log_z_error"], largest=0.006)
    assert abs(float(wrong["log_z"]) - LOG_Z) > 20 * float(wrong["log_z_error"])


def test_observables_come_with_errors(stages):
    table = estimates(flow(stages))
    phi2 = table.sel(quantity="phi2")
    exact = phi4_torus(TARGETS[-1])
    assert float(exact["log_z"]) == pytest.approx(LOG_Z, abs=1e-11)
    assert within(phi2.value, exact["phi2"], phi2.error, largest=0.0008)


def test_bad_input(stages):
    with pytest.raises(InputError, match="at least the target, got none"):
        flow([])
    with pytest.raises(InputError, match="start must be a density"):
        stochastic_flow(TARGETS[0], stages, MOVE)
    with pytest.raises(InputError, match="needs a transform with forward"):
        flow([(3, TARGETS[0])])
    with pytest.raises(InputError, match=r"configurations of shape \(4, 4\), got \(6, 6\)"):
        flow([(None, Phi4.from_unhalved(L=6, m2=1.0, lam=0.1))])
    far = [(None, Phi4.from_unhalved(L=4, m2=-6.0, lam=0.5))]
    with pytest.raises(InputError, match="at least 200 effective draws"):
        flow(far, n_moves=0)
