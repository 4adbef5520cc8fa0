"""Exact divergences against each other and against a Jacobian; what a random one does."""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import within

from physgen import Hypercubic
from physgen.core.errors import InputError
from physgen.models.diffusion.divergence import Colours, reach_of
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.networks import NETWORKS, network_of

CASES = [((4, 4), True), ((8, 8), True), ((8, 4), False), ((2, 2, 2), False), ((8,), True)]


def stirred(name, filters, odd=True):
    net = network_of(name, filters, 4, 3, odd, 1).double()
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in net.parameters():
            p.add_(0.3 * torch.randn(p.shape, generator=rng, dtype=torch.float64))
    return net


def scales(filters, seed=2):
    rng = np.random.default_rng(seed)
    return torch.tensor(np.stack([filters.symmetric(rng.random(filters.n)) for _ in range(2)]))


def jacobian_trace(value, y):
    rows = torch.autograd.functional.jacobian(lambda y: value(y).sum(0), y)
    return torch.einsum("kbk->b", rows)


@pytest.mark.parametrize(("shape", "even"), CASES)
@pytest.mark.parametrize("name", NETWORKS)
def test_every_divergence_is_the_trace_of_the_jacobian(name, shape, even):
    filters = Filters(Hypercubic(shape), even, len(set(shape)) == 1)
    net, q, r = stirred(name, filters, odd=even), scales(filters, 2), scales(filters, 3)
    w = torch.softmax(torch.randn(2, 3, dtype=torch.float64), 1)
    y = torch.randn(3, filters.n, dtype=torch.float64)
    ways = ("exact", "full", "coloured") if name == "local" else ("exact", "full")
    wanted = None
    for divergence in ways:
        field = net.fields(w, q, r, divergence)[1]
        if wanted is None:
            wanted = jacobian_trace(field.value, y)
            assert float(wanted.abs().min()) > 1e-3
        value, found = field.both(y)
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(value, field.value(y), atol=1e-9, rtol=0)
    # What training sees is the same network.
    torch.testing.assert_close(
        field.value(y), r[1] * net(y * q[1], w[1].expand(3, -1)), atol=1e-9, rtol=0
    )


@pytest.mark.parametrize(("shape", "even"), CASES)
def test_colours_part_what_a_site_reaches(shape, even):
    filters = Filters(Hypercubic(shape), even, len(set(shape)) == 1)
    net = stirred("local", filters)
    y = torch.randn(1, filters.n, dtype=torch.float64)
    w = torch.full((1, 3), 1 / 3, dtype=torch.float64)
    J = torch.autograd.functional.jacobian(lambda y: net.values(y, w)[0], y)[:, 0].detach()
    reach = reach_of(filters, net._steps, 2)
    # The reach is what the Jacobian of the origin says.
    np.testing.assert_array_equal((J[0] != 0).numpy(), reach)
    for colour in net.colours.probes.astype(bool):
        assert int((J[:, colour] != 0).sum(1).max()) <= 1
    assert net.colours.probes.sum() == filters.n


def test_a_reach_that_is_said_too_small_is_seen():
    """Saboteur: probes for one stencil of a network of two."""
    filters = Filters(Hypercubic((8, 8)), False)
    net, q, r = stirred("local", filters), scales(filters, 2), scales(filters, 3)
    y, w = torch.randn(2, 64, dtype=torch.float64), torch.full((2, 3), 1 / 3).double()
    wanted = net.fields(w, q, r, "full")[0].both(y)[1]
    torch.testing.assert_close(net.fields(w, q, r)[0].both(y)[1], wanted, atol=1e-6, rtol=0)
    net._colours = Colours(filters, reach_of(filters, net._steps, 1))
    found = net.fields(w, q, r)[0].both(y)[1]
    assert float((found - wanted).detach().abs().max()) > 1e-2


@pytest.mark.parametrize("name", ["score, even", "score, local", "score, u-net"])
def test_exact_against_hutchinson(name):
    """Random estimates have the exact value as their mean, and a spread that spoils weights."""
    model = make(name)
    x = model.sample(2, rng=1)
    exact = model.log_prob(x).detach()
    rough = model.rough_log_prob(x.repeat(400, 1), rng=2).reshape(400, 2)
    spread = rough.std(0)
    assert float(spread.min()) > 0.02
    for k in range(2):
        error = float(spread[k]) / 400**0.5
        assert within(float(rough[:, k].mean()), float(exact[k]), error, largest=0.1)


def test_refusals():
    for name in ("score, even", "score, u-net"):
        with pytest.raises(InputError, match="coloured probes need a local network"):
            make(name).as_density(4, "coloured")
    with pytest.raises(InputError, match="rough_log_prob"):
        make("score, local").as_density(4, "hutchinson")
    large = make("score, u-net", shape=[32, 16], halved=True, point_group=False)
    assert large.diffuse(2, 1, "heun", 3).shape == (2, 256)
    with pytest.raises(InputError, match="at most 128 sites, got 256"):
        large.sample(2, rng=1)
    with pytest.raises(InputError, match="net must be one of"):
        make("score", net="dense")
    with pytest.raises(InputError, match="1 to 3 axes"):
        make("score, u-net", shape=[2, 2, 2, 2])
