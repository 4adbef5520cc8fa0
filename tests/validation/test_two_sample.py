"""The door to all comparisons: what it takes, refuses, finds and cannot find."""

from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.statistics import ALPHA_FIRST, normal_p
from scipy import stats

from physgen import Configurations, FreeField, HeatBath, Ising, Phi4, run
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.results import write_dataset
from physgen.validation import compare_observables, two_sample
from physgen.validation.features import features_of
from physgen.validation.observable_tests import ks_distance, slowest_time
from physgen.validation.sample_sets import SampleSet, sample_set

DATA = Path(__file__).resolve().parents[2] / "data"
UNTHERMALISED = DATA / "phi4-2d/L16_kappa0.27_lam0.022_unthermalised.h5"
QUICK = ("observables", "ks", "mmd", "sliced-w2", "c2st")
FREE = FreeField(L=4, m2=0.5)


def fields(n, seed, m2=0.5):
    return FreeField(L=4, m2=m2).sample(n, seed)


@pytest.fixture(scope="module")
def equal():
    return two_sample(fields(600, 1), fields(700, 2), target=FREE, rng=1)


def test_equal_samples_pass_every_test(equal):
    assert list(equal.test.values) == ["observables", "ks", "mmd", "sliced-w2", "c2st", "c2st-raw",
                                       "stein", "kernel-stein"]  # fmt: skip
    assert float(equal.p_value_any) > 0.01
    assert equal.attrs["verdict"].startswith("no difference from the reference seen by 8 tests")
    assert (equal.attrs["n_samples"], equal.attrs["n_reference"]) == (600, 700)
    assert np.abs(equal.z).max() < 4
    assert float(equal.statistic.sel(test="c2st")) == pytest.approx(0.5, abs=0.05)
    again = two_sample(fields(600, 1), fields(700, 2), target=FREE, rng=1)
    xr.testing.assert_identical(equal, again)


@pytest.mark.statistical
def test_another_mass_is_found_by_every_test_of_features():
    wrong = two_sample(fields(600, 1, 0.9), fields(700, 2), target=FREE, rng=1)
    p = wrong.p_value
    for name in ("observables", "ks", "sliced-w2", "c2st", "stein", "kernel-stein"):
        assert float(p.sel(test=name)) < 0.01, name
    assert wrong.attrs["verdict"].startswith("different from the reference")


@pytest.mark.statistical
def test_the_unthermalised_set_against_a_converged_one():
    from physgen import Phi4Cluster

    target = Phi4.from_hopping(L=16, kappa=0.27, lam=0.022)
    reference = run(Phi4Cluster(), target, n_chains=64, n_draws=16, thin=10, seed=12,
                    keep="configurations", quiet=True)  # fmt: skip
    found = two_sample(UNTHERMALISED, reference, target=target, tests=("observables", "ks"), rng=1)
    assert abs(float(found.z.sel(observable="abs_magnetization"))) > 4
    assert float(found.p_value_any) < 1e-4
    converged = DATA / "phi4-2d/L16_kappa0.26_lam0.022.h5"
    halves = xr.load_dataset(converged, engine="h5netcdf")
    same = two_sample(
        halves.isel(chain=slice(32)), halves.isel(chain=slice(32, None)), tests=QUICK, rng=1
    )
    assert float(same.p_value_any) > ALPHA_FIRST


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_of_all_tests():
    p = np.array([
        two_sample(fields(120, i), fields(120, 10_000 + i), target=FREE, rng=i, n_permutations=99,
                   tests=(*QUICK, "mmd-features", "energy-distance", "kernel-stein"))["p_value"]
        for i in range(300)
    ])  # fmt: skip
    for column in p.T:
        for level in (0.01, 0.1):
            alarms = int((column <= level).sum())
            assert stats.binomtest(alarms, 300, level, alternative="greater").pvalue > ALPHA_FIRST


def chains(seed, a=0.7):
    """Four chains that are stationary in the free field, with tau_int = 2.8 of the mean."""
    x = FREE.sample(4 * 150, seed).reshape(4, 150, 4, 4).copy()
    for i in range(1, 150):
        x[:, i] = a * x[:, i - 1] + np.sqrt(1 - a * a) * x[:, i]
    return x


@pytest.mark.slow
@pytest.mark.statistical
def test_false_alarms_of_correlated_chains():
    tests = (*QUICK, "stein", "kernel-stein")
    p = np.array([
        two_sample(chains(i), chains(1000 + i), target=FREE, rng=i, n_permutations=99,
                   tests=tests)["p_value"]
        for i in range(100)
    ])  # fmt: skip
    for column in p.T:
        alarms = int((column <= 0.1).sum())
        assert stats.binomtest(alarms, 100, 0.1, alternative="greater").pvalue > ALPHA_FIRST
    # Saboteur: the same draws, with their order in time lost to the tests.
    mixed = np.random.default_rng(1).permutation(600)
    q = np.array([
        two_sample(*(chains(s + i).reshape(600, 4, 4)[mixed] for s in (0, 1000)), rng=i,
                   n_permutations=99, tests=("observables", "mmd"))["p_value"]
        for i in range(60)
    ])  # fmt: skip
    for column in q.T:
        alarms = int((column <= 0.1).sum())
        assert stats.binomtest(alarms, 60, 0.1, alternative="greater").pvalue < ALPHA_FIRST


def test_without_a_reference_only_the_target_speaks():
    found = two_sample(fields(400, 1), target=FREE, rng=1)
    assert list(found.test.values) == ["stein", "kernel-stein"]
    assert "observables: left out; it needs a reference" in found.attrs["notes"]
    assert found.attrs["verdict"].startswith("no difference from the target")
    assert "stein_z" in found
    with pytest.raises(InputError, match="a reference, a target with a force, or both"):
        two_sample(fields(400, 1), rng=1)
    with pytest.raises(InputError, match="needs a reference"):
        two_sample(fields(400, 1), target=FREE, tests=("mmd",), rng=1)
    spins = np.where(np.random.default_rng(1).random((40, 4, 4)) < 0.5, -1, 1)
    with pytest.raises(InputError, match="two_sample must be able to make one test"):
        two_sample(spins, target=Ising(L=4, beta=0.3), rng=1)


def test_identical_samples_are_said_to_be_so(tmp_path):
    x = fields(100, 1)
    np.save(tmp_path / "a.npy", x)
    for other in (x, x[::-1], tmp_path / "a.npy", torch.from_numpy(x.copy())):
        found = two_sample(x, other, rng=1)
        assert found.attrs["verdict"] == "identical samples"
        assert (found.p_value == 1).all()
        assert (found.z == 0).all()
        assert float(found.statistic.sel(test="mmd")) == 0
    assert two_sample(x, fields(100, 2), rng=1).attrs["verdict"] != "identical samples"


def test_spins_are_the_same_set_only_if_they_are():
    """Small integers differ in a few high bits: sums of products of them must not collide."""
    g = np.random.default_rng(1)
    x, y = (g.choice([-1, 1], (40, 4, 4)).astype(np.int8) for _ in range(2))
    flat = x.reshape(40, -1)
    x[:, 0, 0] = flat[:, 1:].prod(axis=1)  # every product is +1: an even number of -1
    y[:, 0, 0] = y.reshape(40, -1)[:, 1:].prod(axis=1)
    found = two_sample(x, y, tests=("observables",), rng=1)
    assert found.attrs["verdict"] != "identical samples"
    assert two_sample(x, x[::-1], rng=1).attrs["verdict"] == "identical samples"


def test_samples_that_are_in_the_reference_are_counted():
    x, y = fields(60, 1), fields(60, 2)
    mixed = np.concatenate([y[:20], x[20:]])
    found = two_sample(x, mixed, tests=("observables",), rng=1)
    assert "40 of 60 samples are in the reference as well" in found.attrs["notes"]
    assert "as well" not in two_sample(x, y, tests=("observables",), rng=1).attrs["notes"]


def test_samples_come_from_anywhere(tmp_path):
    target = Ising(L=4, beta=0.3)
    ds = run(HeatBath(), target, n_chains=8, n_draws=50, thin=3, seed=1, keep="configurations",
             quiet=True)  # fmt: skip
    x = sample_set("samples", ds).x
    assert x.shape == (8, 50, 4, 4)
    assert set(np.unique(x)) == {-1, 1}
    write_dataset(tmp_path / "run.h5", ds)
    ds.to_netcdf(tmp_path / "run.nc", engine="h5netcdf")
    np.savez(tmp_path / "several.npz", a=x, b=x[0])
    np.save(tmp_path / "chains.npy", x)
    for source in (x, tmp_path / "run.h5", tmp_path / "run.nc", tmp_path / "chains.npy", ds,
                   str(tmp_path / "run.h5"), torch.from_numpy(x),
                   Configurations(x, chains=True, boundary="periodic")):  # fmt: skip
        np.testing.assert_array_equal(sample_set("samples", source, target=target).x, x)
    found = sample_set("samples", tmp_path / "several.npz", target=target, group="a")
    np.testing.assert_array_equal(found.x, x)
    with pytest.raises(InputError, match="be told which: it holds a, b"):
        sample_set("samples", tmp_path / "several.npz")
    with pytest.raises(InputError, match="not 'c': it holds a, b"):
        sample_set("samples", tmp_path / "several.npz", group="c")
    (tmp_path / "x.txt").write_text("1")
    with pytest.raises(InputError, match="npy, npz, HDF5 or netCDF"):
        sample_set("samples", tmp_path / "x.txt")
    with pytest.raises(InputError, match="a file that exists"):
        sample_set("samples", tmp_path / "none.h5")


def test_the_partner_tells_the_shape():
    chains = fields(200, 1).reshape(4, 50, 4, 4)
    for pair in ((chains, fields(100, 2)), (fields(100, 2), chains)):
        found = two_sample(*pair, tests=("observables",), rng=1)
        assert sorted((found.attrs["n_samples"], found.attrs["n_reference"])) == [100, 200]


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (fields(50, 1), fields(50, 2)[:, :3], r"one shape, got \(4, 4\) and \(3, 4\)"),
        (fields(50, 1), np.sign(fields(50, 2)).astype(int), "one support, got reals and spins"),
        (fields(19, 1), fields(50, 2), r"at least 20 configurations, got 19 of shape \(4, 4\)"),
        (np.ones((50, 4, 4)), fields(50, 2), "50 copies of one configuration"),
        (np.tile(fields(10, 1), (5, 1, 1)), fields(50, 2), "10 different configurations among 50"),
        (np.full((50, 4, 4), np.nan), fields(50, 2), "finite numbers"),
        (np.ones(50), fields(50, 2), r"give x\[:, None\]"),
        (xr.Dataset({"energy": ("draw", np.ones(3))}), fields(50, 2), "a Dataset of energy"),
    ],
)
def test_bad_samples(x, y, message):
    with pytest.raises(InputError, match=message):
        two_sample(x, y, rng=1)


def test_samples_that_do_not_fit_a_target():
    with pytest.raises(InputError, match="another lattice size"):
        two_sample(fields(50, 1)[:, :3], fields(50, 2), target=FREE, rng=1)
    bits = np.random.default_rng(1).integers(0, 2, (50, 4, 4))
    with pytest.raises(InputError, match=r"give 2 \* x - 1"):
        two_sample(bits, target=Ising(L=4, beta=0.3), rng=1)
    signs = np.random.default_rng(1).choice([-1, 1], (50, 4, 4))
    with pytest.raises(InputError, match="nothing but -1 and \\+1: they are spins"):
        two_sample(signs, fields(50, 2), target=FREE, rng=1)
    with pytest.raises(InputError, match="did you mean 'mmd'"):
        two_sample(fields(50, 1), fields(50, 2), tests=("mmmd",), rng=1)
    with pytest.raises(InputError, match="50 points for 5 folds"):
        two_sample(fields(30, 1), fields(30, 2), tests=("c2st",), rng=1)
    few = two_sample(fields(30, 1), fields(30, 2), rng=1)
    assert "c2st: left out; samples must have at least 10 independent blocks" in few.attrs["notes"]


def test_outcomes_of_measurements():
    g = np.random.default_rng(1)
    x, y = (g.integers(0, 4, (300, 6)).astype(np.uint8) for _ in range(2))
    found = two_sample(x, y, rng=1)
    assert list(found.observable.values) == ["frequency_1", "frequency_2", "frequency_3",
                                             "equal_neighbours"]  # fmt: skip
    assert float(found.p_value_any) > ALPHA_FIRST
    x[:, 1] = x[:, 0]
    wrong = two_sample(x, y, rng=1)
    assert float(wrong.p_value.sel(test="observables")) < 1e-3


def test_features_by_hand(monkeypatch):
    x = np.random.default_rng(2).standard_normal((5, 3, 4))
    found = features_of(SampleSet(x[None], REALS))
    np.testing.assert_allclose(found["phi2"][0], (x**2).mean((1, 2)))
    bonds = (x * np.roll(x, 1, 1) + x * np.roll(x, 1, 2)).mean((1, 2)) / 2
    np.testing.assert_allclose(found["bond_product"][0], bonds)
    k = np.abs(np.fft.fft2(x)[:, 0, 1]) ** 2 / 12
    np.testing.assert_allclose(found["structure_factor_kmin"][0], k)
    own = features_of(
        sample_set("x", x[None].repeat(5, 0).reshape(25, 3, 4) + np.arange(25)[:, None, None]),
        None,
        {"corner": lambda c: c[:, 0, 0]},
    )
    assert "corner" in own
    monkeypatch.setattr("physgen.validation.features.CHUNK", 2)
    for name, values in features_of(SampleSet(x[None], REALS)).items():
        np.testing.assert_allclose(values, found[name])
    with pytest.raises(InputError, match="one number a configuration"):
        features_of(sample_set("x", fields(30, 1)), None, {"row": lambda c: c[:, 0]})


@pytest.mark.statistical
def test_z_scores_know_the_autocorrelation():
    g = np.random.default_rng(3)
    z, naive = [], []
    for _ in range(100):
        x, y = (np.repeat(g.standard_normal((8, 40)), 6, axis=1) for _ in range(2))
        found = compare_observables({"o": x}, {"o": y})
        z.append(float(found.z[0]))
        naive.append((x.mean() - y.mean()) / np.sqrt(2 / x.size))
        assert 1.5 < found.tau_int[0] < 6
    assert stats.kstest(z, "norm").pvalue > ALPHA_FIRST
    # Saboteur: errors of independent draws.
    assert stats.kstest(naive, "norm").pvalue < ALPHA_FIRST
    assert normal_p(np.mean(z) * 10) > ALPHA_FIRST


@pytest.mark.statistical
def test_ks_distance_is_that_of_scipy_and_knows_the_effective_number():
    g = np.random.default_rng(4)
    x, y = g.standard_normal(400), g.standard_normal(300) + 0.2
    D, p = ks_distance(x, y)
    expected = stats.ks_2samp(x, y, method="asymp")
    assert pytest.approx(expected.statistic) == D
    assert p == pytest.approx(expected.pvalue, rel=0.3)
    repeated = np.repeat(x, 10)
    assert ks_distance(repeated, y, 400, 300) == (pytest.approx(D), pytest.approx(p))
    assert ks_distance(repeated, y)[1] < p
    chain = np.repeat(g.standard_normal((4, 100)), 8, axis=1)
    tau, bound = slowest_time({"o": chain, "white": g.standard_normal((4, 800))})
    assert 2.5 < tau < 6
    assert not bound
    assert slowest_time({"o": g.standard_normal((200, 1))}) == (0.5, False)
