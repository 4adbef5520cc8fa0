"""Matrices made from orbits of pairs have every symmetry, and the modes diagonalise them."""

import numpy as np
import pytest

from physgen import Hypercubic
from physgen.core.errors import InputError
from physgen.lattice.orbits import PairOrbits

CASES = [((6, 6), False), ((6, 6), True), ((4, 4, 4), True), ((8,), True), ((2, 2), True)]


def made(shape, even, point_group=True):
    orbits = PairOrbits(Hypercubic(shape), even, point_group)
    return orbits, np.random.default_rng(1).normal(size=orbits.n_orbits)


def permutations(shape, even):
    """A translation, a reflection and an exchange of axes, as permutations of the sites."""
    lattice = Hypercubic(shape)
    x = np.arange(lattice.n_sites).reshape(shape)
    axes = tuple(range(len(shape)))
    images = [np.roll(x, (1, 1) if len(shape) > 1 else 2, (0, 1) if len(shape) > 1 else 0)]
    images.append(np.roll(x[::-1], 1, 0))
    images.append(x.transpose(axes[::-1]))
    for image in images:
        sites = image.ravel()
        if not even:
            yield sites
            continue
        place = np.full(lattice.n_sites, -1)
        place[lattice.even_sites] = np.arange(lattice.n_even)
        yield place[sites[lattice.even_sites]]


@pytest.mark.parametrize(("shape", "even"), CASES)
def test_matrices_have_the_symmetries_and_the_modes(shape, even):
    orbits, a = made(shape, even)
    M, E = a[orbits.index], orbits.modes
    np.testing.assert_array_equal(np.diag(orbits.index), 0)
    for g in permutations(shape, even):
        np.testing.assert_array_equal(M[np.ix_(g, g)], M)
    np.testing.assert_allclose(E.T @ E, np.eye(orbits.n), atol=1e-12)
    np.testing.assert_allclose(E @ np.diag(a @ orbits.characters) @ E.T, M, atol=1e-12)
    assert orbits.sizes.sum() == orbits.n


def test_the_count_of_orbits_is_known():
    """Displacements (i, j), i >= j >= 0, i <= L/2, of an 8 x 8 lattice; i + j even."""
    assert made((8, 8), False)[0].n_orbits == 15
    assert made((8, 8), True)[0].n_orbits == 9


def test_without_the_point_group_displacements_have_a_direction():
    orbits, a = made((4, 6), False, point_group=False)
    M = a[orbits.index]
    x = np.arange(24).reshape(4, 6)
    g = np.roll(x, (1, 2), (0, 1)).ravel()
    np.testing.assert_array_equal(M[np.ix_(g, g)], M)
    assert orbits.n_orbits == 24
    assert not np.allclose(M, M.T)


def test_small_displacements_are_the_same_orbits_on_a_larger_lattice():
    small, large = (PairOrbits(Hypercubic((L, L)), True) for L in (6, 10))
    assert set(small.displacements) <= set(large.displacements)


@pytest.mark.parametrize(
    ("lattice", "even", "says"),
    [
        (Hypercubic((4, 4), "open"), False, "need a periodic lattice"),
        (Hypercubic((4, 6)), False, "equal extents"),
        (Hypercubic((5, 5)), True, "even periodic extents"),
    ],
)
def test_lattices_without_them(lattice, even, says):
    with pytest.raises(InputError, match=says):
        _ = PairOrbits(lattice, even).index


@pytest.mark.parametrize("shape", [(3, 3, 2), (4, 4, 4), (5, 3)])
def test_components_are_equal_or_different_and_mix_with_no_axis(shape):
    """With n components in the last axis: M commutes with their permutations."""
    orbits = PairOrbits(Hypercubic(shape), components=True)
    a = np.random.default_rng(1).normal(size=orbits.n_orbits)
    M, E = a[orbits.index], orbits.modes
    np.testing.assert_array_equal(np.diag(orbits.index), 0)
    x = np.arange(orbits.n).reshape(shape)
    exchanged = x.copy()
    exchanged[..., [0, 1]] = x[..., [1, 0]]
    turned = np.swapaxes(x, 0, 1) if len(shape) > 2 else x[::-1]
    for image in (exchanged, np.roll(x, 1, -1), np.roll(x, 1, 0), turned):
        g = image.ravel()
        np.testing.assert_array_equal(M[np.ix_(g, g)], M)
    np.testing.assert_allclose(E @ np.diag(a @ orbits.characters) @ E.T, M, atol=1e-12)
    alone = PairOrbits(Hypercubic(shape[:-1]))
    assert orbits.n_orbits == 2 * alone.n_orbits
    # saboteur: an axis of the same extent would be exchanged with the components
    if len(set(shape)) == 1:
        merged = PairOrbits(Hypercubic(shape))
        assert merged.n_orbits < orbits.n_orbits


def test_components_of_half_a_lattice_or_of_none():
    for shape, even in (((4, 4, 2), True), ((4,), False)):
        with pytest.raises(InputError, match="components must be those of a whole lattice"):
            PairOrbits(Hypercubic(shape), even, components=True)
