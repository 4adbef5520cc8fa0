"""Cluster algorithms written out over every bond configuration: exact transition matrices."""

from itertools import product

import numpy as np


def states(n):
    """All 2^n spin states, int8 (2^n, n); bit i of the row's number is site i, 1 for up."""
    bits = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    return (2 * bits - 1).astype(np.int8)


def number(x):
    """The row of `states` that each configuration is."""
    return (x > 0) @ (1 << np.arange(x.shape[1]))


def bonds(neighbours, K, H):
    """Bonds (i, j, K) of the table, each once; the ghost is site n."""
    n = len(neighbours)
    inner = [(i, int(j), K[i, k]) for i in range(n) for k, j in enumerate(neighbours[i]) if j > i]
    return inner + [(i, n, H[i]) for i in range(n) if H[i] != 0]


def boltzmann(neighbours, K, H):
    """The exact distribution over `states`."""
    x = states(len(neighbours)).astype(float)
    x = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    log_w = sum(k * x[:, i] * x[:, j] for i, j, k in bonds(neighbours, K, H))
    w = np.exp(log_w - np.max(log_w))
    return w / w.sum()


def transition_matrix(neighbours, K, H, algorithm, factor=2.0):
    """P[s, t] of one Swendsen-Wang sweep or one Wolff cluster; bonds with 1 - exp(-factor |K|)."""
    n = len(neighbours)
    edges = bonds(neighbours, K, H)
    x = np.concatenate([states(n), np.ones((2**n, 1), np.int8)], axis=1)
    P = np.zeros((2**n, 2**n))
    for s in range(2**n):
        satisfied = [
            (i, j, 1 - np.exp(-factor * abs(k))) for i, j, k in edges if k * x[s, i] * x[s, j] > 0
        ]
        for occupied in product((0, 1), repeat=len(satisfied)):
            p = np.prod([b[2] if o else 1 - b[2] for b, o in zip(satisfied, occupied)])
            label = list(range(n + 1))
            for (i, j, _), o in zip(satisfied, occupied):
                if o:
                    a, b = label[i], label[j]
                    label = [b if c == a else c for c in label]
            masks = {c: sum(1 << i for i in range(n) if label[i] == c) for c in set(label[:n])}
            if algorithm == "wolff":
                for i in range(n):
                    flip = 0 if label[i] == label[n] else masks[label[i]]
                    P[s, s ^ flip] += p / n
            else:
                free = [m for c, m in masks.items() if c != label[n]]
                for coins in product((0, 1), repeat=len(free)):
                    P[s, s ^ sum(m for m, c in zip(free, coins) if c)] += p / 2 ** len(free)
    return P
