r"""Clusters that many threads of a CUDA device find at once: a union-find forest without locks.

Node 0 is the ghost spin, node i + 1 site i, and the parent of a node never comes after it.  Two
trees are joined by hanging the later root under the earlier one,

.. math:: \mathrm{old} = \mathrm{parent}[a], \qquad
          \mathrm{parent}[a] \leftarrow \min(\mathrm{parent}[a], b) ,

in one atomic step.  If a was a root still, old = a, this is all; if another thread has hung it
elsewhere in the meantime, old and b remain to be joined (Komura, Comput. Phys. Commun. 194, 54
(2015); Playne and Hawick, IEEE Trans. Parallel Distrib. Syst. 29, 1217 (2018)).  When all bonds
are joined, the root of a cluster is its first node, in whatever order threads came: results do not
depend on their timing.

On the way up, each node is hung under the parent of its parent (Jaiganesh and Burtscher, HPDC
2018).  A thread may write an outdated parent there, over a b of this moment.  That does no harm:
such a node is no root, so its join found old < a and goes on with old and b.

Arrays are flat, (nodes x chains): ``width`` chains, and this thread works on chain ``lane``.
"""

from __future__ import annotations

import numpy as np

from physgen.kernels.cuda._numba import cuda
from physgen.kernels.cuda.philox import philox4x32

__all__ = ["MOST_NODES", "SIZE", "coin", "coin_words", "join", "reset", "root", "size_of", "toss"]

_U32 = np.uint32
_LOW, _HALF = _U32(0xFFFF), _U32(16)
_ONE, _FIVE, _31 = _U32(1), _U32(5), _U32(31)
_COINS = _U32(1)  # counter word c3

MOST_NODES = 1 << 16  # the upper half of a label is the size of the tree, of a root
SIZE = _U32(1 << 16)  # what a site adds to the label of its root


@cuda.jit(device=True)
def reset(parent, n_nodes, width, lane, part, n_parts):
    """Make every node a tree of its own."""
    for node in range(part, n_nodes, n_parts):
        parent[node * width + lane] = _U32(node)


@cuda.jit(device=True)
def root(parent, node, width, lane):
    """Return the root of the tree of a node, uint32; paths get shorter on the way."""
    up = _U32(parent[node * width + lane] & _LOW)
    while up != node:
        above = _U32(parent[up * width + lane] & _LOW)
        if above != up:
            parent[node * width + lane] = above
        node, up = up, above
    return node


@cuda.jit(device=True)
def join(parent, a, b, width, lane):
    """Join the trees of two nodes; a barrier later, all of them have one root."""
    a, b = root(parent, a, width, lane), root(parent, b, width, lane)
    while a != b:
        high, low = (a, b) if a > b else (b, a)
        old = _U32(cuda.atomic.min(parent, high * width + lane, low))
        if old == high:
            break
        a, b = root(parent, old, width, lane), root(parent, low, width, lane)


@cuda.jit(device=True)
def size_of(parent, node, width, lane):
    """Return the size that sites have added to a label; 0 if the node is no root."""
    return parent[node * width + lane] >> _HALF


def coin_words(n_nodes: int) -> int:
    """Return the number of uint32 that hold the coins of a chain: 128 nodes to a call."""
    return 4 * (-(-n_nodes // 128))


@cuda.jit(device=True)
def toss(coins, n_words, width, lane, part, n_parts, chain, sweep, k0, k1):
    """Fill the coins of all nodes, whether roots or not: four words a call, 32 nodes a word.

    The words of call q are those of the counter (q, sweep, chain, 1).
    """
    for q in range(part, n_words // 4, n_parts):
        a, b, c, d = philox4x32(_U32(q), sweep, chain, _COINS, k0, k1)
        at = 4 * q * width + lane
        coins[at], coins[at + width] = a, b
        coins[at + 2 * width], coins[at + 3 * width] = c, d


@cuda.jit(device=True)
def coin(coins, node, width, lane):
    """Return whether the cluster with this root is flipped; that of the ghost never is."""
    word = coins[(node >> _FIVE) * width + lane]
    return node != 0 and ((word >> (node & _31)) & _ONE) == _ONE
