"""Passes that go round together give the numbers of passes one by one, bit for bit."""

import numpy as np
import pytest

from physgen.kernels.cpu.action_rows import coefficients, offsets
from physgen.kernels.cpu.field_hmc import fields
from physgen.kernels.cpu.field_layout import groups
from physgen.kernels.cpu.leapfrog_waves import kick_drifts
from physgen.kernels.cpu.slabs import runs, slabs, starts
from physgen.lattice.hypercubic import Hypercubic
from physgen.targets import Phi4

WIDTH = 16
LATTICES = [
    Hypercubic((16, 16)),
    Hypercubic((6, 4)),
    Hypercubic((2, 2)),
    Hypercubic((40,)),
    Hypercubic((5, 4, 3)),
    Hypercubic((8, 5), "open"),
    Hypercubic((6, 6), ("open", "periodic")),
]


def table_of(lattice):
    return groups([Phi4(lattice, hop=0.4, quad=1.0, quart=0.1).kernel[1][0]], [0.4])


def moved(lattice, n, cut_of, closed=False):
    """Fields and momenta after n passes over a block that is cut by `cut_of(table, at)`."""
    table, weights = table_of(lattice)
    V = lattice.n_sites
    one = np.zeros(1)
    memory, at = fields(4, V, WIDTH, one), offsets(table, WIDTH)
    d = memory.size // 4
    x, p = np.random.default_rng(3).normal(size=(2, V * WIDTH))
    memory[: V * WIDTH], memory[3 * d : 3 * d + V * WIDTH] = x, p
    c = coefficients(np.array([0.1, 1.0, 0.1, 0.0, 0.0]), one)
    there = kick_drifts(memory, n, closed, at, cut_of(table, at), weights, WIDTH, c, 0.05, 0.1)
    np.testing.assert_array_equal(memory[: V * WIDTH], x)
    new = memory[int(there) : int(there) + V * WIDTH]
    return new.copy(), memory[3 * d : 3 * d + V * WIDTH].copy()


def whole(table, at):
    first = np.array([0, len(table)])
    return first, *runs(at, first, WIDTH), 1


def usual(table, at):
    return slabs(table, at, WIDTH, 8)


@pytest.mark.parametrize("n", [1, 2, 5, 8, 11])
@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_together_as_one_by_one(lattice, n):
    for closed in (False, True):
        wanted, found = (moved(lattice, n, cut, closed) for cut in (whole, usual))
        np.testing.assert_array_equal(found, wanted)


def test_slabs_that_are_too_thin_would_give_other_numbers():
    lattice = Hypercubic((16, 16))

    def thin(table, at):
        first = np.arange(0, 257, 8)  # half of a row: neighbours lie two slabs away
        return first, *runs(at, first, WIDTH), 4

    wanted, found = (moved(lattice, 8, cut) for cut in (whole, thin))
    assert np.abs(found[0] - wanted[0]).max() > 1e-3


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_neighbours_lie_in_slabs_side_by_side(lattice):
    table = table_of(lattice)[0]
    first = starts(table, WIDTH, 8)
    assert first[0] == 0
    assert first[-1] == lattice.n_sites
    assert len(set(np.diff(first))) == 1
    n_slabs = len(first) - 1
    slab = np.searchsorted(first, np.arange(lattice.n_sites), side="right") - 1
    for s, row in enumerate(table):
        steps = (slab[row[row < lattice.n_sites]] - slab[s]) % n_slabs
        assert set(steps) <= {0, 1, n_slabs - 1}


@pytest.mark.parametrize("lattice", LATTICES, ids=str)
def test_runs_name_the_neighbours_of_every_item(lattice):
    table = table_of(lattice)[0]
    at = offsets(table, WIDTH)
    first_sites, stretches, first_runs, _ = slabs(table, at, WIDTH, 8)
    if table.shape[1] > 4:
        assert len(stretches) == 0
        return
    seen = 0
    for slab in range(len(first_sites) - 1):
        for run in stretches[first_runs[slab] : first_runs[slab + 1]]:
            assert run[0] == seen
            assert first_sites[slab] * WIDTH <= run[0] < run[1] <= first_sites[slab + 1] * WIDTH
            seen = run[1]
            items = np.arange(run[0], run[1], dtype=np.uint64)
            for k in range(4):
                site, chain = (items // np.uint64(WIDTH)).astype(int), items % np.uint64(WIDTH)
                wanted = table[site, k].astype(np.uint64) * np.uint64(WIDTH) + chain
                np.testing.assert_array_equal(items + run[2 + k], wanted)
    assert seen == lattice.n_sites * WIDTH


def test_a_row_of_a_square_lattice_is_three_runs():
    table = table_of(Hypercubic((16, 16)))[0]
    assert len(slabs(table, offsets(table, WIDTH), WIDTH, 8)[1]) == 48
