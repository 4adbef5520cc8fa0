"""Bounds that hold for any pair of distributions, and matrices that no state has."""

import numpy as np
import pytest
from helpers.states import all_strings
from scipy import stats

from physgen.core.errors import InputError
from physgen.quantum import MPS, TFIM, Born, MeasurementData, ground_state, povm
from physgen.quantum.tomography import count, linear_inversion
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
