"""Correctors and finishes: what is invariant, what heals, where draws may begin."""

import numpy as np
import pytest
import torch
from helpers.flows import make
from helpers.statistics import within

from physgen import MALA, EquivariantCNF, FreeField, Phi4, Stream, estimates
from physgen.core.errors import ChainTooShortError, InputError
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.models.diffusion import corrected
from physgen.models.diffusion.corrected import (
    annealed_finish,
    langevin_step,
    predictor_corrector,
)
from physgen.models.diffusion.processes import PROCESSES
from physgen.models.diffusion.score import ScoreModel

FREE = FreeField(L=4, m2=0.5)
PHI4 = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)


def gaussian(process="ou", dtype=torch.float64):
    """The free field: its spectrum, and a network that is zero."""
    model = ScoreModel(FREE.event_shape, process=process, rng=1).to(dtype)
    fields = model.modes.double().numpy().T.reshape(-1, *FREE.event_shape)
    model.assign_spectrum(-1 / (fields * FREE.force(fields)).sum((1, 2)))
    return model


def quartic(x):
    """Score of exp(-x^4/4 + x^2/2) for each number: a cubic, which two nodes integrate."""
    return x - x**3


def moved_quartic(steps, test=True, n=4000, h=0.9):
    """Second moment after steps from exact draws."""
    grid = np.linspace(-4, 4, 20_001)
    p = np.exp(-(grid**4) / 4 + grid**2 / 2)
    u = np.random.default_rng(1).random(n)
    x = torch.tensor(np.interp(u, np.cumsum(p) / p.sum(), grid))[:, None]
    generator, metric = torch.Generator().manual_seed(2), torch.ones(1, dtype=torch.float64)
    for _ in range(steps):
        if test:
            x, _ = langevin_step(quartic, x, metric, h, generator)
        else:
            xi = torch.randn(x.shape, generator=generator, dtype=x.dtype)
            x = x + 0.5 * h * h * quartic(x) + h * xi
    exact = float((p * grid**2).sum() / p.sum())
    return x.square().numpy().ravel(), exact


def test_a_langevin_step_leaves_the_law_of_its_score_alone():
    found, exact = moved_quartic(25)
    assert within(found.mean(), exact, found.std() / 4000**0.5, largest=0.03)
    # Saboteur: without the Metropolis test.
    wrong, _ = moved_quartic(25, test=False)
    assert not within(wrong.mean(), exact, wrong.std() / 4000**0.5, largest=0.03)


def test_correctors_heal_what_long_steps_break():
    """Ten steps of Euler and Maruyama for a free field, exact score."""
    C, off = gaussian().spectrum.numpy(), []
    for n_corrections in (0, 4):
        model = gaussian()
        found = predictor_corrector(
            model, 1500, 1, n_steps=10, method="euler-maruyama", n_corrections=n_corrections
        )
        modes = (found.x.flatten(1) @ model.modes).numpy()
        off.append(float(np.abs(modes.var(0) / C - 1).max()))
        if n_corrections:
            assert 0.4 < np.nanmin(found.acceptance) <= np.nanmax(found.acceptance) < 0.95
            assert np.isnan(found.acceptance[-1])  # nothing is corrected at t = 0
        else:
            assert np.isnan(found.acceptance).all()
    assert off[1] < 0.5 * off[0]


@pytest.mark.parametrize("name", PROCESSES)
def test_draws_may_begin_early_from_noised_configurations(name):
    """T1: the law of the start at t in {0.1, 0.5, 0.9} T, and of the draws that come of it."""
    model, clean = gaussian(name), FREE.sample(2000, rng=3)
    process, C = model.schedule, model.spectrum.numpy()
    for share in (0.1, 0.5, 0.9):
        t = share * process.end
        x, at = corrected.started(model, 4000, 1, t, clean)
        assert at == t
        modes = (x.flatten(1) @ model.modes).numpy()
        law = process.variance(t, C)
        error = law * np.sqrt(2 / 4000 + 2 / 2000)
        assert within(modes.var(0), law, error, largest=0.06 * law.max())
        if share == 0.1:  # saboteur: the prior at every time
            wrong = np.full_like(law, process.prior_std**2)
            assert not within(modes.var(0), wrong, error, largest=0.06 * law.max())
    x = model.diffuse(4000, 2, "frozen", 40, start=0.5 * process.end, configurations=clean)
    found = (x.flatten(1) @ model.modes).numpy().var(0)
    assert within(found, C, C * np.sqrt(2 / 4000), largest=0.06 * C.max(), rounding=0.2)


def test_a_finish_reaches_the_target_from_a_poor_model():
    """A score of the right spectrum without a network; then chains on the true action."""
    model = ScoreModel.for_target(PHI4, rng=1, channels=2, times=2)
    x = annealed_finish(model, PHI4, 256, 1, n_draws=24, thin=4, n_steps=10)
    assert x.attrs["exactness"] == "asymptotic"
    assert x.attrs["started_from"] == "draws of Decimated"
    phi2 = estimates(x).sel(quantity="phi2")
    assert within(phi2.value, phi4_torus(PHI4)["phi2"], phi2.error, largest=0.003)
    # Saboteur: too short a finish is refused, by the drift of its chains.
    model = ScoreModel.for_target(PHI4, decimate=False, rng=1, channels=2, times=2)
    model.spectrum.mul_(2.0)
    with pytest.raises(ChainTooShortError, match="still drifts"):
        annealed_finish(
            model, PHI4, 256, 1, move=MALA(step_size=0.01), n_draws=8, thin=1, warmup=0, n_steps=10
        )


def test_bad_input():
    model = make("score")
    first = model.first_time
    with pytest.raises(InputError, match=r"cover the slowest mode .* pass configurations="):
        model.diffuse(3, 1, start=0.5 * first)
    with pytest.raises(InputError, match=r"start must lie in \(0, 5\], got 9"):
        model.diffuse(3, 1, start=9.0)
    with pytest.raises(InputError, match=r"configurations must have shape \(m, 4, 4\)"):
        model.diffuse(3, 1, start=0.1, configurations=np.ones((3, 4)))
    with pytest.raises(InputError, match="n_steps must be a positive integer, got 0"):
        predictor_corrector(model, 3, 1, n_steps=0)
    assert bool(torch.isfinite(predictor_corrector(model, 3, 1, n_steps=1).x).all())
    with pytest.raises(InputError, match="n_corrections must be"):
        predictor_corrector(model, 3, 1, n_corrections=-1)
    with pytest.raises(InputError, match="step_size must be a positive"):
        predictor_corrector(model, 3, 1, step_size=0.0)
    with pytest.raises(InputError, match="draws of a ScoreModel"):
        annealed_finish(EquivariantCNF.for_target(PHI4), PHI4, 64)
    late = model.diffuse(3, Stream(1), start=min(1.1 * first, 5.0))
    assert late.shape == (3, 4, 4)
