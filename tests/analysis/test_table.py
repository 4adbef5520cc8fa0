"""Estimates as text."""

import numpy as np
import xarray as xr

from physgen.analysis import format_table


def test_table():
    columns = {
        "value": [-1.41421, 0.5],
        "error": [0.00031, np.nan],
        "unit": ["J", "1"],
        "tau_int": [12.41, np.nan],
        "tau_int_error": [0.93, np.nan],
        "ess": [1234.0, np.nan],
        "r_hat": [1.0004, np.nan],
    }
    table = xr.Dataset({k: ("quantity", v) for k, v in columns.items()}, {"quantity": ["e", "c"]})
    lines = format_table(table).splitlines()
    assert lines[1].split() == ["e", "-1.41421(31)", "J", "12.4(9)", "1.23e+03", "1.000"]
    assert lines[2].split() == ["c", "0.5(nan)", "-", "-", "-"]
    assert [line.index("12.4") for line in lines[1:2]] == [lines[0].index("tau_int")]
    compared = table.assign(
        reference=("quantity", [-1.4142135624, np.nan]),
        reference_error=("quantity", [0.0, 0.0]),
        pull=("quantity", [0.01, np.nan]),
    )
    lines = format_table(compared).splitlines()
    assert lines[1].split()[-2:] == ["-1.414213562", "+0.0"]
    assert lines[2].split()[-2:] == ["-", "-"]
