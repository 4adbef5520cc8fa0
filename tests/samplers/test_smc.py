"""Sequential Monte Carlo: log Z against exact values, its error bar, and its weights."""

import math

import numpy as np
import pytest
import xarray as xr
from helpers.marks import slow
from helpers.statistics import accepts, joint_p, normal_p, unit_variance_p, within
from scipy import stats

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.exact.enumeration import enumerated_observables
from physgen.exact.kaufman import energy_per_site, log_z
from physgen.samplers import sequential as module
from physgen.samplers.sequential import smc
from physgen.samplers.smc_results import Islands, jackknife
from physgen.samplers.ula import ULA
from physgen.samplers.wolff import Wolff
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

KC = math.log(1 + math.sqrt(2)) / 2
# log Z and <phi^2> by a transfer matrix with Gauss quadrature
QUADRATURE = [
    (Phi4.from_unhalved(4, m2=-4.0, lam=8.0), 2.405138962, 0.14774621),
    (Phi4.from_unhalved(4, m2=-4.0, lam=6.975), 3.218328923, 0.16739177),
    (Phi4.from_hopping(4, kappa=0.2705, lam=0.022), 12.1540, 1.801),
]


def pull(ds, name, exact):
    """As a normal deviate: the error is that of n islands, so the quotient is Student's."""
    t = (ds[name].item() - exact) / ds[f"{name}_error"].item()
    return float(stats.norm.ppf(stats.t.cdf(t, ds.attrs["n_islands"] - 1)))


class Dropped(Islands):
    """Forgets the increment of one stage."""

    def weigh(self, slope, step):
        before = self.log_z
        super().weigh(slope, step)
        if len(self.history["fraction"]) == 2:
            self.log_z = before


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("resample_below", [slow(0.5), 0.0], ids=["smc", "ais"])
def test_error_bars_cover(resample_below, monkeypatch):
    exact = float(log_z(0.6, (4, 4)))

    def p_value(n, seed):
        pulls = [
            pull(
                smc(
                    Ising(L=4, beta=0.6),
                    n_particles=32,
                    n_moves=2,
                    cess=0.9,
                    resample_below=resample_below,
                    seed=1000 * seed + k,
                ),
                "log_z",
                exact,
            )
            for k in range(n)
        ]
        return min(2 * unit_variance_p(np.array(pulls)), 2 * normal_p(sum(pulls) / n**0.5), 1)

    assert accepts(p_value, 24)
    monkeypatch.setattr(module, "Islands", Dropped)
    assert not accepts(p_value, 6)


@pytest.mark.statistical
@pytest.mark.parametrize("beta", [0.3, 0.4, KC, 0.6])
def test_ising_against_kaufman(beta):
    def p_value(used):
        def test(n, seed):
            ds = smc(Ising(L=8, beta=used), n_particles=n, seed=seed)
            assert ds.attrs["warnings"] == ""
            exact = 64 * float(energy_per_site(beta, (8, 8)))
            pulls = [
                pull(ds, "log_z", float(log_z(beta, (8, 8)))),
                pull(ds, "energy", exact),
                pull(ds, "magnetization", 0.0),
            ]
            return joint_p(np.array(pulls))

        return test

    assert accepts(p_value(beta), 128)
    assert not accepts(p_value(1.01 * beta), 128)


@pytest.mark.statistical
@pytest.mark.parametrize("case", range(3), ids=["A, lam=8", "A, lam=6.975", "K"])
def test_phi4_against_quadrature(case):
    target, exact, phi2 = QUADRATURE[case]

    def p_value(n, seed):
        ds = smc(target, n_particles=n, seed=seed)
        return joint_p(np.array([pull(ds, "log_z", exact), pull(ds, "phi2", phi2)]))

    assert accepts(p_value, 512)

    def wrong(n, seed):
        return normal_p(pull(smc(target, n_particles=n, seed=seed), "log_z", exact + 0.2))

    assert not accepts(wrong, 256)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("case", range(3), ids=["A, lam=8", "A, lam=6.975", "K"])
def test_phi4_log_z_to_one_in_a_thousand(case):
    target, exact, _ = QUADRATURE[case]
    ds = smc(target, n_particles=8192 if case < 2 else 32768, n_islands=64, seed=7)
    assert ds["log_z_error"].item() < 1.3e-3
    assert normal_p(pull(ds, "log_z", exact)) > 1e-3


@pytest.mark.statistical
def test_a_spin_glass_in_a_field_against_enumeration():
    glass = Ising.spin_glass(L=4, beta=1.0, rng=2, h=0.3)
    exact = enumerated_observables(glass)

    def p_value(n, seed):
        ds = smc(glass, n_particles=n, seed=seed)
        wanted = {"log_z": 1.0, "energy": 16.0, "magnetization": 1.0}
        names = {"log_z": "log_z", "energy": "energy_per_site", "magnetization": "magnetization"}
        return joint_p(
            np.array([pull(ds, k, f * exact[names[k]].item()) for k, f in wanted.items()])
        )

    assert accepts(p_value, 256)


@pytest.mark.statistical
def test_any_density_can_be_the_start():
    start, target = FreeField(4, m2=2.0), FreeField(4, m2=0.7)

    def p_value(n, seed):
        ds = smc(target, start=start, n_particles=n, n_islands=16, seed=seed)
        return normal_p(pull(ds, "log_z", target.log_z))

    assert accepts(p_value, 64)


def test_other_moves_and_repeatability():
    target = Ising(L=4, beta=0.4)
    a = smc(target, n_particles=64, move=Wolff(4), seed=3, keep="configurations")
    b = smc(target, n_particles=64, move=Wolff(4), rng=Stream(3), keep="configurations")
    assert a["log_z"].item() == b["log_z"].item()
    assert a["configurations"].shape == (32, 64, 4, 4)
    weight = np.exp(a["log_weight"].values)
    np.testing.assert_allclose(weight.sum(axis=1), 1)
    Z = np.exp(a["log_z_island"].values - a["log_z"].item())
    energy = target.energy(a["configurations"].values)
    plain = np.sum(Z[:, None] * weight * energy) / Z.sum()
    assert abs(plain - a["energy"].item()) < 0.3 * a["energy_error"].item()
    assert within(a["log_z"], log_z(0.4, (4, 4)), a["log_z_error"], largest=0.035)


def test_history_of_the_stages():
    ds = smc(Ising(L=8, beta=0.5), n_particles=64, seed=1)
    fraction = ds["fraction"].values
    assert np.all(np.diff(fraction) > 0)
    assert fraction[-1] == 1
    assert np.all((ds["ess"] > 0.2) & (ds["ess"] <= 1))
    assert np.all(np.diff(ds["n_ancestors"]) <= 0)
    ais = smc(Ising(L=8, beta=0.5), n_particles=64, seed=1, resample_below=0.0)
    assert np.all(ais["n_ancestors"] == 64)
    assert ais["ess"][-1] < ds["ess"].mean()


def test_too_few_particles_are_said():
    ds = smc(Ising(L=16, beta=0.6), n_particles=16, n_moves=1, cess=0.5, seed=1)
    assert "log Z of the islands scatters" in ds.attrs["warnings"]
    assert "descend from" in ds.attrs["warnings"]


def test_systematic_resampling_keeps_expectations():
    islands = Islands(400, 50)
    rng = Stream(1)
    islands.weigh(rng.numpy().normal(size=20_000), 1.0)
    before = np.exp(islands.log_weight)
    source = islands.resample(1.0, rng.child("resample"))
    counts = np.bincount(source, minlength=20_000).reshape(400, 50)
    assert np.all(np.abs(counts - 50 * before) < 1)  # what systematic means
    assert np.all(counts.sum(axis=1) == 50)
    deviation = (counts - 50 * before).sum(axis=0)
    assert np.all(np.abs(deviation) < 5 * math.sqrt(400 / 4))


def test_jackknife_of_a_mean_is_the_textbook_error():
    x = Stream(2).numpy().normal(size=30)
    value, error = jackknife(lambda i: x[i].mean(), 30)
    assert value == pytest.approx(x.mean(), abs=1e-12)
    assert error == pytest.approx(x.std(ddof=1) / math.sqrt(30), rel=1e-12)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_particles": 1}, "n_particles must be an integer >= 2, got 1"),
        ({"n_islands": 3}, "n_islands must be an integer >= 8, got 3"),
        ({"cess": 1.0}, r"cess must be between 0 and 1, got 1\.0"),
        ({"resample_below": -0.1}, r"resample_below must be in \[0, 1\]"),
        ({"keep": "all"}, "keep must be None or 'configurations'"),
        ({"rng": 1}, "seed or rng must be given"),
        ({"start": 3}, "start must be a density, got int"),
        ({"start": FreeField(4, m2=1.0)}, "start must draw spins, as the target has them"),
        ({"move": "HMC"}, "move must be a sampler, e.g. HeatBath"),
        ({"start": FreeField(3, m2=1.0)}, r"of shape \(4, 4\), got \(3, 3\)"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        smc(Ising(L=4, beta=0.4), seed=1, **arguments)


def test_a_biased_move_makes_the_result_approximate():
    target = Phi4.from_halved(3, m2=1.0, lam=0.5)
    settings = {"n_particles": 16, "n_islands": 8, "n_moves": 1, "seed": 1}
    assert smc(target, **settings).attrs["exactness"] == "asymptotic"
    assert smc(target, move=ULA(step_size=0.01), **settings).attrs["exactness"] == "approximate"


def test_a_field_without_a_usual_start_gets_one():
    field = FreeField(4, m2=1.0)
    ds = smc(field, n_particles=64, seed=1)
    assert within(ds["log_z"].item(), field.log_z, ds["log_z_error"].item(), largest=0.06)


@pytest.mark.parametrize("at", [0, 3, -1])
def test_from_any_stage_it_goes_on_to_the_same_result(at):
    """Checkpoints of the pilot run, and of the islands, for a tuned move."""
    how = {"n_particles": 16, "n_islands": 8, "n_moves": 2, "seed": 5}
    target = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    kept = []
    whole = smc(target, **how, on_stage=lambda now: kept.append(now.to_dataset()))
    assert {str(k.attrs["phase"]) for k in kept} == {"pilot", "islands"}
    again = smc(target, **how, checkpoint=kept[at])
    xr.testing.assert_identical(again, whole)
    middle = smc(target, **how, checkpoint=kept[len(kept) // 2])
    xr.testing.assert_identical(middle, whole)


def test_a_checkpoint_of_another_run_is_refused():
    how = {"n_particles": 16, "n_islands": 8, "n_moves": 1}
    kept = []
    smc(Ising(L=4, beta=0.3), **how, seed=1, on_stage=lambda now: kept.append(now.to_dataset()))
    with pytest.raises(InputError, match="changed: rng"):
        smc(Ising(L=4, beta=0.3), **how, seed=2, checkpoint=kept[0])
    with pytest.raises(InputError, match="changed: fingerprint"):
        smc(Ising(L=4, beta=0.4), **how, seed=1, checkpoint=kept[0])
    with pytest.raises(InputError, match="must be one that `smc` gave"):
        smc(Ising(L=4, beta=0.3), **how, seed=1, checkpoint=xr.Dataset())
