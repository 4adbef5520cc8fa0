"""Known and hidden parts of a field are coordinates of one orthonormal basis."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.lattice import Partition

PARTS = {
    "blocks": Partition.of_blocks((4, 6)),
    "blocks of 3": Partition.of_blocks((3, 6), 3),
    "cubes": Partition.of_blocks((4, 2, 2)),
    "sites": Partition.of_sites(np.arange(24).reshape(4, 6) % 5 > 1),
}


@pytest.mark.parametrize("name", PARTS)
def test_the_basis_is_orthonormal_and_complete(name):
    part = PARTS[name]
    rows = np.concatenate([part.known, part.hidden])
    np.testing.assert_allclose(rows @ rows.T, np.eye(np.prod(part.shape)), atol=1e-12)
    assert (part.n_known, part.n_hidden) == (len(part.known), len(part.hidden))
    assert np.prod(part.known_shape) == part.n_known
    x = np.random.default_rng(1).normal(size=(2, 3, *part.shape))
    v, h = part.split(x)
    assert v.shape == (2, 3, part.n_known)
    np.testing.assert_allclose(part.merge(v, h), x, atol=1e-12)
    np.testing.assert_allclose(part.merge(v[:1, :1], h[:1]), part.merge(v[:1, [0, 0, 0]], h[:1]))


def test_block_fields_are_sums_over_the_root_of_the_sites_of_a_block():
    x = np.random.default_rng(1).normal(size=(5, 4, 6))
    v, _ = PARTS["blocks"].split(x)
    blocks = x.reshape(5, 2, 2, 3, 2).sum((2, 4)) / 2
    np.testing.assert_allclose(v.reshape(5, 2, 3), blocks, atol=1e-12)
    # A field that is constant in every block has no hidden part.
    flat = np.kron(blocks[0], np.ones((2, 2)))
    assert np.abs(PARTS["blocks"].split(flat)[1]).max() < 1e-12
    # Every hidden number belongs to one block.
    inside = np.abs(PARTS["blocks"].hidden).reshape(-1, 2, 2, 3, 2).sum((2, 4)) > 1e-9
    assert (inside.sum((1, 2)) == 1).all()


def test_known_sites_are_the_field_there():
    mask = np.arange(24).reshape(4, 6) % 5 > 1
    x = np.random.default_rng(1).normal(size=(4, 6))
    v, h = PARTS["sites"].split(x)
    np.testing.assert_array_equal(v, x[mask])
    np.testing.assert_array_equal(h, x[~mask])


def test_bad_input():
    with pytest.raises(InputError, match="size must be an integer >= 2"):
        Partition.of_blocks((4, 4), 1)
    with pytest.raises(InputError, match=r"blocks of 3 must fill the lattice, got shape \(4, 6\)"):
        Partition.of_blocks((4, 6), 3)
    with pytest.raises(InputError, match=r"must have shape \(..., \(4, 6\)\), got"):
        PARTS["blocks"].split(np.zeros((6, 4)))
