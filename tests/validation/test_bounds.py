"""Bounds that hold for any pair of distributions, and matrices that no state has."""

import numpy as np
import pytest
from helpers.states import all_strings
from scipy import stats

from physgen.core.errors import InputError
from physgen.quantum import MPS, TFIM, Born, MeasurementData, ground_state, povm
from physgen.quantum.tomography import count, linear_inversion
from physgen.validation import bounds
from physgen.validation.bounds import pauli_bound, physical_violations, total_variation_bound


@pytest.mark.parametrize("name", ["pauli-4", "pauli-6", "tetrahedral"])
def test_bounds_hold_and_can_be_reached(name):
    frame = povm(name)
    strings = all_strings(frame.K, 2)
    w = frame.weights("Z")[strings].prod(axis=1)
    rng = np.random.default_rng(1)
    for sharpness in (0.1, 1.0, 10.0):
        P, Q = (rng.dirichlet(np.full(len(w), 1 / sharpness)) for _ in range(2))
        tv = np.abs(P - Q).sum() / 2
        positive = P > 0
        with np.errstate(divide="ignore"):
            kl = float((P[positive] * np.log(P[positive] / Q[positive])).sum())
        fidelity = float(np.sqrt(P * Q).sum())
        for bound in ({"fidelity": fidelity}, {"kl": kl}, {"fidelity": fidelity, "kl": kl}):
            assert tv <= total_variation_bound(**bound)
        assert abs(w @ (P - Q)) <= pauli_bound(frame, "ZZ", tv) + 1e-12
    # Mass moved from the lowest to the highest weight reaches the bound.
    P, Q = np.eye(len(w))[[w.argmax(), w.argmin()]]
    assert abs(w @ (P - Q)) == pytest.approx(pauli_bound(frame, {3: "Z", 7: "Z"}, 1.0))


def test_bounds_grow_exponentially():
    four = [pauli_bound(povm("pauli-4"), "X" * k, 0.1) for k in (1, 2, 3)]
    np.testing.assert_allclose(four, 0.6 * 5.0 ** np.arange(3))
    six = [pauli_bound(povm("pauli-6"), "XYZ"[:k], 0.1) for k in (1, 2, 3)]
    np.testing.assert_allclose(six, 0.6 * 3.0 ** np.arange(3))


def test_what_noise_does_to_the_arguments_is_allowed():
    assert total_variation_bound(fidelity=1.0002) == 0
    assert total_variation_bound(kl=-1e-5) == 0
    assert total_variation_bound(kl=np.inf) == 1
    assert total_variation_bound(kl=5.0, fidelity=0.0) == 1
    for arguments, message in (
        ({}, "fidelity or kl must be given"),
        ({"fidelity": -0.1}, "at least 0"),
        ({"kl": np.nan}, "finite"),
    ):
        with pytest.raises(InputError, match=message):
            total_variation_bound(**arguments)


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["pauli-4", "tetrahedral"])
def test_a_product_state_on_the_edge_raises_no_alarm(name):
    """Three eigenvalues of every pair are 0, so that the lowest estimate is negative."""
    state = MPS([np.array([1.0, 0.5]).reshape(1, 2, 1)] * 4)
    x = Born(state, name).sample(50 * 600, 2).reshape(50, 600, 4)
    alarms, lowest, witness = 0, [], []
    for shots in x:
        ds = physical_violations(MeasurementData(shots, name))
        alarms += bool(ds.unphysical.any())
        lowest.append((ds.lowest_eigenvalue / ds.lowest_eigenvalue_error).values)
        witness.append((ds.witness / ds.witness_error).values)
    assert stats.binom.sf(alarms - 1, len(x), ds.attrs["unphysical_level"]) > 1e-3
    assert np.mean(lowest) < -1  # of no use as a test: biased by the choice of the vector
    assert abs(np.mean(witness)) < 0.3


def test_a_wrong_order_and_wrong_duals_are_found():
    x = Born(ground_state(TFIM(12)), "pauli-4").sample(10_000, 1)
    assert not physical_violations(MeasurementData(x, "pauli-4")).unphysical.any()
    swapped = MeasurementData(np.array([3, 1, 2, 0])[x], "pauli-4")
    ds = physical_violations(swapped)
    assert ds.unphysical.all()
    assert (ds.lowest_eigenvalue < 0).all()
    # The outcomes of one pair that no state gives: each spin up along Z, Z and X at once
    impossible = np.array([[0, 0], [1, 1]] * 500)
    assert physical_violations(MeasurementData(impossible, "tetrahedral")).unphysical.all()


@pytest.mark.parametrize("order", ["alternating", "sorted", "mixed"])
def test_outcomes_without_scatter_are_found_whatever_their_order_and_rounding(monkeypatch, order):
    """All vectors of a degenerate lowest eigenvalue are right: another processor takes another."""
    shots = np.array([[0, 0], [1, 1]] * 500)
    if order != "alternating":
        shots = np.sort(shots, axis=0)
    if order == "mixed":
        shots = np.random.default_rng(1).permutation(shots)
    data = MeasurementData(shots, "tetrahedral")
    for seed in range(10):
        rng = np.random.default_rng(seed)

        def any_lowest_vector(counts, rng=rng):
            values, vectors = np.linalg.eigh(linear_inversion(counts).rho)
            lowest = vectors[:, values < values[0] + 1e-9]
            parts = rng.normal(size=(2, lowest.shape[1]))
            v = lowest @ (parts[0] + 1j * parts[1])
            return v / np.linalg.norm(v)

        monkeypatch.setattr(bounds, "_lowest_vector", any_lowest_vector)
        ds = physical_violations(data)
        assert ds.unphysical.all()
        np.testing.assert_allclose(ds.witness, -2, atol=1e-12)  # the singlet of two duals


def test_halves_are_even_in_each_chosen_setting_and_share_no_shot():
    labels = np.repeat(np.arange(9), [10, 4, 7, 12, 5, 8, 30, 2, 6])
    bases = all_strings(3, 2)[labels]
    x = bases + 3 * (np.arange(len(labels)) % 2)[:, None]
    data = MeasurementData(x, "pauli-6", settings=labels)
    first, second = (bounds._halves(data)[k].settings for k in (0, 1))
    assert np.abs(np.bincount(first, minlength=9) - np.bincount(second, minlength=9)).max() <= 1
    np.testing.assert_array_equal(np.sort(np.concatenate([first, second])), labels)
    unique = MeasurementData(all_strings(4, 4), "pauli-4")
    halves = [half.outcomes for half in bounds._halves(unique)]
    assert len(np.unique(np.concatenate(halves), axis=0)) == 256
    assert abs(np.mean(halves[0][:, 3] % 2) - 0.5) < 0.2  # not every other shot


def test_labelled_settings_and_bad_input():
    rng = np.random.default_rng(1)
    bases = np.repeat(all_strings(3, 3), 8, axis=0)
    x = bases + 3 * rng.integers(2, size=bases.shape)
    data = MeasurementData(x, "pauli-6", settings=bases @ [9, 3, 1])
    ds = physical_violations(data)
    assert not ds.unphysical.any()
    pair = linear_inversion(count(data, [1, 2]))
    assert float(ds.lowest_eigenvalue[1]) == pytest.approx(pair.lowest_eigenvalue, abs=1e-12)
    with pytest.raises(InputError, match="2 sites and 8 shots at least, got 1 and 24"):
        physical_violations(MeasurementData(x[:24, :1], "pauli-6"))
