"""A bound on the fidelity that no state exceeds, and that shots respect as often as they say."""

import numpy as np
import pytest
import xarray as xr
from helpers.states import random_state
from helpers.statistics import accepts
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from physgen.core.errors import InputError
from physgen.quantum import (
    TFIM,
    BornMixed,
    DensityMatrix,
    MeasurementData,
    PauliHamiltonian,
    estimate_observables,
    read_out,
)
from physgen.quantum.pauli_sum import PauliSum
from physgen.quantum.settings import label_settings
from physgen.validation import fidelity_witness
from physgen.validation.shot_means import mean_of_sum
from physgen.validation.witness import parity_string, witness_of

LETTERS = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]]),
    "Y": np.array([[0, -1j], [1j, 0]]),
    "Z": np.diag([1, -1]),
}


def matrix(operator):
    """A sum of Pauli strings by plain Kronecker products."""
    total = np.zeros((2**operator.L,) * 2, complex)
    for string, c in operator:
        letters, term = dict(string), np.eye(1)
        for i in range(operator.L):
            term = np.kron(term, LETTERS[letters.get(i, "I")])
        total += c * term
    return total


def chain(tfim):
    """H as a matrix, in the eigenbasis of the parity of the ground state where levels touch."""
    terms = {((a, "Z"), (b, "Z")): -tfim.J for a, b in tfim.bonds}
    H = PauliSum(terms | {((i, "X"),): -tfim.h for i in range(tfim.L)}, tfim.L)
    return matrix(H)


def levels(tfim):
    """Energies, parities and eigenvectors; equal energies are told apart by the parity."""
    P = matrix(parity_string(tfim.L)).real
    _, vectors = np.linalg.eigh(chain(tfim).real + 1e-7 * P)
    energy, parity = (np.einsum("in,ij,jn->n", vectors, A, vectors) for A in (chain(tfim).real, P))
    return energy, parity, vectors


def expectations(rho, tfim):
    energy, parity = (
        float(np.trace(rho @ A).real) for A in (chain(tfim), matrix(parity_string(tfim.L)))
    )
    return xr.Dataset({"energy": energy, "parity": parity})


couplings = st.floats(-2, 2).filter(lambda c: abs(c) > 0.05)


@settings(max_examples=60, deadline=None)
@given(couplings, couplings, st.sampled_from([3, 4]), st.integers(1, 3), st.integers(0, 999),
       st.floats(0, 1), st.booleans())  # fmt: skip
def test_the_bound_never_exceeds_the_fidelity(J, h, L, rank, seed, share, ring):
    tfim = TFIM(L, J=J, h=h, boundary="periodic" if ring else "open")
    energy, parity, vectors = levels(tfim)
    for sector in (False, True):
        try:
            witness = witness_of(tfim, parity_known=True, sector=sector)
        except InputError:
            continue  # a frustrated ring
        rows = np.flatnonzero(np.isclose(parity, tfim.ground_sector().parity)) if sector else [0]
        psi = vectors[:, rows[0]]
        rho = share * random_state(L, rank, seed) + (1 - share) * np.outer(psi, psi)
        if not sector and energy[1] - energy[0] < 1e-6:
            continue
        value = float(fidelity_witness(expectations(rho, tfim), tfim, sector=sector).witness)
        assert value <= float((psi @ rho @ psi).real) + 1e-6
        assert witness.value(energy[rows[0]], parity[rows[0]]) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("weight", [0.0, 0.3, 0.9])
def test_the_bound_is_tight_for_the_two_lowest_levels(weight):
    tfim = TFIM(4, h=1.5)
    _, _, vectors = levels(tfim)
    psi = np.sqrt(1 - weight) * vectors[:, 0] + np.sqrt(weight) * vectors[:, 1]
    mixed = (1 - weight) * np.outer(*[vectors[:, 0]] * 2) + weight * np.outer(*[vectors[:, 1]] * 2)
    for rho in (np.outer(psi, psi), mixed):
        found = fidelity_witness(expectations(rho, tfim), tfim)
        assert float(found.witness) == pytest.approx(1 - weight, abs=1e-10)
    assert found.attrs["gap"] == pytest.approx(tfim.gap())


def test_in_a_sector_the_bound_is_tight_for_its_levels_and_the_nearest_of_the_other():
    tfim = TFIM(4, h=0.2)
    _, parity, vectors = levels(tfim)
    same = np.flatnonzero(parity > 0.5)
    for other in (same[1], np.flatnonzero(parity < -0.5)[0]):
        for weight in (0.0, 0.4):
            rho = (1 - weight) * np.outer(*[vectors[:, same[0]]] * 2)
            rho = rho + weight * np.outer(*[vectors[:, other]] * 2)
            found = fidelity_witness(expectations(rho, tfim), tfim)
            assert found.attrs["parity"] == 1
            assert float(found.witness) == pytest.approx(1 - weight, abs=1e-6)


def test_where_the_ground_state_is_not_unique_the_parity_must_be_measured():
    for h in (0.0, 0.05):
        with pytest.raises(InputError, match="parity prod X must be measured"):
            fidelity_witness(xr.Dataset({"energy": -3.0}), TFIM(6, h=h))
    with pytest.raises(InputError, match=r"must be unique for a bound.*needs <prod X>"):
        witness_of(TFIM(6, h=0.0), parity_known=False, sector=False)
    frustrated = TFIM(3, J=-1.0, h=0.0, boundary="periodic")
    with pytest.raises(InputError, match="unique in its parity sector"):
        witness_of(frustrated, parity_known=True)
    assert witness_of(TFIM(6, h=2.0), parity_known=False).parity == 0


class TwoLevels:
    """A Hamiltonian known by its two lowest levels only."""

    L = 2

    def __init__(self, gap):
        self._gap = gap

    def ground_state_energy(self):
        return -1.0

    def gap(self):
        return self._gap


def test_any_hamiltonian_with_a_gap_will_do():
    ds = xr.Dataset({"energy": -0.9, "energy_error": 0.02}, attrs={"refits": 9})
    found = fidelity_witness(ds, TwoLevels(0.5))
    assert float(found.witness) == pytest.approx(0.8)
    assert float(found.witness_error) == pytest.approx(0.04)
    bound = 0.8 - 0.04 * stats.t(8).ppf([0.68, 0.95])
    np.testing.assert_allclose(found.fidelity_squared_lower, bound)
    np.testing.assert_allclose(found.fidelity_squared_lower_raw, bound)
    low = fidelity_witness(xr.Dataset({"energy": 3.0}), TwoLevels(0.5))
    assert float(low.witness) == pytest.approx(-7)
    assert low.fidelity_squared_lower.values.tolist() == [0, 0]
    assert low.fidelity_squared_lower_raw.values.tolist() == [-7, -7]
    with pytest.raises(InputError, match="must be unique"):
        fidelity_witness(ds, TwoLevels(0.0))
    with pytest.raises(InputError, match="must be known for a bound, got none for TwoLevels"):
        fidelity_witness(ds, TwoLevels(None))
    with pytest.raises(InputError, match="sector must be False"):
        fidelity_witness(ds, TwoLevels(0.5), sector=True)
    with pytest.raises(InputError, match="sum of Pauli strings for a bound from shots"):
        fidelity_witness(MeasurementData([[0, 1], [1, 2]], "pauli-6"), TwoLevels(0.5))


def test_levels_without_a_closed_form_are_diagonalised():
    H = PauliHamiltonian("sum XX + YY + ZZ", L=4)
    energy, vectors = np.linalg.eigh(matrix(H.pauli_sum()))
    psi = vectors[:, 0]
    found = fidelity_witness(xr.Dataset({"energy": energy[0]}), H)
    assert float(found.witness) == pytest.approx(1)
    assert found.attrs["gap"] == pytest.approx(energy[1] - energy[0])
    x = BornMixed(DensityMatrix(np.outer(psi, psi.conj())), "pauli-6").sample(4000, 1)
    data = MeasurementData(x, "pauli-6", H.attrs())
    found = fidelity_witness(data)
    assert abs(float(found.witness) - 1) < 4 * float(found.witness_error) < 0.4
    with pytest.raises(InputError, match="must be unique"):  # the ends of an odd chain are free
        fidelity_witness(xr.Dataset({"energy": 0.0}), PauliHamiltonian("sum XX + YY + ZZ", L=3))


@pytest.mark.parametrize(
    ("data", "tfim", "message"),
    [
        (xr.Dataset({"x": 1.0}), TFIM(3), "must hold energy"),
        (xr.Dataset({"energy": np.nan}), TFIM(3), "energy must be finite"),
        (xr.Dataset({"energy": 1.0}), None, "hamiltonian must be given"),
        (MeasurementData([[0, 1], [1, 2]], "pauli-6"), None, "hamiltonian must be given"),
        (MeasurementData([[0, 1], [1, 2]], "pauli-6"), TFIM(3), "L = 2 of data, got 3"),
        (MeasurementData([[0, 0]] * 3, "pauli-6"), TFIM(2, h=0), "parity prod X must be measured"),
        (MeasurementData([[0, 2]] * 3, "pauli-6"), TFIM(2), "no shot sees Z0 Z1"),
        (MeasurementData([[0, 2]] * 3, "pauli-4"), TFIM(2), "the same value from all"),
        (MeasurementData([[0, 1]], "pauli-6"), TFIM(2), "at least 2 shots"),
        (MeasurementData([[0, 1], [1, 1]], "computational"), TFIM(2), "computational"),
        (MeasurementData([[0, 0]] * 3, "pauli-6", settings=[0] * 3), TFIM(2), "see X0 in 0"),
    ],
)
def test_what_gives_no_bound_is_told_in_one_line(data, tfim, message):
    with pytest.raises(InputError, match=message):
        fidelity_witness(data, tfim)


NOISY = TFIM(3, h=2.0)


def noisy_state():
    vectors = levels(NOISY)[2]
    return DensityMatrix(np.outer(vectors[:, 0], vectors[:, 0])).depolarised(0.03)


def shots(n, seed, labelled=False, povm="pauli-6"):
    x = BornMixed(noisy_state(), povm).sample(n, seed)
    return MeasurementData(x, povm, settings=label_settings(x % 3) if labelled else None)


@pytest.mark.parametrize("labelled", [False, True])
def test_from_shots_it_is_the_energy_and_its_error(labelled):
    data = shots(3000, 1, labelled)
    found, observed = fidelity_witness(data, NOISY), estimate_observables(data, tfim=NOISY)
    of_dataset = fidelity_witness(observed)
    assert float(found.witness) == pytest.approx(float(of_dataset.witness), abs=1e-9)
    # One more shot a string that says the worst hardly counts among a thousand.
    assert float(found.witness_error) == pytest.approx(
        float(of_dataset.witness_error), rel=0.02 if labelled else 1e-9
    )
    assert float(of_dataset.witness_error) == pytest.approx(
        float(observed.energy_error) / NOISY.gap()
    )


@pytest.mark.statistical
@pytest.mark.parametrize("labelled", [False, True])
def test_bounds_from_shots_lie_below_the_truth(labelled):
    """Against W of the state, which is below its fidelity, so nothing is gained from the gap."""
    rho = noisy_state().rho
    truth = float(fidelity_witness(expectations(rho, NOISY), NOISY).witness)

    def p_value(n, seed, shift=0.0):
        sets = [fidelity_witness(shots(400, 1000 * seed + k, labelled), NOISY) for k in range(n)]
        bounds = np.array([float(s.fidelity_squared_lower_raw[1]) for s in sets])
        return stats.binom.cdf(int((bounds + shift < truth).sum()), n, 0.95)

    assert accepts(p_value, 40)
    wrong_sign = -2 * NOISY.ground_state_energy() / NOISY.gap()  # of E_0
    assert not accepts(lambda n, seed: p_value(n, seed, wrong_sign), 10)


def test_equal_shots_in_chosen_settings_do_not_make_the_bound_certain():
    """X on all sites in the field alone: every shot says +, and the bound stays below 1."""
    for n in (5, 50):
        data = MeasurementData(np.ones((n, 3), int), "pauli-6", settings=np.zeros(n, int))
        found = fidelity_witness(data, TFIM(3, J=0.0))
        assert float(found.witness) == pytest.approx(1)
        # All three qubits flip together with probability p: no bound can exclude 0.05^(1/n).
        assert float(found.fidelity_squared_lower[1]) < 0.05 ** (1 / n)


def test_readout_errors_of_each_qubit_are_undone():
    matrices = np.array([[[0.97, 0.08], [0.03, 0.92]], [[0.99, 0.05], [0.01, 0.95]]])
    frame, operator = read_out("pauli-6", matrices), PauliSum.parse("Z0 Z1 + 0.5 X0 + 2", 2)
    psi = np.array([1, 0, 0, 1]) / np.sqrt(2)
    x = BornMixed(DensityMatrix(np.outer(psi, psi)), frame).sample(20_000, 3)
    for labels in (None, label_settings(x % 3)):
        found = mean_of_sum(MeasurementData(x, frame, settings=labels), operator)
        assert abs(found.value - 3) < 4 * found.error < 0.3
