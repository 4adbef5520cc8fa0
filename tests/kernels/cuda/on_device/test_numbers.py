"""What comes home from the device: the right numbers, and buffers that nobody reads any more."""

import gc

import numpy as np
import pytest

from physgen.core.random import Stream
from physgen.kernels.cuda._numba import cuda
from physgen.samplers import run
from physgen.samplers.cuda_transfers import Transfers
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.targets import Ising

# J, h and 2 / V have no short binary fraction: another order of the roundings shows.
ODD = Ising(L=(3, 5), beta=0.4, J=0.3, h=0.7)


def at_rest(values):
    def fill(out):
        out.copy_to_device(np.asarray(values))

    return fill


def test_energies_are_those_of_the_configurations():
    chains = HeatBath(device="cuda").bind(ODD)
    state = chains.init(Stream(1), 70)
    measured = chains.measure(state)
    x = chains.configurations(state)
    np.testing.assert_allclose(measured["magnetization"], x.mean(axis=(1, 2)), rtol=1e-12)
    np.testing.assert_allclose(measured["energy"], ODD.observables["energy"](x), rtol=1e-12)
    host = HeatBath().bind(ODD)
    for name, values in host.measure(host.init(Stream(1), 70)).items():
        np.testing.assert_array_equal(measured[name], values)


def test_a_wrong_table_is_noticed():
    chains = HeatBath(device="cuda").bind(ODD)
    state = chains.init(Stream(1), 70)
    right = chains.measure(state)["energy"]
    n_planes, (*rows, values, offsets) = chains._counted
    shifted = np.roll(values.copy_to_host(), 1)
    chains.__dict__["_counted"] = n_planes, (*rows, cuda.to_device(shifted), offsets)
    assert np.all(chains.measure(state)["energy"] != right)


def test_no_bonds_count_nothing():
    free = Ising(L=(3, 3), beta=0.4, J=0.0, h=0.7)
    host, device = (HeatBath(device=d).bind(free) for d in ("cpu", "cuda"))
    expected = host.measure(host.init(Stream(1), 9))
    measured = device.measure(device.init(Stream(1), 9))
    for name in expected:
        np.testing.assert_array_equal(measured[name], expected[name])


def test_numbers_stay_as_long_as_they_are_read():
    transfers = Transfers()
    kept = [transfers.start(at_rest([float(k)] * 3), (3,))() for k in range(7)]
    assert [list(a) for a in kept] == [[k] * 3 for k in range(7)]
    view = kept[1][:2]
    kept[1] = None
    for k in range(10, 20):
        transfers.start(at_rest([float(k)] * 3), (3,))()
    np.testing.assert_array_equal(view, [1.0, 1.0])


def test_buffers_are_used_again():
    transfers = Transfers()
    for k in range(9):
        numbers = transfers.start(at_rest([float(k)]), (1,))()
        assert numbers[0] == k
        del numbers
        gc.collect()
    assert transfers._made == {(1,): 1}


def test_a_reader_that_leaves_early_does_no_harm():
    transfers = Transfers()
    transfers.start(at_rest([1.0]), (1,))  # never asked for
    gc.collect()
    assert transfers.start(at_rest([2.0]), (1,))()[0] == 2.0


def test_a_run_asks_for_numbers_one_draw_late(monkeypatch):
    """The next step begins before the numbers of a draw are asked for, and draws stay the same."""
    events = []
    start, step = Transfers.start, type(HeatBath(device="cuda").bind(ODD)).step

    def started(self, fill, shape):
        arrive = start(self, fill, shape)

        def asked():
            events.append("asked")
            return arrive()

        return asked

    def stepped(self, rng, state, n=1):
        events.append("step")
        return step(self, rng, state, n)

    how = {"n_chains": 4, "n_draws": 3, "warmup": 0, "seed": 1, "quiet": True}
    expected = run(Metropolis(), ODD, **how)
    monkeypatch.setattr(Transfers, "start", started)
    monkeypatch.setattr(type(HeatBath(device="cuda").bind(ODD)), "step", stepped)
    found = run(Metropolis(device="cuda"), ODD, **how)
    assert events[-6:] == ["step", "step", "asked", "step", "asked", "asked"]
    for name in ("energy", "magnetization", "acceptance_rate"):
        np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("n_chains", [3, 512, 600])
def test_rates_leave_out_lanes_without_a_chain(n_chains):
    chains = Metropolis(device="cuda").bind(Ising(L=2, beta=0.3))
    _, info = chains.step(Stream(2), chains.init(Stream(1), n_chains))
    accepted = np.asarray(info.accepted)
    assert accepted.shape == (n_chains,)
    assert np.all((accepted >= 0) & (accepted <= 1))
