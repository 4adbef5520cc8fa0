"""Contrastive divergence: exact gradients, chains in their slots, resumes, and honest ends."""

import numpy as np
import pytest
import torch
from helpers.energies import ExactRing, Potts, Quartic, Ring, gradients
from helpers.fits import assert_same_weights
from helpers.statistics import within
from torch import nn

from physgen import Phi4, models
from physgen.core.energies import Moving
from physgen.core.errors import InputError, InterruptedRunError, TrainingDivergedError
from physgen.core.learning import Monitored, Objective, Remarked
from physgen.core.protocols import REALS, SPINS
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import (
    ContrastiveDivergence,
    FitSettings,
    PersistentContrastiveDivergence,
    fit,
)

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)
unequilibrated = pytest.mark.filterwarnings("ignore:out of equilibrium")
SETTINGS = FitSettings(
    n_epochs=2, batch_size=20, learning_rate=1e-2, clip_norm=None, ema_decay=0.9
)


def ring_data(n=2000, J=0.6, h=-0.1):
    return Configurations(Ring(4, J, h).draws(n, Stream(7)).numpy().astype(np.int8))


def persistent(data=None, k=1, n_chains=40, **options):
    data = (PHI4, PHI4.hot(Stream(5), 200)) if data is None else data
    return PersistentContrastiveDivergence(data, k, n_chains, **options)


def field_model(rng=1):
    return models.ConvolutionalEnergy((4, 4), channels=2, hidden=3, rng=rng)


# --- gradients ---------------------------------------------------------------------------------


def exact_gradient(model, x):
    model.zero_grad()
    model.nll(x).backward()
    return np.array([float(model.J.grad), float(model.h.grad)])


def found_gradient(model, cls=PersistentContrastiveDivergence, n=20_000):
    """Return the gradient with n chains, the exact one, and the error from the chains."""
    objective = cls(ring_data(), n_chains=n, augment=False)
    index = np.arange(objective.n_train)
    found = gradients(objective, model, index, Stream(1))
    with torch.no_grad():
        error = (model.terms(model.states).T @ torch.diag(model.probabilities)).sum(1)
        second = (model.terms(model.states) ** 2).T @ model.probabilities
        spread = torch.sqrt(second - error**2) / n**0.5
    return found, exact_gradient(model, objective.samples.train), spread.numpy()


def test_with_exact_chains_the_gradient_is_the_gradient_of_the_likelihood():
    model = ExactRing(4)
    assert isinstance(model, Moving)
    assert within(*found_gradient(model), largest=0.03)


def test_chains_of_the_other_sign_or_of_the_last_visible_units_are_seen(monkeypatch):
    """Saboteurs: the sign of the negative phase; chains that were not moved (rbms #31)."""
    model = ExactRing(4)
    found, exact, error = found_gradient(model)
    data = -model.terms(torch.from_numpy(ring_data().flat[:1800])).mean(0).numpy()
    assert not within(2 * data - found, exact, error, largest=0.03)
    monkeypatch.setattr(ExactRing, "moved", lambda self, x, n, rng: x)
    assert not within(*found_gradient(model), largest=0.03)


def test_a_heat_bath_gives_the_same_gradient_after_many_sweeps():
    model = Ring(4)
    objective = persistent(ring_data(), k=30, n_chains=10_000, augment=False)
    found = gradients(objective, model, np.arange(objective.n_train), Stream(1))
    _, exact, error = found_gradient(ExactRing(4))
    assert within(found, exact, error * 2**0.5, largest=0.04)


def test_both_divergences_are_one_if_chains_forget_everything():
    objective = ContrastiveDivergence(ring_data(), k=1, augment=False)
    found = gradients(objective, ExactRing(4), np.arange(objective.n_train), Stream(1))
    _, exact, error = found_gradient(ExactRing(4))
    assert within(found, exact, error * (20_000 / objective.n_train) ** 0.5, largest=0.1)


def test_the_positive_phase_is_the_mean_of_its_rows():
    objective, model = persistent(augment=False), field_model()
    carry = objective.begin(model, Stream(2))
    index = np.array([1, 5, 100])
    rows = [gradients(objective, model, index[i : i + 1], Stream(1), carry) for i in range(3)]
    whole = gradients(objective, model, index, Stream(1), carry)
    np.testing.assert_allclose(whole, np.mean(rows, 0), rtol=1e-3, atol=1e-3)
    assert min(np.abs(row - whole).max() for row in rows) > 0.01


@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_fit_finds_the_weights_of_the_law_at_its_temperature(temperature):
    """x^2 of a harmonic mode is T: nothing hidden."""
    x = np.random.default_rng(1).standard_normal((2000, 3)) * 0.8
    objective = persistent(Configurations(x), k=3, n_chains=500, temperature=temperature)
    settings = FitSettings(n_epochs=8, batch_size=200, learning_rate=0.1, clip_norm=None)
    model = Quartic((3,), a=0.2, b=0.0)
    model.b.requires_grad_(False)
    result = fit(model, objective, settings, rng=1)
    assert float(model.a.detach()) == pytest.approx(temperature / (2 * x.var()), rel=0.06)
    assert result.warnings == ""
    assert model.trained_by["temperature"] == temperature


@unequilibrated
def test_a_ring_is_found_from_spins_and_from_outcomes():
    model = Ring(4, 0.0, 0.0)
    settings = FitSettings(n_epochs=4, batch_size=100, learning_rate=3e-2, clip_norm=None)
    fit(model, persistent(ring_data(), 2, 200, augment=False), settings, rng=1)
    best = Ring(4, 0.6, -0.1)
    data = torch.from_numpy(ring_data().flat)
    assert float((model.nll(data) - best.nll(data)).detach()) < 0.01
    machine, true = Potts(J=0.0, h=0.0), Potts()
    pick = Stream(3).numpy().choice(27, 2000, p=true.probabilities.numpy())
    shots = true.states[torch.from_numpy(pick)].numpy()
    fit(machine, persistent(shots, 2, 200), settings, rng=1)
    kl = (true.probabilities * (true.probabilities / machine.probabilities).log()).sum()
    assert float(kl.detach()) < 0.01


# --- the chains ----------------------------------------------------------------------------------


class Labelled(nn.Module):
    """Its chains carry a label that no move changes, and an age."""

    event_shape, support = (2,), REALS

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.weight * (x * x).double().sum(1)

    def hot(self, rng, n):
        return np.stack([np.arange(n), np.zeros(n)], 1)

    def moved(self, x, n, rng):
        return x + torch.tensor([0.0, 1.0]) * n


def labels_of(carry):
    return carry["chains"][:, 0].numpy().astype(int), carry["chains"][:, 1].numpy()


def test_chains_return_to_their_own_slots():
    data = Configurations(np.random.default_rng(1).standard_normal((50, 2)))
    objective = persistent(data, 3, 12, chains_per_step=4, start="hot", augment=False)
    model, index = Labelled(), np.arange(5)
    carry = objective.begin(model, Stream(1))
    for t in range(7):
        carry = objective.loss(model, index, Stream(2).at(t), carry).carry
    label, age = labels_of(carry)
    np.testing.assert_array_equal(label, np.arange(12))
    np.testing.assert_array_equal(age, [9] * 4 + [6] * 4 + [6] * 4)
    # Saboteur: what is written first in, first out loses the slots, and chains branch and die.
    fifo = carry["chains"].roll(-4, 0)
    assert not np.array_equal(fifo[:, 0].numpy(), np.arange(12))


def test_some_chains_begin_anew_in_their_slots():
    data = Configurations(np.random.default_rng(1).standard_normal((50, 2)))
    objective = persistent(data, 1, 400, reinit=0.25, start="hot", augment=False)
    carry = objective.begin(Labelled(), Stream(1))
    for t in range(3):
        carry = objective.loss(Labelled(), np.arange(5), Stream(2).at(t), carry).carry
    label, age = labels_of(carry)
    np.testing.assert_array_equal(label, np.arange(400))
    share = np.mean(age == 1)
    assert within(share, 0.25, (0.25 * 0.75 / 400) ** 0.5, largest=0.03)
    assert set(age) == {1, 2, 3}


def test_a_step_changes_nothing_that_it_was_given():
    objective, model = persistent(), field_model()
    carry = objective.begin(model, Stream(1))
    before = {name: t.clone() for name, t in carry.items()}
    one = objective.loss(model, np.arange(20), Stream(3), carry)
    two = objective.loss(model, np.arange(20), Stream(3), carry)
    assert all(torch.equal(carry[name], before[name]) for name in before)
    assert torch.equal(one.value, two.value)
    assert all(torch.equal(one.carry[name], two.carry[name]) for name in before)
    assert not torch.equal(one.carry["chains"], carry["chains"])


@unequilibrated
@pytest.mark.parametrize("stop_at", [1, 13])
@pytest.mark.parametrize(
    "make",
    [
        lambda: persistent(chains_per_step=20, reinit=0.1),
        lambda: ContrastiveDivergence((PHI4, PHI4.hot(Stream(5), 200))),
    ],
    ids=["persistent", "from data"],
)
def test_a_fit_that_was_interrupted_resumes_bit_for_bit(make, stop_at):
    ends, stored, calls = [], [], iter(range(10**6))
    whole = fit(field_model(), make(), SETTINGS, rng=1, on_checkpoint=lambda s, h: ends.append(s))
    with pytest.raises(InterruptedRunError):
        fit(
            field_model(), make(), SETTINGS, rng=1,
            should_stop=lambda: next(calls) >= stop_at,
            on_checkpoint=lambda s, h: stored.append(s),
        )  # fmt: skip
    how = {"rng": 1, "on_checkpoint": lambda s, h: ends.append(s)}
    resumed = fit(field_model(9), make(), SETTINGS, resume_from=stored[-1], **how)
    assert_same_weights(whole.model, resumed.model)
    assert whole.history.identical(resumed.history)
    assert whole.model.trained_by == resumed.model.trained_by
    if "carry.chains" in stored[-1]:
        np.testing.assert_array_equal(ends[-1]["carry.chains"], ends[-2]["carry.chains"])
        # Saboteur: the slots of the buffer are shuffled.
        other = stored[-1].copy(deep=True)
        other["carry.chains"].values[:] = np.roll(other["carry.chains"].values, 20, 0)
        strayed = fit(field_model(), make(), SETTINGS, rng=1, resume_from=other)
        assert not torch.equal(strayed.model.filters, whole.model.filters)


# --- honesty -------------------------------------------------------------------------------------


class Walled(Quartic):
    """No proposal has a finite energy: S is a number at integers alone."""

    def forward(self, x):
        S = super().forward(x)
        return torch.where((x == x.round()).flatten(1).all(1), S, S.detach() + float("nan"))


def test_chains_that_freeze_stop_the_fit_with_a_remedy():
    """The moments of chains that began at the data look right while nothing moves."""
    x = np.random.default_rng(1).integers(-2, 3, (400, 3)).astype(float)
    model = Walled((3,))
    settings = FitSettings(n_epochs=10, batch_size=20, learning_rate=1e-3, clip_norm=None)
    with pytest.raises(
        TrainingDivergedError, match=r"must move, got a mean acceptance of .*lower"
    ):
        fit(model, persistent(Configurations(x), n_chains=20), settings, rng=1)
    assert np.isfinite(float(model.a.detach()))


@unequilibrated
def test_proposals_without_a_finite_energy_are_counted_and_told():
    class Edged(Quartic):
        def forward(self, x):
            S = super().forward(x)
            return torch.where((x.abs() < 2.5).flatten(1).all(1), S, S.detach() + float("inf"))

    x = np.clip(np.random.default_rng(1).standard_normal((200, 3)), -2, 2)
    with pytest.warns(UserWarning, match=r"% of the proposals .* had no finite energy"):
        result = fit(Edged((3,), 0.5, 0.0), persistent(Configurations(x)), SETTINGS, rng=1)
    assert result.history["broken"].values[-1] > 0
    assert "had no finite energy" in result.warnings
    assert "had no finite energy" in repr(result)


class Slow(ExactRing):
    """One chain in ten moves in a step."""

    def moved(self, x, n, rng):
        for t in range(n):
            anew = torch.from_numpy(rng.child("who").at(t).numpy().random(len(x)) < 0.1)
            x = torch.where(anew.view(-1, 1), super().moved(x, 1, rng.at(t)), x)
        return x


@unequilibrated
@pytest.mark.parametrize("cls", [PersistentContrastiveDivergence, ContrastiveDivergence])
def test_chains_slower_than_k_are_called_out_of_equilibrium(cls):
    """tau = -1 / log 0.9 = 9.5 steps."""
    said, settings = {}, FitSettings(n_epochs=3, batch_size=90, clip_norm=None)
    for k in (1, 30):
        result = fit(Slow(4), cls(ring_data(2000), k), settings, rng=1)
        said[k] = result.warnings
        if k == 1:
            assert result.model.trained_by["tau"] == pytest.approx(9.5, rel=0.25)
    assert "out of equilibrium" in said[1]
    assert said[30] == ""
    with pytest.warns(UserWarning, match="out of equilibrium"):
        fit(Slow(4), cls(ring_data(200), 1), SETTINGS, rng=1)


def test_a_site_that_is_constant_in_the_data_is_named():
    x = ring_data(100).flat.copy()
    x[:, 2] = 1
    objective = ContrastiveDivergence(Configurations(x), k=5)
    result = fit(Ring(4), objective, SETTINGS, rng=1, on_checkpoint=lambda s, h: None)
    assert "constant in the data: site 2;" in result.warnings
    assert result.history.attrs["warnings"] == result.warnings


@unequilibrated
def test_validation_watches_and_the_last_weights_are_the_result():
    objective = persistent()
    assert isinstance(objective, Objective)
    assert isinstance(objective, Monitored)
    assert isinstance(objective, Remarked)
    result = fit(field_model(), objective, SETTINGS, rng=1)
    names = set(result.history.data_vars)
    assert {"train_contrast", "validation_score_matching", "tau", "acceptance", "broken"} <= names
    assert "validation_contrast" not in names
    assert result.best_step == result.history.attrs["n_steps"]
    spins = persistent(ring_data())
    assert spins.monitor == "pseudo_nll"
    # The pseudo-likelihood per site, of each held-out ring.
    model = ExactRing(4)
    x = spins.samples.validation
    wanted = np.zeros(len(x))
    for i in range(4):
        y = x.clone()
        y[:, i] *= -1
        with torch.no_grad():
            wanted += torch.log1p(torch.exp(model(x) - model(y))).numpy() / 4
    np.testing.assert_allclose(spins.evaluate(model), wanted)


@unequilibrated
def test_settings_of_the_chains_are_stored_with_the_model():
    model = fit(field_model(), persistent(k=2), SETTINGS, rng=1).model
    told = model.trained_by
    assert (told["k"], told["n_chains"], told["moves"], told["n_leapfrog"]) == (2, 40, "hmc", 5)
    assert 0 < told["step_size"] < 3
    assert models.from_dataset(models.to_dataset(model)).trained_by == told
    assert not hasattr(models.from_dataset(models.to_dataset(field_model())), "trained_by")


def test_regularisers_are_off_logged_and_what_they_say():
    model, index, rng = field_model(), np.arange(20), Stream(3)
    plain = persistent()
    carry = plain.begin(model, Stream(1))
    bare = plain.loss(model, index, rng, carry)
    assert not {"magnitude", "l2"} & set(bare.metrics)
    both = persistent(magnitude=0.3, l2=0.1).loss(model, index, rng, carry)
    squares = sum(float((p.detach().double() ** 2).sum()) for p in model.parameters())
    assert both.metrics["l2"] == pytest.approx(0.5 * squares)
    with torch.no_grad():
        x = plain.batch(model, index, rng).x
        S, negative = model(x) / 16, model(bare.carry["chains"]) / 16
        size = 0.5 * ((S**2).mean() + (negative**2).mean())
    assert both.metrics["magnitude"] == pytest.approx(float(size), rel=1e-4)
    extra = 16 * (0.3 * both.metrics["magnitude"] + 0.1 * both.metrics["l2"])
    assert float((both.value - bare.value).detach()) == pytest.approx(extra, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"k": 0}, "k must be a positive integer, got 0"),
        ({"n_chains": 1}, "n_chains must be an integer >= 2, got 1"),
        ({"chains_per_step": 7}, "chains_per_step must divide n_chains, got 7 and 40"),
        ({"reinit": 1.0}, "reinit must be a share in"),
        ({"l2": -1.0}, "l2 must be a number >= 0, got -1"),
        ({"start": "cold"}, "start must be one of"),
        ({"n_leapfrog": 0}, "n_leapfrog must be a positive integer"),
    ],
)
def test_numbers_out_of_range_are_refused(options, told):
    with pytest.raises(InputError, match=told):
        persistent(**{"k": 1, **options})


def test_more_chains_than_memory_are_refused():
    with pytest.raises(InputError, match=r"n_chains = 10000000000000 in the carry .* take fewer"):
        persistent(n_chains=10**13).begin(field_model(), Stream(1))


def test_own_moves_have_temperature_one():
    with pytest.raises(InputError, match="needs temperature 1, got 2"):
        persistent(ring_data(), temperature=2.0).begin(ExactRing(4), Stream(1))


def test_units_of_another_convention_are_refused():
    bits = (1 - ring_data(100).flat) // 2
    with pytest.raises(InputError, match=r"got a model of spins .* make the model of outcomes"):
        ContrastiveDivergence(bits).begin(Ring(4), Stream(1))
    machine = Potts(4, K=2)
    with pytest.raises(InputError, match=r"give the outcomes \(1 - x\) // 2"):
        ContrastiveDivergence(ring_data(100)).begin(machine, Stream(1))
    assert Ring(4).support == SPINS
    with pytest.raises(InputError, match=r"outcomes must lie in 0\.\.1, got 0\.\.2"):
        ContrastiveDivergence(np.arange(60).reshape(20, 3) % 3).begin(Potts(3, K=2), Stream(1))
