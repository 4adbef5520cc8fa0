"""POVM elements, overlaps and duals against known matrices."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.quantum import POVM, merge_map, povm
from physgen.quantum.povm import PAULI, names

COMPLETE = ("pauli-4", "pauli-6", "tetrahedral")
NAMES = names()


def projector(*amplitudes):
    psi = np.array(amplitudes) / np.linalg.norm(amplitudes)
    return np.outer(psi, psi.conj())


@pytest.mark.parametrize("name", COMPLETE)
def test_reconstruction_is_exact(name):
    """rho = sum_a P(a) D_a for any state, mixed and complex."""
    frame = povm(name)
    np.testing.assert_allclose(frame.elements.sum(axis=0), np.eye(2), atol=1e-15)
    rho = (PAULI["I"] + 0.3 * PAULI["X"] - 0.5 * PAULI["Y"] + 0.2 * PAULI["Z"]) / 2
    p = np.einsum("aij,ji->a", frame.elements, rho).real
    np.testing.assert_allclose(np.einsum("a,aij->ij", p, frame.duals), rho, atol=1e-14)
    for pauli, value in {"I": 1, "X": 0.3, "Y": -0.5, "Z": 0.2}.items():
        assert p @ frame.weights(pauli) == pytest.approx(value, abs=1e-13)
    np.testing.assert_allclose(frame.weights("I"), 1, atol=1e-13)


def test_elements_and_their_order():
    pauli_6 = [(1, 0), (1, 1), (1, 1j), (0, 1), (1, -1), (1, -1j)]
    for element, psi in zip(povm("pauli-6").elements, pauli_6):
        np.testing.assert_allclose(element, projector(*psi) / 3, atol=1e-15)
    assert povm("pauli-6").outcomes == ("Z+", "X+", "Y+", "Z-", "X-", "Y-")
    pauli_4 = povm("pauli-4")
    np.testing.assert_allclose(pauli_4.elements[:3], povm("pauli-6").elements[:3])
    np.testing.assert_allclose(pauli_4.elements[3], povm("pauli-6").elements[3:].sum(axis=0))
    assert np.linalg.matrix_rank(pauli_4.elements[3]) == 2
    assert [povm(n).is_rank_one for n in NAMES] == [False, True, True, True, True, True]


def test_planar_and_projective_povms():
    """Trine and rebit as in the program of Carrasquilla et al., element by element."""
    root3 = np.sqrt(3)
    trine = [(1, 0), (1 / 2, root3 / 2), (1 / 2, -root3 / 2)]  # half the angles: 0, 60, -60
    for element, psi in zip(povm("trine").elements, trine):
        np.testing.assert_allclose(element, projector(*psi) * 2 / 3, atol=1e-15)
    rebit = [(1, 1), (1, -1), (1, 0), (0, 1)]
    for element, psi in zip(povm("pauli-rebit").elements, rebit):
        np.testing.assert_allclose(element, projector(*psi) / 2, atol=1e-15)
    assert povm("pauli-rebit").outcomes == ("X+", "X-", "Z+", "Z-")
    for element, psi in zip(povm("computational").elements, [(1, 0), (0, 1)]):
        np.testing.assert_array_equal(element, projector(*psi))


def test_what_is_seen():
    seen = {name: "".join(p for p in "XYZ" if povm(name).sees(p)) for name in NAMES}
    assert seen == dict.fromkeys(COMPLETE, "XYZ") | {
        "computational": "Z",
        "trine": "XZ",
        "pauli-rebit": "XZ",
    }
    for name in NAMES:
        frame = povm(name)
        assert frame.sees("I")
        assert frame.is_informationally_complete == (name in COMPLETE)
        p = frame.elements.trace(axis1=1, axis2=2).real / 2  # of the fully mixed state
        for pauli in seen[name]:
            bloch = np.einsum("aij,ji->a", frame.elements, PAULI[pauli]).real / 2
            assert (p + 0.3 * bloch) @ frame.weights(pauli) == pytest.approx(0.3, abs=1e-13)
        for pauli in set("XYZ") - set(seen[name]):
            with pytest.raises(InputError, match=f"must have {pauli} in the span"):
                frame.weights(pauli)
    with pytest.raises(InputError, match="pauli must be one of"):
        povm("trine").sees("Q")


def test_overlaps_duals_and_conditioning():
    four, six, tetra = (povm(n) for n in COMPLETE)
    inverse = [[14, -4, -4, -1], [-4, 14, -4, -1], [-4, -4, 14, -1], [-1, -1, -1, 2]]
    np.testing.assert_allclose(np.linalg.inv(four.overlap), inverse, atol=1e-12)
    np.testing.assert_allclose(np.linalg.inv(tetra.overlap), 6 * np.eye(4) - 1, atol=1e-12)
    assert np.linalg.cond(four.overlap) == pytest.approx(13.3, abs=0.05)
    assert np.linalg.matrix_rank(six.overlap) == 4
    np.testing.assert_allclose(four.weights("X"), [-1, 5, -1, -1], atol=1e-12)
    np.testing.assert_allclose(four.weights("Y"), [-1, -1, 5, -1], atol=1e-12)
    np.testing.assert_allclose(six.weights("Z"), [3, 0, 0, -3, 0, 0], atol=1e-12)
    np.testing.assert_allclose(six.weights("Y"), [0, 0, 3, 0, 0, -3], atol=1e-12)
    r2, r6 = np.sqrt(2), np.sqrt(6)
    np.testing.assert_allclose(tetra.weights("Z"), [3, -1, -1, -1], atol=1e-12)
    np.testing.assert_allclose(tetra.weights("X"), [0, 2 * r2, -r2, -r2], atol=1e-12)
    np.testing.assert_allclose(tetra.weights("Y"), [0, 0, r6, -r6], atol=1e-12)
    # E[w^2] of one Pauli matrix in the maximally mixed state: what a shot is worth
    for frame, variance in zip((four, six, tetra), (5, 3, 3)):
        p = frame.pauli_coefficients[:, 0]
        assert p @ frame.weights("X") ** 2 == pytest.approx(variance, abs=1e-12)


def test_a_pauli_outside_the_span_is_refused():
    z_basis = POVM("z", [projector(1, 0), projector(0, 1)], ("0", "1"))
    np.testing.assert_allclose(z_basis.weights("Z"), [1, -1], atol=1e-14)
    for pauli in "XY":
        message = f"must have {pauli} in the span of its elements.*got z.*informationally complete"
        with pytest.raises(InputError, match=message):
            z_basis.weights(pauli)
    # X is seen, however weakly: 1 % of the shots are in its basis
    bases = [*projectors_of(0.99, (1, 0), (0, 1)), *projectors_of(0.01, (1, 1), (1, -1))]
    weak = POVM("weak", bases, ("Z+", "Z-", "X+", "X-"))
    np.testing.assert_allclose(weak.weights("X"), [0, 0, 100, -100], atol=1e-10)


def projectors_of(weight, *states):
    return [weight * projector(*psi) for psi in states]


def test_rank_one_is_one_part_for_each_outcome():
    nothing_and_all = POVM("trivial", [np.zeros((2, 2)), np.eye(2)], ("never", "always"))
    assert not nothing_and_all.is_rank_one
    two = [np.diag([1.0, 0.0]), np.diag([0.0, 1.0]), np.zeros((2, 2))]
    assert not POVM("three", two, ("0", "1", "never")).is_rank_one
    assert POVM("z", two[:2], ("0", "1")).is_rank_one


@pytest.mark.parametrize("name", NAMES)
def test_parts_add_up(name):
    frame = povm(name)
    vectors, owner = frame.parts
    for a, element in enumerate(frame.elements):
        parts = vectors[owner == a]
        np.testing.assert_allclose(
            np.einsum("ri,rj->ij", parts, parts.conj()), element, atol=1e-15
        )
    signs = np.einsum("a,ap->ap", np.ones(frame.K), frame.pauli_coefficients)
    rebuilt = np.einsum("ap,pij->aij", signs, np.array([PAULI[p] for p in "IXYZ"]))
    np.testing.assert_allclose(rebuilt, frame.elements, atol=1e-15)


def test_merging():
    table = merge_map("pauli-6", "pauli-4")
    merged = np.zeros((4, 2, 2), complex)
    np.add.at(merged, table, povm("pauli-6").elements)
    np.testing.assert_allclose(merged, povm("pauli-4").elements, atol=1e-15)
    with pytest.raises(InputError, match="cannot be merged"):
        merge_map("pauli-4", "pauli-6")


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        (np.ones((2, 3, 3)), "shape"),
        ([np.eye(2), np.eye(2)], "sum to the identity"),
        ([np.diag([2, 1]), np.diag([-1, 0])], "positive"),
        ([np.array([[1, 1], [0, 1]]), np.zeros((2, 2))], "Hermitian"),
        ([np.full((2, 2), np.nan), np.eye(2)], "finite"),
        ([np.eye(2) / 3] * 3, "names"),
    ],
)
def test_bad_povm(elements, message):
    with pytest.raises(InputError, match=message):
        POVM("mine", np.asarray(elements), ("a", "b"))


def test_bad_outcomes():
    frame = povm("pauli-4")
    with pytest.raises(InputError, match=r"must be in 0..3, got 4 at shot 1, site 2"):
        frame.check_outcomes([[0, 1, 2], [3, 0, 4], [9, 9, 9]])
    with pytest.raises(InputError, match="got -1 at shot 0, site 0"):
        frame.check_outcomes([[-1, 1]])
    with pytest.raises(InputError, match="integers"):
        frame.check_outcomes([[0.5, 1.0]])
    with pytest.raises(InputError, match="integers"):
        frame.check_outcomes([[np.nan, 1.0]])
    with pytest.raises(InputError, match="shape"):
        frame.check_outcomes([[0, 1]], L=3)
    with pytest.raises(InputError, match="one of 'pauli-4'"):
        povm("pauli-5")
