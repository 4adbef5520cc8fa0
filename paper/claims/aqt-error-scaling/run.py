"""Frequencies of n shots are multinomial; their mean square error needs the 6^6 probabilities."""

import functools

import numpy as np

from physgen import Born, ghz_state


@functools.cache
def sum_of_squares(L, povm):
    outcomes = np.indices([6] * L).reshape(L, -1).T.astype(np.uint8)
    log_p = np.asarray(Born(ghz_state(L), povm).log_prob(outcomes), float)
    p = np.exp(log_p)
    assert abs(p.sum() - 1) < 1e-6
    return float((p**2).sum())


def rebuild(row):
    L, povm, n = (row.parameters[k] for k in ("L", "povm", "shots"))
    total = 1 - sum_of_squares(L, povm)
    mean_square = total / (6**L * n)
    # One data set scatters: the sum of 6^6 squares has a relative variance of about 2 sum p^2.
    scatter = np.sqrt(2 * sum_of_squares(L, povm)) / 2
    return float(np.sqrt(mean_square)), float(np.sqrt(mean_square) * scatter)
