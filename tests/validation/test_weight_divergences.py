"""Fidelity and relative entropies from weights: exact values, constants, coverage, saboteurs."""

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.validation.weight_divergences import (
    fidelity_of_weights,
    forward_kl_of_weights,
    reverse_kl_of_weights,
)

# p = N(0, 1), q = N(mu, s^2): all three in closed form.
MU, S = 0.4, 1.2
KL_QP = (S**2 + MU**2 - 1) / 2 - np.log(S)
KL_PQ = np.log(S) + (1 + MU**2) / (2 * S**2) - 0.5
F_C = np.sqrt(2 * S / (1 + S**2)) * np.exp(-(MU**2) / (4 * (1 + S**2)))
N = 4096


def log_w(x, constant=0.0):
    """S is x^2 / 2 without its normalisation, q is normalised."""
    return -(x**2) / 2 + (x - MU) ** 2 / (2 * S**2) + np.log(S) + constant


def estimates_of(seed, constant=0.0):
    rng = np.random.default_rng(seed)
    of_q, of_p = MU + S * rng.standard_normal(N), rng.standard_normal(N)
    w, theirs = log_w(of_q, constant), log_w(of_p, constant)
    return (fidelity_of_weights(w), reverse_kl_of_weights(w), forward_kl_of_weights(theirs, w))


EXACT = (F_C, KL_QP, KL_PQ)


@pytest.mark.statistical
def test_the_closed_forms_are_met_with_errors_of_unit_width():
    pulls = np.array([[(e.value - x) / e.error for e, x in zip(estimates_of(seed), EXACT)]
                      for seed in range(200)])  # fmt: skip
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(200)
    assert np.all((pulls.std(axis=0) > 0.8) & (pulls.std(axis=0) < 1.2))


def test_a_constant_factor_changes_nothing():
    for a, b in zip(estimates_of(1), estimates_of(1, 300.0)):
        assert a.value == pytest.approx(b.value, rel=1e-9, abs=1e-9)
        assert a.error == pytest.approx(b.error, rel=1e-6)


def test_the_directions_are_not_exchanged():
    """A saboteur: both relative entropies differ here by a fifth, thirty errors."""
    _, reverse, forward = estimates_of(2)
    assert abs(reverse.value - KL_PQ) > 5 * reverse.error
    assert abs(forward.value - KL_QP) > 5 * forward.error


def test_equal_densities_have_no_distance_and_no_error():
    w = np.full((64, 10), 3.0)
    assert fidelity_of_weights(w) == (1.0, 0.0)
    assert reverse_kl_of_weights(w) == (0.0, 0.0)
    assert forward_kl_of_weights(w, w) == (0.0, 0.0)
    assert forward_kl_of_weights(w, log_z=(2.5, 0.1)) == (0.5, 0.1)


def test_errors_of_chains_know_their_autocorrelation():
    rng = np.random.default_rng(5)
    x = np.zeros((64, 400))
    noise = rng.standard_normal(x.shape)
    for t in range(1, 400):  # AR(1), tau_int about 10
        x[:, t] = 0.9 * x[:, t - 1] + np.sqrt(1 - 0.81) * noise[:, t]
    chains = reverse_kl_of_weights(x)
    shuffled = reverse_kl_of_weights(rng.permuted(x.ravel()))
    assert chains.error > 2 * shuffled.error
    assert chains.value == pytest.approx(shuffled.value)


def test_what_cannot_be_estimated_is_refused():
    with pytest.raises(InputError, match="got both or neither"):
        forward_kl_of_weights(np.zeros(4))
    with pytest.raises(InputError, match="got shape"):
        fidelity_of_weights(np.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="with NaN"):
        fidelity_of_weights([0.0, np.nan])
