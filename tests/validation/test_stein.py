"""Stein identities and the kernel Stein discrepancy: exact by quadrature, then on samples."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.statistics import ALPHA_FIRST, joint_p, normal_p, unit_variance_p
from scipy import stats

from physgen import HMC, FreeField, Ising, Phi4, run
from physgen.core.errors import InputError
from physgen.lattice import Hypercubic
from physgen.validation import kernel_stein, stein_identities
from physgen.validation.kernel_stein import stein_kernel
from physgen.validation.stein import _identities, force_of, low_modes

DATA = Path(__file__).resolve().parents[2] / "data/phi4-2d"
NEAR = Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)


def configurations(path):
    return xr.load_dataset(path, engine="h5netcdf")["configurations"].values


def test_every_identity_holds_by_quadrature():
    """The field on two sites: sums over a fine grid of e^{-S} (v F + div v)."""
    target = Phi4(Hypercubic((2,)), hop=0.3, quad=-0.5, quart=0.7)
    axis = np.linspace(-5, 5, 401)
    x = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    weights = np.exp(-target.action(x))
    terms = _identities(x, force_of(target, x), target, 2)
    assert list(terms)[:3] == ["sum", "k = (0)", "k = (1)"]
    for name, values in terms.items():
        assert abs(np.average(values, weights=weights)) < 1e-10, name
    # Saboteur: another action, and a force of the wrong sign.
    near = Phi4(Hypercubic((2,)), hop=0.35, quad=-0.5, quart=0.7)
    other = _identities(x, force_of(near, x), near, 2)
    flipped = _identities(x, -force_of(target, x), target, 2)
    for wrong in (other, flipped):
        means = [abs(np.average(v, weights=weights)) for v in wrong.values()]
        assert min(means[1], means[3]) > 1e-2


def test_shells_of_momenta_are_those_of_the_lattice():
    target = Phi4.from_hopping(L=4, kappa=0.2, lam=0.02)
    x = np.random.default_rng(1).standard_normal((30, 4, 4))
    terms = _identities(x, force_of(target, x), target, 6)
    names = ["k = (0, 0)", "k = (1, 0)", "k = (1, 1)", "k = (2, 0)", "k = (2, 1)", "k = (2, 2)"]
    assert list(terms)[1:7] == names
    sizes = np.array([1, 4, 4, 2, 4, 1])  # sum over all momenta = sum over all sites
    total = sum(size * terms[name] for size, name in zip(sizes, names)) / 16
    np.testing.assert_allclose(total, terms["sum"], atol=1e-12)


@pytest.fixture(scope="module")
def free():
    return FreeField(L=6, m2=0.5)


@pytest.mark.slow
@pytest.mark.statistical
def test_errors_are_right_on_exact_draws(free):
    x = free.sample(60 * 400, 2).reshape(60, 400, 6, 6)
    found = [stein_identities(each, free) for each in x]
    for name in ("sum", "k = (0, 0)", "zero mode, w = 0.71"):
        z = [float(ds.z.sel(identity=name)) for ds in found]
        assert normal_p(np.mean(z) * np.sqrt(60)) > ALPHA_FIRST
        assert unit_variance_p(z) > ALPHA_FIRST
    p = [float(ds.p_value) for ds in found]
    assert stats.kstest(p, "uniform").pvalue > ALPHA_FIRST
    # Saboteur: a mass that is 20 % off.
    wrong = FreeField(L=6, m2=0.6)
    assert float(stein_identities(x[:10], wrong).p_value) < 1e-6


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_are_as_stated(free):
    x = free.sample(300 * 400, 2).reshape(300, 400, 6, 6)
    identities = np.array([float(stein_identities(each, free).p_value) for each in x])
    kernels = np.array(
        [
            kernel_stein(*low_modes(each, force_of(free, each), free), rng=i).p_value
            for i, each in enumerate(x)
        ]
    )
    for p in (identities, kernels):
        for level in (0.01, 0.1):
            alarms = int((p <= level).sum())
            found = stats.binomtest(alarms, 300, level, alternative="greater").pvalue
            assert found > ALPHA_FIRST


@pytest.mark.statistical
def test_correlated_chains_have_the_errors_of_chains():
    """HMC that moves little: errors of single draws would be far too small."""
    target = FreeField(L=4, m2=1.0)
    move = HMC(trajectory_length=0.8, step_size=0.2, jitter=0.0)
    ds = run(move, target, n_chains=20, n_draws=600, seed=3, warmup=100, keep="configurations",
             quiet=True)  # fmt: skip
    x = ds["configurations"].values
    found = [stein_identities(each[None], target) for each in x]
    z = np.array([float(ds.z.sel(identity="k = (0, 0)")) for ds in found])
    tau = np.mean([float(ds.tau_int.sel(identity="k = (0, 0)")) for ds in found])
    assert tau > 1.5
    assert stats.chi2.sf((z**2).sum(), 20) > ALPHA_FIRST
    # Saboteur: the errors of independent draws.
    assert stats.chi2.sf(2 * tau * (z**2).sum(), 20) < ALPHA_FIRST


@pytest.mark.statistical
def test_the_unthermalised_set_is_refused_without_a_reference():
    move = HMC(trajectory_length=1.0, step_size=0.1, jitter=0.0)
    ds = run(move, NEAR, n_chains=1000, n_draws=1, thin=129, warmup=0, seed=11, start="hot",
             keep="configurations", quiet=True)  # fmt: skip
    x = ds["configurations"].values
    found = stein_identities(x, NEAR)
    assert float(found.z.sel(identity="k = (0, 0)")) > 3
    assert float(found.z.sel(identity="zero mode, w = 0.71")) > 3
    assert float(found.p_value) < 1e-6
    assert abs(float(found.z.sel(identity="sum"))) < 3  # the virial alone is no test of this
    flat = x.reshape(-1, 16, 16)
    m, push = low_modes(flat.astype(float), force_of(NEAR, flat), NEAR)
    assert kernel_stein(m, push, rng=1).p_value < 0.01
    good = configurations(DATA / "L16_kappa0.26_lam0.022.h5")
    right = stein_identities(good, Phi4.from_hopping(L=16, kappa=0.26, lam=0.022))
    assert float(right.p_value) > ALPHA_FIRST
    assert joint_p(right.z.values[[1, 2, 3, 4]]) > ALPHA_FIRST


@pytest.mark.statistical
def test_what_it_is_blind_to():
    """Deep wells: all samples in one of them fulfil every identity, as the module says."""
    target = Phi4.from_unhalved(L=4, m2=-4.0, lam=2.0)
    ds = run(HMC(), target, n_chains=64, n_draws=40, seed=4, start="cold", warmup=200,
             keep="configurations", quiet=True)  # fmt: skip
    x = np.abs(ds["configurations"].values.mean(axis=(2, 3)))
    one_well = ds["configurations"].values * np.sign(
        ds["configurations"].values.mean(axis=(2, 3), keepdims=True)
    )
    assert x.min() > 0.3
    assert float(stein_identities(one_well, target).p_value) > ALPHA_FIRST


def test_the_stein_kernel_is_that_of_automatic_derivatives():
    g = np.random.default_rng(5)
    x, y, sx, sy = (torch.tensor(g.standard_normal(3)) for _ in range(4))
    square = 1.7
    x.requires_grad_(), y.requires_grad_()
    k = (1 + ((x - y) ** 2).sum() / square) ** -0.5
    (dx,) = torch.autograd.grad(k, x, create_graph=True)
    (dy,) = torch.autograd.grad(k, y, create_graph=True)
    trace = sum(torch.autograd.grad(dy[i], x, retain_graph=True)[0][i] for i in range(3))
    expected = (sx @ sy) * k + sx @ dy + sy @ dx + trace
    arrays = [a.detach().numpy()[None] for a in (x, sx, y, sy)]
    assert stein_kernel(*arrays, square)[0, 0] == pytest.approx(
        float(expected.detach()), abs=1e-12
    )


def test_the_stein_kernel_has_mean_zero_under_the_target():
    grid = np.linspace(-6, 6, 601)[:, None]
    score = grid - grid**3  # of exp(x^2 / 2 - x^4 / 4)
    weights = np.exp(grid[:, 0] ** 2 / 2 - grid[:, 0] ** 4 / 4)
    u = stein_kernel(grid[::60], score[::60], grid, score, 2.0)
    np.testing.assert_allclose(u @ (weights / weights.sum()), 0, atol=1e-10)
    # Saboteur: another score.
    assert np.abs(stein_kernel(grid[::60], score[::60], grid, -grid, 2.0) @ weights).max() > 1


@pytest.mark.statistical
def test_kernel_stein_finds_a_wrong_width_and_shift():
    x = np.random.default_rng(6).standard_normal((800, 2))
    assert kernel_stein(x, -x, rng=1).p_value > ALPHA_FIRST
    assert kernel_stein(1.2 * x, -1.2 * x, rng=1).p_value < 0.01
    assert kernel_stein(x + 0.2, -x - 0.2, rng=1).p_value < 0.01
    chain = np.repeat(x[:80], 10, axis=0)  # tau_int of 5 draws
    assert kernel_stein(chain, -chain, block=10, rng=1).p_value > 0.01
    # Saboteur: independent signs take repeated draws for many.
    assert kernel_stein(chain, -chain, rng=1).p_value < 0.01


def test_bad_input(free):
    x = free.sample(30, 1)
    with pytest.raises(InputError, match="real fields with a force"):
        stein_identities(np.ones((30, 4, 4)), Ising(L=4, beta=0.4))
    with pytest.raises(InputError, match=r"shape \(n, \*\(6, 6\)\)"):
        stein_identities(x[:, :5], free)
    with pytest.raises(InputError, match="at least 20 samples"):
        stein_identities(x[:19], free)
    with pytest.raises(InputError, match="30 copies of one configuration"):
        stein_identities(np.zeros((30, 6, 6)), free)
    with pytest.raises(InputError, match="finite"):
        stein_identities(np.full((30, 6, 6), np.inf), free)
    with pytest.raises(InputError, match="one shape"):
        kernel_stein(x, x[:, :5], rng=1)
    with pytest.raises(InputError, match="at most 5000"):
        kernel_stein(np.zeros((5001, 1)), np.zeros((5001, 1)), rng=1)
