"""Weights on other lattices: the same function of displacements, spectra, and a free field."""

import numpy as np
import pytest
import torch
from helpers.flows import make

from physgen import FreeField, Hypercubic
from physgen.core.errors import InputError
from physgen.models.diffusion.filters import Filters
from physgen.models.diffusion.score import ScoreModel
from physgen.models.diffusion.transfer import carried_over, spectrum_over

LATTICES = [((8, 8), False), ((8, 8), True), ((6,), True)]


def elements(filters, place, f):
    """Element of a filter at the displacement from the origin to every site."""
    where = filters.places[place]
    return (f / np.sqrt(where.sizes))[where.orbits]


@pytest.mark.parametrize(("shape", "even"), LATTICES)
def test_elements_of_a_filter_stay_where_they_are(shape, even):
    old = Filters(Hypercubic(shape), even)
    new = Filters(Hypercubic(tuple(2 * L for L in shape)), even)
    rng = np.random.default_rng(1)
    for p, place in enumerate(old.places):
        f = rng.normal(size=len(place.sizes))
        g = carried_over(old, new, p) @ f
        inside = {tuple(d): a for d, a in zip(place.displacements, elements(old, p, f))}
        there, found = new.places[p].displacements, elements(new, p, g)
        half = np.array(shape) // 2
        for d, a in zip(there, found):
            edges = int((np.abs(d) == half).sum())
            key = tuple(np.where(d == -half, half, d))
            assert a == pytest.approx(inside.get(key, 0.0) / 2**edges, abs=1e-12)
        # Back again: the images of L/2 meet.
        np.testing.assert_allclose(carried_over(new, old, p) @ g, f, atol=1e-12)
        # The constant field sees all of it.
        k = [(f @ place.characters)[0], (g @ new.places[p].characters)[0]]
        assert k[0] == pytest.approx(k[1], abs=1e-12)


def free_model(L, shape=None, m2=0.5):
    free = FreeField(L=L, m2=m2)
    model = ScoreModel(free.event_shape, rng=1).double()
    fields = model.modes.numpy().T.reshape(-1, *free.event_shape)
    inverse = -(fields * free.force(fields)).sum((1, 2))
    model.spectrum.copy_(torch.tensor(1 / inverse))
    return free, model


def test_a_free_field_is_exact_on_every_lattice():
    """Its inverse spectrum has nearest neighbours only."""
    _, model = free_model(4)
    wide, there = free_model(8)
    moved = model.transferred((8, 8))
    torch.testing.assert_close(moved.spectrum, there.spectrum, rtol=1e-5, atol=0)
    x = wide.sample(20, rng=2)
    np.testing.assert_allclose(moved.log_prob(x), wide.log_prob(x), atol=1e-3)
    # Saboteur: the spectrum itself, interpolated, is not that of the larger lattice.
    old, new = model._filters, moved._filters
    wrong = 1 / spectrum_over(old, new, 1 / model.spectrum.numpy())
    assert np.abs(wrong / there.spectrum.numpy() - 1).max() > 0.05


@pytest.mark.parametrize("name", ["score, even", "score, not odd", "score, local", "score, u-net"])
def test_a_periodic_field_has_the_score_of_the_small_lattice(name):
    """Repeated fields are repeated by translation-invariant functions of them."""
    model = make(name, shape=[8, 8], halved=False)
    model.network.modes.double()
    spectrum = model._filters.symmetric(np.linspace(0.5, 2.0, 64))
    model.spectrum.copy_(torch.tensor(spectrum))
    moved = model.transferred((16, 16))
    assert moved.scales.tolist() == model.scales.tolist()
    x = torch.randn(2, 8, 8, dtype=torch.float64)
    w = model.weights(torch.tensor([0.3, 0.3], dtype=torch.float64))
    small = model.network(x.flatten(1) @ model.modes, w) @ model.modes.t()
    large = moved.network(x.repeat(1, 2, 2).flatten(1) @ moved.modes, w) @ moved.modes.t()
    wanted = small.reshape(2, 8, 8).repeat(1, 2, 2)
    torch.testing.assert_close(large.reshape(2, 16, 16), wanted, atol=1e-5, rtol=1e-5)
    assert float(wanted.detach().abs().max()) > 0.1


def test_a_square_goes_to_a_rectangle():
    model = make("score, even")
    long = model.transferred((8, 4))
    assert long.config["shape"] == [8, 4]
    assert not long.point_group
    x, log_q = long.sample_and_log_prob(5, rng=1)
    np.testing.assert_allclose(long.log_prob(x.numpy()), log_q, atol=1e-4)


def test_refusals():
    with pytest.raises(InputError, match="lattices of 2 axes"):
        make("score").transferred((4, 4, 4))
    model = make("score")
    model.spectrum.copy_(torch.tensor(model._filters.symmetric(np.geomspace(1e-3, 1e3, 16))))
    with pytest.raises(InputError, match="must be positive on"):
        model.transferred((16, 16))
    with pytest.raises(InputError, match="equal symmetries and scales"):
        make("score, u-net").transferred((8, 8))
