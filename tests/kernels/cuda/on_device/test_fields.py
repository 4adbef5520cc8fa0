import numpy as np
import pytest

from physgen.core.errors import NonFiniteActionError
from physgen.core.random import Stream
from physgen.kernels.cpu.normals import padded_sites
from physgen.kernels.cuda import normals, phi4_local, phi4_resident
from physgen.kernels.cuda._numba import SIMULATED, cuda
from physgen.lattice import Hypercubic
from physgen.samplers.fields.phi4 import SiteMoves
from physgen.samplers.hmc import HMC
from physgen.samplers.mala import MALA
from physgen.samplers.metropolis import Metropolis
from physgen.samplers.overrelaxation import Overrelaxation
from physgen.samplers.ula import ULA
from physgen.targets import FreeField, Phi4

DOUBLE_WELL = Phi4.from_halved(L=(4, 3), m2=-1.0, lam=0.5)
CHAIN = Phi4.from_halved(Hypercubic((5,), "open"), m2=1.0, lam=0.2)
CASES = {
    "HMC": (HMC(n_leapfrog=4, step_size=0.15), DOUBLE_WELL),
    "HMC, float64": (HMC(n_leapfrog=3, step_size=0.15, dtype="float64"), DOUBLE_WELL),
    "HMC, open chain": (HMC(n_leapfrog=2, step_size=0.2), CHAIN),
    "HMC, free, three dimensions": (HMC(n_leapfrog=2, step_size=0.2), FreeField((2, 2, 3), 1.0)),
    "MALA": (MALA(step_size=0.05), DOUBLE_WELL),
    "ULA": (ULA(step_size=0.02), DOUBLE_WELL),
    "Metropolis": (Metropolis(), DOUBLE_WELL),
    "Metropolis, three colours": (Metropolis(), Phi4.from_halved(L=(3, 3), m2=-1.0, lam=0.5)),
    "overrelaxation": (Overrelaxation(n_reflections=3), DOUBLE_WELL),
    "overrelaxation, float64, three dimensions": (
        Overrelaxation(n_reflections=2, dtype="float64"),
        FreeField((2, 2, 3), 1.0),
    ),
}


def on_device(sampler):
    return type(sampler)(**{**vars(sampler), "device": "cuda"})


def both(name, n_chains=20):
    sampler, target = CASES[name]
    chains = [s.bind(target) for s in (sampler, on_device(sampler))]
    return chains, [c.init(Stream(1), n_chains) for c in chains]


@pytest.mark.parametrize("name", CASES)
def test_fields_agree_with_the_cpu(name):
    chains, states = both(name)
    # A few roundings of numbers of order 1 a step, and of sums of a dozen of them.
    close = {"rtol": 0, "atol": 1e-13 if "float64" in name else 2e-5}
    for i in range(2):
        steps = [c.step(Stream(2).at(i), s, 3) for c, s in zip(chains, states, strict=True)]
        (host, host_info), (device, device_info) = steps
        np.testing.assert_allclose(np.asarray(device.x), host.x, **close)
        np.testing.assert_allclose(np.asarray(device.aux["action"]), host.aux["action"], **close)
        if host_info.accepted is not None:
            np.testing.assert_array_equal(device_info.accepted, host_info.accepted)
        for key, values in host_info.metrics.items():
            np.testing.assert_allclose(device_info.metrics[key], values, **close)
        states = [host, device]
    measured = [c.measure(s) for c, s in zip(chains, states, strict=True)]
    for key, values in measured[0].items():
        np.testing.assert_allclose(measured[1][key], values, **close)
    configurations = [c.configurations(s) for c, s in zip(chains, states, strict=True)]
    np.testing.assert_allclose(*configurations, **close)


@pytest.mark.parametrize("name", ["HMC", "HMC, open chain", "ULA"])
def test_lattices_that_do_not_fit_in_shared_memory(name, monkeypatch):
    monkeypatch.setattr(phi4_resident, "_BYTES", 0)
    test_fields_agree_with_the_cpu(name)


def test_a_block_of_threads_takes_as_many_chains_as_fit():
    for dtype, size in (("float32", 4), ("float64", 8)):
        for n_sites in (9, 64, 256, 1024, 4096):
            w = phi4_resident.lanes(n_sites, 64, dtype)
            padded = padded_sites(n_sites, dtype)
            assert w * (n_sites + padded) * size <= 40960
            assert w == 32 or 2 * w * (n_sites + padded) * size > 40960 or w == 0
    assert phi4_resident.lanes(256, 64, "float32") == 16
    assert phi4_resident.lanes(1280, 16, "float32") == 4
    assert phi4_resident.lanes(1296, 16, "float32") == 0
    assert phi4_resident.lanes(16, 16, "float32") == 16


def test_several_blocks_of_threads_share_a_block_of_chains(monkeypatch):
    """Four lanes at a time: chains keep their words, fields and actions."""
    monkeypatch.setattr(phi4_resident, "_MOST_LANES", 4)
    for name in ("HMC", "ULA"):
        test_fields_agree_with_the_cpu(name)


@pytest.mark.skipif(not SIMULATED, reason="compiled kernels keep the functions they call")
def test_another_counter_layout_is_noticed(monkeypatch):
    (host, device), (before, start) = both("HMC")
    philox = normals.philox4x32

    def swapped(c0, c1, c2, c3, k0, k1):
        return philox(c1, c0, c2, c3, k0, k1)

    monkeypatch.setattr(normals, "philox4x32", cuda.jit(device=True)(swapped))
    moved = [np.asarray(c.step(Stream(2), s)[0].x) for c, s in ((host, before), (device, start))]
    assert np.abs(moved[0] - moved[1]).max() > 0.1


@pytest.mark.skipif(not SIMULATED, reason="compiled kernels keep the functions they call")
def test_words_of_another_site_are_noticed(monkeypatch):
    (host, device), (before, start) = both("overrelaxation")
    philox = phi4_local.philox4x32

    def shifted(c0, c1, c2, c3, k0, k1):
        return philox(np.uint32(c0 + 1), c1, c2, c3, k0, k1)

    monkeypatch.setattr(phi4_local, "philox4x32", cuda.jit(device=True)(shifted))
    moved = [np.asarray(c.step(Stream(2), s)[0].x) for c, s in ((host, before), (device, start))]
    assert np.abs(moved[0] - moved[1]).max() > 0.1


def test_sites_in_the_order_of_their_numbers():
    """Without colours two sweeps are under way at once (`schedule`)."""
    (host, device), states = both("overrelaxation")
    # A smaller curvature would let roundings grow from site to site: b / c has four neighbours.
    order, how = np.arange(12), SiteMoves(1.0, 4.0, 2)
    moved = [
        c.fields.swept(Stream(2), s, order, how, 2)
        for c, s in zip((host, device), states, strict=True)
    ]
    np.testing.assert_allclose(np.asarray(moved[1][0].x), moved[0][0].x, rtol=0, atol=2e-5)
    coloured = host.fields.swept(Stream(2), states[0], host.order, how, 2)[0]
    assert np.abs(coloured.x - moved[0][0].x).max() > 0.1


def test_warm_up_tunes_the_same_moves():
    (host, device), (before, start) = both("overrelaxation")
    tuned = [c.tune(Stream(3), s, 4)[0].tuning for c, s in ((host, before), (device, start))]
    assert tuned[0] != host.tuning
    assert tuned[1] == pytest.approx(tuned[0], rel=1e-5)


def test_a_step_is_a_pure_function():
    (_, device), (_, start) = both("HMC")
    x, action = np.asarray(start.x), np.asarray(start.aux["action"])
    moved = [np.asarray(device.step(Stream(2), start)[0].x) for _ in range(2)]
    np.testing.assert_array_equal(*moved)
    np.testing.assert_array_equal(np.asarray(start.x), x)
    np.testing.assert_array_equal(np.asarray(start.aux["action"]), action)


# NumPy's scalars, which the simulator computes with, warn where a device does not.
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_divergences():
    sampler = HMC(n_leapfrog=3, step_size=1.5)
    chains = [s.bind(DOUBLE_WELL) for s in (sampler, on_device(sampler))]
    infos = [c.step(Stream(2), c.init(Stream(1), 20))[1] for c in chains]
    assert infos[0].metrics["divergent"].any()
    np.testing.assert_array_equal(infos[1].metrics["divergent"], infos[0].metrics["divergent"])
    runaway = ULA(step_size=1.0, device="cuda").bind(DOUBLE_WELL)
    with pytest.raises(NonFiniteActionError, match="lower step_size"):
        runaway.step(Stream(2), runaway.init(Stream(1), 2), 12)
