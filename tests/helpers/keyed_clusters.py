"""Swendsen-Wang sweeps from the words of the CUDA kernels: labels spread until none changes."""

import numpy as np

from physgen.kernels.cpu.philox import words


def bonds_of(neighbours, K, H):
    """Return nodes and couplings of the bonds in the order of their words; the ghost is node 0."""
    K, H = np.broadcast_to(K, neighbours.shape), np.broadcast_to(H, len(neighbours))
    rows = enumerate(neighbours)
    inner = [(i + 1, j + 1, K[i, k]) for i, row in rows for k, j in enumerate(row) if j > i]
    held = [(i + 1, 0, h) for i, h in enumerate(H) if h != 0]
    first, second, strength = (np.array(a) for a in zip(*inner, *held, strict=True))
    return first, second, strength


def between_spins(a, b, K, word):
    """Whether bonds are occupied: 64 bits below 2^64 (1 - e^{-2 |K|})."""
    p = [min(int(v * 2.0**64), 2**64 - 1) for v in -np.expm1(-2 * np.abs(K))]
    return (a * b * np.sign(K) > 0) & (word < np.array(p, np.uint64))


def between_fields(a, b, hop, word):
    """The same for signs of fields, in float32."""
    t = (np.float32(2) * hop.astype(np.float32)) * a.astype(np.float32) * b.astype(np.float32)
    u = ((word >> np.uint64(32)).astype(np.float32) + np.float32(0.5)) * np.float32(2.0**-32)
    return (t > 0) & (u >= np.exp(-np.clip(t, 0, 69)))


def swept(x, bonds, key, n=1, occupied=between_spins, chains=None):
    """Return x (n_chains, n_sites) after n sweeps, and what the kernel writes to `out`."""
    first, second, strength = bonds
    x, n_sites = x.copy(), x.shape[1]
    chain = (np.arange(len(x)) if chains is None else chains)[:, None]
    number, node = np.arange(len(first)), np.arange(n_sites + 1)
    clusters, label = 0, node
    for sweep in range(n):
        value = np.concatenate([np.ones_like(x[:, :1]), x], axis=1)
        pair = pairs(key, number // 2, sweep, chain, 0)
        word = np.where(number % 2 == 0, *pair)
        joined = occupied(value[:, first], value[:, second], strength, word)
        label = spread(first, second, joined, n_sites + 1)
        coins = np.where(node >> 6 & 1, *pairs(key, node >> 7, sweep, chain, 1)[::-1])
        up = (coins >> (node & 63).astype(np.uint64) & np.uint64(1)) == 1
        flip = np.take_along_axis(up, label, 1) & (label != 0)
        x = np.where(flip[:, 1:], -x, x)
        clusters = clusters + (label == node)[:, 1:].sum(1)
    sizes = np.zeros_like(label)
    np.add.at(sizes, (chain, label[:, 1:]), 1)
    return x, np.array([clusters / n, (sizes**2).sum(1) / n_sites])


def pairs(key, c0, c1, c2, c3):
    """Return the two words of each call, over the broadcast counters."""
    shape = np.broadcast_shapes(np.shape(c0), np.shape(c2))
    return [w.reshape(shape) for w in words(key, c0, c1, c2, c3)]


def spread(first, second, joined, n_nodes):
    """Return the first node of the cluster of each node."""
    label = np.tile(np.arange(n_nodes), (len(joined), 1))
    while True:
        before = label.copy()
        for b in range(len(first)):
            least = np.minimum(label[:, first[b]], label[:, second[b]])
            for end in (first[b], second[b]):
                label[:, end] = np.where(joined[:, b], least, label[:, end])
        if np.array_equal(before, label):
            return label
