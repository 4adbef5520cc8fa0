"""Classical fidelity of GHZ shots: a mixture without coherence passes (docs/published-numbers)."""

import numpy as np
import pytest

from physgen import Born, DensityMatrix, ghz_state
from physgen.quantum import BornMixed


def probabilities(born, N):
    outcomes = np.indices([6] * N).reshape(N, -1).T.astype(np.uint8)
    return np.exp(np.asarray(born.log_prob(outcomes), float))


@pytest.mark.parametrize("N", [2, 3, 4])
def test_fidelity_of_the_dephased_ghz_state(N):
    diagonal = np.zeros(2**N)
    diagonal[0] = diagonal[-1] = 0.5
    P = probabilities(Born(ghz_state(N), "pauli-6"), N)
    Q = probabilities(BornMixed(DensityMatrix(np.diag(diagonal)), "pauli-6"), N)
    assert P.sum() == pytest.approx(1)
    assert Q.sum() == pytest.approx(1)
    expected = 1 - (2 / 3) ** N * (2 - np.sqrt(2)) / 4
    # sqrt(1 +- cos) averages to its closed form where the phases are multiples of pi/2.
    assert np.sqrt(P * Q).sum() == pytest.approx(expected, abs=1e-9)
