"""Output filters in closed form: planted ones are found, local ones go to a larger lattice."""

import numpy as np
import pytest
import torch
from helpers.flows import make

from physgen import Phi4, Phi4Cluster, Stream, run
from physgen.core.errors import InputError
from physgen.models import for_target
from physgen.models.diffusion.score import ScoreModel
from physgen.samplers import unpack_configurations
from physgen.samplers.weighing import Weighing
from physgen.training import DenoisingDiffusion
from physgen.training import output_filters as solving
from physgen.training.denoising_diffusion import Regression
from physgen.training.output_filters import solve_out


def planted(network, n, seed=1):
    """A regression whose solution the network has now, but for its output filters."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(n, network.n, generator=g)
    weights = torch.rand(n, network.times, generator=g)
    weights = weights / weights.sum(1, keepdim=True)
    return Regression(x, weights, 0.5 + torch.rand(n, network.n, generator=g), torch.zeros(n, 1))


@pytest.mark.parametrize("locality", [0.0, 1e-12])
def test_planted_filters_are_found(locality):
    model = ScoreModel([4, 4], halved=True, channels=4, times=2, rng=3)
    net = model.network
    for out in net.out:
        out.data.normal_(generator=torch.Generator().manual_seed(2))
    batch = planted(net, 2000)
    goal = batch.scale * net(batch.x, batch.weights).detach()
    for out in net.out:
        out.data.zero_()
    solve_out(net, [batch._replace(goal=goal)], 1e-9, locality)
    fresh = planted(net, 50, seed=7)
    found = fresh.scale * net(fresh.x, fresh.weights)
    for out in net.out:  # the same filters again, to compare with
        out.data.normal_(generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(found, fresh.scale * net(fresh.x, fresh.weights), atol=2e-3, rtol=0)


def test_far_displacements_cost_most():
    """The same regression with a higher cost: what is left of a filter lies near the origin."""
    model = ScoreModel([8, 8], halved=True, channels=4, times=2, rng=3)
    net, shares = model.network, []
    for out in net.out:
        out.data.normal_(generator=torch.Generator().manual_seed(2))
    batch = planted(net, 500)
    batch = batch._replace(goal=batch.scale * net(batch.x, batch.weights).detach())
    for locality in (1e-9, 1e-2):
        solve_out(net, [batch], locality=locality)
        far = torch.as_tensor(net.places[0][1].lengths > 3)
        squares = net.out[0].detach() ** 2
        shares.append(float(squares[..., far].sum() / squares.sum()))
    assert shares[0] > 0.3
    assert shares[1] < 0.05


def configurations(L):
    """Of phi^4 at kappa = 0.25; a correlation length of about three sites."""
    target = Phi4.from_hopping(L=L, kappa=0.25, lam=0.022)
    how = {"n_chains": 64, "n_draws": 40, "thin": 5, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), target, keep="configurations", **how)
    return target, unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(
        -1, L, L
    )


def test_local_filters_go_to_a_larger_lattice():
    """Solved on 8 x 8, drawn on 16 x 16: weights are of use with a locality, and only with it."""
    target, x = configurations(8)
    large = Phi4.from_hopping(L=16, kappa=0.25, lam=0.022)
    variances = {}
    for locality in (0.0, 1e-5):
        q = ScoreModel.for_target(target, rng=1, n_steps=4)
        DenoisingDiffusion(target, x, locality=locality).prepare(q)
        for model, where in ((q, target), (for_target(large, begin_from=q), large)):
            log_w = np.asarray(Weighing.of(model, where).draw(128, Stream(1))[1])
            variances[locality, where] = log_w.var()
    assert variances[1e-5, target] < 0.1
    assert variances[1e-5, large] < 1.5
    assert variances[0.0, large] > 4  # the saboteur


def test_training_ends_with_local_filters():
    target, x = configurations(8)
    q = ScoreModel.for_target(target, rng=1, channels=4, times=2)
    objective = DenoisingDiffusion(target, x, locality=1e-5)
    objective.prepare(q)
    net = q.even.network
    net.out[0].data.normal_(generator=torch.Generator().manual_seed(2))
    objective.finish(q)
    far = torch.as_tensor(net.places[0][1].lengths > 3.5)
    squares = net.out[0].detach() ** 2
    assert float(squares[..., far].sum() / squares.sum()) < 0.02


def test_what_cannot_be_local_is_refused(monkeypatch):
    target, x = configurations(8)
    with pytest.raises(InputError, match="locality must be a number >= 0"):
        DenoisingDiffusion(target, x, locality=-1.0)
    local = make("score, local", shape=[8, 8], halved=False)
    with pytest.raises(InputError, match="goes to a larger lattice as it is"):
        solve_out(local.network, [], locality=1e-6)
    monkeypatch.setattr(solving, "MOST_UNKNOWN", 100)
    wide = ScoreModel([8, 8], rng=1)
    with pytest.raises(InputError, match="at most 100 numbers, got 1200"):
        solve_out(wide.network, [], locality=1e-6)
