"""Operators read from text: against matrices, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from physgen.core.errors import InputError
from physgen.quantum.pauli_matrices import operator_range, string_entries
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.povm import PAULI
from physgen.quantum.tfim import TFIM


def matrix(operator: PauliSum) -> np.ndarray:
    """The operator as a matrix of 2^L, first site slowest."""
    total = np.zeros((2**operator.L,) * 2, dtype=complex)
    for string, c in operator:
        one = np.eye(1)
        for i in range(operator.L):
            one = np.kron(one, PAULI[dict(string).get(i, "I")])
        total += c * one
    return total


def kron(*letters: str) -> np.ndarray:
    """The product of one letter a site."""
    one = np.eye(1)
    for letter in letters:
        one = np.kron(one, PAULI[letter])
    return one


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("X0 Z2", kron(*"XIZ")),
        ("X0Z2", kron(*"XIZ")),
        ("XYZ", kron(*"XYZ")),
        ("0.5 Z0 Z1 - 1.2e-1*X2", 0.5 * kron(*"ZZI") - 0.12 * kron(*"IIX")),
        ("-Y1", -kron(*"IYI")),
        ("2 3 Y1", 6 * kron(*"IYI")),
        ("sum ZZ", kron(*"ZZI") + kron(*"IZZ")),
        ("X0 - sum XX + 2 Z", kron(*"XII") - kron(*"XXI") - kron(*"IXX")
         + 2 * (kron(*"ZII") + kron(*"IZI") + kron(*"IIZ"))),
        ("sum -ZZ - 2 X", -kron(*"ZZI") - kron(*"IZZ")
         - 2 * (kron(*"XII") + kron(*"IXI") + kron(*"IIX"))),
        ("- sum - 2 XX", 2 * kron(*"XXI") + 2 * kron(*"IXX")),
        ("mean Z", (kron(*"ZII") + kron(*"IZI") + kron(*"IIZ")) / 3),
        ("sum XIX", kron(*"XIX")),
        ("1.5 + Z0", 1.5 * np.eye(8) + kron(*"ZII")),
        ("Z0 + Z0", 2 * kron(*"ZII")),
        ("I0", np.eye(8)),
    ],
)  # fmt: skip
def test_text_is_the_operator_a_person_means(text: str, expected: np.ndarray) -> None:
    np.testing.assert_allclose(matrix(PauliSum.parse(text, L=3)), expected, atol=1e-15)


def test_words_go_around_a_ring() -> None:
    ring = PauliSum.parse("sum XY", L=3, boundary="periodic")
    np.testing.assert_allclose(matrix(ring), kron(*"XYI") + kron(*"IXY") + kron(*"YIX"))
    assert len(PauliSum.parse("sum ZZ", L=2, boundary="periodic")) == 1  # both bonds are one pair
    assert PauliSum.parse("sum ZZ", L=2, boundary="periodic").bound() == 2
    assert PauliSum.parse("mean ZZ", L=5, boundary="periodic").bound() == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "such as"),
        ("Q0", "such as"),
        ("x0", "such as"),
        ("X0 Y0", "twice"),
        ("X3", "0..2"),
        ("XX", "sum XX"),
        ("sum", "words"),
        ("sum XXXX", "1 to 3"),
        ("sum X0", "before"),
        ("X0 +- Z1", "such as"),
        ("XXX YYY", r"\+ or -"),
        ("X0 2 Z1", r"\+ or -"),
        ("1e999 X0", "finite"),
        ("X0 + ", "such as"),
    ],
)
def test_other_text_is_refused_in_one_line(text: str, word: str) -> None:
    with pytest.raises(InputError, match=word) as caught:
        PauliSum.parse(text, L=3)
    assert "\n" not in str(caught.value)


STRINGS = st.dictionaries(st.integers(0, 3), st.sampled_from("IXYZ"), max_size=4)


@given(st.lists(st.tuples(STRINGS, st.floats(-3, 3)), max_size=5), st.floats(-2, 2))
def test_sums_are_sums_of_matrices(parts: list, factor: float) -> None:
    operators = [PauliSum({tuple(s.items()): c}, L=4) for s, c in parts]
    total = PauliSum({}, L=4)
    for operator in operators:
        total = total + factor * operator
    expected = factor * sum((matrix(o) for o in operators), np.zeros((16, 16)))
    np.testing.assert_allclose(matrix(total), expected, atol=1e-12)
    assert np.abs(np.linalg.eigvalsh(matrix(total))).max() <= total.bound() + 1e-9
    assert total.constant == pytest.approx(np.trace(expected).real / 16)
    assert (total - total).terms == {}


def test_written_text_reads_back() -> None:
    for text in ("0.5 X0 + Z0 Z1 + Z1 Z2", "-X0 + 2 Y1", "3 - Z0"):
        operator = PauliSum.parse(text, L=3)
        assert str(operator) == text
        assert PauliSum.parse(str(operator), L=3) == operator


def test_what_an_operator_says_of_itself() -> None:
    operator = PauliSum.parse("0.5 X0 Z2 + sum ZZ", L=4)
    assert (operator.weight, operator.letters, operator.bound()) == (2, "XZ", 3.5)
    with pytest.raises(InputError, match="same L"):
        operator + PauliSum.parse("X0", L=3)


@pytest.mark.parametrize("text", ["X0 Y2", "Y0 Y1 Z2", "I0", "Y1"])
def test_entries_of_a_string_are_those_of_its_matrix(text: str) -> None:
    operator = PauliSum.parse(text, 3)
    (string,) = operator.terms
    rows, values = string_entries(string, 3)
    built = np.zeros((8, 8), complex)
    built[rows, np.arange(8)] = values
    np.testing.assert_array_equal(built, matrix(operator))


@pytest.mark.parametrize(
    ("text", "L"),
    [
        ("0.3 + sum XX + YY + ZZ", 5),
        ("sum XY - 0.4 Z", 4),
        ("sum XX + YY + ZZ", 7),  # by Lanczos
        ("sum XY + 0.3 ZIX", 7),  # by Lanczos, complex
        ("2 - 0.5 X0 Z1 Y2", 3),
        ("1.5", 2),
    ],
)
def test_ranges_of_small_operators_are_extreme_eigenvalues(text: str, L: int) -> None:
    operator = PauliSum.parse(text, L)
    levels = np.linalg.eigvalsh(matrix(operator))
    lowest, highest, exact = operator_range(operator)
    assert exact
    np.testing.assert_allclose([lowest, highest], levels[[0, -1]], atol=1e-9)


def test_ranges_of_large_operators_are_bounds() -> None:
    chain = PauliSum.parse("sum -ZZ - X", 40)
    lowest, highest, exact = operator_range(chain)
    energy = TFIM(40).ground_state_energy()
    assert not exact
    assert -chain.bound() < lowest < energy < 0.85 * lowest
    assert highest == pytest.approx(-lowest)  # Z Y ... turns H to -H
    far = PauliSum.parse("X3 Z17 Y39 + 0.5 X0", 50)  # few sites, wherever they lie
    assert operator_range(far) == (pytest.approx(-1.5), pytest.approx(1.5), True)
    assert operator_range(PauliSum.parse("X" * 30 + " - 2 " + "Z" * 30, 30))[:2] == (-3, 3)


def test_operators_are_spread_over_a_purification() -> None:
    assert PauliSum.parse("0.5 + X0 Z2", 3).spread(2) == PauliSum.parse("0.5 + X0 Z4", 6)
