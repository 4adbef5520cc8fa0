"""Filters against matrices written out, site by site."""

import numpy as np
import pytest

from physgen import Hypercubic
from physgen.models.diffusion.filters import Filters

CASES = [
    ((4, 4), True, True),
    ((8, 8), True, True),
    ((8, 4), True, False),
    ((4, 4), False, True),
    ((6, 3), False, False),
    ((2, 2, 2), True, True),
    ((8,), True, True),
]


def written_out(lattice, ends, begins, f, sizes, point_group):
    """Matrix of a filter: one number an orbit of displacements, sorted by length."""
    extents = np.array(lattice.shape)

    def keys(d):
        d = d % extents
        d = np.where(2 * d > extents, extents - d, d)
        return np.sort(d, -1)[..., ::-1] if point_group else d

    known = np.unique(keys(ends), axis=0)
    known = known[np.argsort(np.sqrt((known**2).sum(1)), kind="stable")]
    number = {tuple(key): o for o, key in enumerate(known)}
    pairs = keys(ends[:, None] - begins[None])
    orbit = np.array([[number[tuple(d)] for d in row] for row in pairs])
    return (f / np.sqrt(sizes))[orbit]


@pytest.mark.parametrize(("shape", "even", "point_group"), CASES)
def test_a_filter_is_diagonal_in_waves(shape, even, point_group):
    lattice = Hypercubic(shape)
    filters, rng = Filters(lattice, even, point_group), np.random.default_rng(1)
    E = filters.modes
    np.testing.assert_allclose(E.T @ E, np.eye(filters.n), atol=1e-12)
    here = lattice.coordinates[lattice.even_sites if even else np.arange(lattice.n_sites)]
    ends = (here, lattice.coordinates[lattice.odd_sites]) if even else (here,)
    assert len(filters.places) == len(ends)
    for place, there in zip(filters.places, ends, strict=True):
        f = rng.normal(size=len(place.sizes))
        found = place.modes @ np.diag(f @ place.characters) @ E.T
        wanted = written_out(lattice, there, here, f, place.sizes, point_group)
        np.testing.assert_allclose(found, wanted, atol=1e-12)
        assert place.sizes.sum() == filters.n


@pytest.mark.parametrize(("shape", "even", "point_group"), CASES)
def test_traces_need_no_matrices(shape, even, point_group):
    """Sums of squares of waves over a symmetric spectrum are the same on every site."""
    filters = Filters(Hypercubic(shape), even, point_group)
    rng = np.random.default_rng(2)
    c = filters.symmetric(rng.normal(size=filters.n))
    np.testing.assert_allclose(filters.symmetric(c), c, atol=1e-12)
    for place in filters.places:
        f = (rng.normal(size=len(place.sizes)) @ place.characters) ** 2
        sums = place.modes**2 @ (c * f)
        np.testing.assert_allclose(sums, (c * f).mean(), atol=1e-12)
        # Within a star the numbers of a filter agree up to the signs.
        for columns in filters.stars:
            signed = place.characters[:, columns] * place.signs[columns]
            np.testing.assert_allclose(signed, signed[:, :1] * np.ones(len(columns)), atol=1e-12)
