"""The tables of a run, in words and formatted numbers, as far as it has come."""

from __future__ import annotations

import xarray as xr

from physgen.workflow.kinds import job_of
from physgen.workflow.loading import config_of_run
from physgen.workflow.summary import Summary

__all__ = ["summarize"]


def summarize(tree: xr.DataTree) -> Summary:
    """Summarise an open run."""
    config = config_of_run(tree.attrs)
    return job_of(config).summarize(tree, config)
