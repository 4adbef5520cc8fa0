"""log Z of a learned energy by way of the local action with its forces."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import models
from physgen.core.random import Stream
from physgen.samplers import MALA, log_z_sandwich
from physgen.samplers.exchange import carried_over
from physgen.samplers.hmc import HMC
from physgen.samplers.log_z_of import log_z_of
from physgen.samplers.nearby_action import NearbyPath, nearby_action, nearby_path
from physgen.targets import Ising, LocalAction, as_target

EXACT = 2.405138962  # log Z of (d phi)^2 - 4 phi^2 + 8 phi^4 on 4x4 sites, by quadrature
LOCAL = LocalAction(4, nearest=-2.0, phi2=0.0, phi4=8.0)


def network(shift=0.0):
    """A convolutional energy that is this action, and a constant that only its network knows.

    Its fields are in units of 1/2.
    """
    model = models.ConvolutionalEnergy((4, 4), channels=2, hidden=2, scale=0.5, rng=1)
    with torch.no_grad():
        model.linear.zero_()
        model.mix.zero_()
        model.bias.zero_()
        model.out.fill_(shift / (16 * 2 * np.log(2)))
        model.soft_couplings.copy_(torch.tensor([0.0, -0.5]))
        model.log_quartic.fill_(float(np.log(0.5)))
    return model


@pytest.mark.slow
def test_the_closest_action_of_a_local_one_is_itself():
    found = nearby_action(network()).couplings
    for name, g in (("nearest", -2.0), ("phi2", 0.0), ("phi4", 8.0), ("diagonal", 0.0)):
        assert found[name] == pytest.approx(g, abs=2e-3)


@pytest.mark.slow
@pytest.mark.statistical
def test_the_path_leads_to_the_exact_log_z_of_the_network():
    model, how = network(1.5), {"n_chains": 128, "n_temperatures": 30, "seed": 3}
    ds = log_z_sandwich(model, path=NearbyPath(LOCAL, model), **how)
    assert ds["closes"].item()
    assert within(ds["log_z"].item(), EXACT - 1.5, ds["log_z_error"].item(), largest=0.1)
    assert (ds["fraction"].values > 0.5).any()

    class Halfway(NearbyPath):
        """Saboteur: it ends at the local action."""

        def work(self, bound, state, fraction):
            done = super().work(bound, state, fraction)
            return lambda step: done(min(fraction + step, 0.5) - min(fraction, 0.5))

    ds = log_z_sandwich(model, path=Halfway(LOCAL, model), **how)
    assert not within(ds["log_z"].item(), EXACT - 1.5, ds["log_z_error"].item(), largest=0.1)


def test_work_of_a_step_is_the_difference_of_actions():
    model = network(1.5)
    path, x = NearbyPath(LOCAL, model), np.random.default_rng(1).normal(size=(5, 4, 4))
    for first, second in ((0.1, 0.4), (0.3, 0.9), (0.6, 1.0)):
        bound = HMC(dtype="float64").bind(path.at(first))
        found = path.work(bound, bound.init(Stream(1), 5, x), first)(second - first)
        wanted = path.at(second).action(x) - path.at(first).action(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_bridge_has_the_slope_of_its_action():
    bridge = NearbyPath(LOCAL, network(1.5).double()).at(0.8)
    x, h = np.random.default_rng(2).normal(size=(1, 4, 4)), 1e-6
    d = np.random.default_rng(3).normal(size=(1, 4, 4))
    slope = (bridge.action(x + h * d) - bridge.action(x - h * d)) / (2 * h)
    np.testing.assert_allclose(-(bridge.force(x) * d).sum(), slope[0], rtol=1e-6)


@pytest.mark.parametrize("move", [HMC(dtype="float64"), MALA(dtype="float64")], ids=repr)
def test_chains_go_from_compiled_loops_to_a_bridge_and_back(move):
    path, x = NearbyPath(LOCAL, network()), np.random.default_rng(1).normal(size=(5, 4, 4))
    loops, bridge = move.bind(path.at(0.5)), move.bind(path.at(0.7))
    first = loops.init(Stream(1), 5, x)
    there = carried_over(bridge, loops, first, np.array([4, 3, 2, 1, 0]))
    np.testing.assert_array_equal(bridge.configurations(there), x[::-1])
    np.testing.assert_allclose(there.aux["action"], path.at(0.7).action(x[::-1].copy()), rtol=1e-6)
    back = carried_over(loops, bridge, there, None)
    np.testing.assert_array_equal(loops.configurations(back), x[::-1])


@pytest.mark.slow
def test_log_z_of_takes_it_for_networks_on_a_lattice_alone():
    ds = log_z_of(network(), n_chains=64, n_temperatures=4)
    assert ds.attrs["path"] == "NearbyPath"
    assert nearby_path(Ising(L=4, beta=0.3)) is None
    assert nearby_path(models.MlpEnergy((3,), rng=1)) is None  # no lattice
    flat = as_target(lambda x: 0.5 * (x**2).sum((-1, -2)), (4, 4))
    assert nearby_path(flat) is None  # no force
