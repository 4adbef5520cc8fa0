"""What may be said of a published number."""

import math

import pytest

from physgen.claims import verdict
from physgen.claims.verdict import pull_of


@pytest.mark.parametrize(
    ("value", "error", "ours", "our_error", "relation", "found"),
    [
        (1.0, 0.1, 1.2, 0.1, "equal", "reproduced"),
        (1.0, 0.1, 1.2, 0.2, "equal", "consistent"),  # ours is not as sharp
        (1.0, 0.03, 1.2, 0.04, "equal", "refuted"),  # four errors of the difference
        (1.0, 0.03, 1.14, 0.04, "equal", "consistent"),  # 2.8
        (1.0, 0.1, 1.299, 0.0, "equal", "reproduced"),  # 2.99
        (1.0, 0.1, 1.301, 0.0, "equal", "refuted"),  # 3.01
        (1.0, None, 1.0001, 0.001, "equal", "consistent"),
        (1.0, None, 1.5, 0.001, "equal", "open"),  # its own error is not known
        (1.0, None, 1.5, 0.0, "equal", "open"),
        (1.0, None, 1.0, 0.0, "equal", "consistent"),
        (2.0, 0.0, 2.0 + 1e-9, 0.0, "equal", "reproduced"),
        (2.0, 0.0, 2.0 + 1e-8, 0.0, "equal", "refuted"),
        (2e6, 0.0, 2e6 + 1e-3, 0.0, "equal", "reproduced"),  # to nine digits
        (2.0, 0.0, 2.01, 0.01, "equal", "consistent"),  # theirs is exact, ours is not
        (-0.9, 0.01, -1.0, 0.0, "above", "consistent"),  # a poor state is no error
        (-0.9, 0.0, -1.0, 0.0, "above", "consistent"),
        (-1.02, 0.01, -1.0, 0.0, "above", "reproduced"),
        (-1.04, 0.01, -1.0, 0.0, "above", "refuted"),
        (-1.04, None, -1.0, 0.0, "above", "open"),
        (6000.0, None, 700.0, 20.0, "bound", "consistent"),
        (700.0, 300.0, 690.0, 20.0, "bound", "consistent"),  # a bound is not reproduced
        (700.0, 10.0, 759.0, 20.0, "bound", "consistent"),  # 2.6 below
        (700.0, 10.0, 770.0, 20.0, "bound", "refuted"),
        (700.0, None, 770.0, 20.0, "bound", "open"),
    ],
)
def test_the_rule(value, error, ours, our_error, relation, found):
    assert verdict(value, error, ours, our_error, relation) == found


def test_the_pull_is_that_of_the_difference():
    assert pull_of(1.0, 0.3, 2.0, 0.4) == pytest.approx(-2)
    assert pull_of(1.0, None, 2.0, 0.5) == pytest.approx(-2)
    assert pull_of(1.0, 0.0, 1.0, 0.0) is None
    assert math.isclose(pull_of(3.0, 0.5, 2.0, 0.0), 2)
