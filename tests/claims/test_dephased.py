"""Classical fidelity of GHZ shots: a mixture without coherence passes (docs/published-numbers)."""

import numpy as np
import pytest

from physgen import Born, DensityMatrix, ghz_state, povm
from physgen.claims.claim import _module, paper_folder
from physgen.quantum import BornMixed

CLAIM = _module("ghz-shots", paper_folder() / "claims" / "ghz-shots" / "run.py")


def mixture(N):
    diagonal = np.zeros(2**N)
    diagonal[0] = diagonal[-1] = 0.5
    return DensityMatrix(np.diag(diagonal))


def probabilities(born, N, K):
    outcomes = np.indices([K] * N).reshape(N, -1).T.astype(np.uint8)
    return np.exp(np.asarray(born.log_prob(outcomes), float))


@pytest.mark.parametrize(
    ("frame", "N"),
    [*(("pauli-6", N) for N in (2, 3, 4, 6)), ("pauli-4", 4), ("tetrahedral", 4)],
)
def test_fidelity_of_the_dephased_ghz_state(frame, N):
    P = probabilities(Born(ghz_state(N), frame), N, povm(frame).K)
    Q = probabilities(BornMixed(mixture(N), frame), N, povm(frame).K)
    assert P.sum() == pytest.approx(1)
    assert Q.sum() == pytest.approx(1)
    assert np.sqrt(P * Q).sum() == pytest.approx(CLAIM.dephased(N, frame), abs=1e-9)
    if frame == "pauli-6":
        # sqrt(1 +- cos) averages to its closed form where the phases are multiples of pi/2.
        expected = 1 - (2 / 3) ** N * (2 - np.sqrt(2)) / 4
        assert CLAIM.dephased(N, frame) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("N", [2, 4, 5])
def test_the_parity_of_outcomes_sees_what_the_fidelity_does_not(N):
    assert CLAIM.parity(Born(ghz_state(N), "pauli-6"), N, "pauli-6") == pytest.approx(1)
    assert CLAIM.parity(BornMixed(mixture(N), "pauli-6"), N, "pauli-6") == pytest.approx(0)
    assert CLAIM.parity(Born(ghz_state(N, np.pi), "pauli-6"), N, "pauli-6") == pytest.approx(-1)
