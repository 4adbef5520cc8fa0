"""Autoregressive mixtures on phi^4: what follows from a target, and both ways to train."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from physgen import Configurations, Ising, Phi4, Phi4Cluster, fit, importance, models, run
from physgen.core.errors import InputError
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models import Decimated, MixtureNet
from physgen.training import ForwardKL, MaximumLikelihood, ReverseKL, recipe

TARGET = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)


def configurations(n):
    draws = run(Phi4Cluster(), TARGET, n_chains=64, n_draws=n // 64, thin=5, seed=3, quiet=True,
                keep="configurations")  # fmt: skip
    return draws["configurations"].values.reshape(-1, 4, 4)


def trained(objective, **settings):
    model = MixtureNet.for_target(TARGET, hidden=12, rng=1)
    fit(model, objective, replace(recipe("mixture-net"), **settings), rng=1)
    return model


def test_a_target_gets_the_net_of_its_symmetries():
    model = MixtureNet.for_target(Phi4.from_unhalved(L=8, m2=-4.0, lam=8.0), rng=1)
    assert isinstance(model, Decimated)
    assert (model.even.odd, model.even.halved, model.even.n) == (True, True, 32)
    assert 0.2 < model.even.scale < 0.8  # the size of a field
    # 8 sites one by one, then 12 pairs: each site once, after all that it sees.
    assert [len(c.sites) for c in model.even.colours] == [1] * 8 + [2] * 12
    seen = set()
    for colour in model.even.colours:
        assert set(colour.context.ravel().tolist()) <= seen
        seen |= set(colour.sites.tolist())
    assert seen == set(range(32))
    whole = MixtureNet.for_target(TARGET, decimate=False, rng=1)
    assert whole.event_shape == (4, 4)
    with pytest.raises(InputError, match="needs a target of real fields"):
        MixtureNet.for_target(Ising(L=4, beta=0.4), rng=1)
    with pytest.raises(InputError, match="weights of 'mixture-net' fit its own lattice"):
        whole.transferred((8, 8))


@pytest.mark.slow
@pytest.mark.parametrize("source", ["action", "configurations"])
def test_it_finds_log_z_of_four_by_four(source):
    """From the action without data, and from configurations; log Z by quadrature."""
    if source == "action":
        objective = ReverseKL(TARGET, draws_per_epoch=2560, n_validation=256, rng=1)
        model = trained(objective, n_epochs=6, batch_size=128, learning_rate=1e-2)
    else:
        objective = ForwardKL(TARGET, configurations(6400))
        model = trained(objective, n_epochs=10, batch_size=128, learning_rate=1e-2)
    found = importance(model, TARGET, 8192, 1, samples=configurations(1280))
    assert float(found.ess_share) > 0.9
    pull = (float(found.log_z) - float(phi4_torus(TARGET)["log_z"])) / float(found.log_z_error)
    assert abs(pull) < 4
    assert float(found.log_z_error) < 0.01


def test_the_score_of_a_draw_is_the_slope_of_its_density():
    model = models.build({"family": "mixture-net", "shape": [4, 4], "halved": True}, rng=2)
    x, log_q, score = model.draw_with_score(6, torch.Generator().manual_seed(1))
    assert x.requires_grad
    assert not log_q.requires_grad
    assert not score.requires_grad
    np.testing.assert_allclose(score, model.force(x.detach()), atol=1e-5)
    assert all(p.requires_grad for p in model.parameters())
    plain, log_p = model.draw(6, torch.Generator().manual_seed(1))
    torch.testing.assert_close(plain, x)
    torch.testing.assert_close(log_p, log_q)


def test_an_unknown_action_teaches_it_by_likelihood():
    data = Configurations(configurations(1280), boundary="periodic", symmetries=["z2"])
    model = models.for_target(data, "mixture-net", hidden=6, rng=1)
    objective = MaximumLikelihood(data)
    before = objective.evaluate(model).mean()
    fit(model, objective, replace(recipe("mixture-net"), n_epochs=2, batch_size=64), rng=1)
    assert objective.evaluate(model).mean() < before - 0.05  # nats a site
