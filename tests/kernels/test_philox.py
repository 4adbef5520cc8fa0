import numpy as np
import pytest
from numba import njit

from physgen.kernels.cpu import philox

# From the known-answer file of Random123: counter, key, result.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def integers(text):
    return [int(word, 16) for word in text.split()]


@njit
def scalar_call(c0, c1, c2, c3, k0, k1):
    return philox.philox4x32(c0, c1, c2, c3, k0, k1)


@njit
def vector_calls(buffer, schedule, c0, c1, group, c3):
    philox.draw8(buffer, 0, schedule, c0, c1, group, c3)


@pytest.mark.parametrize(("counter", "key", "result"), KNOWN)
def test_known_answers(counter, key, result):
    counter, key, result = integers(counter), integers(key), integers(result)
    words = philox.words(key[0] | key[1] << 32, *counter)
    assert [int(w[0]) for w in words] == [result[i] | result[i + 1] << 32 for i in (0, 2)]
    assert list(scalar_call(*np.array([*counter, *key], dtype=np.uint64))) == result


def test_vector_words_are_those_of_the_counters():
    key, site, sweep, group = 0xFEDCBA9876543210, 2**32 - 1, 77, 2**31
    buffer = np.empty(64, dtype=np.uint64)
    vector_calls(buffer, philox.key_schedule(key), *np.array([site, sweep, group, 4], np.uint64))
    lanes = group + np.arange(8)
    expected = [philox.words(key, site, sweep, lanes, 4 + call) for call in range(4)]
    np.testing.assert_array_equal(buffer.reshape(4, 2, 8), expected)
