"""Large phi^4 lattices, on which all of a device works, against the CPU; here they are small."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.random import Stream
from physgen.kernels.cuda import launch, phi4_spread
from physgen.kernels.cuda._numba import cuda
from physgen.lattice import Hypercubic
from physgen.samplers import run
from physgen.samplers.hmc import HMC
from physgen.samplers.mala import MALA
from physgen.samplers.overrelaxation import Overrelaxation
from physgen.samplers.ula import ULA
from physgen.targets import FreeField, Phi4

DOUBLE_WELL = Phi4.from_halved(L=(5, 8), m2=-1.0, lam=0.5)
CHAIN = Phi4.from_halved(Hypercubic((35,), "open"), m2=1.0, lam=0.2)
CASES = {
    "HMC": (HMC(n_leapfrog=4, step_size=0.25), DOUBLE_WELL),
    "HMC, float64": (HMC(n_leapfrog=3, step_size=0.25, dtype="float64"), DOUBLE_WELL),
    "HMC, open chain": (HMC(n_leapfrog=1, step_size=0.2), CHAIN),
    "HMC, free, three dimensions": (HMC(n_leapfrog=2, step_size=0.2), FreeField((3, 4, 3), 1.0)),
    "MALA": (MALA(step_size=0.02), DOUBLE_WELL),
    "ULA": (ULA(step_size=0.02), DOUBLE_WELL),
}
N_CHAINS, LEAST_SITES = 3, phi4_spread.LEAST_SITES


@pytest.fixture(autouse=True)
def large(monkeypatch):
    monkeypatch.setattr(phi4_spread, "LEAST_SITES", 1)
    monkeypatch.setattr(launch, "_MOST_SIMULATED", 8)  # several blocks of threads a lattice


def both(name):
    sampler, target = CASES[name]
    chains = [s.bind(target) for s in (sampler, replace(sampler, device="cuda"))]
    assert type(chains[1].fields).__name__ == "CudaPhi4Lattices"
    return chains, [c.init(Stream(1), N_CHAINS) for c in chains]


@pytest.mark.parametrize("name", CASES)
def test_fields_agree_with_the_cpu(name):
    chains, states = both(name)
    close = {"rtol": 0, "atol": 1e-12 if "float64" in name else 5e-5}
    for i in range(2):
        before = np.asarray(states[1].x)
        steps = [c.step(Stream(2).at(i), s, 2) for c, s in zip(chains, states, strict=True)]
        np.testing.assert_array_equal(np.asarray(states[1].x), before)  # a pure function
        (host, host_info), (device, device_info) = steps
        states = [host, device]
        found = [c.configurations(s) for c, s in zip(chains, states, strict=True)]
        np.testing.assert_allclose(found[1], found[0], **close)
        assert np.abs(found[0] - before[..., 0].reshape(found[0].shape)).max() > 0.1
        if host_info.accepted is not None:
            np.testing.assert_array_equal(device_info.accepted, host_info.accepted)
        for key, values in host_info.metrics.items():
            np.testing.assert_allclose(device_info.metrics[key], values, **close)
    measured = [c.measure(s) for c, s in zip(chains, states, strict=True)]
    for key, values in measured[0].items():
        np.testing.assert_allclose(measured[1][key], values, rtol=1e-5, atol=close["atol"])


def test_a_block_of_threads_goes_round(monkeypatch):
    monkeypatch.setattr(phi4_spread, "_MOST_BLOCKS", 1)
    for name in ("HMC", "ULA"):
        test_fields_agree_with_the_cpu(name)


def test_some_proposals_are_rejected():
    """Else a field that is always taken would go unnoticed."""
    sampler = replace(CASES["HMC"][0], step_size=0.45, device="cuda")
    chains, host = sampler.bind(DOUBLE_WELL), replace(sampler, device="cpu").bind(DOUBLE_WELL)
    found, info = chains.step(Stream(2), chains.init(Stream(1), N_CHAINS), 2)
    expected, host_info = host.step(Stream(2), host.init(Stream(1), N_CHAINS), 2)
    assert 0 < np.mean(info.accepted) < 1
    np.testing.assert_array_equal(info.accepted, host_info.accepted)
    pair = chains.configurations(found), host.configurations(expected)
    np.testing.assert_allclose(*pair, rtol=0, atol=1e-3)


def test_another_word_is_noticed(monkeypatch):
    (host, device), (before, start) = both("HMC")
    monkeypatch.setattr(phi4_spread, "NORMALS", np.uint32(7))
    fresh = phi4_spread.momenta.__wrapped__
    monkeypatch.setattr(phi4_spread, "momenta", fresh)
    expected = host.configurations(host.step(Stream(2), before)[0])
    moved = device.configurations(device.step(Stream(2), start)[0])
    assert np.abs(moved - expected).max() > 0.1


def test_blocks_of_threads():
    assert LEAST_SITES == 512**2
    assert phi4_spread.n_blocks(512**2, 256) == 1024
    assert phi4_spread.n_blocks(4096**2, 256) == 1056
    assert phi4_spread.n_blocks(257, 256) == 2
    assert phi4_spread.n_blocks(256, 256) == 1


def test_small_lattices_and_local_sweeps_stay_with_blocks_of_chains(monkeypatch):
    local = Overrelaxation(device="cuda").bind(DOUBLE_WELL)
    assert type(local.fields).__name__ == "CudaPhi4Fields"
    monkeypatch.setattr(phi4_spread, "LEAST_SITES", 41)
    small = HMC(device="cuda").bind(DOUBLE_WELL)
    assert type(small.fields).__name__ == "CudaPhi4Fields"
    state = small.init(Stream(1), 2)
    monkeypatch.setattr(phi4_spread, "LEAST_SITES", 40)
    spread = HMC(device="cuda", step_size=0.1, n_leapfrog=1).bind(DOUBLE_WELL)
    with pytest.raises(InputError, match=r"state must be one of this sampler, float32 of shape"):
        spread.step(Stream(1), state)


def test_more_chains_than_the_device_holds(monkeypatch):
    memory = SimpleNamespace(free=10**6, total=10**9)
    context = SimpleNamespace(get_memory_info=lambda: memory)
    monkeypatch.setattr(cuda, "current_context", lambda: context)
    chains = HMC(device="cuda").bind(DOUBLE_WELL)
    with pytest.raises(InputError, match=r"2000 chains of 40 sites need 0.0016 GB, 0.001 GB are"):
        chains.init(Stream(1), 2000)


def test_a_run_is_that_of_the_cpu():
    how = {"n_chains": 2, "n_draws": 3, "warmup": 2, "seed": 1, "quiet": True}
    sampler = HMC(n_leapfrog=2, step_size=0.2)
    host, device = (run(s, CHAIN, **how) for s in (sampler, replace(sampler, device="cuda")))
    for name in ("action", "magnetization", "phi2"):
        np.testing.assert_allclose(device[name], host[name], rtol=1e-4, atol=1e-4)


# NumPy's scalars, which the simulator computes with, warn where a device does not.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_fields_that_run_away():
    runaway = ULA(step_size=1.0, device="cuda").bind(DOUBLE_WELL)
    with pytest.raises(NonFiniteActionError, match="lower step_size"):
        runaway.step(Stream(2), runaway.init(Stream(1), 2), 8)
