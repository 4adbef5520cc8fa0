"""Many calls at once are the calls one by one: loops that LLVM makes vectors of, and our own."""

import os
import subprocess
import sys

import numpy as np
import pytest

from physgen.kernels.cpu import philox, philox_calls

KEY = 0x0123456789ABCDEF
STEP, CALL = 7, 3


def expected(first, shift, chain0, n):
    """Return the two 64-bit words of each call, by NumPy."""
    t = np.arange(first, first + n, dtype=np.uint64)
    c0, c2 = t >> np.uint64(shift), chain0 + (t & np.uint64((1 << shift) - 1))
    return philox.words(KEY, c0, STEP, c2, CALL)


def given(first, shift, chain0):
    return (*map(np.uint64, (first, shift, chain0, STEP, CALL)), *philox.split_key(KEY))


@pytest.mark.parametrize("n", [1, 7, 8, 29, 64])
@pytest.mark.parametrize(("first", "shift", "chain0"), [(0, 4, 0), (5, 2, 16), (2**33 + 3, 6, 64)])
def test_words_are_those_of_the_calls(first, shift, chain0, n):
    a, b = expected(first, shift, chain0, n)
    halves = np.array([a, a >> np.uint64(32), b, b >> np.uint64(32)]).astype(np.uint32)
    for write in (philox_calls.words32, philox_calls.rows32):
        found = np.zeros((4, n + 1), np.uint32)  # a row that is too long would show behind it
        whole = write(*given(first, shift, chain0), *found[:, :n])
        whole = n if whole is None else whole
        assert whole in (n, n - n % 8)
        assert np.array_equal(found[:, :whole], halves[:, :whole])
        assert not found[:, whole:].any()
    for write in (philox_calls.words64, philox_calls.rows64):
        found = np.zeros((2, n + 1), np.uint64)
        whole = write(*given(first, shift, chain0), *found[:, :n])
        whole = n if whole is None else whole
        assert whole in (n, n - n % 8)
        assert np.array_equal(found[0, :whole], a[:whole])
        assert np.array_equal(found[1, :whole], b[:whole])
        assert not found[:, whole:].any()


@pytest.mark.slow
def test_narrow_registers_make_no_difference(tmp_path):
    """Explicit vectors, and the scalar rest behind them, as on a machine of 128 bits."""
    features = {"NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": "+sse2"}
    code = (
        "from physgen.kernels.cpu.philox_calls import NARROW; assert NARROW; import pytest, sys;"
        "sys.exit(pytest.main([sys.argv[1], '-q', '-p', 'no:cacheprovider', '-n0',"
        "'-k', 'words_are_those']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, __file__], capture_output=True, text=True, check=False,
        env=os.environ | features | {"NUMBA_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
