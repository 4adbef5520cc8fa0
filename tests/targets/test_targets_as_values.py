"""What every built-in target has in common: it is a value, and follows its input's device."""

import pickle

import numpy as np
import pytest
import torch

from physgen.lattice import Graph, Hypercubic
from physgen.targets import FreeField, Ising, LocalAction, Phi4

TARGETS = [
    Ising(L=4, beta=0.4),
    Ising.spin_glass((2, 4), beta=0.4, rng=1, h=0.3),
    Ising(Graph(4, [(0, 1), (1, 2), (2, 3)]), beta=0.4),
    Phi4.from_unhalved(4, m2=-4, lam=8.0),
    Phi4(Hypercubic((3, 4), "open"), 1.0, 1.0, 1.0),
    FreeField(4, m2=0.5),
    LocalAction(4, field=0.1, nearest=-0.5, diagonal=0.1, phi2=0.5, phi4=0.1),
    LocalAction(Hypercubic((3, 4), "open"), kind="spins", nearest=-0.5, plaquettes=0.1),
]


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_targets_are_frozen_and_travel_between_processes(target):
    x = target.hot(1, 3)
    before = target.action(x), dict(target.observables)
    again = pickle.loads(pickle.dumps(target))
    assert repr(again) == repr(target)
    np.testing.assert_array_equal(again.action(x), before[0])
    np.testing.assert_array_equal(again.hot(1, 3), x)
    with pytest.raises(AttributeError):
        target.lattice = None
    with pytest.raises(TypeError):
        target.couplings["beta"] = 1.0


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_results_live_on_the_device_of_the_input(target):
    """The meta device has shapes and no numbers: mixing it with the CPU raises."""
    x = torch.from_numpy(target.hot(1, 3)).to("meta")
    results = [target.action(x), *(o(x) for o in target.observables.values())]
    reals = target.support.kind == "reals"
    if reals:
        results += [target.force(x)]
    if hasattr(target, "local_change"):
        results += [target.local_change(x, 1, *([x[:, 0, 0]] if reals else []))]
    if hasattr(target, "action_even"):
        even, _ = target.lattice.split(x)
        results += [target.action_even(even), target.expect_odd(even)]
        results += target.rao_blackwell(even).values()
    if hasattr(target, "log_prob"):
        results += [target.log_prob(x)]
    assert {r.device.type for r in results} == {"meta"}


@pytest.mark.parametrize("target", TARGETS, ids=repr)
def test_starts_are_reproducible(target):
    for start in (target.hot, target.cold):
        np.testing.assert_array_equal(start(3, 4), start(3, 4))
        assert start(3, 4).shape == (4, *target.event_shape)
        with pytest.raises(ValueError, match="n must be a positive integer, got 0"):
            start(3, 0)


def test_one_site_without_bonds():
    alone = Ising(Hypercubic((1,)), beta=2.0, h=0.5)
    assert alone.action(np.array([1])) == -1.0
    assert alone.local_change(np.array([1]), 0) == 2.0
    assert alone.kernel[1][1].tolist() == [[0.0, 0.0]]
