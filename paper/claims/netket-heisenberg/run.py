"""The Bethe equations of a ring."""

from physgen.quantum import XXZ


def rebuild(row):
    at = row.parameters
    return XXZ(at["L"], boundary=at["boundary"]).ground_state_energy(), 0.0
