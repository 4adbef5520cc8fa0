"""Inversion and projection: exact on exact probabilities, and what they refuse."""

from itertools import product

import numpy as np
import pytest
from helpers.states import all_strings, exact_counts, probabilities, product_of, random_state

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import MeasurementData, povm
from physgen.quantum.noise import depolarised
from physgen.quantum.povm import PAULI
from physgen.quantum.tomography import Counts, count, linear_inversion, project
from physgen.quantum.tomography.pauli_basis import from_pauli, to_pauli
from physgen.quantum.tomography.projection import nearest_state
from physgen.quantum.tomography.reconstruction import Reconstruction
from physgen.quantum.tomography.strings import StringSums

COMPLETE = ("pauli-4", "pauli-6", "tetrahedral")


def test_pauli_basis_is_that_of_kronecker_products():
    rho = random_state(3, 5)
    r = to_pauli(rho)
    for value, string in zip(r, product("IXYZ", repeat=3)):
        assert value == pytest.approx(np.trace(rho @ product_of(PAULI, string)).real, abs=1e-13)
    np.testing.assert_allclose(from_pauli(r), rho, atol=1e-15)


@pytest.mark.parametrize("L", [1, 4])
def test_sums_over_strings_are_those_of_the_full_products(L):
    rng = np.random.default_rng(2)
    strings = np.unique(rng.integers(6, size=(40, L), dtype=np.uint8), axis=0)
    factors = rng.normal(size=(L, 6, 4))  # not the same on every site
    y, r = rng.normal(size=len(strings)), rng.normal(size=4**L)
    full = np.ones((len(strings), 1))
    for i in range(L):
        full = (full[:, :, None] * factors[i][strings[:, i]][:, None]).reshape(len(strings), -1)
    sums = StringSums(strings, factors)
    np.testing.assert_allclose(sums.pauli(y), y @ full, atol=1e-12)
    np.testing.assert_allclose(sums.strings(r), full @ r, atol=1e-12)


@pytest.mark.parametrize("name", COMPLETE)
def test_inversion_of_exact_probabilities_is_the_state(name):
    rho = random_state(3, 2)
    found = linear_inversion(exact_counts(rho, povm(name)))
    np.testing.assert_allclose(found.rho, rho, atol=1e-12)
    assert found.is_physical


def test_noise_in_the_elements_is_undone():
    rho, noisy = random_state(2, 1), depolarised("pauli-6", 0.1)
    counts = exact_counts(rho, noisy)
    np.testing.assert_allclose(linear_inversion(counts).rho, rho, atol=1e-12)
    taken_as_ideal = Counts(povm("pauli-6"), counts.strings, counts.counts)
    below = linear_inversion(taken_as_ideal).rho  # the noisy state, of lower purity
    assert np.vdot(below, below).real < 0.8
    again = linear_inversion(count(taken_as_ideal, povm=noisy))
    np.testing.assert_allclose(again.rho, rho, atol=1e-12)


def test_wrong_duals_and_wrong_order_are_seen():
    rho = random_state(2, 1)
    four, tetra = povm("pauli-4"), povm("tetrahedral")
    strings = all_strings(4, 2)
    p = probabilities(rho, four, strings)
    assert linear_inversion(Counts(four, strings, p)).lowest_eigenvalue > -1e-12
    for frame, order in ((tetra, [0, 1, 2, 3]), (four, [3, 1, 2, 0])):
        swapped = np.array(order)[strings]
        counts = Counts(frame, *sorted_rows(swapped, p))
        assert not linear_inversion(counts).is_physical


def sorted_rows(strings, p):
    order = np.lexsort(strings.T[::-1])
    return strings[order].astype(np.uint8), p[order]


def test_chosen_settings_are_weighted_equally():
    rho, frame = random_state(2, 2), povm("pauli-6")
    counts = exact_counts(rho, frame)
    shots = 1.0 + np.arange(9)  # of each setting, unequal
    of_string = shots[(counts.strings % 3) @ [3, 1]]
    unequal = Counts(frame, counts.strings, counts.counts * of_string, by_setting=True)
    np.testing.assert_allclose(linear_inversion(unequal).rho, rho, atol=1e-12)
    as_random = Counts(frame, counts.strings, unequal.counts / unequal.counts.sum())
    assert np.abs(linear_inversion(as_random).rho - rho).max() > 0.05


def test_labels_of_measured_data_are_taken_as_chosen_settings():
    rng = Stream(1).numpy()
    bases = np.repeat(all_strings(3, 2), np.arange(4, 13), axis=0)
    x = bases + 3 * rng.integers(2, size=bases.shape)
    data = MeasurementData(x, "pauli-6", settings=bases @ [3, 1])
    found = linear_inversion(data).rho
    duals = data.povm.duals
    mean = np.mean([w * np.kron(duals[a], duals[b]) for w, (a, b) in zip(data.weights, x)], axis=0)
    np.testing.assert_allclose(found, mean, atol=1e-13)
    one = linear_inversion(count(data, sites=[1])).rho
    p = np.array([np.mean(x[x[:, 1] % 3 == a % 3, 1] == a) for a in range(6)]) / 3
    np.testing.assert_allclose(one, np.einsum("a,aij->ij", p, duals), atol=1e-13)


def test_known_projections():
    np.testing.assert_allclose(
        nearest_state(np.diag([1.2, -0.2])), np.diag([1.0, 0.0]), atol=1e-15
    )
    np.testing.assert_allclose(
        nearest_state(np.diag([0.5, -0.3, 0.6, 0.2])), np.diag([0.4, 0, 0.5, 0.1]), atol=1e-15
    )
    rho = random_state(3, 3)
    np.testing.assert_allclose(nearest_state(rho), rho, atol=1e-14)


def test_no_state_is_nearer_than_the_projection():
    """First-order condition: Tr (A - p)(s - p) <= 0 for every state s."""
    A = random_state(3, 2) + 0.4 * (random_state(3, 8, seed=3) - random_state(3, 8, seed=4))
    nearest = nearest_state(A)
    assert np.trace(nearest).real == pytest.approx(1, abs=1e-14)
    assert np.linalg.eigvalsh(nearest)[0] > -1e-14
    top = np.linalg.eigvalsh(A - nearest)[-1]  # the largest Tr (A - p) s
    assert top <= np.vdot(A - nearest, nearest).real + 1e-13


def test_a_noisy_inversion_is_flagged_and_projected():
    frame = povm("tetrahedral")
    x = Stream(5).numpy().integers(4, size=(200, 3), dtype=np.uint8)
    found = linear_inversion(MeasurementData(x, frame))
    assert found.lowest_eigenvalue < -0.05
    ds = found.to_dataset()
    assert (ds.attrs["physical"], ds.rho_real.dims) == (0, ("row", "column"))
    np.testing.assert_allclose(ds.rho_real + 1j * ds.rho_imag, found.rho)
    with pytest.raises(InputError, match="must be positive, got a lowest eigenvalue"):
        found.state()
    state = project(found)
    assert state.state().purity() == pytest.approx(np.vdot(state.rho, state.rho).real)
    assert state.is_physical
    assert state.method == "linear inversion, nearest state"


def test_the_shape_of_ten_sites():
    frame = povm("pauli-6")
    x = Stream(5).numpy().integers(6, size=(500, 10), dtype=np.uint8)
    rho = linear_inversion(MeasurementData(x, frame)).rho
    assert np.trace(rho).real == pytest.approx(1, abs=1e-12)
    pair = linear_inversion(MeasurementData(x[:, [4, 7]], frame)).rho
    Z = np.diag([1, -1])
    factors = [Z if i in (4, 7) else np.eye(2) for i in range(10)]
    zz = np.diag(product_of(factors, range(10)))
    assert np.diag(rho).real @ zz == pytest.approx(np.trace(pair @ np.kron(Z, Z)).real, abs=1e-12)


def test_what_is_refused():
    x = np.zeros((4, 11), np.uint8)
    with pytest.raises(InputError, match=r"at most 10 sites, got 11; choose some"):
        linear_inversion(MeasurementData(x, "pauli-4"))
    assert count(MeasurementData(x, "pauli-4"), sites=[10, 0]).L == 2
    with pytest.raises(InputError, match=r"informationally complete POVM, got trine.*see Y"):
        linear_inversion(MeasurementData(x[:, :2], "trine"))
    bases = np.repeat(all_strings(3, 2)[:-1], 3, axis=0)
    data = MeasurementData(bases, "pauli-6", settings=bases @ [3, 1])
    with pytest.raises(InputError, match=r"all 3\^L settings, got none of YY \(1 of 9"):
        linear_inversion(data)
    assert count(data, sites=[0]).n == data.n
    with pytest.raises(InputError, match=r"sites must be distinct and in 0\.\.1"):
        count(data, sites=[0, 2])
    with pytest.raises(InputError, match="must have the 6 outcomes"):
        count(data, povm=povm("pauli-4"))
    with pytest.raises(InputError, match="finite"):
        project(Reconstruction(np.full((2, 2), np.nan), "mine", 1, "pauli-6"))
