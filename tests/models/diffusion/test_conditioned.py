"""Score models of a range of a coupling: interpolation, refusals, weights between the nodes."""

import numpy as np
import pytest
import torch
from helpers.statistics import within

from physgen import Phi4, Phi4Cluster, importance, models, run
from physgen.core.errors import InputError
from physgen.core.protocols import Conditional
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models import ConditionedScore
from physgen.samplers import unpack_configurations
from physgen.training import FitSettings, denoising_diffusion, fit_conditioned

SMALL = {"channels": 6, "times": 3}
NODES = (6.0, 7.0, 8.0)


def target(lam):
    return Phi4.from_unhalved(L=4, m2=-4.0, lam=lam)


def configurations(lam):
    how = {"n_chains": 128, "n_draws": 16, "thin": 2, "seed": 3, "quiet": True}
    ds = run(Phi4Cluster(), target(lam), keep="configurations", **how)
    return unpack_configurations(ds).transpose("draw", "chain", ...).values.reshape(-1, 4, 4)


@pytest.fixture
def few_solved(monkeypatch):
    monkeypatch.setattr(denoising_diffusion, "MOST_SOLVED", 4096)


@pytest.mark.slow
def test_between_the_nodes_weights_are_exact_and_the_share_stays(few_solved):
    """Trained at 6, 7 and 8; log Z at 6.5 as by quadrature, at the share of the nodes."""
    family = ConditionedScore.for_targets(target, "lam", NODES, rng=1, **SMALL)
    quick = FitSettings(n_epochs=1, batch_size=256, learning_rate=1e-3, clip_norm=None)
    fit_conditioned(family, {lam: configurations(lam) for lam in NODES}, quick, rng=2)
    between, node = (importance(family.at(lam=c), target(c), 4096, 4) for c in (6.5, 6.0))
    exact = phi4_torus(target(6.5))["log_z"]
    assert within(between.log_z, exact, between.log_z_error, largest=0.01)
    assert float(node.ess_reverse) > 0.93
    assert float(between.ess_reverse) > 0.93
    # Saboteur: the model of another coupling is a worse one here.
    wrong = importance(family.completed(family.score_at(8.0), 6.0), target(6.0), 4096, 4)
    assert float(wrong.ess_reverse) < float(node.ess_reverse) - 0.05
    assert isinstance(family, Conditional)


def stirred():
    family = ConditionedScore.for_targets(target, "lam", NODES, rng=1, **SMALL)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for p in family.last:
            p.add_(0.1 * torch.randn(p.shape, generator=generator))
        family.spectra.mul_(torch.tensor([0.8, 1.0, 1.5])[:, None])
    return family


def test_it_is_a_polynomial_of_the_coupling_through_the_nodes():
    family = stirred()
    np.testing.assert_allclose(family.shares(7.0), [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(family.shares(6.3).sum(), 1, atol=1e-12)
    np.testing.assert_allclose(family.shares(6.3) @ np.square(NODES), 6.3**2, atol=1e-12)
    x, w = torch.randn(3, 8), torch.softmax(torch.randn(3, 3), 1)
    found = torch.stack([
        family.score_at(c).network(x, w) for c in np.linspace(6, 8, 4)
    ])  # fmt: skip
    third = found[3] - 3 * found[2] + 3 * found[1] - found[0]
    assert float(third.detach().abs().max()) < 1e-5 < float(found.detach().abs().max())
    torch.testing.assert_close(family.score_at(8.0).spectrum, family.spectra[2])


def test_a_family_comes_back():
    family = stirred()
    again = models.from_dataset(models.to_dataset(family)).with_targets(target)
    x = family.at(lam=6.5).sample(5, rng=1)
    torch.testing.assert_close(again.at(lam=6.5).log_prob(x), family.at(lam=6.5).log_prob(x))


def test_refusals():
    family = ConditionedScore.for_targets(target, "lam", NODES, rng=1, **SMALL)
    for lam in (5.9, 8.1):
        with pytest.raises(InputError, match=r"lam must lie in \[6, 8\].*got"):
            family.at(lam=lam)
    with pytest.raises(InputError, match="is one in lam, got kappa"):
        family.at(kappa=6.5)
    with pytest.raises(InputError, match="at least two different couplings"):
        ConditionedScore.for_targets(target, "lam", [6.0, 6.0], **SMALL)
    with pytest.raises(InputError, match=r"at the nodes \[6.0, 7.0, 8.0\]"):
        fit_conditioned(family, {6.0: np.ones((30, 4, 4))})
    with pytest.raises(InputError, match="knows no targets"):
        models.build(family.config).target(6.0)
