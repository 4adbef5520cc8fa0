"""The time left of a scan: not told before it can be known, and then right."""

import math
import types

import pytest

from physgen.samplers.loop.progress import Progress
from physgen.workflow.lattice import progress as module
from physgen.workflow.lattice.progress import Meter


class Clock:
    """A clock that the test moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


def point(L=8):
    section = types.SimpleNamespace(n_chains=4, n_draws=100, thin=1)
    target = types.SimpleNamespace(event_shape=(L, L))
    return types.SimpleNamespace(section=section, target=target, text=f"L = {L}")


def at(phase, done):
    return Progress(phase, done, 100, 10.0, 1.0, math.nan, math.nan, 0)


def test_compiling_and_the_first_warm_up_say_nothing_of_the_rest(monkeypatch):
    clock = Clock(monkeypatch)
    meter = Meter([point() for _ in range(5)])
    told = []
    clock.now += 60  # of compiling
    told.append(meter.read(0, at("warmup", 50)).eta_s)
    told.append(meter.read(0, at("draws", 0)).eta_s)
    for index in range(2):
        clock.now += 10
        told.append(meter.read(index, at("draws", 99)).eta_s)
        meter.finish(index)
    assert told == [math.inf] * 4
    # 2 of 5 points in 20 s, so the other three take 30 s.
    assert meter.read(2, at("draws", 0)).eta_s == pytest.approx(30)
    clock.now += 5
    assert meter.read(2, at("draws", 50)).eta_s == pytest.approx(25)


def test_a_single_point_is_known_after_a_few_seconds(monkeypatch):
    clock = Clock(monkeypatch)
    meter = Meter([point()])
    assert meter.read(0, at("draws", 0)).eta_s == math.inf
    clock.now += 10
    assert meter.read(0, at("draws", 25)).eta_s == pytest.approx(30)


def test_points_that_were_done_before_are_no_work(monkeypatch):
    clock = Clock(monkeypatch)
    meter = Meter([point() for _ in range(4)])
    meter.skip(0)
    meter.read(1, at("draws", 0))
    for index in (1, 2):
        clock.now += 7
        meter.finish(index)
    assert meter.read(3, at("draws", 0)).eta_s == pytest.approx(7)
