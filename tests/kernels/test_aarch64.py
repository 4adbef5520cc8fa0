"""Hot loops cross-compiled for aarch64 work on vectors; one that cannot is seen to be scalar."""

import numpy as np
import pytest
from helpers.aarch64 import SCALAR, counts_of, is_vectorised, loops_of, measured

ASSEMBLY = """
f:
\tmov\tx8, xzr
.LBB0_1:
\tmov\tx9, x1
.LBB0_2:
\tldr\tq0, [x0, x8]
\tfmul\tv0.4s, v0.4s, v1.4s
\tadd\tx8, x8, #16
\tcmp\tx8, x9
\tb.ne\t.LBB0_2
\tsubs\tx1, x1, #1
\tb.ne\t.LBB0_1
.LBB0_3:
\tldr\ts0, [x0, x8]
\tfmul\ts0, s0, s1
\tfadd\ts2, s2, s0
\tcbnz\tx8, .LBB0_3
\tret
"""


def test_innermost_loops_are_found_and_counted():
    loops = list(loops_of(ASSEMBLY))
    assert [len(loop) for loop in loops] == [5, 4]  # not the one around the first
    assert counts_of(ASSEMBLY) == (1, 2)
    assert not is_vectorised(counts_of(ASSEMBLY))


@pytest.mark.slow
def test_hot_loops_are_vectors_on_aarch64():
    found = measured()
    assert len(found) >= 10
    scalar = {name: counts for name, counts in found.items() if not is_vectorised(counts)}
    assert scalar.keys() == {SCALAR}
    assert np.sum([counts[0] for counts in found.values()]) > 500
