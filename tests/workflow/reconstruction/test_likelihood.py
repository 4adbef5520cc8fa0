"""The likelihood that is told is that of the weights that were kept."""

import numpy as np
import pytest
import xarray as xr

from physgen.workflow.reconstruction.labels import nll_text
from physgen.workflow.reconstruction.likelihood import kept_evaluation


def history(nll, best_step):
    return xr.Dataset(
        {
            "step": ("evaluation", [10, 20, 30]),
            "validation_nll": ("evaluation", nll),
            "validation_nll_error": ("evaluation", [0.01, 0.02, 0.03]),
        },
        attrs={"best_step": best_step},
    )


@pytest.mark.parametrize(
    ("step", "row"), [(10, (1.3, 0.01)), (20, (1.2, 0.02)), (30, (1.21, 0.03))]
)
def test_it_is_that_of_the_step_that_is_kept_not_the_lowest(step, row):
    assert kept_evaluation(history([1.3, 1.2, 1.21], step)) == row


def test_there_is_none_without_held_out_shots_or_before_the_first_validation():
    assert kept_evaluation(history([np.nan] * 3, 30)) is None
    assert kept_evaluation(history([1.3, 1.2, 1.21], 0)) is None


def test_it_is_told_with_its_error_where_there_is_one():
    assert nll_text(1.2345, 0.012) == "1.234(12) nat/site"
    assert nll_text(1.2345, np.nan) == "1.2345 nat/site"
