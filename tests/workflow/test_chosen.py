"""Columns of tables by how their heads begin."""

import pytest

from physgen.core.errors import InputError
from physgen.workflow.chosen import with_columns
from physgen.workflow.summary import Column, Table

NUMBERS = Table(
    "numbers",
    (Column("L", "axis"), Column("value"), Column("pull from\nexact"), Column("pull from\nfirst")),
    (("8", "1.5(1)", "+0.1", "-0.2"), ("16", "1.6(1)", "", "+0.3")),
)
COSTS = Table("costs", (Column("L", "axis"), Column("CPU\ns")), (("8", "3"),))


def test_names_stay_and_numbers_come_as_wanted():
    (cut,) = with_columns([NUMBERS, COSTS], ["pull", "Value"])
    assert [c.head for c in cut.columns] == ["L", "pull from\nexact", "pull from\nfirst", "value"]
    assert cut.rows[1] == ("16", "", "+0.3", "1.6(1)")
    assert cut.heading == "numbers"


def test_tables_without_one_are_left_out():
    assert [t.heading for t in with_columns([NUMBERS, COSTS], ["cpu s"])] == ["costs"]


def test_a_head_that_is_not_there():
    with pytest.raises(InputError, match="'cpu s', got 'error'"):
        with_columns([NUMBERS, COSTS], ["value", "error"])
