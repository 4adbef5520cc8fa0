"""Posteriors of couplings against conjugate closed forms."""

import math

import numpy as np
import pytest
from helpers.statistics import within
from scipy import stats

from physgen import Emcee, FreeField, Hypercubic, Ising, run
from physgen.analysis.convergence import load_arviz
from physgen.core.errors import InputError
from physgen.core.protocols import Target
from physgen.exact.enumeration import enumerated_observables, spins_of
from physgen.models import CouplingPosterior


def scaled(shape=2.0, rate=1.0, n=40, tau_int=0.5):
    """S = a A(x) of 9 free sites: log Z(a) = const - 9/2 log a, so a Gamma law of a stays one."""
    field = FreeField(L=3, m2=0.7)
    x = np.asarray(field.sample(n, 1)) / math.sqrt(1.8)  # a = 1.8
    A = field.action(x)

    class At:
        def __init__(self, a):
            self.a = a

        def action(self, y):
            return self.a * field.action(y)

    post = CouplingPosterior.of_samples(
        At, x, {"a": stats.gamma(shape, scale=1 / rate)},
        log_z=lambda a: -4.5 * math.log(a), tau_int=tau_int,
    )  # fmt: skip
    n_eff, A_eff = n / (2 * tau_int), A.sum() / (2 * tau_int)
    return post, stats.gamma(shape + 4.5 * n_eff, scale=1 / (rate + A_eff))


def test_the_posterior_of_a_scale_is_the_gamma_law():
    post, exact = scaled()
    assert isinstance(post, Target)
    a = np.linspace(1, 3, 50)[:, None]
    log_p = -post.action(a)
    expected = exact.logpdf(a[:, 0])
    np.testing.assert_allclose(log_p - log_p[0], expected - expected[0], atol=1e-8)
    shape, scale = exact.args[0], exact.kwds["scale"]
    assert post.mode()["a"] == pytest.approx((shape - 1) * scale, rel=1e-6)
    # Half as many independent configurations: twice the variance of the likelihood.
    slow, wider = scaled(tau_int=1.0)
    log_p, expected = -slow.action(a), wider.logpdf(a[:, 0])
    np.testing.assert_allclose(log_p - log_p[0], expected - expected[0], atol=1e-8)
    assert wider.std() > 1.3 * exact.std()


def test_chains_of_emcee_have_its_moments_and_arviz_reads_them():
    post, exact = scaled()
    chains = run(Emcee(), post, n_chains=16, n_draws=150, thin=2, warmup=40, seed=2, quiet=True)
    a = chains["a"].values
    error = exact.std() / math.sqrt(200)  # tau_int of about 6 steps of 16 walkers
    assert within(a.mean(), exact.mean(), error, largest=2 * error)
    assert a.std() == pytest.approx(exact.std(), rel=0.2)
    wrong = scaled(rate=40.0)[1]
    assert abs(a.mean() - wrong.mean()) > 5 * error
    table = load_arviz().summary(chains[["a"]], kind="stats")
    assert table.loc["a", "mean"] == pytest.approx(a.mean(), abs=2e-3)


def test_two_couplings_of_a_normal_law_have_the_conjugate_posterior():
    g = np.random.default_rng(1)
    t, noise = np.linspace(-1, 1, 20), 0.3
    y = 0.5 + 1.2 * t + noise * g.normal(size=20)
    post = CouplingPosterior(
        lambda intercept, slope: stats.norm.logpdf(y, intercept + slope * t, noise).sum(),
        {"intercept": stats.norm(0, 1), "slope": stats.norm(0, 2)},
    )
    X = np.stack([np.ones(20), t], 1)
    precision = X.T @ X / noise**2 + np.diag([1, 0.25])
    mean = np.linalg.solve(precision, X.T @ y / noise**2)
    assert list(post.mode().values()) == pytest.approx(list(mean), abs=1e-5)
    at = mean + g.normal(size=(30, 2)) * 0.2
    d = at - mean
    expected = 0.5 * np.einsum("ni,ij,nj->n", d, precision, d)
    S = post.action(at) - post.action(mean)
    np.testing.assert_allclose(S, expected, atol=1e-8)
    assert np.abs(S - 0.5 * np.einsum("ni,ij,nj->n", d, X.T @ X / noise**2, d)).max() > 1e-3
    assert post.hot(1, 7).shape == (7, 2)
    assert post.names == ("intercept", "slope")


def test_the_temperature_of_an_ising_model_from_its_configurations():
    """Flat prior, exact log Z: the mode matches the energy of the data."""
    lattice = Hypercubic((2, 3), "open")

    def at(beta):
        return Ising(lattice=lattice, beta=beta)

    def log_z(beta):
        return float(enumerated_observables(at(beta))["log_z"])

    every = spins_of(np.arange(64), (2, 3))
    p = np.exp(-at(0.35).action(every) - log_z(0.35))
    x = every[np.random.default_rng(3).choice(64, 400, p=p / p.sum())]
    post = CouplingPosterior.of_samples(at, x, {"beta": stats.uniform(0, 1)}, log_z=log_z)
    beta = post.mode()["beta"]
    h = 1e-4
    energy = -(log_z(beta + h) - log_z(beta - h)) / (2 * h)
    assert energy == pytest.approx(at(1.0).action(x).mean(), abs=1e-4)
    assert beta == pytest.approx(0.35, abs=0.1)
    assert post.action(np.array([1.5])) == math.inf


def test_bad_input():
    flat = {"a": stats.uniform(0, 1)}
    with pytest.raises(InputError, match="one distribution a coupling"):
        CouplingPosterior(lambda: 0.0, {})
    with pytest.raises(InputError, match=r"prior of a must be a frozen"):
        CouplingPosterior(lambda a: 0.0, {"a": 0.5})
    with pytest.raises(InputError, match="tau_int must be at least"):
        CouplingPosterior(lambda a: 0.0, flat, tau_int=0.1)
    with pytest.raises(InputError, match="NaN at"):
        CouplingPosterior(lambda a: math.nan, flat).action(np.array([[0.5]]))
    with pytest.raises(InputError, match="posterior is 0"):
        CouplingPosterior(lambda a: -math.inf, flat).mode()
    target = CouplingPosterior.of_samples(
        lambda a: Ising(L=2, beta=a), np.ones((3, 2, 2), dtype=np.int8), flat
    )
    with pytest.raises(InputError, match="log_z"):
        target.action(np.array([[0.5]]))
