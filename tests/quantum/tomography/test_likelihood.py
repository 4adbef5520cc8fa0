"""Maximum likelihood: the state on exact frequencies, and a certificate that holds."""

import numpy as np
import pytest
from helpers.states import all_strings, exact_counts, noisy_bell, probabilities, random_state

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import MeasurementData, povm
from physgen.quantum.noise import depolarised
from physgen.quantum.tomography import Counts, count, linear_inversion, maximum_likelihood
from physgen.quantum.tomography.resampling import drawn_from

FRAMES = (povm("pauli-4"), povm("pauli-6"), povm("tetrahedral"), depolarised("pauli-6", 0.05))


@pytest.mark.parametrize("frame", FRAMES, ids=lambda frame: frame.name)
@pytest.mark.parametrize("rank", [1, 4])
def test_exact_frequencies_give_the_state(frame, rank):
    rho = random_state(2, rank)
    found = maximum_likelihood(exact_counts(rho, frame, n=1e6), tolerance=0.01)
    assert found.details["converged"] == 1
    assert 0 <= found.details["gap"] + 1e-12 <= 1e-8 + 1e-12
    # A log-likelihood within 1e-8 of its maximum is a distance of about its root.
    np.testing.assert_allclose(found.rho, rho, atol=1e-3)
    p = probabilities(rho, frame, exact_counts(rho, frame).strings)
    assert found.details["log_likelihood"] == pytest.approx(p[p > 0] @ np.log(p[p > 0]), abs=1e-7)


def shots(n, rho, name="pauli-6", seed=1):
    frame = povm(name)
    like = Counts(frame, np.zeros((1, len(rho).bit_length() - 1), np.uint8), np.array([n]))
    return drawn_from(rho, like, np.random.default_rng(seed))


def test_no_state_beats_it_by_more_than_the_certificate():
    counts = shots(500, random_state(2, 1))
    f = counts.counts / counts.n

    def log_likelihood(rho):
        return f @ np.log(probabilities(rho, counts.povm, counts.strings))

    best = maximum_likelihood(counts, tolerance=1e-6)
    reached = best.details["log_likelihood"]
    assert reached == pytest.approx(log_likelihood(best.rho), abs=1e-12)
    for seed in range(200):  # any other state, far and near
        other = random_state(2, 1 + seed % 4, seed=seed)
        for share in (1.0, 0.01):
            mixed = (1 - share) * best.rho + share * other
            assert log_likelihood(mixed) <= reached + best.details["gap"]
    hasty = maximum_likelihood(counts, max_iterations=2)
    assert hasty.details["converged"] == 0
    missing = reached - hasty.details["log_likelihood"]
    assert 0 < missing <= hasty.details["gap"]


def test_where_inversion_is_a_state_both_agree():
    """4 outcomes: any state that reproduces the frequencies exactly is the most likely one."""
    counts = shots(4000, noisy_bell(0.8)[1], "tetrahedral")
    inverted = linear_inversion(counts)
    assert inverted.is_physical
    found = maximum_likelihood(counts, tolerance=1e-5)
    np.testing.assert_allclose(found.rho, inverted.rho, atol=1e-3)


def test_labels_do_not_change_the_likelihood():
    rng = Stream(2).numpy()
    bases = np.repeat([[a, b] for a in range(3) for b in range(3)], 20, axis=0)
    x = bases + 3 * (rng.random(bases.shape) < 0.2)
    labelled = MeasurementData(x, "pauli-6", settings=bases @ [3, 1])
    plain = MeasurementData(x, "pauli-6")
    found = [maximum_likelihood(d).rho for d in (labelled, plain)]
    np.testing.assert_array_equal(*found)
    twice = np.concatenate([x, x[:20]])  # ZZ measured twice as often: no bias towards it
    again = MeasurementData(
        twice, "pauli-6", settings=np.concatenate([bases, bases[:20]]) @ [3, 1]
    )
    assert count(again).by_setting
    moved = maximum_likelihood(again).rho - found[0]
    assert np.abs(moved).max() < 0.05


def test_strings_that_were_not_seen_do_not_count():
    counts = shots(300, noisy_bell(0)[1])
    strings = all_strings(6, 2)
    padded = np.zeros(36, int)
    padded[counts.strings @ [6, 1]] = counts.counts
    assert (padded == 0).any()
    found = [maximum_likelihood(c).rho for c in (counts, Counts(counts.povm, strings, padded))]
    np.testing.assert_array_equal(*found)


def test_wrong_order_is_less_likely():
    psi, rho = noisy_bell(0.02)
    counts = shots(20_000, rho, "pauli-4")
    swapped = np.array([3, 1, 2, 0], np.uint8)[counts.strings]
    wrong = count(MeasurementData(np.repeat(swapped, counts.counts, axis=0), "pauli-4"))
    good, bad = (maximum_likelihood(c) for c in (counts, wrong))
    assert (psi.conj() @ good.rho @ psi).real > 0.95
    assert good.details["log_likelihood"] > bad.details["log_likelihood"] + 0.05


def test_bad_input():
    counts = shots(50, random_state(1, 1))
    with pytest.raises(InputError, match="tolerance must be a positive number"):
        maximum_likelihood(counts, tolerance=0)
    with pytest.raises(InputError, match="max_iterations"):
        maximum_likelihood(counts, max_iterations=0)
