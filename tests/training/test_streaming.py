"""Fits on a file that is read block by block, and on shots with weights."""

import tracemalloc

import numpy as np
import pytest
import torch
from helpers.fits import ENTROPY, K, L, assert_same_weights, coupled_strings, small_model
from helpers.marks import slow

from physgen import models
from physgen.core.errors import InputError, InterruptedRunError
from physgen.core.learning import Objective
from physgen.core.random import Stream
from physgen.quantum import MeasurementData
from physgen.quantum.povm import povm
from physgen.quantum.shot_writer import save_blocks
from physgen.training import FitSettings, NegativeLogLikelihood, fit, streamed

SETTINGS = FitSettings(n_epochs=3, learning_rate=2e-2)


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of 100 strings of 3 sites, of which 2 are mixed at a time."""
    monkeypatch.setattr(streamed, "BLOCK_BYTES", 300)


def from_file(path, x, frame="trine", **options):
    save_blocks(path, [x], frame)
    return NegativeLogLikelihood(MeasurementData.open(path), **{"buffer_bytes": 1200} | options)


def test_every_shot_is_trained_on_or_held_out_once(tmp_path, small_blocks):
    x = (np.arange(1037)[:, None] // 3 ** np.arange(7) % 3).astype(np.uint8)  # all different
    objective = from_file(tmp_path / "x.h5", x, validation_fraction=0.1)
    assert isinstance(objective, Objective)
    assert objective.n_train + objective.n_validation == 1037
    assert objective.n_validation == pytest.approx(104, abs=10)
    orders = [objective.epoch_order(Stream(1).at(e)) for e in (0, 1, 0)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(objective.n_train))
    np.testing.assert_array_equal(orders[0], orders[2])
    assert (orders[0] != orders[1]).mean() > 0.9
    seen = np.concatenate(
        [objective.train[part].numpy() for part in np.array_split(orders[0], 37)]
        + [objective.validation.numpy()]
    )
    count = [np.unique(each @ 3 ** np.arange(7), return_counts=True) for each in (seen, x)]
    np.testing.assert_array_equal(count[0], count[1])


def test_the_order_mixes_shots_of_several_blocks(tmp_path, small_blocks):
    objective = from_file(tmp_path / "x.h5", coupled_strings(2000), validation_fraction=0)
    order = objective.epoch_order(Stream(1))
    first = order[:50] // 100  # blocks of the first batch
    assert len(np.unique(first)) == 2
    assert not (np.diff(order) == 1).mean() > 0.1


def test_streamed_and_resumed_is_bit_for_bit(tmp_path, small_blocks):
    objective = from_file(tmp_path / "x.h5", coupled_strings(2000))
    whole = fit(small_model(), objective, SETTINGS, rng=1)
    stored, calls = [], iter(range(10**6))
    with pytest.raises(InterruptedRunError):
        fit(
            small_model(),
            objective,
            SETTINGS,
            rng=1,
            on_checkpoint=lambda state, history: stored.append(state),
            should_stop=lambda: next(calls) >= 50,
        )
    again = NegativeLogLikelihood(MeasurementData.open(tmp_path / "x.h5"), buffer_bytes=1200)
    rest = fit(small_model(9), again, SETTINGS, rng=1, resume_from=stored[-1])
    assert_same_weights(whole.model, rest.model)
    assert whole.history.identical(rest.history)
    fresh = -whole.model.log_prob(coupled_strings(5000, seed=2)).mean()
    assert fresh < ENTROPY + 0.1


def test_shots_in_memory_are_ordered_as_ever():
    objective = NegativeLogLikelihood(coupled_strings(500))
    stream = Stream(3).child("shuffle").at(2)
    expected = stream.numpy().permutation(objective.n_train)
    np.testing.assert_array_equal(objective.epoch_order(stream), expected)


@pytest.mark.parametrize("stream", [False, True])
def test_a_step_sees_the_shots_at_its_positions(tmp_path, small_blocks, stream):
    x, model, index = coupled_strings(500), small_model(), np.array([5, 2, 400])
    objective = from_file(tmp_path / "x.h5", x) if stream else NegativeLogLikelihood(x)
    loss = objective.loss(model, index, Stream(1), {}).value.detach()
    expected = -model.log_prob(objective.train[index]).detach().mean()
    assert float(loss) == pytest.approx(float(expected), rel=1e-5)
    other = objective.loss(model, index + 1, Stream(1), {}).value.detach()
    assert float(other) != pytest.approx(float(expected), rel=1e-3)


def test_an_epoch_of_a_file_stays_within_its_buffer(tmp_path):
    """200 sites and 60,000 shots, 12 MB, through a buffer of 2 MB."""
    x = np.random.default_rng(1)
    blocks = (x.integers(0, 4, (10_000, 200)).astype(np.uint8) for _ in range(6))
    save_blocks(tmp_path / "x.h5", blocks, "tetrahedral")
    tracemalloc.start()
    data = MeasurementData.open(tmp_path / "x.h5")
    objective = NegativeLogLikelihood(data, 0.01, buffer_bytes=2 << 20)
    order = objective.epoch_order(Stream(1))
    for start in range(0, len(order), 100):
        objective.train[order[start : start + 100]]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.reset_peak()
    saboteur = data.outcomes[:]  # the file read whole
    whole = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 7e6
    assert whole > 12e6
    assert saboteur.nbytes == 12_000_000


def bimodal(weights):
    """Strings 000 three times as often as 111, and weights that make them equal."""
    x = np.zeros((4000, L), np.uint8)
    x[np.arange(4000) % 4 == 0] = 1
    return x, np.where(x[:, 0] == 1, 2.0, 2 / 3) if weights else None


@pytest.mark.parametrize("stream", [False, slow(True)])
@pytest.mark.parametrize(("weighted", "share"), [(True, 0.5), (False, 0.25)])
def test_weights_make_unequal_shots_equal(tmp_path, small_blocks, stream, weighted, share):
    x, weights = bimodal(weighted)
    if stream:
        objective = from_file(tmp_path / "x.h5", x, weights=weights, buffer_bytes=10**5)
    else:
        objective = NegativeLogLikelihood(x, weights=weights)
    result = fit(small_model(), objective, SETTINGS, rng=1)
    p = np.exp(result.model.log_prob(np.ones((1, L), np.uint8)))
    assert float(p[0]) == pytest.approx(share, abs=0.03)
    expected = -np.log([1 - share, share]) / L
    best = float(result.history.validation_nll.min())
    weight = [1 - share, share]
    assert best == pytest.approx(np.dot(weight, expected), abs=0.02)


def test_equal_weights_change_nothing_and_settings_bring_their_own():
    x = coupled_strings(1000)
    plain = fit(small_model(), NegativeLogLikelihood(x), SETTINGS, rng=1)
    ones = fit(
        small_model(), NegativeLogLikelihood(x, weights=np.full(1000, 7.0)), SETTINGS, rng=1
    )
    for p, q in zip(plain.model.parameters(), ones.model.parameters(), strict=True):
        torch.testing.assert_close(p, q, rtol=1e-3, atol=1e-4)
    bases = np.array([0, 1, 2, 0]) + np.zeros((30, 1), int)
    data = MeasurementData(bases.reshape(-1, 1), "pauli-6", settings=np.tile([0, 1, 2, 0], 30))
    objective, model = NegativeLogLikelihood(data, 0), models.GRU(1, 6, hidden=4, rng=1)
    log_q = model.log_prob(objective.train[:4]).detach().numpy()
    loss = float(objective.loss(model, np.arange(4), Stream(1), {}).value.detach())
    expected = -np.mean(np.array([2 / 3, 4 / 3, 4 / 3, 2 / 3]) * log_q)
    assert loss == pytest.approx(expected, rel=1e-5)
    assert loss != pytest.approx(-log_q.mean(), rel=1e-4)


@pytest.mark.parametrize("weights", [np.ones(9), -np.ones(10), np.full(10, np.nan), np.zeros(10)])
def test_bad_weights(weights):
    with pytest.raises(InputError, match="one finite number >= 0 an item"):
        NegativeLogLikelihood(coupled_strings(10), weights=weights)


def test_a_file_with_a_wrong_outcome_is_refused_where_it_is_read(tmp_path):
    import h5py

    assert povm("trine").K == K
    save_blocks(tmp_path / "x.h5", [coupled_strings(500)], "trine")
    with h5py.File(tmp_path / "x.h5", "r+") as file:
        file["outcomes"][33, 1] = 3
    with pytest.raises(InputError, match=r"in 0\.\.2, got 3 at shot 33, site 1"):
        NegativeLogLikelihood(MeasurementData.open(tmp_path / "x.h5"))
