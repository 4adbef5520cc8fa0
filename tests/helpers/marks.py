"""A parameter whose case is slow, beside others that represent it in the fast suite."""

import pytest


def slow(*values):
    """Mark one set of parameters: `make test` leaves it out, `make test-all` runs it."""
    return pytest.param(*values, marks=pytest.mark.slow)
