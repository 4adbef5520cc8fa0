"""Replicas of a run on several devices: which draws, whose streams, and what a failure does."""

import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen.core.errors import ChainTooShortError, InputError
from physgen.core.random import Stream
from physgen.exact.kaufman import energy_per_site
from physgen.kernels.cuda import launch
from physgen.samplers import AutoWarmup, HeatBath, Metropolis, run, run_replicas
from physgen.samplers import replicas as module
from physgen.targets import Ising, Phi4

ISING = Ising(L=4, beta=0.3)
HOW = {"n_chains": 64, "n_draws": 20, "seed": 1}


@pytest.fixture
def two_devices(monkeypatch):
    """Two devices that are the CPU: (device, thread) of everything that ran."""
    used = []

    @contextmanager
    def on(device):
        used.append((device, threading.get_ident()))
        yield

    monkeypatch.setattr(module, "_places", lambda sampler, devices: devices or [0, 1])
    monkeypatch.setattr(launch, "on_device_number", on)
    return used


def test_a_replica_is_a_run_of_its_own():
    joined = run_replicas(HeatBath(), ISING, 2, **HOW)
    for r in range(2):
        alone = run(
            HeatBath(), ISING, **HOW | {"seed": None, "rng": Stream(1).child("replica", r)}
        )
        part = joined.isel(chain=joined["replica"] == r)
        for name in ("energy", "magnetization"):
            np.testing.assert_array_equal(part[name], alone[name])
        np.testing.assert_array_equal(part["start"], alone["start"])
    assert np.any(joined["energy"].values[:64] != joined["energy"].values[64:])
    assert joined["chain"].values.tolist() == list(range(128))
    assert joined.attrs["seed"] == 1


def test_draws_do_not_depend_on_the_devices(two_devices):
    one = run_replicas(HeatBath(), ISING, 3, [0], **HOW)
    assert [device for device, _ in two_devices] == [0]
    two = run_replicas(HeatBath(), ISING, 3, [0, 1], **HOW)
    np.testing.assert_array_equal(one["energy"], two["energy"])
    devices, threads = zip(*two_devices[1:], strict=True)
    assert sorted(devices) == [0, 1]
    assert len(set(threads)) == 2


def test_the_mean_of_all_replicas_and_its_error():
    found = run_replicas(HeatBath(), ISING, 4, **HOW)["energy"].mean("draw").values
    error = found.std(ddof=1) / np.sqrt(found.size)
    exact = 16 * float(energy_per_site(0.3, (4, 4)))
    assert within(found.mean(), exact, error, largest=0.2)
    # Saboteur: the energy of another temperature.
    other = 16 * float(energy_per_site(0.25, (4, 4)))
    assert not within(found.mean(), other, error, largest=0.2)


def test_tuned_values_of_every_replica_are_kept():
    target = Phi4.from_halved(L=4, m2=1.0, lam=0.5)
    how = HOW | {"warmup": AutoWarmup(max_steps=2000)}
    found = run_replicas(Metropolis(), target, 2, **how)
    widths = found.attrs["tuning_width"]
    assert len(widths) == 2
    assert widths[0] != widths[1]
    assert found.attrs["thin"] == 1


@pytest.mark.usefixtures("two_devices")
def test_a_replica_that_fails_stops_the_others(monkeypatch):
    def fails_or_takes_hours(sampler, target, **how):
        if how["rng"].path[-1] == 1:
            raise ChainTooShortError("too short", 1.0, 2)
        return run(sampler, target, **how)

    monkeypatch.setattr(module, "run", fails_or_takes_hours)
    long = HOW | {"n_draws": 10**7, "n_chains": 1, "warmup": 0, "quiet": True}
    with pytest.raises(ChainTooShortError, match="too short"):
        run_replicas(HeatBath(), ISING, 2, **long)


def test_warnings_name_their_replica():
    short = {"n_chains": 4, "n_draws": 3, "warmup": 0, "seed": 1, "quiet": True}
    lines = run_replicas(HeatBath(), ISING, 2, **short).attrs["warnings"].split("\n")
    assert any(line.startswith("replica 0: ") for line in lines)
    assert any(line.startswith("replica 1: ") for line in lines)
    assert any("replica" not in line for line in lines)  # of all together


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_replicas": 0}, "n_replicas must be a positive integer, got 0"),
        ({"devices": [0]}, "devices are those of a sampler with device='cuda'"),
        ({"checkpoint": object()}, "takes no checkpoint"),
        ({"rng": 2}, "seed or rng must be given, and not both"),
    ],
)
def test_refusals(arguments, message):
    arguments = {"n_replicas": 2} | arguments
    with pytest.raises(InputError, match=message):
        run_replicas(HeatBath(), ISING, **HOW, **arguments)


@pytest.mark.parametrize("devices", [[], [0, 0], [2], [-1]])
def test_devices_that_are_not_there(devices, monkeypatch):
    monkeypatch.setattr(launch, "require_device", lambda: None)
    monkeypatch.setattr(launch, "n_devices", lambda: 2)
    with pytest.raises(InputError, match="different numbers below 2"):
        run_replicas(HeatBath(device="cuda"), ISING, 2, devices, **HOW)


def test_tensors_are_where_their_replica_is(two_devices, monkeypatch):
    """A machine with a device of torch: chains of a Boltzmann machine are tensors."""
    entered = []

    @contextmanager
    def on(device):
        entered.append(device)
        yield

    monkeypatch.setattr(torch.cuda, "device", on)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with module._on(1):
        assert entered == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    with module._on(1):
        assert entered == [1]
    with module._on(None):
        assert entered == [1]
    assert [device for device, _ in two_devices] == [1, 1]
