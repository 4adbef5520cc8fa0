"""Given configurations as a generator: their observables, measured once."""

from __future__ import annotations

from physgen.workflow.context import Context
from physgen.workflow.labels import with_units
from physgen.workflow.lattice.generators import Given
from physgen.workflow.lattice.packing import pack
from physgen.workflow.lattice.points import Scan

__all__ = ["measure"]


def measure(context: Context, point: Given) -> None:
    """Measure the configurations of a point, and commit the series."""
    from physgen.samplers import measured

    context.reporter.update("sample", f"{len(point.target):,} configurations")
    observables = Scan(context.config).observables(point.target)
    ds = measured(point.target, observables).assign_attrs(complete=1, label=point.label)
    context.store.commit({point.group: with_units(pack(ds, point.target))})
