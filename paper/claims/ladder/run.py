"""The gap times L: exact at L = 6, by cluster chains beyond; and a flow of ours beside theirs."""

import dataclasses
import functools

import numpy as np

import physgen as pg
from physgen.exact import phi4_spectrum

WIDEST = 8  # of the transfer matrix
STEPS, BATCH = 500, 64  # of their notebook


@functools.cache
def gap(L, m2, lam):
    """Return the gap and its error, by the transfer matrix or by the effective mass of chains."""
    target = pg.Phi4.from_unhalved(L=L, m2=m2, lam=lam)
    if L <= WIDEST:
        return float(phi4_spectrum(target)["mass_gap"]), 0.0
    draws = pg.run(
        pg.Phi4Cluster(), target, n_chains=64, n_draws=1000, thin=2, warmup=200, seed=L,
        observables=["magnetization", "correlator"],
    )  # fmt: skip
    mass = pg.correlators(pg.estimates(draws))
    # Their mean over all distances; masses of neighbours move together, so the errors just add.
    used = slice(1, L // 2)
    return (
        float(np.mean(mass["effective_mass"][used])),
        float(np.mean(mass["effective_mass_error"][used])),
    )


@functools.cache
def flow(L, m2, lam):
    """Return the acceptance of an independence chain, and the effective share of weights."""
    target = pg.Phi4.from_unhalved(L=L, m2=m2, lam=lam)
    model = pg.EquivariantCNF.for_target(target, rng=1)
    settings = dataclasses.replace(pg.recipe("equivariant-cnf"), n_epochs=5, batch_size=BATCH)
    objective = pg.ReverseKL(target, draws_per_epoch=STEPS // 5 * BATCH, rng=1)
    pg.fit(model, objective, settings, rng=1)
    start = np.asarray(model.sample(64, rng=2))  # any other start may be kept for very long
    chains = pg.run(
        pg.Independence(model), target, n_chains=64, n_draws=300, warmup=50, seed=1, start=start
    )
    rates = chains["acceptance_rate"].values
    found = pg.importance(model, target, n=20_000, seed=1)
    return {
        "acceptance_rate": (float(rates.mean()), float(rates.std(ddof=1) / np.sqrt(len(rates)))),
        "ess_share": (float(found.ess_share), 0.0),
    }


def rebuild(row):
    at = {k: row.parameters[k] for k in ("L", "m2", "lam")}
    if row.quantity == "L_over_xi":
        value, error = gap(**at)
        return at["L"] * value, at["L"] * error
    if row.value is not None:
        return None  # of their trained flow: ours is another one
    return flow(**at)[row.quantity]
