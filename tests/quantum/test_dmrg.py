"""Ground states of any Hamiltonian: energy, variance, sector and degeneracy, by both paths."""

import numpy as np
import pytest
from helpers.marks import slow
from helpers.paulis import SUMS, matrix
from hypothesis import given, settings

from physgen.core.errors import InputError
from physgen.quantum import (
    MPS,
    TFIM,
    XXZ,
    IsingLadder,
    IsingStrip,
    PauliHamiltonian,
    ground_state,
    random_mps,
)
from physgen.quantum.dmrg import Effort, dmrg
from physgen.quantum.ground_state import _quiet_tenpy
from physgen.quantum.mpo import mean_and_variance
from physgen.quantum.spectrum import low_levels, sector_vector

EFFORT = Effort(chi_max=32, svd_min=1e-8, max_sweeps=30)


@given(SUMS)
@settings(max_examples=30, deadline=None)
def test_random_hamiltonians(operator):
    hamiltonian = PauliHamiltonian(str(operator), operator.L)
    exact = np.linalg.eigvalsh(matrix(operator))
    if low_levels(operator).degeneracy_in_sector > 1:
        assert exact[1] - exact[0] < 1e-8
        with pytest.raises(InputError, match="unique in its sector"):
            ground_state(hamiltonian)
        return
    state = ground_state(hamiltonian)
    assert state.attrs["energy"] == pytest.approx(exact[0], abs=1e-9)
    assert state.attrs["energy"] == pytest.approx(state.energy(hamiltonian), abs=1e-12)
    assert state.attrs["energy_variance"] < 1e-9
    assert abs(state.attrs["energy_error"]) < 1e-9
    assert (state.attrs["degeneracy"] == 1) == (exact[1] - exact[0] > 1e-8)
    psi = state.to_dense()
    np.testing.assert_allclose(matrix(operator) @ psi, exact[0] * psi, atol=1e-6)


def test_the_variance_is_that_of_the_matrix_and_is_not_lost_in_rounding():
    hamiltonian = PauliHamiltonian("1e3 + sum XY + 0.5 Z - 0.3 XZZ", 5)
    H = matrix(hamiltonian.pauli_sum())
    rng = np.random.default_rng(3)
    state = random_mps(5, 4, rng=1)
    psi = state.to_dense() / np.linalg.norm(state.to_dense())
    mean = np.vdot(psi, H @ psi).real
    spread = np.linalg.norm(H @ psi - mean * psi) ** 2
    found = mean_and_variance(state.right_canonical().tensors, hamiltonian.pauli_sum())
    assert found == pytest.approx((mean, spread), rel=1e-9)
    assert state.energy(hamiltonian) == pytest.approx(mean, rel=1e-12)
    tfim = TFIM(5, 0.7, 0.2, "periodic")
    assert mean_and_variance(state.right_canonical().tensors, tfim.pauli_sum())[
        0
    ] == pytest.approx(state.energy(tfim), abs=1e-12)
    # an error of 1e-4 in the state shows as 1e-8 beside E^2 = 1e6
    exact = sector_vector(hamiltonian.pauli_sum(), low_levels(hamiltonian.pauli_sum()).sector)
    noisy = MPS.from_dense(exact + 1e-4 * rng.normal(size=32))
    for psi, low, high in ((noisy, 1e-9, 1e-4), (MPS.from_dense(exact), 0, 1e-11)):
        found = mean_and_variance(psi.right_canonical().tensors, hamiltonian.pauli_sum())
        assert low <= found[1] < high


CASES = [
    XXZ(6, h=1.4),  # charge along Z, not the smallest one
    slow(XXZ(7)),
    slow(XXZ(6, 1.0, -2.0, 0.1)),
    slow(PauliHamiltonian("sum ZZ + YY + 0.3 XX - 0.2 X", 6)),  # charge along X
    IsingLadder(3, h=0.4),  # parity of X, nearly degenerate
    slow(IsingStrip(2, 3, h=2.0, boundary="cylinder")),
    slow(PauliHamiltonian("sum XY + 0.5 Z", 6, "periodic")),  # parity of Z, complex
    PauliHamiltonian("sum XY + 0.5 Z - 0.3 XZZ + 0.2 Y", 6),  # nothing, complex
    slow(PauliHamiltonian("2 + sum XX + 0.5 Z - 0.3 XZZ + 0.2 X", 6)),
]


@pytest.mark.parametrize("hamiltonian", CASES, ids=repr)
def test_dmrg_finds_the_sector_and_the_state_without_diagonalisation(hamiltonian):
    operator = hamiltonian.pauli_sum()
    known = low_levels(operator)
    with _quiet_tenpy():
        state, sector, about = dmrg(operator, None, EFFORT)
    energy, variance = mean_and_variance(state.tensors, operator)
    assert sector == known.sector
    assert energy == pytest.approx(known.energy, abs=1e-9)
    assert variance < 1e-9
    assert about["converged"]
    overlap = np.vdot(sector_vector(operator, sector), state.to_dense())
    assert abs(overlap) == pytest.approx(1, abs=1e-8)


@pytest.mark.slow
def test_longer_chains_against_closed_forms():
    for xxz in (XXZ(16, 1.0, 0.0, 1.3), XXZ(14, boundary="periodic")):
        state = ground_state(xxz, chi_max=40)
        assert abs(state.attrs["energy_error"]) < 1e-4
        # a level lies within the root of the variance
        assert abs(state.attrs["energy_error"]) <= state.attrs["energy_variance"] ** 0.5 + 1e-10
        assert "gap" not in state.attrs
    tfim = TFIM(14, 1.0, 0.5)
    general = ground_state(PauliHamiltonian(str(tfim.pauli_sum()), 14))
    assert general.attrs["energy"] == pytest.approx(tfim.ground_state_energy(), abs=1e-9)
    assert general.attrs["sector"] == "prod X = +1"
    assert general.attrs["sector_gap"] == pytest.approx(tfim.gap(), abs=1e-8)
    assert abs(general.overlap(ground_state(tfim))) == pytest.approx(1, abs=1e-8)


def test_what_is_said_of_levels():
    odd = ground_state(XXZ(5)).attrs
    assert (odd["degeneracy"], odd["gap"], odd["sector"]) == (2, 0.0, "sum Z = 1")
    even = ground_state(XXZ(6)).attrs
    exact = np.linalg.eigvalsh(matrix(XXZ(6).pauli_sum()))
    assert even["gap"] == pytest.approx(exact[1] - exact[0], abs=1e-10)
    assert (even["degeneracy"], even["sector"]) == (1, "sum Z = 0")
    assert even["system"] == "xxz-1d"
    up = ground_state(IsingLadder(3, h=0.0))
    assert (up.attrs["degeneracy"], up.attrs["sector"]) == (2, "sum Z = 6")
    cat = ground_state(IsingLadder(3, h=0.1))
    assert (cat.attrs["degeneracy"], cat.attrs["sector"]) == (1, "prod X = +1")
    assert 1e-7 < cat.attrs["gap"] < 1e-3
    np.testing.assert_allclose(cat.profile("Z"), 0, atol=1e-9)


def test_bonds_too_small_and_states_that_cannot_be_chosen():
    with pytest.raises(InputError, match="unique in its sector, got 2 of the energy -12"):
        ground_state(
            PauliHamiltonian("sum XX + YY + ZZ + 0.5 XIX + 0.5 YIY + 0.5 ZIZ", 8, "periodic")
        )
    with pytest.raises(InputError, match="term beside the identity"):
        ground_state(PauliHamiltonian("3", 4))
    with pytest.raises(InputError, match="chi_max must be larger for this Hamiltonian, got 1,"):
        ground_state(XXZ(6), chi_max=1)


def test_one_and_two_sites():
    one = ground_state(PauliHamiltonian("3 X0 + 4 Y0", 1))
    assert one.attrs["energy"] == pytest.approx(-5)
    two = ground_state(XXZ(2), chi_max=1)  # no bond is cut
    assert (two.attrs["energy"], two.max_bond) == (pytest.approx(-3), 2)
