"""Worked examples that lectures on generative models compute by hand, as numbers that must hold.

Each one needs no trained model.  `EXAMPLES` is read by the benchmark `lecture_examples`.
"""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from physgen.analysis.f_generators import generator
from physgen.validation import exact_f_divergence, log_ratios, relative_entropy

GRID = np.linspace(-30, 30, 60_001)


def normal(mean, variance, x=GRID):
    """Density of N(mean, variance)."""
    return np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * math.pi * variance)


def kl(p, q, x=GRID):
    """D(p||q) of densities on a grid, in nats."""
    inside = p > 1e-300
    ratio = np.log(p[inside]) - np.log(np.maximum(q[inside], 1e-300))
    return float(np.trapezoid(np.where(inside, p, 0)[inside] * ratio, x[inside]))


def affine_pushforward():
    """x = a z + b of z ~ N(0, 1) is N(b, a^2): log q = log p(z) - log |a|."""
    a, b = -2.0, 0.7
    z = np.random.default_rng(1).standard_normal(1000)
    by_change = stats.norm.logpdf(z) - math.log(abs(a))
    np.testing.assert_allclose(by_change, np.log(normal(b, a * a, a * z + b)), atol=1e-12)
    # Saboteur: the sign of the logarithm of the determinant.
    assert abs(stats.norm.logpdf(z) + math.log(abs(a)) - by_change).min() > 1


def gaussian_maximum_likelihood():
    """The best normal has the sample mean and the variance with n, not n - 1."""
    x = np.array([1.0, 2.0, 4.0, 7.0])
    nll = lambda t: -stats.norm.logpdf(x, t[0], math.exp(t[1])).sum()  # noqa: E731
    found = optimize.minimize(nll, [0.0, 0.0], tol=1e-12).x
    assert found[0] == pytest.approx(3.5, abs=1e-5)
    assert math.exp(2 * found[1]) == pytest.approx(x.var(), rel=1e-5)
    assert x.var() == pytest.approx(5.25)
    assert abs(x.var(ddof=1) - 5.25) > 1


def kernel_density():
    """Two bandwidths on five points: by hand, by scikit-learn, and by held-out likelihood."""
    from sklearn.neighbors import KernelDensity

    x = np.array([-1.2, -1.0, -0.7, 1.1, 1.3])
    for h in (0.15, 0.60):
        density = KernelDensity(bandwidth=h).fit(x[:, None])
        by_hand = normal(x, h * h, np.array([[-1.0], [0.0], [1.2]])).mean(axis=1)
        found = np.exp(density.score_samples(np.array([[-1.0], [0.0], [1.2]])))
        np.testing.assert_allclose(found, by_hand, rtol=1e-9)
        whole = normal(x[:, None], h * h, GRID[::10]).mean(axis=0)
        assert np.trapezoid(whole, GRID[::10]) == pytest.approx(1, abs=1e-6)
    # The narrow one is higher at data and almost nothing between them.
    between = [normal(x, h * h, np.array(0.0)).mean() for h in (0.15, 0.60)]
    assert between[0] < 1e-4 < 0.05 < between[1]


def curse_of_dimension():
    """A cube of side 0.2 holds (0.2)^d of uniform points: 0.04 in two dimensions, 1e-7 in ten."""
    x = np.random.default_rng(2).random((200_000, 3))
    share = (x < 0.2).all(axis=1).mean()
    assert share == pytest.approx(0.2**3, abs=4 * math.sqrt(0.008 / 200_000))
    assert pytest.approx(1.024e-7) == 0.2**10
    # The side of a cube that holds a tenth of the points.
    assert pytest.approx(0.794, abs=1e-3) == 0.1 ** (1 / 10)


def em_responsibility():
    """Weights 0.6 and 0.4, unit variances, squared distances 1 and 4: 0.870509 and 0.129491."""
    weights, means, x = np.array([0.6, 0.4]), np.array([-1.0, 2.0]), 0.0
    joint = weights * normal(means, 1.0, x)
    np.testing.assert_allclose(joint / joint.sum(), [0.870509, 0.129491], atol=1e-6)
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(2, covariance_type="spherical")
    mixture.weights_, mixture.means_ = weights, means[:, None]
    mixture.covariances_ = np.ones(2)
    mixture.precisions_cholesky_ = np.ones(2)
    np.testing.assert_allclose(mixture.predict_proba([[x]])[0], [0.870509, 0.129491], atol=1e-6)
    # Without the weights, another number.
    assert abs(0.870509 - 1 / (1 + math.exp(-1.5))) > 0.05


def em_is_monotone():
    """No step of expectation-maximisation lowers the likelihood."""
    g = np.random.default_rng(3)
    x = np.concatenate([g.normal(-1, 1, 60), g.normal(2, 0.5, 40)])
    weights, means, variances = np.array([0.5, 0.5]), np.array([-0.2, 0.3]), np.ones(2)
    likelihood = []
    for _ in range(30):
        joint = weights * normal(means, variances, x[:, None])
        likelihood.append(np.log(joint.sum(axis=1)).sum())
        r = joint / joint.sum(axis=1, keepdims=True)
        n = r.sum(axis=0)
        weights, means = n / len(x), (r * x[:, None]).sum(axis=0) / n
        variances = (r * (x[:, None] - means) ** 2).sum(axis=0) / n
    assert (np.diff(likelihood) > -1e-9).all()
    assert likelihood[-1] > likelihood[0] + 10


def conjugate_posterior():
    """A normal prior of a mean: precisions add; the MAP estimate is a penalised likelihood."""
    x, variance, prior_mean, prior_variance = np.array([1.2, 0.4, 2.0]), 0.5, 0.0, 2.0
    precision = len(x) / variance + 1 / prior_variance
    mean = (x.sum() / variance + prior_mean / prior_variance) / precision
    grid = np.linspace(-5, 5, 20_001)
    log_posterior = stats.norm.logpdf(x[:, None], grid, math.sqrt(variance)).sum(
        axis=0
    ) + stats.norm.logpdf(grid, prior_mean, math.sqrt(prior_variance))
    w = np.exp(log_posterior - log_posterior.max())
    w /= w.sum()
    assert (w * grid).sum() == pytest.approx(mean, abs=1e-9)
    assert (w * (grid - mean) ** 2).sum() == pytest.approx(1 / precision, rel=1e-6)
    penalised = lambda t: ((x - t) ** 2).sum() / (2 * variance) + t**2 / (2 * prior_variance)  # noqa: E731
    assert optimize.minimize_scalar(penalised).x == pytest.approx(mean, abs=1e-6)
    assert mean < x.mean()


def kl_of_normals():
    """D(N(1, 4) || N(0, 1)) = (4 + 1 - 1 - log 4) / 2 = 1.306853 nats; the other way 0.443147."""
    p, q = normal(1, 4), normal(0, 1)
    assert kl(p, q) == pytest.approx(1.306853, abs=1e-6)
    assert kl(q, p) == pytest.approx((1 / 4 + 1 / 4 - 1 + math.log(4)) / 2, abs=1e-6)
    # Saboteur: the logarithm of the variance read as the standard deviation.
    assert abs(0.5 * (math.log(4) ** 2 + 1 - 1 - 2 * math.log(math.log(4))) - 1.306853) > 0.3


def generators_of_divergences():
    """KL, JS and TV from their generators; JS is at most log 2."""
    p, q = np.array([0.36, 0.48, 0.16]), np.full(3, 1 / 3)
    assert exact_f_divergence("kl", p, q) == pytest.approx(0.085300, abs=1e-6)
    assert exact_f_divergence("kl", q, p) == pytest.approx(0.097455, abs=1e-6)
    mean = (p + q) / 2
    js = (exact_f_divergence("kl", p, mean) + exact_f_divergence("kl", q, mean)) / 2
    assert exact_f_divergence("js", p, q) == pytest.approx(js, abs=1e-12)
    assert exact_f_divergence("tv", p, q) == pytest.approx(np.abs(p - q).sum() / 2)
    apart = exact_f_divergence("js", [1.0, 0.0], [0.0, 1.0])
    assert apart == pytest.approx(math.log(2))
    assert exact_f_divergence("kl", [1.0, 0.0], [0.0, 1.0]) == math.inf


def estimator_of_kl():
    """The mean of log p - log q is D(p||q) = 0.0253; the mean of p - q is another number."""
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.4, 0.4, 0.2])
    counts = np.repeat(np.arange(3), [5000, 3000, 2000])  # exactly p
    found = relative_entropy(np.log(p[counts]), np.log(q[counts]))
    assert found.value == pytest.approx(0.0253, abs=5e-5)
    assert (p * (p - q)).sum() == pytest.approx(0.0200, abs=5e-5)


def optimal_discriminator():
    """V(D*) = 2 JS - log 4, so -log 4 = -1.386294 at p = q, where D = 1/2."""
    p, q = np.array([0.36, 0.48, 0.16]), np.full(3, 1 / 3)
    D = p / (p + q)
    value = (p * np.log(D)).sum() + (q * np.log(1 - D)).sum()
    assert value == pytest.approx(2 * exact_f_divergence("js", p, q) - math.log(4), abs=1e-12)
    assert 2 * math.log(0.5) == pytest.approx(-1.386294, abs=1e-6)
    for shift in (-0.05, 0.05):  # no other D is better
        other = np.clip(D + shift, 1e-9, 1 - 1e-9)
        assert (p * np.log(other)).sum() + (q * np.log(1 - other)).sum() < value


def logit_is_the_log_ratio():
    """log D / (1 - D) of the best D is log p / q; so is a classifier's, on points it never saw."""
    p, q = normal(0, 1), normal(1, 2)
    D = p / (p + q)
    near = (np.abs(GRID) < 5) & (D > 0) & (D < 1)
    np.testing.assert_allclose(
        np.log(D[near] / (1 - D[near])), np.log(p[near] / q[near]), rtol=1e-6, atol=1e-9
    )
    g = np.random.default_rng(4)
    x, y = g.standard_normal((3000, 1)), 1 + g.standard_normal((3000, 1))
    at_x, _ = log_ratios(x, y, classifier="logistic", rng=1)
    assert np.abs(at_x - (0.5 - x[:, 0])).mean() < 0.1


def saturation():
    """Gradients of the two generator losses by the logit: -D and -(1 - D)."""
    a, step = -6.0, 1e-5
    sigma = lambda v: 1 / (1 + math.exp(-v))  # noqa: E731
    minimax = (math.log(1 - sigma(a + step)) - math.log(1 - sigma(a - step))) / (2 * step)
    other = -(math.log(sigma(a + step)) - math.log(sigma(a - step))) / (2 * step)
    D = sigma(a)
    assert minimax == pytest.approx(-D, rel=1e-5)
    assert other == pytest.approx(D - 1, rel=1e-5)
    assert other / minimax == pytest.approx((1 - D) / D, rel=1e-4)
    assert pytest.approx(math.exp(6), rel=1e-6) == (1 - D) / D


def noise_costs_log_100():
    """q = 0.01 p + 0.99 noise: D(p||q) <= log 100 = 4.605170, whatever the noise."""
    p, noise = normal(0, 1), normal(12, 1)
    assert math.log(100) == pytest.approx(4.605170, abs=1e-6)
    assert kl(p, 0.01 * p + 0.99 * noise) <= math.log(100) + 1e-9
    assert kl(p, 0.01 * p + 0.99 * noise) == pytest.approx(math.log(100), abs=1e-6)
    assert kl(p, 0.01 * p + 0.99 * normal(0, 2)) < 0.2
    # Per dimension it vanishes: 4.6 nats of the 1024 of a configuration.
    assert math.log(100) / 1024 < 0.005


def one_gaussian_on_two_modes():
    """D(p||q) covers both modes, D(q||p) sits on one."""
    x = np.linspace(-15, 15, 6001)
    p = (normal(-3, 1, x) + normal(3, 1, x)) / 2

    def best(loss):
        return optimize.minimize(loss, [1.0, 0.0], method="Nelder-Mead").x

    forward = best(lambda t: kl(p, normal(t[0], math.exp(2 * t[1]), x), x))
    assert forward[0] == pytest.approx(0, abs=1e-3)
    assert math.exp(2 * forward[1]) == pytest.approx(1 + 9, rel=1e-3)  # the moments of p
    reverse = best(lambda t: kl(normal(t[0], math.exp(2 * t[1]), x), p, x))
    assert reverse[0] == pytest.approx(3, abs=0.05)
    assert math.exp(2 * reverse[1]) == pytest.approx(1, abs=0.1)
    found = kl(normal(reverse[0], math.exp(2 * reverse[1]), x), p, x)
    assert found == pytest.approx(math.log(2), abs=0.01)  # the other half is lost


def perplexity():
    """exp(NLL per site): K for a uniform law, the size of a fair die that is as hard to guess."""
    assert math.exp(-np.mean(np.log(np.full(20, 1 / 4)))) == pytest.approx(4)
    p = np.array([0.78, 0.04, 0.10, 0.08])
    assert p.sum() == pytest.approx(1)
    entropy = -(p * np.log(p)).sum()
    assert 1 < math.exp(entropy) < 4
    # Cross-entropy with another law is never below the entropy.
    q = np.array([0.7, 0.1, 0.1, 0.1])
    assert -(p * np.log(q)).sum() == pytest.approx(entropy + exact_f_divergence("kl", p, q))


def conjugates():
    """Fenchel: f(u) + f*(t) >= u t, with equality at t = f'(u)."""
    for name in ("kl", "reverse-kl", "pearson", "squared-hellinger", "js", "tv"):
        g, v = generator(name), np.array([-1.0, 0.3, 1.2])
        t = g.slope(v)
        np.testing.assert_allclose(g.f(v) + g.conjugate(t), np.exp(v) * t, atol=1e-12)
        assert (g.f(v[::-1]) + g.conjugate(t) >= np.exp(v[::-1]) * t - 1e-12).all()


EXAMPLES = (
    affine_pushforward,
    gaussian_maximum_likelihood,
    kernel_density,
    curse_of_dimension,
    em_responsibility,
    em_is_monotone,
    conjugate_posterior,
    kl_of_normals,
    generators_of_divergences,
    estimator_of_kl,
    optimal_discriminator,
    logit_is_the_log_ratio,
    saturation,
    noise_costs_log_100,
    one_gaussian_on_two_modes,
    perplexity,
    conjugates,
)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda f: f.__name__)
def test_example(example):
    example()
