import numpy as np
import pytest
from scipy import stats

from physgen.core.errors import InputError
from physgen.core.random import Stream, as_stream


def test_same_triple_same_numbers():
    a = Stream(1).child("train", "shuffle").at(7).numpy().random(5)
    b = Stream(1, ("train", "shuffle"), 7).numpy().random(5)
    assert np.array_equal(a, b)


def test_numbers_are_pinned_for_all_time():
    # A change of the hash or generator would silently change every stored seed's meaning.
    assert Stream(1).child("a").numpy().integers(0, 2**32, 2).tolist() == [
        683061045,
        941515302,
    ]


def test_streams_are_distinct_and_uncorrelated():
    streams = [
        Stream(s).child(*p).at(c)
        for s in (0, 1)
        for p in ((), ("a",), (1,), ("1",))
        for c in (0, 1)
    ]
    draws = np.array([s.numpy().standard_normal(4000) for s in streams])
    correlations = np.corrcoef(draws)[np.triu_indices(len(draws), 1)]
    assert abs(correlations).max() < stats.norm.isf(1e-3 / len(correlations) / 2) / np.sqrt(4000)
    # Saboteur: two streams with one path are found out.
    twin = np.corrcoef(draws[0], streams[0].numpy().standard_normal(4000))[0, 1]
    assert twin == pytest.approx(1.0)


def test_children_remember_where_they_branched_off():
    root = Stream(3, ("block",))
    children = [root.at(i).child("draw").numpy().random() for i in range(3)]
    assert len(set(children)) == 3
    assert root.at(0).child("draw") == root.child("draw")


def test_torch_generator_follows_the_stream():
    import torch

    a = torch.rand(3, generator=Stream(5).child("x").torch())
    b = torch.rand(3, generator=Stream(5).child("x").torch())
    c = torch.rand(3, generator=Stream(5).child("y").torch())
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, True, "1", None])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(InputError, match="seed must be an integer"):
        as_stream(seed)
