"""Optimised duals: unbiased whatever the weights, and of smaller variance where they should be."""

from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from helpers.states import all_strings, exact_counts, probabilities, random_state
from helpers.statistics import joint_p, unit_variance_p

from physgen.core.errors import InputError
from physgen.exact import exact_observables
from physgen.quantum import (
    MPS,
    TFIM,
    Born,
    MeasurementData,
    estimate_observables,
    ground_state,
    povm,
)
from physgen.quantum.duals import cross_fitted_weights, optimised_weights, site_marginals
from physgen.quantum.noise import depolarised
from physgen.quantum.povm import PAULI


def canonical(frame):
    return np.stack([frame.weights(p) for p in "IXYZ"], axis=1)


@pytest.mark.parametrize("frame", [povm("pauli-6"), depolarised("pauli-6", 0.1)], ids=str)
def test_unbiased_by_enumeration_for_every_pauli_string(frame):
    rho = random_state(2, 2)
    strings = all_strings(6, 2)
    p = probabilities(rho, frame, strings)
    marginals = [[3, 0, 1, 1, 5, 2], [1, 9, 1, 1, 0, 1]]  # of anything: any will do
    w = optimised_weights(frame, marginals)
    np.testing.assert_allclose(w[:, :, 0], 1, atol=1e-13)
    assert np.abs(w - canonical(frame)).max() > 0.5
    for (i, P), (j, Q) in product(enumerate("IXYZ"), repeat=2):
        estimate = p @ (w[0][strings[:, 0], i] * w[1][strings[:, 1], j])
        exact = np.trace(rho @ np.kron(PAULI[P], PAULI[Q])).real
        assert estimate == pytest.approx(exact, abs=1e-13)


def test_they_are_of_least_variance_for_their_state():
    frame = povm("pauli-6")
    rho = 0.8 * random_state(1, 1) + 0.1 * np.eye(2)
    p = exact_counts(rho, frame).counts
    (best,) = optimised_weights(frame, [p])
    least = p @ best**2
    assert ((least < p @ canonical(frame) ** 2 - 0.01)[1:]).all()
    rng = np.random.default_rng(1)
    null = np.eye(6) - np.linalg.pinv(frame.pauli_coefficients.T) @ frame.pauli_coefficients.T
    for _ in range(50):  # any other dual differs by what all elements together do not see
        other = best + 0.3 * null @ rng.normal(size=(6, 4))
        np.testing.assert_allclose(other.T @ frame.pauli_coefficients, np.eye(4), atol=1e-12)
        assert (p @ other**2 >= least - 1e-12).all()


def test_without_a_choice_or_without_a_bias_they_are_the_canonical_ones():
    for name in ("pauli-4", "tetrahedral"):
        w = optimised_weights(povm(name), [[5, 1, 2, 1]])
        np.testing.assert_allclose(w[0], canonical(povm(name)), atol=1e-12)
    six = povm("pauli-6")
    np.testing.assert_allclose(optimised_weights(six, [[2] * 6])[0], canonical(six), atol=1e-13)


def test_each_half_takes_its_weights_from_the_other():
    frame = povm("pauli-6")
    x = Born(ground_state(TFIM(4, h=2)), frame).sample(501, 1)
    even, odd = cross_fitted_weights(x, frame)
    np.testing.assert_array_equal(even, optimised_weights(frame, site_marginals(x[1::2], 6)))
    np.testing.assert_array_equal(odd, optimised_weights(frame, site_marginals(x[::2], 6)))
    for batch_size in (7, 64):
        for a, b in zip(cross_fitted_weights(x, frame, batch_size), (even, odd)):
            np.testing.assert_array_equal(a, b)
    ds = estimate_observables(x, frame, TFIM(4, h=2), duals="optimised", batch_size=7)
    values = np.empty((501, 4))
    values[::2] = even[np.arange(4), x[::2], 1]
    values[1::2] = odd[np.arange(4), x[1::2], 1]
    np.testing.assert_allclose(ds.x, values.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(ds.x_error, values.std(axis=0, ddof=1) / np.sqrt(501), rtol=1e-10)
    assert "cross-fitted" in ds.attrs["estimator"]


def ratios(tfim, n=20_000):
    """Errors over those of the canonical duals."""
    x = Born(ground_state(tfim, chi_max=16), "pauli-6").sample(n, 3)
    canonical, best = (
        estimate_observables(x, povm("pauli-6"), tfim, duals=duals)
        for duals in ("canonical", "optimised")
    )
    exact = exact_observables(tfim)
    assert joint_p((best.x - exact.x)[::4] / best.x_error[::4]) > 1e-3
    return {key: best[f"{key}_error"] / canonical[f"{key}_error"] for key in ("x", "zz", "energy")}


@pytest.mark.slow
def test_variance_of_critical_and_polarised_chains():
    critical, polarised = ratios(TFIM(8)), ratios(TFIM(8, h=3))
    assert (critical["x"] < 0.9).all()
    assert (critical["zz"] < 1.02).all()
    assert float(critical["energy"]) == pytest.approx(1.03, abs=0.03)  # they may lose, a little
    assert (polarised["x"] < 0.4).all()
    assert float(polarised["energy"]) < 0.75


def test_no_bias_by_enumeration_where_weights_from_the_same_shots_have_one():
    """One spin, 2 + 2 shots: the mean over all 1296 data sets."""
    frame, rho = povm("pauli-6"), random_state(1, 1)
    p = exact_counts(rho, frame).counts
    weights = {
        shots: optimised_weights(frame, [np.bincount(shots, minlength=6)])[0, :, 1]
        for n in (2, 4)
        for shots in combinations_with_replacement(range(6), n)
    }
    crossed = same = 0.0
    for shots in product(range(6), repeat=4):
        x, chance = list(shots), p[list(shots)].prod()
        even, odd = tuple(sorted(x[::2])), tuple(sorted(x[1::2]))
        crossed += chance * (weights[odd][x[::2]].mean() + weights[even][x[1::2]].mean()) / 2
        same += chance * weights[tuple(sorted(x))][x].mean()
    exact = np.trace(rho @ PAULI["X"]).real
    assert crossed == pytest.approx(exact, abs=1e-12)
    assert abs(same - exact) > 0.01  # saboteur


@pytest.mark.slow
@pytest.mark.statistical
def test_pulls_have_unit_variance():
    spin = np.array([np.cos(np.pi / 8), np.sin(np.pi / 8)])
    x = Born(MPS.from_dense(np.kron(spin, spin)), "pauli-6").sample(120_000, 1)
    pulls = []
    for shots in x.reshape(120, 1000, 2):
        ds = estimate_observables(shots, povm("pauli-6"), duals="optimised")
        pulls.append(float((ds.x[0] - np.sqrt(0.5)) / ds.x_error[0]))
    assert unit_variance_p(np.array(pulls)) > 1e-3
    assert unit_variance_p(1.4 * np.array(pulls)) < 1e-3  # saboteur: bars too small


def test_bad_input():
    frame = povm("pauli-6")
    for marginals, message in (
        ([1, 2, 3, 4, 5, 6], r"shape \(L, 6\)"),
        ([[0] * 6], "not all zero"),
        ([[-1, 1, 1, 1, 1, 1]], "not negative"),
        ([[np.nan, 1, 1, 1, 1, 1]], "finite"),
    ):
        with pytest.raises(InputError, match=message):
            optimised_weights(frame, marginals)
    with pytest.raises(InputError, match="informationally complete POVM, got trine"):
        optimised_weights(povm("trine"), [[1, 1, 1]])
    x = np.array([[0, 0], [1, 1], [0, 3], [1, 4]])
    with pytest.raises(InputError, match="duals must be 'canonical' for labelled settings"):
        estimate_observables(MeasurementData(x, frame, settings=[0, 1, 0, 1]), duals="optimised")
    with pytest.raises(InputError, match="at least 200 shots, got 4; use the canonical"):
        estimate_observables(x, frame, duals="optimised")
    with pytest.raises(InputError, match="duals must be one of"):
        estimate_observables(x, frame, duals="best")
