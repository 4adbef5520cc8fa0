"""Hamiltonians as sums of Pauli strings: closed forms, levels, conserved quantities."""

from functools import reduce

import numpy as np
import pytest
from helpers.paulis import SUMS, matrix
from hypothesis import given, settings

from physgen.core.errors import InputError
from physgen.quantum import TFIM, XXZ, IsingLadder, IsingStrip, PauliHamiltonian, PauliSum
from physgen.quantum.conserved import (
    commutes_with_parity,
    hadamard_of,
    in_ladder_operators,
    is_real,
    is_reflected,
    is_translated,
    symmetry_of,
)
from physgen.quantum.hamiltonians import Hamiltonian, hamiltonian_of, signed_sum
from physgen.quantum.mpo import FACTORS, matrix_product, real_factors
from physgen.quantum.povm import PAULI
from physgen.quantum.spectrum import low_levels, sector_levels, sector_vector

ALL = [
    TFIM(5, 0.7, -1.3, "periodic"),
    XXZ(5, 0.7, -0.4, 0.3),
    XXZ(6, boundary="periodic"),
    IsingLadder(3, 0.5, -1.5, 0.8, "periodic"),
    IsingStrip(2, 3, 1.2, 0.6, "cylinder", "snake"),
    PauliHamiltonian("2 + sum XY - 0.5 Z + 0.25 XZY", 5),
]


def levels(hamiltonian):
    return np.linalg.eigvalsh(matrix(hamiltonian.pauli_sum()))


@pytest.mark.parametrize("hamiltonian", ALL, ids=lambda h: type(h).__name__)
def test_every_hamiltonian_is_one_and_reads_back_from_its_attributes(hamiltonian):
    assert isinstance(hamiltonian, Hamiltonian)
    attrs = hamiltonian.attrs()
    again = hamiltonian_of(attrs)
    assert (again.L, again.pauli_sum()) == (hamiltonian.L, hamiltonian.pauli_sum())
    assert again.attrs() == attrs
    assert attrs["L"] == hamiltonian.L
    assert "Pauli matrices" in attrs["hamiltonian"]
    closed = hamiltonian.ground_state_energy()
    assert closed is None or closed == pytest.approx(levels(hamiltonian)[0], abs=1e-10)


def test_the_terms_of_the_ising_chain_are_those_of_its_closed_form():
    tfim = TFIM(6, 0.7, -1.3, "periodic")
    found = levels(tfim)
    assert found[0] == pytest.approx(tfim.ground_state_energy(), abs=1e-12)
    assert found[1] - found[0] == pytest.approx(tfim.gap(), abs=1e-12)
    assert hamiltonian_of({"J": 1.0, "h": 2.0}) is None
    assert hamiltonian_of(TFIM(4, h=0.5).attrs()) == TFIM(4, h=0.5)


@pytest.mark.parametrize(
    "xxz",
    [
        *(XXZ(7, J, 0.0, h) for J in (1.3, -0.6) for h in (0.0, 0.9, -5.0)),
        *(XXZ(L, 1.1, 0.0, h, "periodic") for L in (5, 6) for h in (0.0, 0.7)),
        XXZ(6, -1.0, 0.0, 0.4, "periodic"),
        XXZ(6, 1.0, -1.0),
        XXZ(6, -0.5, 2.0, 0.1, "periodic"),
        XXZ(4, boundary="periodic"),
        XXZ(8, 0.5, boundary="periodic"),
    ],
    ids=str,
)
def test_closed_forms_of_the_xxz_chain(xxz):
    found = levels(xxz)
    assert xxz.ground_state_energy() == pytest.approx(found[0], abs=1e-11)
    assert xxz.ground_state_energy() != pytest.approx(levels(XXZ(xxz.L, h=0.01))[0], abs=1e-6)
    if (gap := xxz.gap()) is not None:
        assert gap == pytest.approx(found[1] - found[0], abs=1e-11)


def test_no_closed_form_is_claimed_where_there_is_none():
    for xxz in (XXZ(6), XXZ(5, boundary="periodic"), XXZ(6, 1, 0.5), XXZ(6, -1, 1.0 - 1e-9)):
        assert xxz.ground_state_energy() is None
    assert XXZ(6, boundary="periodic", h=0.1).ground_state_energy() is None


def test_bonds_of_ladders_and_strips():
    assert IsingStrip(4, 2, 0.7, 0.3).pauli_sum() == IsingLadder(4, 0.7, 0.7, 0.3).pauli_sum()
    chain = IsingStrip(3, 3, h=0).pauli_sum()
    assert len(chain) == 12
    assert len(IsingStrip(3, 3, boundary="cylinder", h=0).pauli_sum()) == 15
    snake = IsingStrip(2, 3, boundary="cylinder", order="snake", h=0.5)
    np.testing.assert_array_equal(snake.sites, [[0, 1, 2], [5, 4, 3]])
    np.testing.assert_allclose(
        levels(snake), levels(IsingStrip(2, 3, boundary="cylinder", h=0.5)), atol=1e-12
    )
    split = levels(IsingLadder(3, 0.7, 0.0, 0.4))[0]
    assert split == pytest.approx(2 * TFIM(3, 0.7, 0.4).ground_state_energy(), abs=1e-12)


@given(SUMS)
@settings(max_examples=30, deadline=None)
def test_the_matrix_product_is_the_operator(operator):
    tensors, _ = matrix_product(real_factors(operator), operator.L)
    dense = np.ones((1, 1, 1))
    for W in tensors:
        side = 2 * dense.shape[1]
        dense = np.einsum("aij,abkl->bikjl", dense, W).reshape(-1, side, side)
    np.testing.assert_allclose(dense[0], matrix(operator), atol=1e-12)
    assert all(np.isrealobj(W) for W in tensors) == is_real(operator)


def test_bonds_of_matrix_products_do_not_grow_with_the_chain():
    for hamiltonian, bond in ((XXZ(30, h=0.1), 5), (TFIM(30), 3), (IsingStrip(8, 3), 5)):
        tensors, _ = matrix_product(real_factors(hamiltonian.pauli_sum()), hamiltonian.L)
        assert max(W.shape[1] for W in tensors) == bond


@given(SUMS)
@settings(max_examples=30, deadline=None)
def test_conserved_quantities_are_those_of_the_matrices(operator):
    H = matrix(operator)
    paulis = {p: reduce(np.kron, [PAULI[p]] * 5) for p in "XYZ"}
    for p, P in paulis.items():
        assert commutes_with_parity(operator, p) == np.allclose(H @ P, P @ H)
    assert is_real(operator) == np.allclose(H.imag, 0)
    charge = np.diag(sum(1 - 2 * ((np.arange(32) >> i) & 1) for i in range(5)))
    ladder = in_ladder_operators(operator)
    assert (ladder is not None) == np.allclose(H @ charge, charge @ H)
    mirror = matrix(PauliSum({tuple((4 - i, p) for i, p in s): c for s, c in operator}, 5))
    assert is_reflected(operator) == np.allclose(mirror, H)
    hadamard = reduce(np.kron, [(PAULI["X"] + PAULI["Z"]) / np.sqrt(2)] * 5)
    np.testing.assert_allclose(matrix(hadamard_of(operator)), hadamard @ H @ hadamard, atol=1e-12)
    if ladder is not None:
        made = sum(
            c * reduce(np.kron, [FACTORS[dict(s).get(i, "I")] for i in range(5)])
            for s, c in ladder.items()
        )
        np.testing.assert_allclose(made, H, atol=1e-12)


def test_conserved_quantities_of_the_systems():
    assert symmetry_of(XXZ(5).pauli_sum()) == ("charge", "Z")
    assert symmetry_of(PauliSum.parse("sum ZZ + YY + 0.3 XX - X", 5)) == ("charge", "X")
    assert symmetry_of(TFIM(5).pauli_sum()) == ("parity", "X")
    assert symmetry_of(PauliSum.parse("sum XY + Z", 5)) == ("parity", "Z")
    assert symmetry_of(PauliSum.parse("sum XY + Z + X", 5)) == ("none", "Z")
    assert is_translated(XXZ(5, boundary="periodic").pauli_sum())
    assert not is_translated(XXZ(5).pauli_sum())
    assert is_reflected(XXZ(5).pauli_sum())
    assert not is_reflected(PauliSum.parse("sum XY", 5))


@given(SUMS)
@settings(max_examples=30, deadline=None)
def test_levels_sector_by_sector_are_those_of_the_whole_matrix(operator):
    exact = np.linalg.eigvalsh(matrix(operator))
    found = low_levels(operator)
    rounding = 1e-9 * operator.bound()
    assert found.energy == pytest.approx(exact[0], abs=1e-10)
    degenerate = np.count_nonzero(exact <= exact[0] + rounding)
    assert found.degeneracy == min(degenerate, found.degeneracy)
    assert (found.degeneracy == 1) == (degenerate == 1)
    if degenerate == 1:
        assert found.gap == pytest.approx(exact[1] - exact[0], abs=1e-10)
    psi = sector_vector(operator, found.sector)
    assert np.linalg.norm(matrix(operator) @ psi - found.energy * psi) < 1e-9


def test_iterated_levels_agree_with_free_fermions_and_find_doublets():
    tfim = TFIM(11, 1, 0.4)
    found = low_levels(tfim.pauli_sum())
    assert found.energy == pytest.approx(tfim.ground_state_energy(), abs=1e-10)
    assert found.gap == pytest.approx(tfim.gap(), abs=1e-10)
    odd = low_levels(XXZ(11).pauli_sum())
    assert (odd.degeneracy, odd.degeneracy_in_sector, str(odd.sector)) == (2, 1, "sum Z = 1")
    # Majumdar and Ghosh: two products of singlets on a ring, in one sector
    text = "sum XX + YY + ZZ + 0.5 XIX + 0.5 YIY + 0.5 ZIZ"
    ring = PauliSum.parse(text, 8, "periodic")
    mg = low_levels(ring)
    assert mg.energy == pytest.approx(-12, abs=1e-10)
    assert (mg.degeneracy, mg.degeneracy_in_sector) == (2, 2)
    with pytest.raises(InputError, match="at most 12"):
        sector_levels(TFIM(13).pauli_sum(), found.sector)


def test_couplings_of_zero_leave_no_term():
    for nothing in (XXZ(4, J=0), IsingLadder(2, 0, 0, 0), IsingStrip(2, 2, 0, 0)):
        assert nothing.pauli_sum().terms == {}
    assert XXZ(3, J=0, h=2).pauli_sum() == PauliSum.parse("sum 1 Z", 3) * -2


def test_text_keeps_every_digit():
    for c in (1 / 3, -1e-7, 2.5e300):
        assert PauliSum.parse(signed_sum([(c, "XX")], "sum"), 2).terms[(0, "X"), (1, "X")] == c
    assert signed_sum([(1.0, "X0"), (-0.5, "Z1")]) == "1.0 X0 - 0.5 Z1"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: XXZ(1), "L must be an integer >= 2"),
        (lambda: XXZ(4, Delta=float("nan")), "Delta must be a finite number"),
        (lambda: XXZ(2, boundary="periodic"), "L must be an integer >= 3"),
        (lambda: IsingLadder(1), "rungs must be"),
        (lambda: IsingStrip(3, 2, boundary="cylinder"), "Ly must be an integer >= 3"),
        (lambda: IsingStrip(3, 3, order="rows"), "order must be one of 'columns', 'snake'"),
        (lambda: PauliHamiltonian("Q0", 4), "such as"),
        (lambda: PauliHamiltonian(3, 4), "terms must be a text"),
        (lambda: PauliHamiltonian.from_attrs({"L": 3}), "must contain system, hamiltonian"),
    ],
)
def test_bad_input(make, message):
    with pytest.raises(InputError, match=message):
        make()
