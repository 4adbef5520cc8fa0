"""The energy of any Hamiltonian from shots: exact means, errors, and what cannot be given."""

import numpy as np
import pytest
from helpers.paulis import SUMS
from helpers.states import all_strings, random_state
from helpers.statistics import within
from hypothesis import given, settings

from physgen.core.errors import InputError
from physgen.quantum import (
    TFIM,
    XXZ,
    Born,
    DensityMatrix,
    MeasurementData,
    PauliHamiltonian,
    estimate_observables,
    ground_state,
    povm,
    random_mps,
)
from physgen.quantum.energies import energy_floor
from physgen.quantum.operators import operator_values

FULL = PauliHamiltonian("2 + sum XY + 0.5 Z - 0.3 XZZ + 0.7 YYX", 4)
TURNED = PauliHamiltonian("2 + sum XY - 0.5 Z - 0.3 XZZ + 0.7 YYX", 4)  # one sign


def expectation(rho, operator):
    state = DensityMatrix(rho)
    return sum(c * state.expectation(dict(string)) for string, c in operator)


@given(SUMS)
@settings(max_examples=10, deadline=None)
def test_the_one_shot_energy_is_unbiased(operator):
    hamiltonian, rho = PauliHamiltonian(str(operator), 5), random_state(5, 2)
    frame = povm("pauli-4")
    strings = all_strings(frame.K, 5)
    P = probabilities_by_site(rho, frame).ravel()
    energy = operator_values(strings, frame, {"energy": hamiltonian.pauli_sum()})["energy"]
    assert P @ energy == pytest.approx(expectation(rho, operator), abs=1e-10)


def probabilities_by_site(rho, frame):
    L = 5
    tensor = rho.reshape((2,) * (2 * L))
    for site in range(L):
        # axes: outcomes of the sites before, rows left, columns left
        left = L - site
        tensor = np.tensordot(tensor, frame.elements, axes=((site, site + left), (2, 1)))
        tensor = np.moveaxis(tensor, -1, site)
    return tensor.real


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["pauli-4", "tetrahedral", "pauli-6"])
def test_the_energy_from_shots_agrees_and_a_turned_sign_does_not(name):
    state = ground_state(FULL)
    shots = Born(state, name).sample(20_000, 5)
    found = estimate_observables(shots, povm(name), FULL)
    value, error = float(found.energy), float(found.energy_error)
    assert within(value, state.attrs["energy"], error, largest=0.25)
    other = estimate_observables(shots, povm(name), TURNED)
    assert not within(
        float(other.energy), state.attrs["energy"], float(other.energy_error), largest=0.25
    )
    assert int(found.energy_unphysical) == 0
    assert found.energy.attrs["units"] == "unit of the coefficients"
    assert found.energy_error.attrs["units"] == "unit of the coefficients"
    assert found.attrs["terms"] == FULL.terms


@pytest.mark.statistical
def test_labelled_settings_estimate_each_term_from_the_shots_that_see_it():
    state, frame = random_mps(3, 3, rng=4), povm("pauli-6")
    hamiltonian = PauliHamiltonian("1.5 + sum XY + 0.5 Z - 0.3 XZZ", 3)
    shots = Born(state, frame).sample(60_000, 8)
    bases = shots % 3  # Z+, X+, Y+, Z-, X-, Y-
    labels = bases @ np.array([9, 3, 1])
    data = MeasurementData(shots, frame, hamiltonian.attrs(), labels)
    exact = state.energy(hamiltonian)
    found = estimate_observables(data)
    assert within(float(found.energy), exact, float(found.energy_error), largest=0.03)
    turned = PauliHamiltonian("1.5 + sum XY - 0.5 Z - 0.3 XZZ", 3)
    wrong = estimate_observables(data, tfim=turned)
    assert not within(float(wrong.energy), exact, float(wrong.energy_error), largest=0.03)
    # without labels the same shots say the same, less well
    independent = estimate_observables(shots, frame, hamiltonian)
    assert float(independent.energy_error) > float(found.energy_error)
    with pytest.raises(InputError, match=r"x needs settings of X on site 0, 1, 2; .* 10 settings"):
        estimate_observables(data, error="cluster")  # 9 settings see X0, 10 are needed
    field = estimate_observables(data.take(bases.max(axis=1) == 0), tfim=hamiltonian)
    assert "energy needs settings that see X0 Y1, X1 Y2, X0 Z1 Z2 (" in field.attrs["missing"]
    assert "energy" not in field


def test_an_energy_that_a_measurement_does_not_see_is_named():
    xxz = XXZ(4)
    shots = Born(ground_state(xxz), "trine").sample(100, 1)  # no Y
    found = estimate_observables(shots, povm("trine"), xxz)
    assert "energy" not in found
    assert found.attrs["missing"] == "energy: trine does not see Y"
    # H of Z alone takes a measurement of Z alone
    ising = PauliHamiltonian("sum ZZ - 0.5 Z", 4)
    zeros = np.zeros((10, 4), int)
    found = estimate_observables(zeros, povm("computational"), ising)
    assert float(found.energy) == 1.0
    assert "energy" not in found.attrs["missing"]
    found = estimate_observables(zeros, povm("computational"), TFIM(4))
    assert found.attrs["missing"].startswith("x, x_mean, energy")


def test_optimised_duals_take_any_hamiltonian():
    state = ground_state(FULL)
    shots = Born(state, "tetrahedral").sample(4000, 2)
    found = estimate_observables(shots, povm("tetrahedral"), FULL, duals="optimised")
    assert within(
        float(found.energy), state.attrs["energy"], float(found.energy_error), largest=0.5
    )


def test_an_energy_below_the_spectrum_is_flagged():
    assert energy_floor(TFIM(30))[0] == TFIM(30).ground_state_energy()
    assert energy_floor(XXZ(6))[0] == pytest.approx(ground_state(XXZ(6)).attrs["energy"])
    floor, rule = energy_floor(PauliHamiltonian("2 + sum XX - Z", 20))
    assert (floor, rule) == (pytest.approx(2 - 39), "below the sum of all terms at -1")
    # outcomes of another order: every spin reads Z = -1
    field = PauliHamiltonian("sum 1 Z + 0.01 X", 4)
    shots = np.full((500, 4), 3)
    shots[::2, 0] = 2
    found = estimate_observables(shots, povm("pauli-6"), field)
    assert int(found.energy_unphysical) == 1


def test_what_a_file_says_of_its_hamiltonian_is_read_back(tmp_path):
    xxz = XXZ(4, 1.0, 1 / 3, 0.1, "periodic")
    shots = Born(ground_state(xxz), "pauli-4").sample(500, 1)
    MeasurementData(shots, "pauli-4", xxz.attrs()).save(tmp_path / "shots.h5")
    data = MeasurementData.load(tmp_path / "shots.h5")
    assert data.hamiltonian.pauli_sum() == xxz.pauli_sum()
    assert data.tfim is None
    again = estimate_observables(data)
    assert float(again.energy) == float(estimate_observables(shots, povm("pauli-4"), xxz).energy)
    assert again.attrs["system"] == "xxz-1d"
    old = MeasurementData(shots, "pauli-4", TFIM(4).attrs())
    assert old.tfim == old.hamiltonian == TFIM(4)
    with pytest.raises(InputError, match="must contain L, boundary"):
        MeasurementData(shots, "pauli-4", {"hamiltonian": "H", "system": "x", "terms": "sum Z"})
