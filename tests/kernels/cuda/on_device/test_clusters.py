"""Cluster sweeps of the device against the same words, one bond after the other."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import keyed_clusters as keyed

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.kernels.cuda import cluster_forest, cluster_sweeps
from physgen.kernels.cuda._numba import SIMULATED, cuda
from physgen.lattice import Graph, Hypercubic
from physgen.samplers import run
from physgen.samplers.phi4_cluster import Phi4Cluster
from physgen.samplers.swendsen_wang import SwendsenWang
from physgen.samplers.tempering import ParallelTempering
from physgen.targets import FreeField, Ising, Phi4

STRIP = Hypercubic((4, 3), ("periodic", "open"))
GAUGE = np.random.default_rng(1).choice([-1.0, 1.0], STRIP.n_sites)
ENDS = np.asarray(STRIP.bonds).T
MATTIS = np.random.default_rng(2).uniform(0.2, 1.0, ENDS.shape[1]) * GAUGE[ENDS].prod(0)
FIELDS = np.random.default_rng(3).choice([-0.3, 0.0, 0.3], STRIP.n_sites)
SPINS = {
    "torus": Ising(L=4, beta=0.44),
    "more than one word of coins": Ising(L=(13, 11), beta=0.44, h=0.01),
    "signs, open, fields": Ising(lattice=STRIP, beta=0.7, J=MATTIS, h=FIELDS),
    "double bonds": Ising(L=(2, 3), beta=0.3),
    "antiferromagnet": Ising(L=4, beta=0.4, J=-1.0),
    "any graph": Ising(
        lattice=Graph(7, ((0, 1), (0, 3), (1, 2), (2, 6), (3, 4), (3, 6), (4, 5))), beta=0.6
    ),
    "no couplings": Ising(L=(2, 3), beta=0.0),
}
SIGNS = {
    "float32": (Phi4Cluster(), Phi4.from_halved(L=(4, 3), m2=-1.0, lam=0.5)),
    "float64": (Phi4Cluster(dtype="float64"), Phi4.from_halved(L=(4, 4), m2=-1.0, lam=0.5)),
    "three dimensions": (Phi4Cluster(), FreeField((2, 2, 3), 0.3)),
    "staggered": (Phi4Cluster(), Phi4.from_hopping(L=4, kappa=-0.3, lam=0.5)),
    "open": (Phi4Cluster(), Phi4.from_halved(Hypercubic((5,), "open"), m2=-1.0, lam=0.2)),
}


def bound(name, n_chains):
    chains = SwendsenWang(device="cuda").bind(SPINS[name])
    return chains, chains.init(Stream(1), n_chains)


def expected(target, state, rng, n):
    """Spins and metrics after n sweeps from the same words."""
    x = np.asarray(state.x)
    return keyed.swept(x, keyed.bonds_of(*target.kernel[1]), rng.philox_key()[0], n)


@pytest.mark.parametrize("name", SPINS)
def test_spins_are_those_of_the_words(name):
    chains, state = bound(name, 3 if "more" in name else 6)
    for i, n in enumerate((1, 3)):
        spins, numbers = expected(chains.target, state, Stream(2).at(i), n)
        state, info = chains.step(Stream(2).at(i), state, n)
        np.testing.assert_array_equal(np.asarray(state.x), spins)
        for k, key in enumerate(("n_clusters", "mean_cluster_size")):
            np.testing.assert_array_equal(np.asarray(info.metrics[key]), numbers[k])


@pytest.mark.parametrize("name", ["more than one word of coins", "signs, open, fields"])
def test_labels_that_do_not_fit_in_shared_memory(name, monkeypatch):
    chains, state = bound(name, 2)
    chains.step(Stream(2), state)
    assert chains._sweeps._scratch.shape == (1, 1)  # they fit
    monkeypatch.setattr(cluster_sweeps, "_BYTES", 0)
    test_spins_are_those_of_the_words(name)
    chains.step(Stream(2), state)
    words = cluster_sweeps.scratch_words(chains._n_sites)
    assert chains._sweeps._scratch.shape == (2, words)
    assert chains._sweeps.scratch_bytes(1) == 4 * words


@pytest.mark.parametrize("in_memory", [False, True])
@pytest.mark.parametrize("name", SIGNS)
def test_signs_of_fields_are_those_of_the_words(name, in_memory, monkeypatch):
    if in_memory:
        monkeypatch.setattr(cluster_sweeps, "_BYTES", 0)
    sampler, target = SIGNS[name]
    chains = replace(sampler, device="cuda").bind(target)
    fields = chains.local.fields
    state = chains.init(Stream(1), 20)
    before, rng = np.asarray(state.x), Stream(2)
    neighbours, (hop, *_) = target.kernel[1]
    x = before.swapaxes(1, 2).reshape(-1, before.shape[1])  # lanes without a chain too
    bonds = keyed.bonds_of(neighbours, np.full(neighbours.shape, float(hop)), 0.0)
    moved, numbers = keyed.swept(x, bonds, rng.philox_key()[0], occupied=keyed.between_fields)
    after, size = fields.flipped(rng, state)
    found = np.asarray(after.x)
    np.testing.assert_array_equal(found.swapaxes(1, 2).reshape(x.shape), moved)
    assert np.any(found != before)
    np.testing.assert_array_equal(np.asarray(size), numbers[1, :20])
    action = np.asarray(after.aux["action"]).ravel()[:20]
    np.testing.assert_allclose(action, target.action(chains.configurations(after)), rtol=1e-5)


def test_several_chains_share_a_block_of_threads(monkeypatch):
    """Four lanes at a time: chains keep their words."""
    monkeypatch.setattr(cluster_sweeps, "_MOST_LANES", 4)
    test_signs_of_fields_are_those_of_the_words("float32", False, monkeypatch)


def test_a_step_of_fields_is_local_sweeps_and_clusters():
    target = SIGNS["float32"][1]
    chains = Phi4Cluster(n_sweeps=2, device="cuda").bind(target)
    state, rng = chains.init(Stream(1), 5), Stream(3)
    x = np.asarray(state.x)
    after, info = chains.step(rng, state, 2)
    again = state
    for i in range(2):
        again, local = chains.local.step(rng.child("local").at(i), again, 2)
        again, _ = chains.local.fields.flipped(rng.child("clusters").at(i), again)
    np.testing.assert_array_equal(np.asarray(after.x), np.asarray(again.x))
    np.testing.assert_array_equal(np.asarray(state.x), x)  # a pure function
    assert set(info.metrics) == {"reflected", "cluster_size"}
    assert np.all((info.metrics["cluster_size"] >= 1) & (info.metrics["cluster_size"] <= 12))
    assert np.all(np.asarray(info.accepted) > 0)
    assert local.accepted is not None


def test_the_warm_up_tunes_local_sweeps_alone():
    chains = Phi4Cluster(device="cuda").bind(SIGNS["float32"][1])
    tuned, _ = chains.tune(Stream(1), chains.init(Stream(1), 4), 4)
    assert set(tuned.tuning) == {"width", "curvature"}
    assert tuned.with_tuning(tuned.tuning).tuning == tuned.tuning
    assert tuned.tuning != chains.tuning


def test_numbers_are_those_of_the_configurations():
    for name in ("torus", "signs, open, fields", "more than one word of coins"):
        chains, state = bound(name, 5)
        x = chains.configurations(state)
        for key, observable in chains.target.observables.items():
            np.testing.assert_allclose(chains.measure(state)[key], observable(x), atol=1e-12)


def test_a_run_and_chains_that_change_sides():
    how = {"n_chains": 4, "n_draws": 4, "warmup": 2, "seed": 1, "quiet": True}
    ds = run(SwendsenWang(device="cuda"), SPINS["torus"], **how)
    assert np.all(np.isfinite(ds["energy"]))
    fields = run(Phi4Cluster(device="cuda"), SIGNS["float32"][1], **how)
    assert np.all(np.isfinite(fields["action"]))
    host = SwendsenWang().bind(SPINS["any graph"])
    device, state = bound("any graph", 5)
    back = host.step(Stream(2), state._replace(x=np.asarray(state.x)))[0]
    there = device.step(Stream(3), back)[0]
    spins, _ = expected(device.target, back, Stream(3), 1)
    np.testing.assert_array_equal(np.asarray(there.x), spins)


def test_chains_are_tempered():
    """Swapped configurations go through the host and back, and other lattices are refused."""
    sampler = ParallelTempering(SwendsenWang(device="cuda"), betas=[0.3, 0.44])
    chains = sampler.bind(Ising(L=(2, 3), beta=0.44))
    state = chains.init(Stream(1), 8)
    one, two = (chains.step(Stream(2), state, 3)[0] for _ in range(2))
    x = chains.configurations(one)
    np.testing.assert_array_equal(chains.configurations(two), x)
    energies = chains.measure(one)["energy"]
    assert energies.shape == (8, 2)
    np.testing.assert_allclose(energies[:, chains.own], chains.target.observables["energy"](x))


def test_more_chains_than_the_device_holds(monkeypatch):
    monkeypatch.setattr(cluster_sweeps, "_BYTES", 0)
    memory = SimpleNamespace(free=10**6, total=10**9)
    context = SimpleNamespace(get_memory_info=lambda: memory)
    chains, _ = bound("torus", 2)
    monkeypatch.setattr(cuda, "current_context", lambda: context)
    # Spins, the next ones, what is measured; labels of 17 nodes and 128 coins.
    with pytest.raises(InputError, match=r"10000 chains of 16 spins need 0.00132 GB, 0.001 GB"):
        chains.init(Stream(1), 10_000)


def test_a_state_of_another_lattice_is_refused():
    chains, _ = bound("torus", 2)
    with pytest.raises(InputError, match=r"state must be one of this sampler, int8"):
        chains.step(Stream(1), bound("double bonds", 2)[1])


@pytest.mark.skipif(not SIMULATED, reason="compiled kernels keep the functions they call")
@pytest.mark.parametrize("saboteur", ["counter layout", "the ghost flips", "no joins"])
def test_another_kernel_is_noticed(saboteur, monkeypatch):
    chains, state = bound("signs, open, fields", 6)
    pair, join = cluster_sweeps.draw_pair, cluster_sweeps.join

    def swapped(c0, c1, c2, c3, k0, k1):
        return pair(c1, c0, c2, c3, k0, k1)

    def any_coin(coins, node, width, lane):
        return cluster_forest.coin(coins, node + 1, width, lane)

    def apart(parent, a, b, width, lane):
        return join(parent, a, a, width, lane)

    name, function = {
        "counter layout": ("draw_pair", swapped),
        "the ghost flips": ("coin", any_coin),
        "no joins": ("join", apart),
    }[saboteur]
    monkeypatch.setattr(cluster_sweeps, name, cuda.jit(device=True)(function))
    found = np.asarray(chains.step(Stream(2), state)[0].x)
    assert np.any(found != expected(chains.target, state, Stream(2), 1)[0])
