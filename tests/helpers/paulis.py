"""Random sums of Pauli strings, and their matrices by plain Kronecker products."""

from functools import reduce

import numpy as np
from hypothesis import strategies as st

from physgen.quantum import PauliSum
from physgen.quantum.povm import PAULI


def matrix(operator):
    """The operator by plain Kronecker products, site 0 most significant."""
    total = np.zeros((2**operator.L,) * 2, complex)
    for string, c in operator:
        letters = dict(string)
        total += c * reduce(np.kron, [PAULI[letters.get(i, "I")] for i in range(operator.L)])
    return total


STRINGS = st.dictionaries(st.integers(0, 4), st.sampled_from("XYZ"), min_size=1, max_size=3)
SUMS = st.lists(
    st.tuples(STRINGS, st.sampled_from([-1.5, -1.0, 0.3, 0.5, 1.0, 2.0])), min_size=1, max_size=6
).map(lambda parts: PauliSum({tuple(sorted(s.items())): c for s, c in parts}, L=5))
