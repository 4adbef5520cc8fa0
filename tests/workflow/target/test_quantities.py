"""Quantities are named once: heads, symbols, names and units of tables, figures and files."""

import pytest

from physgen.exact import exact_values
from physgen.targets import Ising, Phi4
from physgen.workflow.target.quantities import QUANTITIES, WEIGHTS, attrs, head, ordered, quantity


def test_no_two_quantities_of_a_table_look_alike():
    for table in (QUANTITIES, WEIGHTS):
        assert len({row.head for row in table.values()}) == len(table)
        assert len({row.long_name for row in table.values()}) == len(table)
    assert not QUANTITIES.keys() & WEIGHTS.keys()


def test_an_error_has_the_unit_of_its_quantity():
    assert attrs("energy_per_site")["units"] == attrs("energy_per_site_error")["units"] == "J"
    assert attrs("binder_error") == {
        "long_name": "standard error of the Binder cumulant",
        "units": "1",
    }
    assert attrs("tau_int")["units"] == "draw"


def test_an_unknown_quantity_has_its_own_name_and_comes_last():
    assert head("my_own") == "my_own"
    own = {"head": "my_own", "symbol": "my own", "long_name": "my own", "units": "1"}
    assert attrs("my_own") == own
    assert ordered(["my_own", "phi2", "energy_per_site", "a"]) == [
        "energy_per_site",
        "phi2",
        "my_own",
        "a",
    ]


@pytest.mark.parametrize(
    "target", [Ising(L=4, beta=0.3, h=0.1), Phi4.from_unhalved(4, -4.0, 8.0)], ids=repr
)
def test_every_exact_number_per_site_is_listed(target):
    """... so that no oracle gives a number whose unit a run file does not know."""
    for name in exact_values(target).data_vars:
        if str(name).endswith("_per_site"):
            assert quantity(str(name)).name in QUANTITIES
