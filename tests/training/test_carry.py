r"""What an objective remembers from step to step is part of the fit, not of the objective.

The toy is persistent contrastive divergence of an Ising ring, :math:`E = -J \sum s_i s_{i+1}`:
the chains are the carry.
"""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fits import assert_same_weights

from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Loss, Objective
from physgen.core.random import Stream
from physgen.training import FitSettings, Schedule, fit
from physgen.training.samples import Samples, last_share

N, J = 4, 0.35
STATES = np.array(list(itertools.product([-1, 1], repeat=N)), np.int8)
BONDS = (STATES * np.roll(STATES, 1, 1)).sum(1)
SETTINGS = FitSettings(
    n_epochs=6, batch_size=50, learning_rate=2e-2, clip_norm=None, ema_decay=0.9
)


def ring_data(n=1000):
    p = np.exp(J * BONDS)
    return STATES[np.random.default_rng(1).choice(len(STATES), n, p=p / p.sum())]


class Ring(torch.nn.Module):
    """The energy, with one weight."""

    def __init__(self, start=0.0):
        super().__init__()
        self.coupling = torch.nn.Parameter(torch.tensor(float(start)))

    def forward(self, x):
        return -self.coupling * (x * x.roll(1, 1)).sum(1)


class Persistent:
    """Contrastive divergence with persistent chains; "in_place" breaks the rule of purity."""

    loss_name, label, item, unit = "contrast", "contrast", "rings", "1"
    merits = {}
    n_sites = N

    def __init__(self, in_place=False, n_chains=64, moves=True):
        self.samples = Samples(ring_data(), last_share(1000, 0.1))
        self.n_train, self.n_validation = self.samples.n_train, self.samples.n_validation
        self.in_place, self.n_chains, self.moves = in_place, n_chains, moves
        self.given = []

    def epoch_order(self, stream):
        return self.samples.epoch_order(stream)

    def begin(self, model, rng):
        start = rng.numpy().choice(np.array([-1, 1], np.int8), (self.n_chains, N))
        return {"chains": torch.from_numpy(start), "age": torch.tensor(0)}

    def loss(self, model, index, rng, carry):
        self.given.append({name: t.clone() for name, t in carry.items()})
        x = carry["chains"] if self.in_place else carry["chains"].clone()
        if self.moves:
            u = torch.from_numpy(rng.numpy().random((N, len(x))))
            # Glauber flips: other than those of a heat bath, chains with equal random numbers
            # never meet, so a wrong start is never forgotten.
            for i in range(N):
                field = model.coupling.detach() * (x[:, i - 1] + x[:, (i + 1) % N])
                flips = u[i] < torch.sigmoid(-2 * field * x[:, i])
                x[:, i] *= torch.where(flips, -1, 1).to(torch.int8)
        data = self.samples.batch(index, rng).x
        value = model.forward(data.float()).mean() - model.forward(x.float()).mean()
        metrics = {"step_in_epoch": float(rng.counter % 18)}
        return Loss(value, metrics, {"chains": x, "age": carry["age"] + 1})

    def evaluate(self, model):
        energy = -float(model.coupling.detach()) * BONDS
        log_z = np.log(np.exp(-energy).sum())
        x = self.samples.validation.numpy()
        return (-float(model.coupling.detach()) * (x * np.roll(x, 1, 1)).sum(1) + log_z) / N


def test_persistent_chains_find_the_coupling_of_the_data():
    objective, settings = (
        Persistent(n_chains=256),
        replace(SETTINGS, n_epochs=16, learning_rate=5e-2),
    )
    assert isinstance(objective, Objective)
    found = float(fit(Ring(), objective, settings, rng=1).model.coupling.detach())
    # The maximum of the likelihood has the mean bond of the data.
    couplings = np.linspace(0, 1, 2001)
    p = np.exp(couplings[:, None] * BONDS)
    x = objective.samples.train.numpy()
    wanted = (x * np.roll(x, 1, 1)).sum(1).mean()
    best = couplings[np.argmin(np.abs(p @ BONDS / p.sum(1) - wanted))]
    assert found == pytest.approx(best, abs=0.03)
    # Saboteur: chains that stay as they began, uncorrelated, push the coupling without end.
    stuck = fit(Ring(), Persistent(n_chains=256, moves=False), settings, rng=1).model
    assert float(stuck.coupling.detach()) > best + 0.2


def test_chains_go_on_from_step_to_step():
    objective = Persistent()
    fit(Ring(), objective, SETTINGS, rng=1)
    assert [int(c["age"]) for c in objective.given] == list(range(len(objective.given)))
    assert not torch.equal(objective.given[0]["chains"], objective.given[1]["chains"])
    begun = objective.begin(None, Stream(1).child("begin"))
    assert torch.equal(objective.given[0]["chains"], begun["chains"])


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("stop_at", [1, 25, 60])
def test_a_fit_with_chains_resumes_bit_for_bit(stop_at, in_place):
    states = []
    whole = fit(
        Ring(), Persistent(in_place), SETTINGS, rng=1, on_checkpoint=lambda s, h: states.append(s)
    )
    stored, calls = [], iter(range(10**6))
    with pytest.raises(InterruptedRunError):
        fit(
            Ring(), Persistent(in_place), SETTINGS, rng=1,
            should_stop=lambda: next(calls) >= stop_at,
            on_checkpoint=lambda s, h: stored.append(s),
        )  # fmt: skip
    assert stored[-1]["carry.chains"].dtype == np.int8
    assert int(stored[-1]["carry.age"]) == stop_at
    ends = []
    how = {"rng": 1, "on_checkpoint": lambda s, h: ends.append(s)}
    resumed = fit(Ring(9.0), Persistent(in_place), SETTINGS, resume_from=stored[-1], **how)
    assert_same_weights(whole.model, resumed.model)
    assert whole.history.identical(resumed.history)
    np.testing.assert_array_equal(ends[-1]["carry.chains"], states[-1]["carry.chains"])
    # Saboteur: chains of another state lead elsewhere.
    other = stored[-1].copy(deep=True)
    other["carry.chains"].values[:, ::2] *= -1
    strayed = fit(Ring(), Persistent(in_place), SETTINGS, rng=1, resume_from=other)
    assert not torch.equal(strayed.model.coupling, whole.model.coupling)


def test_a_checkpoint_with_chains_survives_the_store(tmp_path):
    from physgen.results import RunStore

    states = []
    fit(Ring(), Persistent(), SETTINGS, rng=1, on_checkpoint=lambda s, h: states.append(s))
    with RunStore.open(tmp_path / "run", {}) as store:
        store.commit({"training/checkpoint": states[-1]})
        back = store.read("training/checkpoint")
    for name in ("carry.chains", "carry.age", "best_carry.chains"):
        assert back[name].dtype == states[-1][name].dtype
        np.testing.assert_array_equal(back[name], states[-1][name])


def timed_and_untimed(in_place):
    """Return the weights of a fit whose length was timed, and of one of that length.

    And the chains that the first step of the former was given, and those that it began with.
    """
    settings = FitSettings(
        budget="0.1s", batch_size=50, learning_rate=2e-2, clip_norm=None, ema_decay=0.9
    )
    objective = Persistent(in_place)
    first = fit(Ring(), objective, settings, rng=1)
    n = first.history.attrs["n_steps"]
    followed = Schedule(n, first.best_step, json.loads(first.history.attrs["plan"]))
    again = fit(Ring(), Persistent(in_place), settings, rng=1, schedule=followed)
    assert again.best_step == first.best_step
    assert len(objective.given) > n  # the trial took steps, too
    chains = (
        objective.given[-n]["chains"],
        objective.begin(None, Stream(1).child("begin"))["chains"],
    )
    return (first.model.coupling.detach(), again.model.coupling.detach()), chains


@pytest.mark.filterwarnings("ignore:a fit should take")
@pytest.mark.parametrize("in_place", [False, True])
def test_the_calibration_of_a_budget_leaves_no_trace_in_the_chains(in_place):
    weights, chains = timed_and_untimed(in_place)
    assert torch.equal(*weights)
    assert torch.equal(*chains)


@pytest.mark.filterwarnings("ignore:a fit should take")
def test_a_calibration_that_runs_on_the_chains_themselves_is_seen(monkeypatch):
    """Saboteur of the test above: the trial is handed the carry and not a copy."""
    monkeypatch.setattr("physgen.training.state.copied", dict)
    weights, chains = timed_and_untimed(in_place=True)
    assert not torch.equal(*weights)
    assert not torch.equal(*chains)


class Breaks(Persistent):
    """Chains run away at step 30, and the loss of the next step shows it."""

    def begin(self, model, rng):
        return {**super().begin(model, rng), "scale": torch.tensor(1.0)}

    def loss(self, model, index, rng, carry):
        loss = super().loss(model, index, rng, carry)
        scale = carry["scale"]
        value = loss.value * float(scale)
        if rng.counter == 30:
            scale.mul_(float("nan"))  # worse than allowed: in place
        return Loss(value, carry={**loss.carry, "scale": scale})


def test_a_divergence_keeps_chains_that_can_go_on():
    stored, model = [], Ring()
    with pytest.raises(TrainingDivergedError, match="nan at step 31"):
        fit(
            model, Breaks(in_place=True), SETTINGS, rng=1,
            on_checkpoint=lambda s, h: stored.append(s),
        )  # fmt: skip
    state = stored[-1]
    assert float(state["carry.scale"]) == 1.0
    assert int(state["carry.age"]) == 18  # of the last validation, as the weights are
    assert np.isfinite(state["model.coupling"])
    rest = fit(Ring(), Persistent(), SETTINGS, rng=1, resume_from=state)
    assert 0.1 < float(rest.model.coupling.detach()) < 0.7


def test_chains_that_are_not_finite_are_not_kept():
    """The loss of this objective does not show it, so validation looks."""

    class Silent(Breaks):
        def loss(self, model, index, rng, carry):
            loss = Persistent.loss(self, model, index, rng, carry)
            scale = torch.tensor(float("nan") if rng.counter >= 30 else 1.0)
            return loss._replace(carry={**loss.carry, "scale": scale})

    stored = []
    with pytest.raises(TrainingDivergedError, match="what the objective carries"):
        fit(Ring(), Silent(), SETTINGS, rng=1, on_checkpoint=lambda s, h: stored.append(s))
    assert float(stored[-1]["carry.scale"]) == 1.0


def test_gradients_do_not_pass_from_step_to_step():
    class Attached(Persistent):
        def begin(self, model, rng):
            return {**super().begin(model, rng), "memory": model.coupling * 2}

        def loss(self, model, index, rng, carry):
            assert not carry["memory"].requires_grad
            loss = super().loss(model, index, rng, carry)
            return loss._replace(carry={**loss.carry, "memory": model.coupling * 2})

    assert fit(Ring(), Attached(), SETTINGS, rng=1).best_step > 0


def test_a_history_has_the_unit_and_progress_the_words_of_the_objective():
    seen = []
    history = fit(Ring(), Persistent(), SETTINGS, rng=1, on_progress=seen.append).history
    assert history["validation_contrast"].attrs["units"] == "1/site"
    assert "units" not in history["learning_rate"].attrs
    assert (seen[-1].label, seen[-1].item, seen[-1].unit) == ("contrast", "rings", "1")


def test_a_history_holds_the_mean_of_each_metric():
    history = fit(Ring(), Persistent(), SETTINGS, rng=1).history
    np.testing.assert_allclose(history["step_in_epoch"], 8.5)  # of 0..17

    class Late(Persistent):
        """With a metric that it knows after half of the steps."""

        def loss(self, model, index, rng, carry):
            loss = super().loss(model, index, rng, carry)
            return loss._replace(metrics={"late": 1.0} if rng.counter >= 54 else {})

    late = fit(Ring(), Late(), SETTINGS, rng=1).history["late"].values
    np.testing.assert_array_equal(late, [np.nan] * 3 + [1.0] * 3)


def test_a_metric_with_the_name_of_a_column_is_refused():
    class Twice(Persistent):
        def loss(self, model, index, rng, carry):
            return super().loss(model, index, rng, carry)._replace(metrics={"epoch": 1.0})

    with pytest.raises(InputError, match="need names of their own, got 'epoch'"):
        fit(Ring(), Twice(), SETTINGS, rng=1)


def test_a_checkpoint_of_another_objective_is_refused():
    stored = []
    fit(Ring(), Persistent(), SETTINGS, rng=1, on_checkpoint=lambda s, h: stored.append(s))

    class Other(Persistent):
        loss_name = "other"

    with pytest.raises(InputError, match="does not belong to this model and objective"):
        fit(Ring(), Other(), SETTINGS, rng=1, resume_from=stored[-1])


def test_the_command_line_reports_an_objective_that_it_never_heard_of(capsys):
    """It looked the name of the loss up in a table of its own, and died with a KeyError."""
    from physgen.cli.lines import LineReporter

    reporter = LineReporter()
    fit(
        Ring(), Persistent(), SETTINGS, rng=1,
        on_progress=lambda p: reporter.progress(p, None),
    )  # fmt: skip
    line = capsys.readouterr().err
    assert "contrast/site" in line
    assert "rings/s" in line
