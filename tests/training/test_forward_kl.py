"""Forward and mixed divergences: both sides of log Z, and what a lost mode costs."""

import numpy as np
import pytest
import torch
from helpers.marks import slow
from helpers.statistics import within

from physgen import EquivariantCNF, Ising, Phi4, Phi4Cluster, as_target, fit, importance, run
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.samplers import unpack_configurations
from physgen.training import FitSettings, ForwardKL, MixedKL, ReverseKL

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
LOG_Z = 2.405138962  # of phi4_torus, see tests/exact/test_phi4_quadrature.py
QUICK = FitSettings(
    n_epochs=3, batch_size=128, learning_rate=1e-2, clip_norm=5.0, beta2=0.95, ema_decay=0.9
)


@pytest.fixture(scope="module")
def samples():
    how = {"n_chains": 64, "n_draws": 40, "thin": 3, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), PHI4, keep="configurations", **how)
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values
    return x.reshape(-1, 4, 4)


def flow(**options):
    return EquivariantCNF.for_target(PHI4, rng=1, features=3, frequencies=4, times=3, **options)


@pytest.mark.slow
@pytest.mark.parametrize("decimate", [True, slow(False)])
def test_log_z_lies_between_the_two_bounds(samples, decimate):
    """E_q[log w] <= log Z <= E_p[log w], and both close in as the model is trained."""
    model = flow(decimate=decimate)
    reverse, forward = ReverseKL(PHI4, n_validation=2048), ForwardKL(PHI4, samples)
    gaps = []
    for _ in range(2):
        below = -reverse.evaluate(model).mean() * 16
        above = forward.evaluate(model).mean() * 16
        assert below < LOG_Z < above
        gaps.append(above - below)
        fit(model, forward, QUICK, rng=2)
    assert gaps[1] < 0.25 * gaps[0]
    found = importance(model, PHI4, 8192, 4)
    assert within(found.log_z, LOG_Z, found.log_z_error, largest=0.005)


def test_the_gradient_is_that_of_the_mean_of_log_q(samples):
    model, objective = flow(decimate=False), ForwardKL(PHI4, samples, flip=False)
    objective.loss(model, np.arange(64), Stream(1), {}).value.backward()
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    (-model(torch.tensor(samples[:64], dtype=torch.float32)).mean()).backward()
    wanted = torch.cat([p.grad.flatten() for p in model.parameters()])
    torch.testing.assert_close(found, wanted)


def test_flips_use_the_symmetry(samples):
    lopsided = np.abs(samples)  # one sign of every site: nothing that the target would draw
    objective = ForwardKL(PHI4, lopsided)
    model = flow(decimate=False, odd=False)
    with torch.no_grad():
        model.velocity.constant += 0.3
    index = np.arange(64)
    losses = [objective.loss(model, index, Stream(k), {}).value.detach() for k in range(2)]
    assert losses[0] != losses[1]
    assert ForwardKL(as_target(PHI4.action, (4, 4)), samples).flip is False


def test_what_a_lost_mode_costs():
    """A model of one well: its reverse divergence is ln 2, and the forward one sees the other."""
    rng = np.random.default_rng(0)
    centre = rng.choice([-2.0, 2.0], size=4000)
    x = centre[:, None] + 0.3 * rng.normal(size=(4000, 2))

    def action(x):
        one = 0.5 * ((x - 2.0) ** 2).sum(-1) / 0.09
        other = 0.5 * ((x + 2.0) ** 2).sum(-1) / 0.09
        return (
            -torch.logaddexp(-one, -other) if torch.is_tensor(x) else -np.logaddexp(-one, -other)
        )

    target = as_target(action, (2,))
    log_z = np.log(2 * 2 * np.pi * 0.09)

    class OneWell(torch.nn.Module):
        event_shape, support = (2,), target.support

        def log_prob(self, x):
            return -0.5 * ((x - 2.0) ** 2).sum(-1) / 0.09 - np.log(2 * np.pi * 0.09)

    forward = ForwardKL(target, x, flip=False)
    above = forward.evaluate(OneWell()).mean() * 2
    assert above > log_z + 20
    y = 2.0 + 0.3 * rng.normal(size=(4000, 2))
    below = float((-action(y) - OneWell().log_prob(y)).mean())
    assert below == pytest.approx(log_z - np.log(2), abs=1e-6)


@pytest.mark.slow
def test_a_mixture_is_the_sum_of_both(samples):
    reverse, forward = ReverseKL(PHI4, n_validation=512), ForwardKL(PHI4, samples)
    mixed, model = MixedKL(reverse, forward, 0.3), flow()
    losses = mixed.evaluate(model)
    assert losses.shape == (mixed.n_validation,)
    wanted = 0.7 * reverse.evaluate(model).mean() + 0.3 * forward.evaluate(model).mean()
    assert losses.mean() == pytest.approx(wanted, rel=1e-12)
    shares = (
        reverse.merits["ess"](reverse.evaluate(model)),
        forward.merits["ess"](forward.evaluate(model)),
    )
    assert mixed.merits["ess"](losses) == pytest.approx(min(shares), rel=1e-9)
    result = fit(model, mixed, QUICK, rng=2)
    assert float(result.history["ess"][-1]) > 0.9
    assert {"train_mixed", "validation_mixed"} <= set(result.history.data_vars)


def test_bad_input(samples):
    with pytest.raises(InputError, match=r"at least 20 configurations \(n, 4, 4\), got shape"):
        ForwardKL(PHI4, samples[:, :2])
    with pytest.raises(InputError, match="finite numbers"):
        ForwardKL(PHI4, np.full((30, 4, 4), np.nan))
    with pytest.raises(InputError, match="validation_fraction must lie in"):
        ForwardKL(PHI4, samples, 0.0)
    other = Ising(L=4, beta=0.3)
    with pytest.raises(InputError, match="must have one target"):
        MixedKL(ReverseKL(other), ForwardKL(PHI4, samples))
    with pytest.raises(InputError, match="share of the forward divergence"):
        MixedKL(ReverseKL(PHI4), ForwardKL(PHI4, samples), 1.0)
