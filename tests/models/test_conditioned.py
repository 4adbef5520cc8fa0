"""One flow for a range of couplings."""

import copy

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import EquivariantCNF, Phi4, fit, importance, models
from physgen.core.errors import InputError
from physgen.core.learning import Scored, Stepped
from physgen.core.protocols import Conditional, Density
from physgen.core.random import Stream
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models import ConditionedFlow
from physgen.training import FamilyKL, FitSettings, ReverseKL

SMALL = {"features": 3, "frequencies": 4, "times": 3}


def target(lam):
    return Phi4.from_unhalved(L=4, m2=-4.0, lam=lam)


def make(size=0.1, **options):
    family = ConditionedFlow.for_targets(target, "lam", 6.0, 8.0, rng=1, **SMALL, **options)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in family.parameters():
            p.add_(size * torch.randn(p.shape, generator=generator))
    return family


def test_at_a_coupling_it_is_a_flow_like_any_other():
    family = make()
    assert isinstance(family, Conditional)
    assert isinstance(family.bound(6.5), Scored)  # as fast to train as a flow alone
    q = family.at(lam=6.5)
    assert isinstance(q, Density)
    x, log_q = q.sample_and_log_prob(30, rng=1)
    assert x.shape == (30, 4, 4)
    np.testing.assert_allclose(q.log_prob(x.numpy()), log_q, atol=1e-3)
    # The same weights, as training sees them.
    drawn, log_q = family.bound(6.5).sample_and_log_prob(30, Stream(1))
    other, log_r = q.even.sample_and_log_prob(30, 1)
    torch.testing.assert_close(drawn, other)
    torch.testing.assert_close(log_q, log_r)


def test_weights_are_polynomials_of_the_coupling():
    """Of degree 3: fourth differences vanish, and third ones do not."""
    values = np.linspace(6.0, 8.0, 5)
    w = np.stack([make().weights(c)["velocity.kappa"].detach().numpy() for c in values])
    assert np.abs(np.diff(w, 4, axis=0)).max() < 1e-5
    assert np.abs(np.diff(w, 3, axis=0)).max() > 1e-2


def test_gradients_of_coefficients_are_those_of_the_weights_times_a_polynomial():
    """d F_q / d theta_m = T_m(u) d F_q / d theta, with the gradient of the flow at that value."""
    family, value = make(), 7.3
    objective, index = ReverseKL(family.target(value)), np.arange(16)
    objective.loss(family.bound(value), index, Stream(1), {}).value.backward()
    flow = family.at(lam=value).even
    objective.loss(flow, index, Stream(1), {}).value.backward()
    u = value - 7.0  # of [6, 8]
    T = torch.tensor([1, u, 2 * u**2 - 1, 4 * u**3 - 3 * u])
    for coefficient, p in zip(family.coefficients, flow.parameters(), strict=True):
        wanted = T.view(-1, *[1] * p.ndim) * p.grad
        torch.testing.assert_close(coefficient.grad, wanted, rtol=1e-3, atol=1e-5)
        assert float(p.grad.abs().max()) > 0


def test_it_asks_for_steps_where_it_is_stiffest_and_keeps_them():
    family = make(size=0.005, steps=1)
    assert isinstance(family, Stepped)
    assert family.steps_needed(1) == 1
    with torch.no_grad():  # the linear coefficient: stiff at the upper end alone
        family.coefficients[family.names.index("velocity.kappa")][:2] += 0.3
    assert family.bound(6.0).steps_needed(1) == 1
    assert family.bound(8.0).steps_needed(1) == family.steps_needed(1) == 2
    family.steps = 5
    assert family.at(lam=6.2).even.steps == 5
    assert models.from_dataset(models.to_dataset(family)).steps == 5
    assert copy.deepcopy(family).steps == 5


@pytest.mark.slow
def test_one_fit_gives_log_z_between_the_couplings_it_saw():
    family = make(size=0.0)
    settings = FitSettings(
        n_epochs=8, batch_size=128, learning_rate=1e-2, clip_norm=5.0, beta2=0.95, ema_decay=0.95
    )
    result = fit(family, FamilyKL(family, rng=1, n_couplings=5), settings, rng=1)
    assert float(result.history["ess"][-1]) > 0.85
    for lam in (6.1, 6.975, 8.0):
        found = importance(family.at(lam=lam), target(lam), 8192, 3)
        exact = float(phi4_torus(target(lam))["log_z"])
        assert float(found.ess_reverse) > 0.85
        assert within(found.log_z, exact, found.log_z_error, largest=0.0012)


def test_it_comes_back_from_a_file():
    family = make()
    again = models.from_dataset(models.to_dataset(family))
    x = family.at(lam=7.0).even.sample(4, rng=1)
    torch.testing.assert_close(again.at(lam=7.0).log_prob(x), family.at(lam=7.0).even.log_prob(x))
    assert isinstance(again.at(lam=7.0), EquivariantCNF)
    whole = again.with_targets(target).at(lam=7.0)
    assert whole.event_shape == (4, 4)


def test_bad_input():
    family = make()
    with pytest.raises(InputError, match=r"lam must lie in \[6, 8\].*got 8.5; train one"):
        family.at(lam=8.5)
    with pytest.raises(InputError, match="is one in lam, got kappa"):
        family.at(kappa=0.2)
    with pytest.raises(InputError, match="low must be below high"):
        ConditionedFlow.for_targets(target, "lam", 8.0, 6.0)
    with pytest.raises(InputError, match="knows no targets"):
        FamilyKL(models.from_dataset(models.to_dataset(family)))
    with pytest.raises(InputError, match="family must be a ConditionedFlow"):
        FamilyKL(family.at(lam=7.0))
