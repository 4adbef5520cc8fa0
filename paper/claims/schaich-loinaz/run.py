"""Cluster chains at the same couplings."""

from physgen.claims.measured import phi4_by_clusters


def rebuild(row):
    at = {k: v for k, v in row.parameters.items() if k != "year"}
    found = phi4_by_clusters(n_chains=256, n_draws=1500, seed=1, convention="quarter", **at)
    return found[row.quantity]
