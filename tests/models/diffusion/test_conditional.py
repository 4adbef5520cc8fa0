"""Conditional score models: Gaussian conditionals are exact, in closed form; weights of the rest.

The oracle is the free field: every conditional of a Gaussian is one.
"""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import FreeField, Ising, Phi4, Phi4Cluster, Stream, as_target, fit, importance, run
from physgen.core.errors import InputError
from physgen.core.protocols import Density
from physgen.lattice import Partition
from physgen.models import Composed, ConditionalScore, ScoreModel
from physgen.samplers import unpack_configurations
from physgen.targets import Given
from physgen.training import ConditionalDiffusion, FitSettings

FREE = FreeField(L=6, m2=0.5)  # at L = 4 blocks and what they leave open are independent
FREE_PARTS = (Partition.of_blocks((6, 6)), Partition.of_sites(np.arange(36).reshape(6, 6) < 15))
BLOCKS = Partition.of_blocks((4, 4))
HALF = Partition.of_sites(np.arange(16).reshape(4, 4) < 8)
PHI4 = Phi4.from_hopping(L=4, kappa=0.22, lam=0.022)


def conditioned(partition):
    """The free field: its spectrum, and a network that is zero."""
    model = ConditionalScore.for_target(FREE, partition, n_steps=4).double()
    fields = model.modes.numpy().T.reshape(-1, 6, 6)
    inverse = -(fields * FREE.force(fields)).sum((1, 2))
    model._condition(1 / inverse, 0.0)
    return model


def covariance():
    x = np.eye(36).reshape(-1, 6, 6)
    return np.linalg.inv(-FREE.force(x).reshape(36, 36))


def exact(partition, v, h):
    """Log density of h given v, and the mean of h, by the Schur complement."""
    S, P, H = covariance(), partition.known, partition.hidden
    K = (H @ S @ P.T) @ np.linalg.inv(P @ S @ P.T)
    R = H @ S @ H.T - K @ P @ S @ H.T
    off = h - v @ K.T
    chi2 = np.einsum("bi,ij,bj->b", off, np.linalg.inv(R), off)
    return -0.5 * (chi2 + np.linalg.slogdet(2 * np.pi * R)[1]), v @ K.T, R


@pytest.mark.parametrize("partition", FREE_PARTS, ids=["blocks", "sites"])
def test_the_conditional_of_a_gaussian_field_is_exact(partition):
    model, x = conditioned(partition), FREE.sample(40, rng=2)
    v, h = partition.split(x)
    wanted, mean, R = exact(partition, v, h)
    np.testing.assert_allclose(model.log_prob(v, h), wanted, atol=1e-8)
    drawn, log_q = model.sample_and_log_prob(np.repeat(v[:1], 4000, 0), 3)
    np.testing.assert_allclose(log_q, exact(partition, v[:1], drawn.numpy())[0], atol=1e-8)
    error = (R[0, 0] / 4000) ** 0.5
    assert within(float(drawn[:, 0].mean()), mean[0, 0], error, largest=0.02)
    assert within(float(drawn[:, 0].var()), R[0, 0], R[0, 0] * (2 / 4000) ** 0.5, largest=0.02)
    # Saboteur: a density that forgets v.
    assert np.abs(exact(partition, 0 * v, h)[0] - wanted).max() > 0.3


@pytest.mark.parametrize("partition", FREE_PARTS, ids=["blocks", "sites"])
def test_given_is_the_action_at_fixed_known_numbers(partition):
    """log Z_v of the free field is in closed form, and importance finds it."""
    x = FREE.sample(1, rng=5)
    v, h = partition.split(x)
    target = Given(FREE, partition, v)
    np.testing.assert_allclose(target.action(h), FREE.action(x))
    np.testing.assert_allclose(partition.merge(v, h), x, atol=1e-12)
    step, at = 1e-5, np.array(h)
    at[0, 1] += step
    slope = -(target.action(at) - target.action(h))[0] / step
    assert target.force(h)[0, 1] == pytest.approx(slope, rel=1e-3, abs=1e-3)
    density = conditioned(partition).given(v)
    assert isinstance(density, Density)
    log_z = float((-target.action(h) - exact(partition, v, h)[0])[0])
    found = importance(density, target, 512, 1, log_z=(log_z, 1e-6))
    assert float(found.log_z) == pytest.approx(log_z, abs=1e-6)
    assert float(found.ess_share) > 0.999999


def with_network(partition=BLOCKS, scale=0.5, **options):
    """A model whose network does something."""
    model = ConditionalScore.for_target(PHI4, partition, rng=1, **options).double()
    torch.manual_seed(3)
    with torch.no_grad():
        for out in model.network.out:
            out.normal_(std=scale)
    return model


@pytest.mark.parametrize("partition", [BLOCKS, HALF], ids=["blocks", "sites"])
def test_the_divergence_is_that_of_the_map(partition):
    """log q of a draw is that of the noise less the log-determinant of the Jacobian."""
    model = with_network(partition)
    v = partition.split(PHI4.hot(1, 1))[0]
    mean = model._mean(torch.tensor(v)) / model.units[0]
    y = torch.randn(1, partition.n_hidden, generator=Stream(1).torch(), dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)

    def carried(y):
        return model.refined().refined()._carried(y, mean, zero, -1)[0]

    jacobian = torch.autograd.functional.jacobian(carried, y)[0, :, 0]
    change = model.refined().refined()._carried(y, mean, zero, -1)[1]
    assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(
        -float(change.detach()), abs=1e-5
    )
    assert abs(float(change.detach())) > 1e-2


def test_draws_are_what_log_prob_scores_and_the_symmetry_is_kept():
    model = with_network()
    v = BLOCKS.split(PHI4.hot(2, 700))[0]
    h, log_q = model.sample_and_log_prob(v, 4)
    np.testing.assert_allclose(model.log_prob(v, h), log_q, atol=1e-2)
    np.testing.assert_allclose(model.log_prob(-v, -h), model.log_prob(v, h), atol=1e-9)
    first, _ = model.sample_and_log_prob(v[:600], 4)
    np.testing.assert_allclose(first, h[:600], atol=1e-9)  # the first m of n draws


def configurations(target, n_chains, n_draws):
    ds = run(Phi4Cluster(), target, n_chains=n_chains, n_draws=n_draws, thin=5, seed=2, quiet=True,
             keep="configurations")  # fmt: skip
    x = unpack_configurations(ds).transpose("draw", "chain", ...).values
    return x.reshape(-1, *x.shape[2:])


class Known:
    """A density of block fields that is no model: independent normal deviates."""

    event_shape, support = (2, 2), PHI4.support

    def __init__(self, width):
        self.width = width

    def log_prob(self, v):
        v = np.asarray(v, np.float64).reshape(*np.shape(v)[:-2], 4) / self.width
        return -0.5 * (v**2).sum(-1) - 2 * np.log(2 * np.pi) - 4 * np.log(self.width)

    def sample(self, n, rng):
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n, rng):
        v = self.width * torch.randn(n, 2, 2, generator=rng.torch(), dtype=torch.float64)
        return v, torch.as_tensor(self.log_prob(v))


@pytest.mark.slow
def test_super_resolution_is_corrected_by_the_action():
    """Blocks of any law, a conditional model of the rest: log Z and <phi^2> of the target."""
    from physgen.exact.phi4_quadrature import phi4_torus

    x = configurations(PHI4, 100, 20)
    model = ConditionalScore.for_target(PHI4, BLOCKS, rng=1)
    prepared = ConditionalDiffusion(PHI4, x)
    fit(model, prepared, FitSettings(n_epochs=1, batch_size=256, learning_rate=1e-3), rng=1)
    known = phi4_torus(PHI4)
    q = Composed(Known(float(BLOCKS.split(x)[0].std())), model)
    found = importance(q, PHI4, 8192, 1, samples=x[-500:])
    assert within(float(found.log_z), known["log_z"], float(found.log_z_error), largest=0.02)
    row = found.sel(quantity="phi2")
    assert within(float(row.value), known["phi2"], float(row.error), largest=0.02)
    # Saboteur: a coarse density that is not normalised shifts log Z by four of its logs.
    q.coarse.log_prob = lambda v: 0.1 + Known.log_prob(q.coarse, v)
    off = importance(q, PHI4, 8192, 1, samples=x[-500:])
    assert not within(float(off.log_z), known["log_z"], float(off.log_z_error), largest=0.02)
    # The rest given one block field: the trained model beats its own Gaussian part.
    v = BLOCKS.split(x[:1])[0]
    trained = float(importance(model.given(v), Given(PHI4, BLOCKS, v), 1024, 1).ess_share)
    for out in model.network.out:
        out.data.zero_()
    plain = float(importance(model.given(v), Given(PHI4, BLOCKS, v), 1024, 1).ess_share)
    assert trained > max(plain, 0.95)


def test_bad_input():
    with pytest.raises(InputError, match="blocks of 2 must fill the lattice"):
        Partition.of_blocks((5, 4))
    with pytest.raises(InputError, match="with True and False in it, got all alike"):
        Partition.of_sites(np.ones((4, 4), bool))
    with pytest.raises(InputError, match="got dtype int64"):
        Partition.of_sites(np.ones((4, 4), np.int64))
    with pytest.raises(InputError, match=r"one of the whole lattice \(8, 8\), got \(4, 4\)"):
        ConditionalScore.for_target(FreeField(L=8, m2=1.0), BLOCKS)
    with pytest.raises(InputError, match="take 'coloured-net' for spins"):
        ConditionalScore.for_target(Ising(L=4, beta=0.3), BLOCKS)
    with pytest.raises(InputError, match="given where S has a force"):
        Given(as_target(lambda x: (x**2).sum(1), (3,)), BLOCKS, np.zeros(4))
    with pytest.raises(InputError, match="must have the shapes of the partition"):
        Given(PHI4, BLOCKS, np.zeros(3))
    model = conditioned(FREE_PARTS[0])
    with pytest.raises(InputError, match=r"known numbers must have shape \(9,\)"):
        model.given(np.zeros(5))
    with pytest.raises(InputError, match="coarse must be a density of known parts"):
        Composed(FREE, model)
    with pytest.raises(InputError, match="trains a ConditionalScore, got ScoreModel"):
        ConditionalDiffusion(PHI4, PHI4.hot(1, 40)).evaluate(
            ScoreModel.for_target(PHI4, decimate=False)
        )
