"""Adversarial games: their best critics, what they bound, and which way they push."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar

from physgen.analysis.f_generators import generator
from physgen.core.errors import InputError
from physgen.training.divergence_names import DIVERGENCES
from physgen.training.divergences import divergence, mmd2, witness

F_GANS = [name for name in DIVERGENCES if name.startswith("f-gan-")]
GAMES = [name for name in DIVERGENCES if name != "mmd-gan"]

# p = N(0, 1) and q = N(MEAN, WIDTH^2) on a grid, on which integrals are exact to 1e-9.
X = torch.linspace(-14, 14, 4001, dtype=torch.float64)
MEAN, WIDTH = 0.7, 0.9


def log_normal(mean, width):
    return -0.5 * ((X - mean) / width) ** 2 - math.log(width) - 0.5 * math.log(2 * math.pi)


LOG_P, LOG_Q = log_normal(0.0, 1.0), log_normal(MEAN, WIDTH)


def mean_over(log_density, values):
    return float((log_density.exp() * values).sum() * (X[1] - X[0]))


def value(game, scores):
    return mean_over(LOG_P, game.of_data(scores)) + mean_over(LOG_Q, game.of_draws(scores))


def exact(name):
    return mean_over(LOG_Q, generator(name).f(LOG_P - LOG_Q))


def critics():
    g = torch.Generator().manual_seed(1)
    for _ in range(20):
        a, b, c = torch.randn(3, generator=g, dtype=torch.float64)
        yield a + b * X + c * torch.tanh(X - 1)


@pytest.mark.parametrize("name", F_GANS)
def test_the_conjugate_of_the_slope_is_that_of_the_table_and_a_supremum(name):
    f = generator(name.removeprefix("f-gan-"))
    game = divergence(name)
    v = torch.linspace(-4, 4, 33, dtype=torch.float64)
    torch.testing.assert_close(-game.of_draws(v), f.conjugate(f.slope(v)), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(game.of_data(v), f.slope(v))
    for at in (-2.0, 0.0, 1.5):
        t = float(f.slope(torch.tensor(at, dtype=torch.float64)))

        def negative(w, t=t):
            u = torch.tensor(w, dtype=torch.float64)
            return float(f.f(u) - t * u.exp())

        found = minimize_scalar(negative, bounds=(-12, 12), method="bounded",
                                options={"xatol": 1e-10})  # fmt: skip
        cost = -float(game.of_draws(torch.tensor(at, dtype=torch.float64)))
        assert -found.fun == pytest.approx(cost, rel=1e-6, abs=1e-7)


@pytest.mark.parametrize("name", F_GANS)
def test_scores_of_any_size_stay_in_the_domain_of_the_conjugate(name):
    """In single precision, where 2 - e^(2t) of the table is 0 long before it should be."""
    scores = (
        torch.tensor([-30.0, 30.0]) if name != "f-gan-pearson" else torch.tensor([-30.0, 20.0])
    )
    game = divergence(name)
    assert bool(torch.isfinite(game.of_data(scores)).all())
    assert bool(torch.isfinite(game.of_draws(scores)).all())


@pytest.mark.parametrize("name", F_GANS)
def test_the_value_is_a_lower_bound_and_touches_the_divergence_at_the_log_ratio(name):
    game, true = divergence(name), exact(name.removeprefix("f-gan-"))
    assert value(game, LOG_P - LOG_Q) == pytest.approx(true, rel=1e-6)
    assert max(value(game, D) for D in critics()) < true
    for step in (0.1, -0.1):
        assert value(game, LOG_P - LOG_Q + step) < true


def test_directions_of_the_two_kls_are_not_confused():
    """D(p||q) of Gaussians in closed form, and D(q||p)."""
    forward = math.log(WIDTH) + (1 + MEAN**2) / (2 * WIDTH**2) - 0.5
    backward = -math.log(WIDTH) + (WIDTH**2 + MEAN**2) / 2 - 0.5
    assert value(divergence("f-gan-kl"), LOG_P - LOG_Q) == pytest.approx(forward, rel=1e-6)
    assert value(divergence("f-gan-reverse-kl"), LOG_P - LOG_Q) == pytest.approx(
        backward, rel=1e-6
    )
    assert abs(forward - backward) > 0.05


@pytest.mark.parametrize("name", ["minimax", "non-saturating"])
def test_the_original_game_is_worth_two_js_less_log_4(name):
    game = divergence(name)
    best = value(game, LOG_P - LOG_Q)
    assert best == pytest.approx(2 * exact("js") - math.log(4), rel=1e-7)
    assert value(game, torch.zeros_like(X)) == pytest.approx(-math.log(4))
    assert max(value(game, D) for D in critics()) < best


def test_the_non_saturating_loss_pushes_where_the_other_one_does_not():
    D = torch.tensor(-10.0, requires_grad=True)
    slopes = []
    for name in ("minimax", "non-saturating"):
        (slope,) = torch.autograd.grad(divergence(name).generator(D), D)
        slopes.append(float(slope))
    s = 1 / (1 + math.exp(10))
    assert slopes == pytest.approx([-s, -(1 - s)], rel=1e-4)


@pytest.mark.parametrize("name", GAMES)
def test_every_generator_is_pushed_towards_higher_scores(name):
    """And the critic towards higher ones of the data, lower ones of draws."""
    game = divergence(name)
    D = torch.linspace(-3, 3, 13, requires_grad=True)
    for function, sign in ((game.generator, -1), (game.of_data, 1), (game.of_draws, -1)):
        (slope,) = torch.autograd.grad(function(D).sum(), D)
        assert bool((sign * slope > 0).all())


@pytest.mark.parametrize("name", [n for n in F_GANS if n != "mmd-gan"])
def test_the_generator_moves_downhill_in_the_divergence_itself(name):
    """At the best critic: the slope in the mean of q is that of D_f, by the envelope theorem."""
    game, f = divergence(name), generator(name.removeprefix("f-gan-"))
    best, h = LOG_P - LOG_Q, 1e-4

    def loss(mean):
        return mean_over(log_normal(mean, WIDTH), game.generator(best))

    def true(mean):
        q = log_normal(mean, WIDTH)
        return mean_over(q, f.f(LOG_P - q))

    found, slope = (((g(MEAN + h) - g(MEAN - h)) / (2 * h)) for g in (loss, true))
    assert found == pytest.approx(slope, rel=1e-4)
    assert slope > 0  # away from p


def test_wasserstein_of_two_shifted_laws_is_their_distance():
    """D = -x has slope 1 and reaches W_1 = MEAN exactly where the laws differ by a shift."""
    game, q = divergence("wasserstein"), log_normal(MEAN, 1.0)
    found = mean_over(LOG_P, game.of_data(-X)) + mean_over(q, game.of_draws(-X))
    assert found == pytest.approx(MEAN, rel=1e-6)


def test_mmd_is_unbiased_and_equals_a_double_loop():
    g = torch.Generator().manual_seed(2)
    x, y = (torch.randn(n, 3, generator=g, dtype=torch.float64) for n in (6, 8))

    def k(a, b):
        d2 = float(((a - b) ** 2).sum())
        return float(a @ b) + sum((1 + d2 / (2 * w)) ** -w for w in (0.2, 0.5, 1, 2, 5))

    pairs = [np.mean([k(a, b) for a, b in itertools.permutations(z, 2)]) for z in (x, y)]
    slow = sum(pairs) - 2 * np.mean([k(a, b) for a in x for b in y])
    assert float(mmd2(x, y)) == pytest.approx(slow, abs=1e-12)
    at = torch.randn(2, 3, generator=g, dtype=torch.float64)
    near = [np.mean([k(t, a) for a in z]) for t in at for z in (x, y)]
    assert witness(x, y, at).tolist() == pytest.approx([near[0] - near[1], near[2] - near[3]])
    x, y = (torch.randn(2, 400, 20, 2, generator=g, dtype=torch.float64)).unbind()
    values = torch.stack([mmd2(a, b) for a, b in zip(x, y, strict=True)])
    assert abs(values.mean() / (values.std() / 20)) < 3.3
    shifted = torch.stack([mmd2(a, b + 0.5) for a, b in zip(x, y, strict=True)])
    assert shifted.mean() / (shifted.std() / 20) > 10


def test_unknown_names_are_refused():
    with pytest.raises(InputError, match="divergence must be one of"):
        divergence("f-gan-tv")
    with pytest.raises(InputError, match="divergence must be one of"):
        divergence("mmd-gan")
