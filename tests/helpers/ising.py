"""The Ising sweeps in plain NumPy: exact transition matrices of the algorithm."""

import numpy as np

from physgen.kernels.cpu.ising_tables import HEAT_BATH, METROPOLIS, METROPOLIS_ACCEPT_TIES
from physgen.samplers._ising_model import chains_model

RULES = {"heat bath": HEAT_BATH, "fair": METROPOLIS, "accept": METROPOLIS_ACCEPT_TIES}


def class_probabilities(table):
    """What the kernel's masks and rare events amount to: P(e) and g of each kind and class."""
    digits = (table.masks[..., :8] != 0) @ (1 << np.arange(8))
    t = digits / 256
    mean = sum(1 - int(c) / 2**64 for c in table.poisson)  # sum_n P(N > n)
    rate = mean / 4096
    epsilon = -np.expm1(-rate * table.kept / 2.0**52)
    p = t + (1 - t) * epsilon
    return np.where(table.masks[..., 8] != 0, 1 - p, p), table.masks[..., 9] != 0


def states(n):
    """All 2^n configurations of n spins, bit i of the row number being spin i."""
    return (2 * (np.arange(2**n)[:, None] >> np.arange(n) & 1) - 1).astype(np.int8)


def distribution(target):
    """Probabilities of all states."""
    action = target.action(states(target.n_sites).reshape(-1, *target.event_shape))
    p = np.exp(action.min() - action)
    return p / p.sum()


def flip_probabilities(target, rule):
    """P(spin is flipped) of every state and site, by the kernel's own tables and formula."""
    n = target.n_sites
    model = chains_model(*target.kernel[1], rule)
    z, symmetric = abs(model.variant[0]), model.variant[1]
    p, g = class_probabilities(model.tables)
    if symmetric:  # n and z - n share a class; a tie is decided by a fair bit or accepted
        tie = [1.0 if rule == METROPOLIS_ACCEPT_TIES else 0.5] if z % 2 == 0 else []
        p = np.array([[*p[0], *tie, *p[0][::-1]]])
        g = np.arange(z + 1)[None] > z / 2
        is_tie = np.arange(z + 1)[None] == z / 2
    else:
        is_tie = model.tables.masks[..., 10] != 0
    up = states(n) > 0
    padded = np.concatenate([up, np.zeros((2**n, 1), dtype=bool)], axis=1)
    out = np.empty((2**n, n))
    for i in range(n):
        bits = padded[:, model.rows[i] // 8] ^ (model.signs[i] != 0)
        count, kind, s = bits.sum(axis=1), model.kinds[i], up[:, i]
        excited, tied = p[kind, count], is_tie[kind, count]
        favoured = np.where(tied & (rule != HEAT_BATH), s, g[kind, count])
        if rule == HEAT_BATH:  # s' = g ^ e
            out[:, i] = np.where(s == favoured, excited, 1 - excited)
        else:  # s' = g ^ (e and s == g)
            out[:, i] = np.where(s == favoured, excited, 1.0)
    return out


def sweep_matrix(target, rule):
    """P[a, b] of one sequential sweep from state a to state b."""
    n = target.n_sites
    flip = flip_probabilities(target, rule)
    P, number = np.eye(2**n), np.arange(2**n)
    for i in range(n):
        other = number ^ 1 << i
        P = P * (1 - flip[:, i]) + P[:, other] * flip[other, i]
    return P
