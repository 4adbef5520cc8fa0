import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cuda import ising_sweeps
from physgen.kernels.cuda._numba import cuda
from physgen.lattice import Graph, Hypercubic
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.metropolis import Metropolis
from physgen.targets import Ising

STRIP = Hypercubic((4, 3), ("periodic", "open"))
SIGNS = np.random.default_rng(1).choice([-1.0, 1.0], len(STRIP.bonds))
FIELDS = np.random.default_rng(2).choice([-0.3, 0.3], STRIP.n_sites)
FRUSTRATED = Ising(lattice=STRIP, beta=0.5, J=SIGNS, h=FIELDS)
CASES = {
    "heat bath": (HeatBath, Ising(L=4, beta=0.44)),
    "heat bath, two chunks of sites": (HeatBath, Ising(L=(9, 8), beta=0.3)),
    "heat bath, signs, open, fields": (HeatBath, FRUSTRATED),
    "Metropolis": (Metropolis, Ising(L=4, beta=0.44)),
    "Metropolis, ties in a field": (Metropolis, Ising(L=3, beta=0.5, h=2.0)),
}


def both(name, n_chains=100):
    sampler, target = CASES[name]
    chains = sampler().bind(target), sampler(device="cuda").bind(target)
    return chains, [c.init(Stream(1), n_chains) for c in chains]


# Couplings of different magnitudes: chains as int8.
GLASS = Ising(
    lattice=STRIP, beta=0.7, J=np.random.default_rng(3).normal(size=len(STRIP.bonds)), h=FIELDS
)
RANDOM_GRAPH = Ising(
    lattice=Graph(7, ((0, 1), (0, 3), (1, 2), (2, 6), (3, 4), (3, 6), (4, 5), (0, 6), (1, 4))),
    beta=1.0, J=np.random.default_rng(4).normal(size=9), h=0.1,
)  # fmt: skip
INT8 = {
    "heat bath": (HeatBath, GLASS),
    "heat bath, free sites": (HeatBath, Ising(L=(2, 3), beta=0.0)),
    "Metropolis": (Metropolis, GLASS),
    "Metropolis, any graph": (Metropolis, RANDOM_GRAPH),
    "Metropolis, ties": (Metropolis, Ising(L=4, beta=0.4)),
}


@pytest.mark.parametrize("name", INT8)
def test_int8_spins_are_those_of_the_cpu(name):
    sampler, target = INT8[name]
    chains = [sampler(device=d, layout="int8").bind(target) for d in ("cpu", "cuda")]
    states = [c.init(Stream(1), 70) for c in chains]
    for i in range(2):
        steps = [c.step(Stream(2).at(i), s, 2) for c, s in zip(chains, states, strict=True)]
        (host, host_info), (device, device_info) = steps
        np.testing.assert_array_equal(np.asarray(device.x), host.x)
        if sampler is Metropolis:
            np.testing.assert_array_equal(device_info.accepted, host_info.accepted)
        states = [host, device]
    measured = [c.measure(s) for c, s in zip(chains, states, strict=True)]
    for key, values in measured[0].items():
        np.testing.assert_allclose(measured[1][key], values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        *(c.configurations(s) for c, s in zip(chains, states, strict=True))
    )


def test_another_coupling_is_noticed():
    host, device = (HeatBath(device=d).bind(GLASS) for d in ("cpu", "cuda"))
    assert type(device).__name__ == "CudaIsingInt8"  # "auto" takes it
    before, start = (c.init(Stream(1), 70) for c in (host, device))
    n_periods, useful, (rows, K, *rest) = device._plan
    other = cuda.to_device(-K.copy_to_host())
    device.__dict__["_plan"] = n_periods, useful, (rows, other, *rest)
    expected = host.step(Stream(2), before)[0].x
    assert np.any(np.asarray(device.step(Stream(2), start)[0].x) != expected)


@pytest.mark.parametrize("name", CASES)
def test_spins_are_those_of_the_cpu(name):
    chains, states = both(name)
    for i in range(2):
        steps = [c.step(Stream(2).at(i), s, 2) for c, s in zip(chains, states, strict=True)]
        (host, host_info), (device, device_info) = steps
        np.testing.assert_array_equal(np.asarray(device.x), host.x)
        if name.startswith("Metropolis"):
            np.testing.assert_array_equal(device_info.accepted, host_info.accepted)
        states = [host, device]
    measured = [c.measure(s) for c, s in zip(chains, states, strict=True)]
    configurations = [c.configurations(s) for c, s in zip(chains, states, strict=True)]
    for key, values in measured[0].items():
        np.testing.assert_array_equal(measured[1][key], values)
    np.testing.assert_array_equal(*configurations)


def swapped(c0, c1, c2, c3, k0, k1):
    return PAIR(c1, c0, c2, c3, k0, k1)


PAIR = ising_sweeps.draw_pair


@pytest.mark.parametrize("saboteur", ["counter layout", "no rare events"])
def test_another_kernel_is_noticed(saboteur, monkeypatch):
    (host, device), (before, start) = both("heat bath")
    fresh = ising_sweeps.sweeps.__wrapped__
    monkeypatch.setattr(ising_sweeps, "sweeps", lambda *variant: fresh(*variant))
    if saboteur == "counter layout":
        monkeypatch.setattr(ising_sweeps, "draw_pair", cuda.jit(device=True)(swapped))
    else:
        tables = device.model.tables._replace(poisson=np.full(128, 2**64 - 1, np.uint64))
        object.__setattr__(device, "model", device.model._replace(tables=tables))
    expected = host.step(Stream(2), before, 2)[0].x
    assert np.any(np.asarray(device.step(Stream(2), start, 2)[0].x) != expected)


def test_a_step_is_a_pure_function():
    (_, device), (_, start) = both("heat bath")
    first = np.asarray(start.x)
    twice = [np.asarray(device.step(Stream(2), start)[0].x) for _ in range(2)]
    np.testing.assert_array_equal(*twice)
    np.testing.assert_array_equal(np.asarray(start.x), first)


def test_chains_may_change_sides():
    (host, device), (before, start) = both("Metropolis")
    crossed = device.step(Stream(3), host.step(Stream(2), before)[0])[0]
    moved = device.step(Stream(2), start)[0]
    back = host.step(Stream(3), moved._replace(x=np.asarray(moved.x)))[0]
    np.testing.assert_array_equal(np.asarray(crossed.x), back.x)


def test_more_chains_than_the_device_holds(monkeypatch):
    context = type("Context", (), {"get_memory_info": lambda self: MEMORY})()
    monkeypatch.setattr(cuda, "current_context", lambda: context)
    chains = HeatBath(device="cuda").bind(Ising(L=16, beta=0.4))
    with pytest.raises(
        InputError, match=r"1000000 chains of 256 spins need .* GB, 0.1 GB are free"
    ):
        chains.init(Stream(1), 1_000_000)


MEMORY = type("Memory", (), {"free": 10**8, "total": 10**9})()
