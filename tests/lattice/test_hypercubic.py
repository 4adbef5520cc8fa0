"""Hypercubic lattices against sites walked one by one, and against linear algebra."""

from itertools import product

import numpy as np
import pytest
import torch

from physgen.core.errors import InputError
from physgen.lattice import Hypercubic

LATTICES = [
    Hypercubic((4, 4)),
    Hypercubic((2, 2)),
    Hypercubic((3, 4)),
    Hypercubic((2, 2, 2)),
    Hypercubic((5,)),
    Hypercubic((1, 4)),
    Hypercubic((3, 3), "open"),
    Hypercubic((3, 4), ("open", "periodic")),
    Hypercubic((2, 3, 4), ("periodic", "open", "open")),
]


def ids(lattice):
    return repr(lattice)


def walked_bonds(lattice):
    """Every (x, x + mu), by the definition, in the order promised."""
    number = {c: i for i, c in enumerate(product(*map(range, lattice.shape)))}
    bonds = []
    for c in number:
        for mu, (n, word) in enumerate(zip(lattice.shape, lattice.boundaries)):
            if n == 1 or (word == "open" and c[mu] == n - 1):
                continue
            ahead = (*c[:mu], (c[mu] + 1) % n, *c[mu + 1 :])
            bonds.append((number[c], number[ahead]))
    return np.array(bonds).reshape(-1, 2)


def adjacency(lattice, weights=None):
    A = np.zeros((lattice.n_sites, lattice.n_sites))
    for b, (i, j) in enumerate(lattice.bonds):
        w = 1 if weights is None else weights[b]
        A[i, j] += w
        A[j, i] += w
    return A


@pytest.mark.parametrize("lattice", LATTICES, ids=ids)
def test_bonds_and_neighbours(lattice):
    np.testing.assert_array_equal(lattice.bonds, walked_bonds(lattice))
    assert lattice.n_bonds == len(lattice.bonds)
    assert lattice.bonds.dtype == lattice.neighbours.dtype == lattice.bond_index.dtype == np.int32
    for site in range(lattice.n_sites):
        for mu in range(lattice.dim):
            for column, end in ((2 * mu, 0), (2 * mu + 1, 1)):
                b, y = lattice.bond_index[site, column], lattice.neighbours[site, column]
                assert (b < 0) == (y < 0)
                if b >= 0:  # the bond starts here going forward, and ends here going backward
                    assert lattice.bonds[b, end] == site
                    assert lattice.bonds[b, 1 - end] == y
    assert (lattice.neighbours >= 0).sum() == 2 * lattice.n_bonds


def test_extent_two_has_double_bonds():
    lattice = Hypercubic((2, 2))
    assert lattice.n_bonds == 8  # as Kaufman's formula counts them
    assert adjacency(lattice).max() == 2
    assert Hypercubic((2, 2), "open").n_bonds == 4


@pytest.mark.parametrize("lattice", LATTICES, ids=ids)
def test_sums_over_bonds(lattice):
    draw = np.random.default_rng(1)
    x = draw.standard_normal((3, *lattice.shape))
    flat = x.reshape(3, -1)
    for weights in (None, draw.standard_normal(lattice.n_bonds)):
        A = adjacency(lattice, weights)
        bond_sum, around = lattice.bond_sum(x, weights), lattice.neighbour_sum(x, weights)
        np.testing.assert_allclose(bond_sum, 0.5 * np.einsum("ni,ij,nj->n", flat, A, flat))
        np.testing.assert_allclose(around.reshape(3, -1), flat @ A, atol=1e-12)
        t = torch.from_numpy(x)
        np.testing.assert_allclose(lattice.bond_sum(t, weights).numpy(), bond_sum)
        np.testing.assert_allclose(lattice.neighbour_sum(t, weights).numpy(), around)
    spins = np.where(x > 0, 1, -1).astype(np.int8)
    assert lattice.bond_sum(spins).dtype == np.float64
    np.testing.assert_array_equal(lattice.bond_sum(spins), lattice.bond_sum(spins.astype(float)))
    assert lattice.neighbour_sum(x.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("lattice", LATTICES, ids=ids)
def test_colourings_are_proper(lattice):
    i, j = lattice.bonds.T
    colour = lattice.colouring()
    assert np.all(colour[i] != colour[j])
    assert colour.max() <= (1 if lattice.is_bipartite else 2)
    if lattice.is_bipartite:
        parity = lattice.checkerboard()
        assert parity.dtype == np.uint8
        assert np.all(parity[i] != parity[j])
        assert parity[0] == 0


def test_odd_periodic_extents_have_no_checkerboard():
    assert not Hypercubic((4, 3)).is_bipartite
    with pytest.raises(InputError, match=r"even periodic extents.*axis 1.*equal colour"):
        Hypercubic((4, 3)).checkerboard()
    with pytest.raises(InputError, match="even periodic extents"):
        Hypercubic((4, 3)).split(np.zeros((4, 3)))
    assert Hypercubic((3, 3), "open").is_bipartite
    # The trap: the parity of the coordinates would put two neighbours on one sublattice.
    i, j = Hypercubic((4, 3)).bonds.T
    naive = Hypercubic((4, 3)).coordinates.sum(axis=1) % 2
    assert np.any(naive[i] == naive[j])


@pytest.mark.parametrize("lattice", [k for k in LATTICES if k.is_periodic], ids=ids)
def test_laplacian_spectrum(lattice):
    A = adjacency(lattice)
    dense = np.linalg.eigvalsh(np.diag(A.sum(axis=1)) - A)
    np.testing.assert_allclose(np.sort(lattice.laplacian().ravel()), dense, atol=1e-12)


def test_momenta_are_those_of_the_fft():
    lattice = Hypercubic((4, 6))
    k = lattice.momenta()
    assert k.shape == (4, 6, 2)
    x = np.random.default_rng(1).standard_normal((4, 6))
    phase = np.exp(-1j * np.einsum("abm,sm->abs", k, lattice.coordinates))
    np.testing.assert_allclose(phase @ x.ravel(), np.fft.fftn(x), atol=1e-12)
    assert k.min() == pytest.approx(-np.pi)
    with pytest.raises(InputError, match="periodic lattice"):
        Hypercubic((4, 6), "open").momenta()


@pytest.mark.parametrize("library", [np.asarray, torch.as_tensor])
def test_split_and_merge(library):
    lattice = Hypercubic((2, 4))
    x = library(np.arange(16.0).reshape(2, 2, 4))
    even, odd = lattice.split(x)
    assert even.shape == odd.shape == (2, 4)
    assert even[0].tolist() == [0, 2, 5, 7]
    assert odd[0].tolist() == [1, 3, 4, 6]
    merged = lattice.merge(even, odd)
    assert type(merged) is type(x)
    assert (merged == x).all()
    with pytest.raises(InputError, match=r"shape \(\.\.\., 2, 4\), got \(4, 2\)"):
        lattice.split(library(np.zeros((4, 2))))
    with pytest.raises(InputError, match="4 and 4 sites, got 4 and 3"):
        lattice.merge(even, odd[:, :3])


def test_a_lattice_is_a_value():
    assert Hypercubic((4, 6), ("open", "open")) == Hypercubic((4, 6), "open")
    assert hash(Hypercubic((4, 6))) == hash(Hypercubic((np.int64(4), 6)))
    assert Hypercubic((4, 6)) != Hypercubic((6, 4))
    with pytest.raises(ValueError, match="read-only"):
        Hypercubic((4, 6)).neighbours[0, 0] = 3


@pytest.mark.parametrize(
    ("shape", "boundary", "message"),
    [
        ((), "periodic", "at least one extent"),
        ((4, 0), "periodic", "each extent of a lattice must be a positive integer, got 0"),
        ((4, 2.5), "periodic", "got 2.5"),
        (4, "periodic", "must be a tuple of extents, got 4"),
        ((4, 4), "twisted", "'periodic', 'open', got 'twisted'"),
        ((4, 4), ("open",), "one for each of 2 axes"),
        ((4, 4), None, "boundary must be 'periodic', 'open' or a tuple, got None"),
        ((10**10,) * 4, "open", "at most 2\\^31 - 1 sites, got 1" + 40 * "0"),
    ],
)
def test_bad_input(shape, boundary, message):
    with pytest.raises(InputError, match=message):
        Hypercubic(shape, boundary)
