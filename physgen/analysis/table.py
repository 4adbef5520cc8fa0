"""Tables of estimates for readers: one line a quantity, values with errors in brackets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from physgen.analysis.format import format_estimate

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["format_table"]


def format_table(estimates: xr.Dataset) -> str:
    """Return the table of estimates as text, columns aligned.

    Parameters
    ----------
    estimates : Dataset
        Dim ``quantity`` with value, error, unit, tau_int, tau_int_error, ess and r_hat;
        ``reference``, ``reference_error`` and ``pull`` are shown if present.
    """
    header = ["quantity", "value", "unit", "tau_int", "ess", "r_hat"]
    compared = "pull" in estimates
    header += ["reference", "pull"] if compared else []
    rows = [header]
    for name in estimates["quantity"].values:
        q: dict[str, Any] = {
            str(k): v.item() for k, v in estimates.sel(quantity=name).data_vars.items()
        }
        row = [
            str(name),
            _shown(q["value"], q["error"]),
            "" if q["unit"] == "1" else q["unit"],
            _shown(q["tau_int"], q["tau_int_error"], digits=1),
            _number(q["ess"], ".3g"),
            _number(q["r_hat"], ".3f"),
        ]
        if compared:
            row += [_shown(q["reference"], q["reference_error"]), _number(q["pull"], "+.1f")]
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths)).rstrip() for row in rows)


def _shown(value: float, error: float, digits: int = 2) -> str:
    if math.isnan(value):
        return "-"
    return f"{value:.10g}" if error == 0 else format_estimate(value, error, digits)


def _number(value: float, how: str) -> str:
    return "-" if math.isnan(value) else format(value, how)
