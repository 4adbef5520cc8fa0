"""Maximum likelihood on configurations of an unknown action."""

import math

import numpy as np
import pytest
import torch

from physgen import (
    Configurations,
    FitSettings,
    ForwardKL,
    FreeField,
    MaximumLikelihood,
    ReverseKL,
    Stream,
    fit,
    for_target,
    models,
)
from physgen.core.errors import InputError

FIELD = FreeField(L=4, m2=1.0)


def data_of(n, seed, **known):
    x = FIELD.sample(n, Stream(seed))
    return Configurations(
        x, boundary="periodic", symmetries=["translations", "point_group", "z2"], **known
    )


def small(data, seed=0):
    return for_target(data, "coupling-flow", layers=2, hidden=8, rng=seed)


def test_the_loss_is_the_mean_of_minus_log_q():
    data = data_of(200, 1)
    goal = MaximumLikelihood(data, 0.25)
    model = small(data)
    assert (goal.n_train, goal.n_validation, goal.n_sites) == (150, 50, 16)
    index = np.arange(40)
    loss = goal.loss(model, index, Stream(2), goal.begin(model, Stream(3)))
    # The model is odd, so that a flip changes no likelihood.
    x = data.flat[:150][index].astype(np.float32)
    mean = -float(np.mean(model.log_prob(x)))
    assert loss.value.item() == pytest.approx(mean, rel=1e-6)
    held_out = -model.log_prob(data.flat[150:].astype(np.float32)) / 16
    np.testing.assert_allclose(goal.evaluate(model), held_out, rtol=1e-12)


def test_its_gradient_is_that_of_the_forward_divergence():
    """The action drops out of the gradient."""
    data = data_of(100, 1)
    goals = MaximumLikelihood(data), ForwardKL(FIELD, data.flat)
    gradients = []
    for goal in goals:
        model = small(data)
        goal.loss(model, np.arange(30), Stream(2), {}).value.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    for likelihood, divergence in zip(*gradients, strict=True):
        sign = 1 if isinstance(goals[1], ForwardKL) else -1
        torch.testing.assert_close(likelihood, sign * divergence, rtol=1e-4, atol=1e-5)


def test_a_gaussian_is_learnt_to_its_entropy():
    """The divergence from the exact density falls from far to almost nothing."""
    data = data_of(12_000, 1)
    model = small(data)
    fresh = FIELD.sample(20_000, Stream(9))
    log_p = np.asarray(FIELD.log_prob(fresh))

    def divergence():
        kl = log_p - model.log_prob(fresh.astype(np.float32))
        return kl.mean(), kl.std() / math.sqrt(len(kl))

    assert divergence()[0] > 0.5
    settings = FitSettings(n_epochs=6, batch_size=256, learning_rate=1e-2)
    result = fit(model, MaximumLikelihood(data), settings, rng=1)
    history = result.history
    kl, error = divergence()
    assert -3 * error < kl < 0.05
    assert history["validation_nll"].attrs["units"] == "nat/site"
    # What is shown of it at a prompt.
    first, losses, end = repr(result).splitlines()
    assert first.startswith("FitResult of CouplingFlow, ")
    kept = history["validation_nll"].values[history["step"].values == result.best_step][0]
    assert f"validation_nll {kept:.5g}" in losses
    assert f"kept at step {result.best_step}" in end


def test_what_it_cannot_learn_is_refused():
    with pytest.raises(InputError, match=r"data must be Configurations\(...\)"):
        MaximumLikelihood(np.zeros((30, 4)))
    with pytest.raises(InputError, match=r"must lie in \(0, 1\)"):
        MaximumLikelihood(data_of(30, 1), 1.0)
    from physgen import Phi4

    decimated = for_target(Phi4.from_unhalved(L=4, m2=1.0, lam=1.0), "coupling-flow", layers=2)
    with pytest.raises(InputError, match="draws a part of its variables from a known action"):
        MaximumLikelihood(data_of(30, 1)).begin(decimated, Stream(0))


def test_a_likelihood_is_refused_to_what_has_none():
    """Of a generator, an energy and pairs, whose `forward` would be taken for log q."""
    target, x = FreeField(4, m2=1.0), FreeField(4, m2=1.0).sample(40, 1)
    data = Configurations(x, boundary="periodic")
    gan = models.LatticeGenerator.for_target(data, kind="reals", rng=1)
    energy = models.LocalActionEnergy.for_target(data)
    pairs = models.VAE.for_target(data, channels=2, rng=1)
    both = ForwardKL(target, x), ReverseKL(target), MaximumLikelihood(data)
    for objective in both:
        for model, says in ((gan, "only draws: take Adversarial"), (energy, "none that is norm")):
            with pytest.raises(InputError, match=f"needs a density, and .* {says}"):
                objective.begin(model, Stream(0))
    with pytest.raises(InputError, match=r"is one of pairs .* take ELBO"):
        MaximumLikelihood(data).begin(pairs, Stream(0))
    assert [each.begin(pairs, Stream(0)) for each in both[:2]] == [{}, {}]
