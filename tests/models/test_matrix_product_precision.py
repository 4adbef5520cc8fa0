"""Matrix products of long chains: float32 against float64 and closed forms, and fits that end."""

import numpy as np
import pytest
import torch
from helpers.marks import slow

from physgen.models import MatrixProduct
from physgen.models.matrix_product import likelihood
from physgen.quantum import TFIM, Born, ghz_state, ground_state
from physgen.training import NegativeLogLikelihood, fit, recipe


def walled(L, leak, dtype):
    """A real GHZ state of random bond bases, but for leaks; its z-outcomes 0...01...1 cancel.

    Their amplitude is 2 leak^(L/2); those of 0...0 and 1...1 are 1 + leak^L.
    """
    model = MatrixProduct(L, "computational", bond=2, complex_valued=False, rng=1).to(dtype)
    A = np.zeros((L, 2, 2, 2))
    A[:, 0, 0, 0] = A[:, 1, 1, 1] = 1.0
    A[:, 1, 0, 1] = A[:, 0, 1, 0] = leak
    draw = np.random.default_rng(2)
    for i in range(L - 1):
        turn = np.linalg.qr(draw.standard_normal((2, 2)))[0]
        A[i] = np.einsum("asb,bc->asc", A[i], turn)
        A[i + 1] = np.einsum("ac,asb->csb", turn, A[i + 1])
    A[0, 0], A[-1, :, :, 0] = A[0].sum(axis=0), A[-1].sum(axis=2)
    with torch.no_grad():
        model.tensors.weights.copy_(torch.from_numpy(A[None]))
    return model


def shots_with_walls(L, n=100):
    """Shots 0...0 and 1...1, the last one with a wall in the middle."""
    x = np.zeros((n, L), np.uint8)
    x[n // 2 :] = 1
    x[-1, : L // 2] = 0
    return torch.from_numpy(x)


def slope(model, x):
    log_q = model(x)
    (gradient,) = torch.autograd.grad(log_q.mean(), model.tensors.weights)
    return log_q.detach().numpy(), gradient.double().numpy()


def exact(L, leak):
    """log q of 0...0, and of the wall: each s has the amplitude leak^n + leak^(L - n)."""
    norm = 2 * ((1 + leak**2) ** L + (2 * leak) ** L)
    return 2 * np.log(1 + leak**L) - np.log(norm), 2 * np.log(2 * leak ** (L // 2)) - np.log(norm)


def test_single_precision_is_as_good_as_double_where_amplitudes_cancel(monkeypatch):
    L, leak = 12, 0.15
    x, (same, wall) = shots_with_walls(L), exact(L, leak)
    double, expected = slope(walled(L, leak, torch.float64), x)
    np.testing.assert_allclose(double[[0, -2, -1]], [same, same, wall], atol=1e-5)
    single, found = slope(walled(L, leak, torch.float32), x)
    np.testing.assert_allclose(single, double, atol=2e-2)
    size = abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=1e-3 * size)
    # Saboteur: no block is repeated in float64.
    monkeypatch.setattr(likelihood, "ACCURACY", 1e30)
    _, without = slope(walled(L, leak, torch.float32), x)
    assert not np.allclose(without, expected, atol=1e-1 * size)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_shot_that_is_noise_in_double_precision_has_no_slope(dtype):
    L, leak = 40, 0.1
    x = shots_with_walls(L)
    log_q, found = slope(walled(L, leak, dtype), x)
    assert np.isfinite(log_q).all()
    assert log_q[-1] < -30  # of the noise: the wall itself has -88
    _, rest = slope(walled(L, leak, torch.float64), x[:-1])
    np.testing.assert_allclose(found, 0.99 * rest, atol=1e-4 * abs(rest).max())


def test_the_gradient_of_other_losses_is_repeated_too():
    """Weights that differ from shot to shot take a second pass through the kernel."""
    L, leak = 12, 0.15
    x, gradients = shots_with_walls(L), []
    for dtype in (torch.float32, torch.float64):
        model = walled(L, leak, dtype)
        loss = (model(x) * torch.linspace(-1.0, 1.0, len(x)).double()).sum()
        gradients.append(torch.autograd.grad(loss, model.tensors.weights)[0].double().numpy())
    np.testing.assert_allclose(gradients[0], gradients[1], atol=1e-3 * abs(gradients[1]).max())


def divergence(L, frame, bond=2, seed=0, n=2000):
    """Return KL(GHZ | fit) and its error, by fresh shots of the state."""
    truth = Born(ghz_state(L), frame)
    model = MatrixProduct(L, frame, bond=bond, rng=seed)
    shots = NegativeLogLikelihood(truth.sample(n, rng=seed + 1))
    fit(model, shots, recipe("mps"), rng=seed)
    fresh = truth.sample(4000, rng=1000 + seed)
    ratios = truth.log_prob(fresh) - np.asarray(model.log_prob(fresh))
    return float(ratios.mean()), float(ratios.std() / np.sqrt(len(ratios)))


@pytest.mark.statistical
@pytest.mark.parametrize(
    ("L", "seed"),
    [(40, 0), (40, 1), (100, 2), *(slow(L, s) for L in (40, 60, 80, 100) for s in range(3, 6))],
)
def test_ghz_states_of_long_chains_are_learned(L, seed):
    """A fit of f free numbers to n shots is off by f / 2n: 2 to 4 a site of a GHZ state."""
    found, error = divergence(L, "pauli-6", seed=seed)
    assert found + 3 * error < 5 * L / (2 * 2000)


@pytest.mark.statistical
@pytest.mark.parametrize(("frame", "bond"), [("tetrahedral", 4), slow("pauli-4", 2)])
def test_other_measurements_of_a_long_ghz_state(frame, bond):
    """The likelihood has maxima where one site is left out; they cost 0.35 nats at least."""
    assert min(divergence(40, frame, bond=bond, seed=seed)[0] for seed in (0, 1)) < 0.2


@pytest.mark.slow
@pytest.mark.statistical
def test_a_long_critical_chain_is_learned():
    truth = Born(ground_state(TFIM(100), chi_max=16), "pauli-6")
    model = MatrixProduct(100, "pauli-6", bond=4, parity="X", reflection=True, rng=1)
    fit(model, NegativeLogLikelihood(truth.sample(2000, 1)), recipe("mps"), rng=1)
    fresh = truth.sample(4000, 2)
    ratios = truth.log_prob(fresh) - np.asarray(model.log_prob(fresh))
    assert 0 < ratios.mean() < 0.4
