import itertools

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.quantum import MPS, POVM, TFIM, Born, ground_state, outcome_symmetry, povm

L = 3


def probabilities(state, frame):
    strings = np.array(list(itertools.product(range(frame.K), repeat=L)))
    return strings, np.exp(Born(state, frame).log_prob(strings))


def complex_state():
    rng = np.random.default_rng(3)
    shapes = [(1, 2, 2), (2, 2, 2), (2, 2, 1)]
    return MPS([rng.standard_normal(s) + 1j * rng.standard_normal(s) for s in shapes])


@pytest.mark.parametrize(
    ("name", "symmetry"), [("pauli-6", "y-flip"), ("pauli-6", "z2"), ("tetrahedral", "y-flip")]
)
def test_outcomes_of_a_symmetric_state_keep_their_probability(name, symmetry):
    frame, sigma = povm(name), outcome_symmetry(name, symmetry)
    assert sorted(sigma) == list(range(frame.K))
    place = frame.K ** np.arange(L)[::-1]
    strings, P = probabilities(ground_state(TFIM(L), chi_max=4), frame)
    np.testing.assert_allclose(P[sigma[strings] @ place], P, atol=1e-9)
    # Saboteur: a state without the symmetry.
    strings, P = probabilities(complex_state(), frame)
    assert abs(P[sigma[strings] @ place] - P).max() > 1e-3


def test_labels_do_not_matter_but_elements_do():
    order = [5, 0, 3, 1, 2, 4]  # Y-, Z+, Z-, X+, Y+, X-
    mine = POVM("mine", povm("pauli-6").elements[order], tuple("abcdef"))
    assert outcome_symmetry(mine, "y-flip").tolist() == [4, 1, 2, 3, 0, 5]
    assert outcome_symmetry(mine, "z2").tolist() == [4, 2, 1, 3, 0, 5]
    half = povm("pauli-6").elements / 2
    doubled = POVM("doubled", np.concatenate([half, half]), tuple("abcdefghijkl"))
    assert sorted(outcome_symmetry(doubled, "z2")) == list(range(12))


@pytest.mark.parametrize(
    ("name", "symmetry", "message"),
    [
        ("pauli-4", "y-flip", r"got pauli-4, where no outcome is what Y\+ becomes"),
        ("tetrahedral", "z2", "got tetrahedral, where no outcome is what v0 becomes"),
        ("pauli-6", "parity", "name must be one of 'y-flip', 'z2', got 'parity'"),
    ],
)
def test_what_a_measurement_does_not_show_is_refused(name, symmetry, message):
    with pytest.raises(InputError, match=message):
        outcome_symmetry(name, symmetry)
