"""The Ising sweeps in plain NumPy: exact transition matrices of the algorithm."""

import numpy as np

from physgen.kernels.cpu import ising_logic as logic
from physgen.kernels.cpu import philox
from physgen.kernels.cpu.ising_tables import HEAT_BATH, METROPOLIS, METROPOLIS_ACCEPT_TIES
from physgen.samplers.spins.model import chains_model

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


def reference_sweeps(model, rule, x, key, block, n_sweeps):
    """Sweeps of a block of chains, uint64 (n_sites, 8), word for word as documented."""
    z, symmetric = abs(model.variant[0]), model.variant[1]
    s = np.concatenate([x, np.zeros((1, 8), dtype=np.uint64)])
    group = 8 * block + np.arange(8)
    for sweep in range(n_sweeps):
        for i in range(len(x)):
            if i % 64 == 0:
                events = _rare_events(model, key, i // 64, sweep, group, len(x))
            calls = [philox.words(key, i, sweep, group, call) for call in range(4)]
            words = [w for pair in calls for w in pair]
            digits = logic.counted([s[r // 8] ^ m for r, m in zip(model.rows[i], model.signs[i])])
            excited, favours = [], []
            for c, masks in enumerate(model.tables.masks[model.kinds[i]]):
                r = logic.compare(words, list(masks[:8])) | events[i % 64, c]
                excited.append(r ^ masks[8])
                favours.append(masks[9] | (masks[10] & s[i]))
            if symmetric:
                none, every = np.zeros(8, np.uint64), np.full(8, 2**64 - 1, np.uint64)
                tie = [words[7] if rule != METROPOLIS_ACCEPT_TIES else every] if z % 2 == 0 else []
                excited = [*excited, *tie, *excited[::-1]]
                favours = [none if 2 * n < z else every for n in range(z + 1)]
                if tie:
                    favours[z // 2] = s[i]
            s[i] = logic.new_spin(s[i], digits, excited, favours, rule)
    return s[:-1]


def _rare_events(model, key, chunk, sweep, group, n_sites):
    """Masks [site, class, lane] of a chunk of 64 sites."""
    masks = np.zeros((64, model.tables.kept.shape[1], 8), dtype=np.uint64)
    calls = [philox.words(key, chunk, sweep, group, 256 + call) for call in range(64)]
    words = np.array([w for pair in calls for w in pair])
    for lane in range(8):
        n_points = np.searchsorted(model.tables.poisson, words[0, lane], side="right")
        for word in words[1 : 1 + n_points, lane].tolist():
            site, bit = word % 64, word >> 6 & 63
            if 64 * chunk + site < n_sites:
                kept = model.tables.kept[model.kinds[64 * chunk + site]]
                masks[site, word >> 12 < kept, lane] |= np.uint64(1 << bit)
    return masks
