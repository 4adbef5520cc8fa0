"""One large lattice: the sweep of the CPU's kernel over the rows in the order of their colours."""

import numpy as np
import pytest

from physgen.core.chains import State
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cuda._numba import cuda
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.spins.lattice import IsingLattice, moves_of, turned_neighbours
from physgen.targets import Ising

CASES = {
    "heat bath": (HeatBath, Ising(L=(32, 128), beta=0.44)),
    "heat bath, antiferromagnet in a field": (HeatBath, Ising(L=(16, 128), beta=0.4, J=-1, h=0.5)),
    "Metropolis": (Metropolis, Ising(L=(16, 128), beta=0.44)),
}


def colour_by_colour(device):
    """The CPU's sampler of the rows numbered colour by colour."""
    order = device.order
    place = np.argsort(order)
    source, turn = turned_neighbours(device.model.shape)
    rows, edges, moves = moves_of(place[source[order]], turn[order])
    model = device.model._replace(rows=rows, edges=edges, moves=moves)
    return IsingLattice(device.target, model, device.rule, fast=False)


@pytest.mark.parametrize("name", CASES)
def test_spins_are_those_of_the_cpu_colour_by_colour(name):
    sampler, target = CASES[name]
    device = sampler(device="cuda", layout="lattice").bind(target)
    state = device.init(Stream(1), 2)
    host, order = colour_by_colour(device), device.order
    before = State(np.asarray(state.x)[:, order].copy())
    for i in range(2):
        state, info = device.step(Stream(2).at(i), state, 2)
        before, expected = host.step(Stream(2).at(i), before, 2)
        np.testing.assert_array_equal(np.asarray(state.x)[:, order], before.x)
        if sampler is Metropolis:
            np.testing.assert_array_equal(info.accepted, expected.accepted)


def test_measurements_and_configurations_are_those_of_the_cpu():
    target = CASES["heat bath, antiferromagnet in a field"][1]
    host, device = (HeatBath(device=d, layout="lattice").bind(target) for d in ("cpu", "cuda"))
    before, start = (c.init(Stream(1), 2) for c in (host, device))
    np.testing.assert_array_equal(np.asarray(start.x), before.x)
    for name, values in host.measure(before).items():
        np.testing.assert_array_equal(device.measure(start)[name], values)
    np.testing.assert_array_equal(device.configurations(start), host.configurations(before))
    crossed = device.step(Stream(2), before)[0]  # from the CPU
    np.testing.assert_array_equal(np.asarray(device.step(Stream(2), start)[0].x), crossed.x)


def test_a_neighbour_without_its_turn_is_noticed():
    device = HeatBath(device="cuda", layout="lattice").bind(CASES["Metropolis"][1])
    state = device.init(Stream(1), 1)
    right = np.asarray(device.step(Stream(2), state)[0].x)
    *tables, turns = device._tables
    device.__dict__["_tables"] = (*tables, cuda.to_device(np.full(turns.shape, 4, np.uint8)))
    assert np.any(np.asarray(device.step(Stream(2), state)[0].x) != right)


def test_lattices_without_two_colours():
    with pytest.raises(InputError, match=r"must have even extents.*multiple of 16"):
        HeatBath(device="cuda", layout="lattice").bind(Ising(L=(24, 128), beta=0.4))
    with pytest.raises(InputError, match=r"'lattice' cannot take this model.*multiple of 64"):
        HeatBath(device="cuda", layout="lattice").bind(Ising(L=4, beta=0.4))


def test_auto_takes_large_lattices():
    large, odd = Ising(L=512, beta=0.4), Ising(L=(513, 512), beta=0.4)
    names = [type(HeatBath(device="cuda").bind(t)).__name__ for t in (large, odd)]
    assert names == ["CudaIsingLattice", "CudaIsingChains"]
