import numpy as np
from numba import njit

from physgen.kernels.cpu import xoshiro

MASK = 2**64 - 1


def rotated(x, k):
    return (x << k | x >> (64 - k)) & MASK


def reference(s, n):
    """xoshiro256++ in Python integers, as published; s is changed."""
    out = []
    for _ in range(n):
        out.append((rotated((s[0] + s[3]) & MASK, 23) + s[0]) & MASK)
        t = (s[1] << 17) & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= t
        s[3] = rotated(s[3], 45)
    return out


@njit
def draw(state, buffer):
    xoshiro.draw8(state, 0, buffer, 0)
    xoshiro.draw8(state, 0, buffer, 64)


def test_first_word():
    # s = (1, 2, 3, 4): rot23(1 + 4) + 1
    assert reference([1, 2, 3, 4], 1) == [41943041]


def test_lanes_are_the_published_generator():
    state = np.random.default_rng(1).integers(0, 2**64, 32, dtype=np.uint64)
    lanes = [[int(state[8 * i + lane]) for i in range(4)] for lane in range(8)]
    buffer = np.empty(128, dtype=np.uint64)
    draw(state, buffer)
    expected = np.array([reference(s, 16) for s in lanes], dtype=np.uint64)
    np.testing.assert_array_equal(buffer.reshape(16, 8), expected.T)
    np.testing.assert_array_equal(state.reshape(4, 8), np.array(lanes, dtype=np.uint64).T)
