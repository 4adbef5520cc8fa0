"""Orders of sites: everything once, nothing known too early, one pattern a colour."""

import numpy as np
import pytest

from physgen import Hypercubic
from physgen.core.errors import InputError
from physgen.lattice.orderings import colours

CASES = [((16, 16), True), ((12, 12), True), ((32, 32), True), ((6, 6), True), ((4, 6), False)]


@pytest.mark.parametrize("order", ["coarse", "raster"])
@pytest.mark.parametrize(("shape", "even"), CASES)
def test_every_site_once_and_contexts_come_before(shape, even, order):
    lattice = Hypercubic(shape)
    sites = lattice.even_sites if even else np.arange(lattice.n_sites)
    known = np.zeros(len(sites), bool)
    for colour in colours(lattice, even, order):
        assert known[colour.context].all()
        assert not known[colour.sites].any()
        known[colour.sites] = True
        if len(colour.sites) == 1:
            continue
        # Column j lies at one displacement from every site of the colour.
        x = lattice.coordinates[sites]
        away = (x[colour.context] - x[colour.sites][:, None]) % np.array(shape)
        assert (away == away[0]).all()
        assert len(np.unique(away[0], axis=0)) == away.shape[1]
    assert known.all()


def test_many_are_drawn_at_once():
    assert len(colours(Hypercubic((16, 16)), True)) == 44
    assert len(colours(Hypercubic((32, 32)), True)) == 56
    assert len(colours(Hypercubic((16, 16)), True, "raster")) == 128


def test_an_unknown_order():
    with pytest.raises(InputError, match="order must be one of"):
        colours(Hypercubic((4, 4)), True, "spiral")
