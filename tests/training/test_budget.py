"""A budget of CPU time is kept on a busy machine, and what was decided is repeated."""

import json
import time

import pytest
from helpers.fits import assert_same_weights, coupled_strings, small_model

from physgen.training import FitSettings, NegativeLogLikelihood, Schedule, budget, fit

SETTINGS = FitSettings(budget="100s", batch_size=16, checkpoint_every=1e9)


class Clock:
    """Stands for time.process_time."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(budget.time, "process_time", lambda: self.now)


class Timed(NegativeLogLikelihood):
    """Steps that take as long as `seconds(t)` says, t seconds after the fit began."""

    def __init__(self, clock, seconds, validation=0.0):
        super().__init__(coupled_strings(300), 0.1, rng=1)
        self.clock, self.seconds, self.looks = clock, seconds, validation

    def loss(self, *args):
        self.clock.now += self.seconds(self.clock.now)
        return super().loss(*args)

    def evaluate(self, model):
        self.clock.now += self.looks
        return super().evaluate(model)


COSTS = {
    "steady": lambda t: 0.5,
    "busier from the first": lambda t: 0.25 if t < 4 else 0.625,
    "idle again": lambda t: 0.5 if t < 4 else 0.2,
    "dearer and dearer": lambda t: 0.1 + t / 200,
    "busy by turns": lambda t: 0.2 if (t // 10) % 2 else 0.5,
    "busier near the end": lambda t: 0.2 if t < 85 else 0.5,
}


def taken(clock, cost, validation, between=17):
    """Return the time of a fit of 100 s: timed, then decided on the way; no model is needed."""

    def step():
        clock.now += cost(clock.now)

    def validate():
        clock.now += validation

    planned, spent, last = budget.affordable_steps(100, step, validate, between, lambda: False)
    ours, done = budget.Clock(100.0, spent, 0, planned, last), 0
    while done < planned:
        step()
        done += 1
        planned = ours.steps(done, planned)
        if done % between == 0 or done == planned:
            validate()
    return ours.seconds


@pytest.mark.parametrize("validation", [0.0, 2.0], ids=["cheap", "dear"])
@pytest.mark.parametrize("name", COSTS)
def test_a_budget_is_kept_whatever_a_step_takes(monkeypatch, name, validation):
    assert 92 < taken(Clock(monkeypatch), COSTS[name], validation) < 108


@pytest.mark.parametrize("name", ["busier from the first", "dearer and dearer"])
def test_a_forecast_alone_would_not_keep_it(monkeypatch, name):
    """Saboteur of the test above: the number is decided once."""
    monkeypatch.setattr(budget.Clock, "steps", lambda self, step, n_steps: n_steps)
    assert taken(Clock(monkeypatch), COSTS[name], 0.0) > 150


def test_a_fit_keeps_it_too(monkeypatch):
    objective = Timed(Clock(monkeypatch), COSTS["busy by turns"], 0.5)
    found = fit(small_model(), objective, SETTINGS, rng=1)
    assert 92 < found.cpu_seconds < 108
    assert found.history["step"].values[-1] == found.history.attrs["n_steps"]


def test_a_steady_fit_is_decided_once(monkeypatch):
    found = fit(small_model(), Timed(Clock(monkeypatch), COSTS["steady"]), SETTINGS, rng=1)
    assert found.history.attrs["plan"] == "[]"


def test_what_was_decided_is_repeated_bit_for_bit(monkeypatch):
    """By a refit on the same plan, and by a process that takes up any decision, at its time."""
    cost, stored = (lambda t: 0.6 if (t // 10) % 2 else 1.2), []
    clock = Clock(monkeypatch)

    def keep(state, history):
        stored.append((clock.now, state))

    objective = Timed(clock, cost)
    first = fit(small_model(), objective, SETTINGS, rng=1, on_checkpoint=keep)
    plan = json.loads(first.history.attrs["plan"])
    assert len(plan) == len(stored) > 3  # a checkpoint a decision, and the last one
    assert [step for step, _ in plan] == sorted(step for step, _ in plan)
    schedule = Schedule(first.history.attrs["n_steps"], first.best_step, plan)
    again = fit(small_model(), Timed(clock, cost), SETTINGS, rng=1, schedule=schedule)
    assert_same_weights(first.model, again.model)
    for now, state in stored[::2]:
        clock.now = now
        resumed = fit(small_model(), Timed(clock, cost), SETTINGS, rng=1, resume_from=state)
        assert_same_weights(first.model, resumed.model)
        assert resumed.cpu_seconds == pytest.approx(first.cpu_seconds)
    # Saboteur: the number at the end, from the first step on.
    other = fit(
        small_model(), Timed(clock, cost), SETTINGS, rng=1, schedule=schedule._replace(plan=())
    )
    with pytest.raises(AssertionError):
        assert_same_weights(first.model, other.model)


@pytest.mark.filterwarnings("ignore:a fit should take")
def test_a_step_of_the_size_of_the_budget(monkeypatch):
    clock = Clock(monkeypatch)
    found = fit(small_model(), Timed(clock, lambda t: 150.0), SETTINGS, rng=1)
    assert found.history.attrs["n_steps"] == 1


def test_real_time():
    start = time.process_time()
    objective = NegativeLogLikelihood(coupled_strings())
    found = fit(small_model(), objective, FitSettings(budget="1s", batch_size=16), rng=1)
    assert 0.85 < found.cpu_seconds < 1.15
    assert found.cpu_seconds <= time.process_time() - start
