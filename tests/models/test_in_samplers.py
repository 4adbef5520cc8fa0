"""Trained flows where samplers take a density: independence chains, SMC, and the force of q."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import (
    EquivariantCNF,
    Independence,
    Ising,
    Phi4,
    ReverseKL,
    estimates,
    fit,
    for_target,
    run,
    smc,
)
from physgen.core.errors import InputError
from physgen.training import FitSettings

PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
EXACT = {"log_z": 2.405138962, "phi2": 0.14774621}  # tests/exact/test_phi4_quadrature.py


@pytest.fixture(scope="module")
def flow():
    model = EquivariantCNF.for_target(PHI4, rng=1, features=3, frequencies=4, times=3)
    settings = FitSettings(n_epochs=1, batch_size=128, learning_rate=1e-2, ema_decay=0.9)
    fit(model, ReverseKL(PHI4, n_validation=128), settings, rng=1)
    return model


@pytest.mark.parametrize("whole", [True, False], ids=["decimated", "even sites"])
def test_the_force_is_the_gradient_of_log_q(flow, whole):
    model = for_target(PHI4, begin_from=flow).double()
    model = model if whole else model.even
    x = model.sample(3, 5).numpy()
    force, numeric, h = model.force(x), np.zeros_like(x), 1e-5
    for k in np.ndindex(x.shape[1:]):
        d = np.zeros(x.shape[1:])
        d[k] = h
        numeric[(slice(None), *k)] = (model.log_prob(x + d) - model.log_prob(x - d)) / (2 * h)
    np.testing.assert_allclose(force, numeric, atol=1e-4)
    assert isinstance(model.force(torch.tensor(x)), torch.Tensor)


@pytest.mark.slow
def test_smc_begins_at_a_flow(flow):
    found = smc(PHI4, start=flow, n_particles=24, n_islands=12, n_moves=1, seed=1)
    assert within(found.log_z, EXACT["log_z"], found.log_z_error, largest=0.015)
    assert found.sizes["stage"] <= 3  # from independent sites it takes more than ten


@pytest.mark.slow
def test_a_flow_proposes_for_a_chain(flow):
    draws = run(Independence(flow), PHI4, n_chains=32, n_draws=80, warmup=10, seed=2, quiet=True)
    assert float(draws["acceptance_rate"].mean()) > 0.5
    row = estimates(draws).sel(quantity="phi2")
    assert within(row.value, EXACT["phi2"], row.error, largest=0.0015)


def test_spins_have_no_force():
    with pytest.raises(InputError, match="a force needs real fields, got a model of spins"):
        for_target(Ising(L=4, beta=0.3)).even.force(np.ones((2, 8)))
    with pytest.raises(InputError, match=r"x must have shape \(\.\.\., 8\)"):
        for_target(PHI4).even.force(np.ones((2, 7)))
