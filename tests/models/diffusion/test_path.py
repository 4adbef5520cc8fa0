"""Fields on their way from noise: the last ones are draws, the others have the noise they name."""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import within

from physgen import EquivariantCNF, Phi4, Stream
from physgen.models import ScoreModel

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)


def test_a_path_of_a_score_model_ends_at_its_draws():
    """Heun in the clock of the process and the steps of the density solve one flow."""
    model = make("score, even", size=0.35)
    found = model.path(6, 3)
    x, _ = model.draw(6, Stream(3).torch())
    torch.testing.assert_close(found.fields[-1], x.detach(), atol=2e-2, rtol=2e-2)
    assert float((found.fields[-1] - found.fields[0]).abs().mean()) > 0.05
    assert found.kind == "noise"
    assert len(found.times) == 9 == len(found.fields)
    assert found.times[-1] == 0 == found.noise[-1]
    assert found.signal[-1] == 1
    assert (np.diff(found.times) < 0).all()


def test_fields_under_noise_have_the_variance_that_the_path_says():
    """Without a network the field is Gaussian: the law of every time is known."""
    model = ScoreModel((4, 4), rng=1).double()
    model.assign_spectrum(model.symmetric(np.linspace(0.5, 3, 16)))
    found = model.path(4000, 3)
    mean = float(model.spectrum.mean())
    for x, s, r in zip(found.fields, found.signal, found.noise, strict=True):
        wanted = s**2 * mean + r**2
        each = x.square().mean((1, 2))
        error = float(each.std()) / 4000**0.5
        assert within(float(each.mean()), wanted, error, largest=0.02)
        assert wanted == pytest.approx(mean)  # all columns have one size


@pytest.mark.parametrize("cls", [ScoreModel, EquivariantCNF])
def test_odd_sites_are_drawn_at_the_end(cls):
    model = cls.for_target(PHI4, rng=1)
    found = model.path(5, 2)
    assert tuple(found.fields.shape[1:]) == (5, 4, 4)
    even, odd = PHI4.lattice.split(found.fields)
    path = model.even.path(5, Stream(2).child("even"))
    torch.testing.assert_close(even, path.fields)
    # Noise of odd sites is one and the same: two times give it.
    z = [(o - s * odd[-1]) / r for o, s, r in zip(odd, path.signal, path.noise, strict=True) if r]
    torch.testing.assert_close(z[0], z[-1], atol=1e-4, rtol=1e-4)
    assert 0.6 < float(z[0].std()) < 1.4


def test_samplers_of_the_process_draw_odd_sites_too():
    model = ScoreModel.for_target(PHI4, rng=1)
    fields = PHI4.hot(rng=2, n=64)
    for how in ({}, {"start": 1.0, "configurations": fields}):
        x = model.diffuse(5, 3, "frozen", 20, **how)
        if how:
            how["configurations"] = PHI4.lattice.split(fields)[0]
        even = model.even.diffuse(5, Stream(3).child("even"), "frozen", 20, **how)
        assert tuple(x.shape) == (5, 4, 4)
        torch.testing.assert_close(PHI4.lattice.split(x)[0], even)
        again = torch.as_tensor(model.complete(even, Stream(3).child("odd")))
        torch.testing.assert_close(x, again)


def test_a_path_of_a_continuous_flow_ends_at_its_draws():
    model = EquivariantCNF((4, 4), rng=1)
    found = model.path(6, 3)
    x, _ = model.draw(6, Stream(3).torch())
    torch.testing.assert_close(found.fields[-1], x.detach())
    assert found.kind == "time"
    assert (found.times[0], found.times[-1], len(found.times)) == (0, 1, model.fine_steps + 1)
