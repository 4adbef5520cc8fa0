"""Shots that a matrix product of bond 2 and an LSTM need, and what F_c does not see.

1 - F_c falls as 1 / n, so the shots that reach F_c = 0.99 are n (1 - F_c) / 0.01, averaged over a
few n and data sets.  The likelihood of a matrix product has several maxima, so the best of STARTS
is taken, by the shots alone.
"""

import functools
import itertools

import numpy as np

import physgen as pg
from physgen.validation.ghz import ghz_numbers

SHOTS = (500, 1000, 2000)
DATA_SETS, STARTS = 3, 5
LSTM_SHOTS, LSTM_SETS = (6000,), 3
N_DRAWS = 20_000  # from the state, for F_c = E sqrt(Q / P)


@functools.cache
def truth(L, povm):
    return pg.Born(pg.ghz_state(L), povm)


def of_model(model, L, povm, seed):
    """Return F_c with 20,000 draws of the state."""
    found = pg.validate(model, truth(L, povm), n=N_DRAWS, rng=1000 + seed)
    return float(found.fidelity[0])


@functools.cache
def matrix_product(L, povm, n, seed):
    shots, best = truth(L, povm).sample(n, rng=seed), None
    for start in range(STARTS):
        model = pg.MatrixProduct(L, povm, bond=2, rng=100 * seed + start)
        pg.fit(model, pg.NegativeLogLikelihood(shots), pg.recipe("mps"), rng=100 * seed + start)
        likelihood = float(np.mean(np.asarray(model.log_prob(shots))))
        if best is None or likelihood > best[0]:
            best = likelihood, model
    return best[1]


@functools.cache
def lstm(L, povm, n, seed):
    frame = pg.povm(povm)
    model = pg.LSTM(L=L, K=frame.K, rng=seed)
    shots = truth(L, povm).sample(n, rng=seed)
    pg.fit(model, pg.NegativeLogLikelihood(shots), pg.recipe("lstm"), rng=seed)
    return model


def fit_of(of):
    return (matrix_product, DATA_SETS) if of == "matrix product" else (lstm, LSTM_SETS)


def shots_needed(L, povm, of):
    """Return n (1 - F_c) / 0.01 and its error from the scatter of the data sets."""
    fitted, sets = fit_of(of)
    grid = SHOTS if of == "matrix product" else LSTM_SHOTS
    found = [
        np.mean([n * (1 - of_model(fitted(L, povm, n, seed), L, povm, seed)) for n in grid]) / 0.01
        for seed in range(1, sets + 1)
    ]
    return mean(found)


def mean(values):
    return float(np.mean(values)), float(np.std(values, ddof=1) / np.sqrt(len(values)))


def parity(model, L, povm):
    """Return <prod X> of the outcomes with X on all sites: the share of a string, by its sign."""
    frame = pg.povm(povm)
    x = [k for k in range(frame.K) if frame.bases.names[frame.bases.of[k]] == "X"]
    sign = dict(zip(x, np.sign([frame.weights("X")[k] for k in x])))
    strings = np.array(list(itertools.product(x, repeat=L)), np.uint8)
    q = np.exp(np.asarray(model.log_prob(strings), float))
    signs = np.array([np.prod([sign[k] for k in s]) for s in strings])
    return float((q * signs).sum() / q.sum())


def dephased(L, povm):
    """Return F_c of the dephased mixture with the GHZ state."""
    if povm == "pauli-6":
        return 1 - (2 / 3) ** L * (2 - np.sqrt(2)) / 4
    elements = pg.povm(povm).elements
    parts = [np.ones(1, complex) for _ in range(3)]
    for _ in range(L):
        parts = [
            np.multiply.outer(p, elements[:, i, j]).ravel()
            for p, (i, j) in zip(parts, ((0, 0), (1, 1), (0, 1)))
        ]
    mixed = (parts[0] + parts[1]).real / 2
    return float(np.sqrt(np.maximum(mixed + parts[2].real, 0) * mixed).sum())


def rebuild(row):
    at = row.parameters
    L, povm, of = at["L"], at.get("povm"), at.get("of", "")
    if row.quantity == "shots_for_fidelity":
        return shots_needed(L, povm, of or "matrix product")
    if of == "dephased mixture":
        exact = {
            "fidelity": dephased(L, povm) if povm else 0,
            "fidelity_squared": 0.5,
            "parity": 0,
        }
        return float(exact[row.quantity]), 0.0
    if row.value is not None:
        return None  # of their trained network: ours is another one
    fitted, sets = fit_of(of)
    models = [(s, fitted(L, povm, at["shots"], s)) for s in range(1, sets + 1)]
    if row.quantity == "fidelity":
        return mean([of_model(model, L, povm, s) for s, model in models])
    if row.quantity == "parity":
        return mean([parity(model, L, povm) for _, model in models])
    return mean([ghz_numbers(model.purification()).fidelity_squared for _, model in models])
