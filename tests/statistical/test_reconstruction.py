"""The main job from end to end: outcomes in, a distribution out, judged against the true state."""

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import within

import physgen as pg
from physgen.quantum import merge_map
from physgen.training import FitSettings
from physgen.validation import exact_divergences


def reconstructed(chain, povm, n_shots, settings=None):
    truth = pg.Born(pg.ground_state(chain, chi_max=24), povm)
    model = pg.LSTM(chain.L, truth.povm.K, rng=1)
    shots = truth.sample(n_shots, 1)
    pg.fit(model, pg.NegativeLogLikelihood(shots), settings, rng=1)
    return model, truth


@pytest.mark.parametrize("povm", ["pauli-4", slow("tetrahedral")])
def test_small_chain_against_enumeration(povm):
    """With k parameters in effect, KL is about k/2n: far below that of an independent fit."""
    model, truth = reconstructed(pg.TFIM(5), povm, 8000, FitSettings(n_epochs=8))
    exact = exact_divergences(model, truth)
    assert exact.norm_model == pytest.approx(1, abs=1e-5)
    assert exact.fidelity > 0.995
    assert exact.kl_forward < 0.02
    # Saboteur: the product of the exact one-site marginals, the best without any correlation.
    strings = np.indices((4,) * 5).reshape(5, -1).T
    p = np.exp(truth.log_prob(strings.astype(np.uint8)))
    marginals = [np.bincount(strings[:, i], p) for i in range(5)]
    q = np.prod([marginals[i][strings[:, i]] for i in range(5)], axis=0)
    assert np.sqrt(p * q).sum() < 0.99


@pytest.mark.slow
def test_pauli6_model_merged_is_the_pauli4_distribution():
    """Merging the samples of a pauli-6 model gives pauli-4 marginals of the state."""
    model, _ = reconstructed(pg.TFIM(4), "pauli-6", 8000, FitSettings(n_epochs=6))
    merged = merge_map("pauli-6", "pauli-4")[model.sample(20_000, 3).numpy()]
    truth = pg.Born(pg.ground_state(pg.TFIM(4)), "pauli-4")
    strings = np.indices((4,) * 4).reshape(4, -1).T.astype(np.uint8)
    p = np.exp(truth.log_prob(strings))
    counts = np.bincount(merged.astype(int) @ [64, 16, 4, 1], minlength=256)
    assert np.sqrt(p * counts / counts.sum()).sum() > 0.985


@pytest.mark.slow
def test_fifty_sites_from_ten_thousand_shots():
    model, truth = reconstructed(pg.TFIM(50), "pauli-4", 10_000)
    found = pg.validate(model, truth, 20_000, rng=5)
    assert (found.fidelity - 3 * found.fidelity_error).min() > 0.992
    seen = pg.estimate_observables(model.sample(100_000, 6), truth.povm, pg.TFIM(50))
    exact = pg.TFIM(50).ground_state_energy()
    # The fit carries the scatter of the data, 0.45 in the energy.
    assert within(seen.energy, exact, np.hypot(0.45, seen.energy_error), largest=0.6)
