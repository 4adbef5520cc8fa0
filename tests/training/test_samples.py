"""The one holder of data in memory: any dtype and rank, split, order, weights, flips."""

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.training.samples import (
    Samples,
    check_weights,
    held_out_count,
    last_share,
    random_share,
)

ITEMS = {
    "strings": np.arange(60, dtype=np.uint8).reshape(20, 3),
    "spins": np.random.default_rng(1).choice(np.array([-1, 1], np.int8), (20, 4, 4)),
    "fields": np.random.default_rng(2).normal(size=(20, 2, 3, 4)).astype(np.float32),
    "actions": np.random.default_rng(3).normal(size=20),
}


@pytest.mark.parametrize("name", ITEMS)
def test_items_keep_dtype_shape_and_order_on_either_side(name):
    items = ITEMS[name]
    held_out = np.array([17, 2, 5])
    samples = Samples(items, held_out)
    assert (samples.n_train, samples.n_validation) == (17, 3)
    np.testing.assert_array_equal(samples.validation.numpy(), items[[2, 5, 17]])
    np.testing.assert_array_equal(samples.train.numpy(), np.delete(items, held_out, axis=0))
    index = np.array([16, 0, 16])
    x, weights = samples.batch(index, Stream(1))
    assert weights is None
    assert x.numpy().dtype == items.dtype
    np.testing.assert_array_equal(x.numpy(), np.delete(items, held_out, axis=0)[index])


def test_an_epoch_is_a_permutation_that_its_stream_decides():
    samples = Samples(ITEMS["spins"], last_share(20, 0.1))
    first, again, other = (samples.epoch_order(Stream(1).at(e)) for e in (0, 0, 1))
    np.testing.assert_array_equal(np.sort(first), np.arange(18))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_the_share_held_out_is_random_or_the_last():
    assert held_out_count(1000, 0.05) == 50
    assert held_out_count(10, 0.01) == 1  # at least one, where any is asked for
    assert held_out_count(10, 0) == 0
    assert held_out_count(2, 0.5) == held_out_count(2, 0.1) == 1
    np.testing.assert_array_equal(last_share(20, 0.15), [17, 18, 19])
    assert last_share(20, 0).size == 0
    random = random_share(1000, 0.1, Stream(1))
    assert len(np.unique(random)) == 100
    # Uniform: the mean of 100 positions of 0..999 is 499.5 with standard deviation 27.4.
    assert abs(random.mean() - 499.5) < 4 * 27.4
    assert abs(last_share(1000, 0.1).mean() - 499.5) > 4 * 27.4  # saboteur
    with pytest.raises(InputError, match="at least 2 items are needed to hold some out, got 1"):
        held_out_count(1, 0.5)


def test_weights_stay_with_their_items_and_have_mean_one_on_either_side():
    items, weights = np.arange(20.0), 3.0 + np.arange(20.0)
    held_out = np.array([3, 11])
    samples = Samples(items, held_out, weights)
    kept = np.delete(weights, held_out)
    index = np.array([7, 0, 17])
    x, found = samples.batch(index, Stream(1))
    np.testing.assert_allclose(found, (x.numpy() + 3) / kept.mean(), rtol=1e-6)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(samples.validation_weights, np.array([6, 14]) / 10)
    drawn = samples.resampled(Stream(5))
    x, found = drawn.batch(np.arange(18), Stream(1))
    np.testing.assert_allclose(found, (x.numpy() + 3) / kept.mean(), rtol=1e-6)


def test_even_items_are_flipped_whole_and_half_of_the_time():
    x = np.ones((4000, 2, 3), np.int8)
    samples = Samples(x, last_share(4000, 0), even=True)
    index = np.arange(4000)
    flipped = samples.batch(index, Stream(1)).x
    assert flipped.dtype == torch.int8
    assert flipped.shape == x.shape
    signs = flipped[:, 0, 0].numpy().astype(int)
    assert (flipped.numpy() == signs[:, None, None]).all()
    assert abs(signs.mean()) < 4 / np.sqrt(4000)
    assert not torch.equal(flipped, samples.batch(index, Stream(2)).x)
    assert torch.equal(flipped, samples.batch(index, Stream(1)).x)
    assert (samples.train == 1).all()  # the data are as they were
    plain = Samples(x, last_share(4000, 0))
    assert (plain.batch(index, Stream(1)).x == 1).all()


def test_a_resample_draws_items_to_train_on_and_leaves_the_others():
    items = np.arange(2000)
    samples = Samples(items, last_share(2000, 0.1))
    drawn = samples.resampled(Stream(1))
    assert drawn.n_train == 1800
    assert torch.equal(drawn.validation, samples.validation)
    assert set(drawn.train.tolist()) < set(samples.train.tolist())
    # A bootstrap leaves out a share 1/e.
    assert len(set(drawn.train.tolist())) / 1800 == pytest.approx(1 - np.exp(-1), abs=0.03)
    assert torch.equal(samples.train, torch.arange(1800))  # that of the first object stays


def test_a_resample_within_groups_keeps_their_sizes():
    items = np.repeat([4, 1, 9], [50, 30, 20])[np.random.default_rng(1).permutation(100)]
    items = items + np.arange(100) * 10
    samples = Samples(items, last_share(100, 0))

    def groups(x):
        return np.searchsorted([1, 4, 9], x.numpy() % 10)

    within = samples.resampled(Stream(1), groups).train
    np.testing.assert_array_equal(np.bincount(groups(within)), [30, 50, 20])
    assert 45 < len(np.unique(within)) < 80  # a share 1 - 1/e: drawn again, from all of a group
    # Saboteur: drawn without groups the sizes fluctuate.
    free = samples.resampled(Stream(1)).train
    assert list(np.bincount(groups(free))) != [30, 50, 20]


def test_weights_may_be_small_and_some_of_them_zero():
    weights = [0, 0.5, 1e-3]
    np.testing.assert_array_equal(check_weights(weights, 3), weights)


@pytest.mark.parametrize("weights", [np.ones(9), -np.ones(10), np.full(10, np.nan), np.zeros(10)])
def test_bad_weights(weights):
    with pytest.raises(InputError, match=r"one finite number >= 0 an item, shape \(10,\)"):
        check_weights(weights, 10)
