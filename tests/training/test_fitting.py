from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.fits import ENTROPY, K, L, assert_same_weights, coupled_strings, small_model
from helpers.marks import slow

from physgen import models
from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Objective
from physgen.training import FitSettings, NegativeLogLikelihood, Schedule, fit

SETTINGS = FitSettings(n_epochs=4, learning_rate=2e-2)


def test_reaches_the_entropy_of_the_source():
    model = small_model()
    result = fit(model, NegativeLogLikelihood(coupled_strings()), SETTINGS, rng=1)
    assert result.model is model
    fresh = -model.log_prob(coupled_strings(20_000, seed=2))
    # Excess over the floor: the KL of about k/(2N) that a fit must leave.
    excess = fresh.mean() - ENTROPY
    assert abs(excess) < 0.02 + 3 * fresh.std() / np.sqrt(20_000)
    # Saboteur: the untrained model is far above the floor.
    assert -small_model().log_prob(coupled_strings(2000)).mean() > ENTROPY + 0.3
    assert result.history["validation_nll"].shape == (4,)


def test_a_schedule_is_followed_to_the_step_that_was_kept():
    """The weights are those of the fit at that step, whatever validation says of them."""
    whole, states = small_model(), []
    objective = NegativeLogLikelihood(coupled_strings(1000), rng=1)
    settings = FitSettings(n_epochs=4, learning_rate=2e-2, checkpoint_every=1e-9)
    first = fit(whole, objective, settings, rng=1, on_checkpoint=lambda s, h: states.append(s))
    n_steps, steps = first.history.attrs["n_steps"], first.history["step"].values
    assert n_steps == steps[-1]
    kept = int(steps[1])
    (there,) = [s for s in states if f'"step": {kept},' in s.attrs["counters"]]
    # Other numbers of epochs, a budget and patience count for nothing then.
    other = FitSettings(budget="1s", learning_rate=2e-2, patience=1)
    again = fit(small_model(), objective, other, rng=1, schedule=Schedule(n_steps, kept))
    assert (again.best_step, again.stopped_by) == (kept, "schedule")
    for name, weights in again.model.state_dict().items():
        np.testing.assert_array_equal(weights.numpy(), there[f"average.{name}"].values)
    # Saboteur: a schedule of another length has another learning rate at every step.
    shorter = fit(small_model(), objective, other, rng=1, schedule=Schedule(kept, kept))
    assert not torch.equal(shorter.model.head.weight, again.model.head.weight)


class Scripted(NegativeLogLikelihood):
    """Validation with a prescribed NLL for each held-out shot at each epoch."""

    def __init__(self, validations):
        super().__init__(coupled_strings(200), validation_fraction=0.3)
        self.validations = iter(validations)

    def evaluate(self, model):
        return next(self.validations)


@pytest.mark.parametrize(
    ("excess", "kept_epoch"),
    [
        ([1.0, 0.5, 0.0, 0.3, 0.2], 3),  # clearly worse after epoch 3: overfitted
        ([1.0, 0.5, 0.0, 0.03, 0.01], 5),  # within the noise of the lowest: the schedule decides
        ([1.0, 0.5, 0.0, 0.01, 0.3], 4),
    ],
)
def test_latest_weights_that_are_not_worse_are_kept(excess, kept_epoch):
    noise = np.random.default_rng(1).standard_normal((5, 60))
    noise -= noise.mean(axis=1, keepdims=True)
    shared = np.random.default_rng(2).standard_normal(60)  # of the shots: cancels in differences
    validations = [shared + e + 0.2 * n for e, n in zip(excess, noise, strict=True)]
    objective, seen = Scripted(validations), []
    model = small_model()
    settings = FitSettings(n_epochs=5, batch_size=20, checkpoint_every=1e-9)
    result = fit(model, objective, settings, rng=1, on_checkpoint=lambda s, h: seen.append(s))
    steps = result.history["step"].values
    assert result.best_step == steps[kept_epoch - 1]
    # The checkpoint of the step after that validation holds exactly these averaged weights.
    final = seen[-1]["best.head.weight"].values
    np.testing.assert_array_equal(model.head.weight.detach().numpy(), final)
    errors = [v.std(ddof=1) / np.sqrt(60) for v in validations]
    np.testing.assert_allclose(result.history["validation_nll_error"], errors, rtol=1e-12)
    lowest = seen[-1]["lowest"].values
    np.testing.assert_array_equal(lowest, validations[2])


def test_overfitted_weights_are_not_kept():
    objective = NegativeLogLikelihood(coupled_strings(600), validation_fraction=0.7)
    # So long and fast on so few shots that it overfits.
    settings = FitSettings(n_epochs=150, learning_rate=5e-2, schedule="constant")
    result = fit(models.GRU(L, K, hidden=32, layers=1, rng=1), objective, settings, rng=1)
    nll = result.history["validation_nll"].values
    assert nll[-1] > nll.min() + 0.02  # it did overfit
    assert objective.evaluate(result.model).mean() < nll.min() + 0.01


def test_patience_counts_the_validations_since_the_lowest():
    means = [1.0, 0.5, 0.625, 0.375, 0.75, 0.8125, 0.875, 0.125]  # exact in binary
    objective = Scripted([np.full(60, mean) for mean in means])
    settings = FitSettings(n_epochs=8, batch_size=20, patience=3)
    result = fit(small_model(), objective, settings, rng=1)
    assert result.stopped_by == "patience"
    np.testing.assert_array_equal(result.history["validation_nll"], means[:7])
    assert result.best_step == result.history["step"][3]
    # Saboteur: with more patience the eighth would have been seen, and kept.
    objective = Scripted([np.full(60, mean) for mean in means])
    longer = fit(small_model(), objective, replace(settings, patience=4), rng=1)
    assert longer.stopped_by == "schedule"
    assert longer.best_step == longer.history["step"][7]


def test_patience_stops_early():
    objective = NegativeLogLikelihood(coupled_strings(200), validation_fraction=0.3)
    settings = FitSettings(n_epochs=200, learning_rate=5e-2, schedule="constant", patience=3)
    result = fit(models.GRU(L, K, hidden=32, layers=1, rng=1), objective, settings, rng=1)
    assert result.stopped_by == "patience"
    assert result.history.sizes["evaluation"] < 200


@pytest.mark.parametrize("stop_at", [slow(1), 70, slow(150)])
def test_resume_is_bit_for_bit(stop_at):
    """A fit that is stopped mid-epoch and resumed repeats the uninterrupted one."""
    objective = NegativeLogLikelihood(coupled_strings())
    whole = fit(small_model(), objective, SETTINGS, rng=1)
    stored, calls = [], iter(range(10**6))
    with pytest.raises(InterruptedRunError):
        fit(
            small_model(),
            objective,
            SETTINGS,
            rng=1,
            on_checkpoint=lambda state, history: stored.append(state),
            should_stop=lambda: next(calls) >= stop_at,
        )
    resumed = fit(small_model(rng=99), objective, SETTINGS, rng=1, resume_from=stored[-1])
    assert_same_weights(whole.model, resumed.model)
    assert whole.history.identical(resumed.history)
    # Saboteur: another order of the shots gives other weights.
    other = fit(small_model(), objective, SETTINGS, rng=2)
    assert not torch.equal(whole.model.head.weight, other.model.head.weight)


def test_divergence_keeps_the_last_good_weights():
    class Breaks(NegativeLogLikelihood):
        def loss(self, model, index, rng, carry):
            loss = super().loss(model, index, rng, carry)
            return loss._replace(value=loss.value * float("nan")) if rng.counter == 100 else loss

    model, stored = small_model(), []
    settings = FitSettings(n_epochs=4)
    with pytest.raises(TrainingDivergedError, match=r"nan at step 100.*learning_rate") as caught:
        fit(
            model,
            Breaks(coupled_strings()),
            settings,
            rng=1,
            on_checkpoint=lambda state, history: stored.append((state, history)),
        )
    assert caught.value.step == 100
    assert np.isfinite(model.log_prob(coupled_strings(100))).all()
    state, history = stored[-1]
    assert history.sizes["evaluation"] == 1
    for name, array in state.data_vars.items():
        assert np.isfinite(array).all(), name
    np.testing.assert_array_equal(state["model.head.weight"], model.head.weight.detach().numpy())


def test_weights_that_blow_up_are_not_kept():
    """An absurd learning rate: the loss of the next batch is the first to notice."""
    model = small_model()
    settings = FitSettings(n_epochs=2, learning_rate=1e38, clip_norm=None, warmup_fraction=0)
    with pytest.raises(TrainingDivergedError):
        fit(model, NegativeLogLikelihood(coupled_strings(100), 0), settings, rng=1)
    assert np.isfinite(model.log_prob(coupled_strings(100))).all()


def test_patience_without_held_out_items_is_refused():
    objective = NegativeLogLikelihood(coupled_strings(100), 0)
    with pytest.raises(InputError, match="patience needs held-out items"):
        fit(small_model(), objective, FitSettings(patience=2), rng=1)


@pytest.mark.filterwarnings("ignore:a fit should take")
def test_budget_is_a_number_of_steps_that_resume_replays():
    settings = FitSettings(budget="0.5s", batch_size=16)
    stored = []
    objective = NegativeLogLikelihood(coupled_strings())
    first = fit(
        small_model(), objective, settings, rng=1, on_checkpoint=lambda s, h: stored.append(s)
    )
    assert 0.1 < first.cpu_seconds < 2.5
    again = fit(small_model(), objective, settings, rng=1, resume_from=stored[-1])
    assert_same_weights(first.model, again.model)


def test_the_timing_of_a_budget_can_be_stopped():
    asked, stored = [], []

    def should_stop():
        asked.append(True)
        return len(asked) == 3

    objective, settings = NegativeLogLikelihood(coupled_strings()), FitSettings(budget="60s")
    with pytest.raises(InterruptedRunError, match="while its steps were timed"):
        fit(small_model(), objective, settings, rng=1, should_stop=should_stop,
            on_checkpoint=lambda s, h: stored.append(s))  # fmt: skip
    assert (len(asked), stored) == (3, [])


def test_a_budget_for_hardly_any_steps_warns():
    objective = NegativeLogLikelihood(coupled_strings())
    hurried = FitSettings(budget="0.001s", batch_size=16)
    with pytest.warns(UserWarning, match=r"at least 100 steps, got \d+ within .*'0.001s'"):
        found = fit(small_model(), objective, hurried, rng=1)
    assert found.warnings == found.history.attrs["warnings"] != ""
    kept = fit(small_model(), objective, hurried, rng=1, on_checkpoint=lambda s, h: None)
    assert kept.warnings  # a run keeps it, and prints nothing
    assert fit(small_model(), objective, FitSettings(n_epochs=1), rng=1).warnings == ""


def test_checkpoint_of_another_model_is_refused():
    stored = []
    objective = NegativeLogLikelihood(coupled_strings(200))
    settings = FitSettings(n_epochs=1)
    fit(small_model(), objective, settings, rng=1, on_checkpoint=lambda s, h: stored.append(s))
    other = models.GRU(L, K, hidden=9, layers=1, rng=1)
    with pytest.raises(InputError, match="does not belong to this model and objective"):
        fit(other, objective, settings, rng=1, resume_from=stored[-1])


def test_progress_reports_the_figure_of_merit():
    seen = []
    fit(
        small_model(),
        NegativeLogLikelihood(coupled_strings()),
        SETTINGS,
        rng=1,
        entropy_floor=ENTROPY / L,
        on_progress=seen.append,
    )
    last = seen[-1]
    assert (last.epoch, last.step) == (4, last.n_steps)
    assert last.validation_loss == pytest.approx(ENTROPY / L, abs=0.05)
    assert last.samples_per_second > 0


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ({"n_epochs": 0}, "n_epochs must be a positive integer"),
        ({"learning_rate": -1.0}, "learning_rate must be a positive number"),
        ({"ema_decay": 1.0}, r"ema_decay must lie in \[0, 1\)"),
        ({"schedule": "linear"}, "schedule must be one of"),
        ({"budget": "soon"}, "budget must be a time"),
        ({"budget": "60s", "n_epochs": 3}, "not both"),
    ],
)
def test_bad_settings(field, message):
    with pytest.raises(InputError, match=message):
        FitSettings(**field)


@pytest.mark.parametrize(
    "outcomes",
    [np.zeros((3, 2)), np.zeros(3, dtype=int), np.zeros((0, 2), dtype=int), np.zeros((1, 2), int)],
)
def test_bad_data(outcomes):
    with pytest.raises(InputError):
        NegativeLogLikelihood(outcomes)


def test_the_objective_keeps_its_protocol():
    assert isinstance(NegativeLogLikelihood(coupled_strings(10)), Objective)


def test_held_out_shots_are_a_random_share_of_the_budget():
    x = np.arange(200, dtype=np.uint8)[:, None]
    objective = NegativeLogLikelihood(x, validation_fraction=0.1)
    train, held_out = objective.train.numpy().ravel(), objective.validation.numpy().ravel()
    assert objective.n_train == 180
    assert sorted([*train, *held_out]) == list(range(200))
    assert held_out.max() > 100 > held_out.min()
