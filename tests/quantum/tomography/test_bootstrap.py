"""Resampled data follow their distribution, and intervals of physical states cover."""

import numpy as np
import pytest
from helpers.states import all_strings, exact_counts, noisy_bell, probabilities, random_state
from helpers.statistics import accepts, chi_square_p
from scipy import stats

from physgen.core.errors import InputError
from physgen.quantum import povm
from physgen.quantum.noise import depolarised
from physgen.quantum.tomography import Counts, bootstrap_estimates, direct_estimates
from physgen.quantum.tomography.functionals import as_target
from physgen.quantum.tomography.resampling import drawn_again, drawn_from


def like(name, n, L=2):
    return Counts(povm(name), np.zeros((1, L), np.uint8), np.array([n]))


@pytest.mark.statistical
@pytest.mark.parametrize("frame", [povm("pauli-4"), depolarised("pauli-6", 0.1)], ids=str)
def test_fresh_shots_follow_the_state(frame):
    rho, other = random_state(3, 2), random_state(3, 2, seed=9)
    strings = all_strings(frame.K, 3)

    def p_value(n, seed, truth=rho):
        few = Counts(frame, strings[:1], np.array([n]))
        seen = drawn_from(rho, few, np.random.default_rng(seed))
        assert seen.n == n
        counts = np.zeros(len(strings))
        counts[seen.strings @ [frame.K**2, frame.K, 1]] = seen.counts
        return chi_square_p(counts, probabilities(truth, frame, strings))

    assert accepts(p_value, 20_000)
    assert not accepts(lambda n, seed: p_value(n, seed, other), 20_000)


@pytest.mark.statistical
def test_chosen_settings_keep_their_shots_in_both_resamplings():
    rho, frame = random_state(2, 1), povm("pauli-6")
    shots = 1000 * (1 + np.arange(9))
    expected = exact_counts(rho, frame, 9)
    setting = (expected.strings % 3) @ [3, 1]
    mean = expected.counts * shots[setting]
    given = Counts(frame, expected.strings, np.round(mean).astype(int) + 1, by_setting=True)
    for again in (
        drawn_from(rho, given, np.random.default_rng(1)),
        drawn_again(given, np.random.default_rng(1)),
    ):
        np.testing.assert_array_equal(again.shots_of_group, given.shots_of_group)
        counts = np.zeros(36)
        counts[again.strings @ [6, 1]] = again.counts
        # 9 settings of 4 outcomes, each with its number of shots fixed: 27 degrees of freedom
        chi2 = ((counts - given.counts) ** 2 / given.counts).sum()
        assert stats.chi2.sf(chi2, 27) > 1e-3
        assert stats.chi2.cdf(chi2, 27) > 1e-3
    assert (np.diff(given.strings @ [6, 1]) > 0).all()


def coverage(psi, rho, n_sets, swapped=False):
    """How many data sets of 4000 shots have the exact fidelity in their 68 % interval."""
    exact = (psi.conj() @ rho @ psi).real
    hits = 0
    for seed in range(n_sets):
        counts = drawn_from(rho, like("pauli-6", 4000), np.random.default_rng(seed))
        if swapped:  # Z+ and Z- exchanged on the first site
            strings = counts.strings.copy()
            strings[:, 0] = np.array([3, 1, 2, 0, 4, 5])[strings[:, 0]]
            order = np.lexsort(strings.T[::-1])
            counts = Counts(counts.povm, strings[order], counts.counts[order])
        ds = bootstrap_estimates(counts, psi, method="nearest-state", n_resamples=50, rng=seed)
        low, high = ds.fidelity_squared_interval.sel(level=0.68).values
        hits += low <= exact <= high
    return hits


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_of_the_nearest_state_cover():
    psi, rho = noisy_bell(0.3)
    assert stats.binomtest(coverage(psi, rho, 30), 30, 0.68).pvalue > 1e-3
    assert stats.binomtest(coverage(psi, rho, 8, swapped=True), 8, 0.68).pvalue < 1e-3


@pytest.mark.slow
@pytest.mark.statistical
def test_intervals_of_maximum_likelihood_cover():
    psi, rho = noisy_bell(0.05)
    exact = (psi.conj() @ rho @ psi).real
    hits = 0
    for seed in range(100):
        counts = drawn_from(rho, like("pauli-6", 5000), np.random.default_rng(seed))
        ds = bootstrap_estimates(counts, psi, n_resamples=100, rng=seed)
        low, high = ds.fidelity_squared_interval.sel(level=0.68).values
        hits += low <= exact <= high
    assert stats.binomtest(hits, 100, 0.68).pvalue > 1e-3


def test_the_bias_of_positive_states_is_seen_and_the_interval_moves_against_it():
    psi, rho = noisy_bell(0.0)
    counts = drawn_from(rho, like("pauli-4", 500), np.random.default_rng(2))
    ds = bootstrap_estimates(counts, psi, method="nearest-state", blocks=[[0]], rng=1)
    value, bias = float(ds.fidelity_squared), float(ds.fidelity_squared_bias)
    assert value < 1
    assert bias < 0
    low, high = ds.fidelity_squared_interval.sel(level=0.95).values
    assert high > value + abs(bias) or high == 1
    assert 0 <= low < high <= 1
    assert float(ds.purity_bias) < 0
    assert float(ds.block_purity_interval.min()) >= 0.5
    assert set(ds.data_vars) >= set(direct_estimates(counts, psi).data_vars) - {
        "fidelity_squared_unphysical",
        "purity_unphysical",
        "purity_of_inversion",
    }
    np.testing.assert_allclose(np.trace(ds.rho_real), 1)
    again = bootstrap_estimates(counts, psi, method="nearest-state", blocks=[[0]], rng=1)
    assert again.identical(ds)


def test_both_resamplings_agree_on_the_error_of_a_mixed_state():
    psi, rho = noisy_bell(0.5)
    counts = drawn_from(rho, like("tetrahedral", 5000), np.random.default_rng(2))
    errors = [float(direct_estimates(counts, psi).fidelity_squared_error)]
    for resampling in ("parametric", "nonparametric"):
        ds = bootstrap_estimates(
            counts, psi, method="nearest-state", resampling=resampling, n_resamples=100, rng=3
        )
        errors.append(float(ds.fidelity_squared_error))
    np.testing.assert_allclose(errors, errors[0], rtol=0.25)  # of 100: 7 % each


def test_fidelity_of_mixed_states():
    p, q = np.array([0.5, 0.3, 0.2, 0.0]), np.array([0.1, 0.2, 0.3, 0.4])
    target = as_target(np.diag(q), 2)
    assert not target.is_pure
    assert target.fidelity(np.diag(p)) == pytest.approx(np.sqrt(p * q).sum() ** 2, abs=1e-12)
    rho, sigma = random_state(2, 3), random_state(2, 4, seed=5)
    forward, back = as_target(sigma, 2).fidelity(rho), as_target(rho, 2).fidelity(sigma)
    assert forward == pytest.approx(back, abs=1e-12)
    assert as_target(rho, 2).fidelity(rho) == pytest.approx(1, abs=1e-12)


def test_bad_input():
    counts = like("pauli-4", 100)
    for arguments, message in (
        ({"method": "magic"}, "method must be one of"),
        ({"resampling": "jackknife"}, "resampling must be one of"),
        ({"n_resamples": 10}, "n_resamples must be an integer >= 50"),
    ):
        with pytest.raises(InputError, match=message):
            bootstrap_estimates(counts, rng=1, **arguments)
    with pytest.raises(InputError, match="must be positive, got a negative probability"):
        drawn_from(np.diag([1.5, 0, 0, -0.5]), counts, np.random.default_rng(1))
