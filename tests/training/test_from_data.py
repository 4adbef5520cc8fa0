"""What objectives of energies are given: configurations, a target with samples, or outcomes."""

import numpy as np
import pytest
import torch
from helpers.energies import Gaussian, Potts, Quartic, Ring

from physgen import Hypercubic, Ising, Phi4, models
from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.targets.configurations import Configurations
from physgen.training import ContrastiveDivergence, ScoreMatching
from physgen.training.lattice_images import LatticeImages

PHI4 = Phi4.from_hopping(L=4, kappa=0.2, lam=0.022)


def test_a_target_and_its_samples_are_configurations_with_what_it_declares():
    x = PHI4.hot(Stream(1), 100)
    a = ScoreMatching((PHI4, x))
    same = ["translations", "point_group", "z2"]
    b = ScoreMatching(Configurations(x, boundary="periodic", symmetries=same))
    assert (
        (a.n_train, a.n_validation, a.n_sites) == (b.n_train, b.n_validation, 16) == (90, 10, 16)
    )
    assert a.probes == b.probes == "checkerboard"
    model = Quartic((4, 4))
    torch.testing.assert_close(
        a.batch(model, np.arange(9), Stream(2)).x, b.batch(model, np.arange(9), Stream(2)).x
    )
    assert (a.item, ContrastiveDivergence(Potts().states.numpy()).item) == (
        "configurations",
        "shots",
    )


def test_the_end_of_the_chains_is_held_out():
    x = np.arange(40.0)[:, None] + np.zeros((40, 3))
    objective = ScoreMatching(Configurations(x), 0.25)
    np.testing.assert_array_equal(objective.samples.validation[:, 0], np.arange(30, 40))


def test_items_are_transformed_by_declared_symmetries_alone():
    x = PHI4.hot(Stream(1), 100)
    model, index = Quartic((4, 4)), np.arange(90)
    plain = ScoreMatching((PHI4, x), augment=False).batch(model, index, Stream(2)).x
    np.testing.assert_allclose(plain, x[:90], rtol=1e-6)
    moved = ScoreMatching((PHI4, x)).batch(model, index, Stream(2)).x
    same = (moved - plain).abs().flatten(1).max(1).values < 1e-6
    assert float(same.float().mean()) < 0.2
    # S is invariant, so every image has the action of its item.
    np.testing.assert_allclose(PHI4.action(moved.numpy()), PHI4.action(plain.numpy()), rtol=1e-5)
    assert 20 < int((moved.sum((1, 2)) * plain.sum((1, 2)) < 0).sum()) < 70  # flips
    bare = ScoreMatching(Configurations(x, boundary="periodic"))
    torch.testing.assert_close(bare.batch(model, index, Stream(2)).x, plain)


def test_weights_of_shots_weigh_the_loss():
    class Shots:
        outcomes = Potts().states.numpy()
        weights = np.arange(1.0, 28.0)

    objective = ContrastiveDivergence(Shots())
    w = objective.batch(Potts(), np.arange(objective.n_train), Stream(1)).weights
    assert float(w.mean()) == pytest.approx(1.0)
    assert len(set(w.tolist())) == objective.n_train


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (
            np.zeros((30, 3)),
            r"data must be Configurations\(...\), \(target, samples\) or outcomes",
        ),
        (np.array([[-1, 1]] * 30), r"for spins -1 and \+1 give Configurations"),
        ((PHI4, np.zeros((30, 4, 5))), "samples must be at least 20 configurations"),
        ((PHI4, np.full((30, 4, 4), np.nan)), "must be finite numbers"),
        (None, "data must be Configurations"),
    ],
)
def test_other_data_are_refused(data, told):
    with pytest.raises(InputError, match=told):
        ContrastiveDivergence(data)


def test_a_fraction_outside_0_1_is_refused():
    for data in ((PHI4, PHI4.hot(Stream(1), 30)), Potts().states.numpy()):
        with pytest.raises(InputError, match=r"validation_fraction must lie in \(0, 1\), got 1"):
            ContrastiveDivergence(data, 1, 1.0)


def test_a_model_of_other_configurations_is_refused():
    objective = ScoreMatching((PHI4, PHI4.hot(Stream(1), 30)))
    with pytest.raises(
        InputError, match=r"got a model of reals of shape \(3,\) and data of reals"
    ):
        objective.begin(Gaussian(np.eye(3)), Stream(1))
    with pytest.raises(InputError, match="model of spins"):
        objective.begin(Ring(4), Stream(1))
    half = models.for_target(PHI4, rng=1)
    with pytest.raises(InputError, match="make it with decimate = False"):
        objective.begin(half, Stream(1))


# --- images of a lattice -------------------------------------------------------------------------


def all_images(lattice, symmetries, n=6000):
    images = LatticeImages(lattice, symmetries)
    x = torch.arange(lattice.n_sites).view(1, *lattice.shape).expand(n, *lattice.shape)
    found = images(x, Stream(1)).flatten(1).numpy()
    return images, np.unique(found, axis=0, return_counts=True)


@pytest.mark.parametrize(
    ("shape", "boundary", "symmetries", "n"),
    [
        ((4, 4), "periodic", ("translations", "point_group"), 128),
        ((4, 4), "periodic", ("translations", "z2"), 16),
        ((3, 3), "open", ("point_group",), 8),
        ((3, 5), "periodic", ("point_group", "translations"), 60),
        ((3, 4), ("open", "periodic"), ("translations",), 4),
        ((3, 3), ("open", "periodic"), ("point_group",), 4),
        ((4,), "periodic", ("translations", "point_group"), 8),
        ((4, 4), "periodic", (), 1),
    ],
)
def test_all_elements_of_the_group_appear_alike(shape, boundary, symmetries, n):
    lattice = Hypercubic(shape, boundary)
    images, (found, counts) = all_images(lattice, symmetries)
    assert len(found) == n
    assert len(images) in (n, 2 * n)  # a product of both may give an element twice
    np.testing.assert_array_equal(np.sort(found, 1), np.arange(lattice.n_sites)[None].repeat(n, 0))
    assert counts.min() > 0.3 * 6000 / n
    # Bonds are mapped to bonds.
    bonds = {frozenset(b) for b in lattice.bonds.tolist()}
    for image in found:
        inverse = np.argsort(image)
        assert {frozenset(inverse[list(b)].tolist()) for b in bonds} == bonds


def test_three_dimensions():
    ising, images = (
        Ising((3, 3, 3), beta=0.2),
        LatticeImages(Hypercubic((3, 3, 3)), ["translations", "point_group"]),
    )
    assert len(images) == 27 * 48
    x = torch.from_numpy(ising.hot(Stream(1), 20))
    y = images(x, Stream(2))
    np.testing.assert_allclose(ising.action(y.numpy()), ising.action(x.numpy()))
    assert not torch.equal(x, y)
