"""Shots of an asymmetric state, and how other programs write them."""

import numpy as np

from physgen.core.random import Stream

N, L = 900, 3


def drawn():
    """Return shots of |0> |+> |+i>: random bases 0 = Z, 1 = X, 2 = Y, and bits, shape (N, L)."""
    rng = Stream(1).numpy()
    bases, bits = rng.integers(0, 3, (N, L)), rng.integers(0, 2, (N, L))
    return bases, np.where(bases == [0, 1, 2], 0, bits)


def words(bases):
    return ["".join("ZXY"[b] for b in row) for row in bases]


def strings(bits):
    return ["".join(map(str, row)) for row in bits]


def save(path, text):
    path.write_text(text if text.endswith("\n") else text + "\n")
    return path


def lines(path, rows):
    return save(path, "\n".join(rows))


def same_shots(data, outcomes):
    """Whether these are the same shots, in whatever order."""
    ours, theirs = np.asarray(data.outcomes), np.asarray(outcomes)
    return ours.shape == theirs.shape and sorted(ours.tolist()) == sorted(theirs.tolist())


def histogram(rows):
    found = {}
    for row in rows:
        found[row] = found.get(row, 0) + 1
    return found
