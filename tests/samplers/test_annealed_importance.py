"""Annealing both ways: bounds around the exact log Z, error bars that cover, and saboteurs."""

import math
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
from helpers.boltzmann import SmallGibbs, SmallRBM, states
from helpers.statistics import accepts, normal_p, unit_variance_p, within
from scipy import stats

from physgen.core.errors import InputError, NonFiniteActionError
from physgen.core.protocols import REALS, SPINS, outcomes
from physgen.core.random import Stream
from physgen.exact.kaufman import log_z as kaufman
from physgen.samplers.annealed_importance import log_z_sandwich
from physgen.samplers.annealed_work import passage
from physgen.samplers.annealing_ladder import pilot_run
from physgen.samplers.exact_draws import ExactDraws
from physgen.samplers.found_start import IndependentNormals
from physgen.samplers.heat_bath import HeatBath
from physgen.samplers.independent_sites import IndependentSites, sites_of
from physgen.samplers.log_z_results import BLOCKS
from physgen.samplers.sequential import smc
from physgen.samplers.smc_checkpoint import Stage
from physgen.samplers.smc_paths import usual_path
from physgen.samplers.tempered_path import TemperedPath
from physgen.samplers.ula import ULA
from physgen.targets.free_field import FreeField
from physgen.targets.ising import Ising
from physgen.targets.phi4 import Phi4

HEAT_BATH = HeatBath()
RBM = SmallRBM.random()
FIELD = FreeField(3, m2=1.0)
CASES = {
    "rbm": (RBM, SmallGibbs(), RBM.log_z, {}),
    "ising": (Ising(L=4, beta=0.4), None, float(kaufman(0.4, (4, 4))), {}),
    "phi4": (Phi4.from_unhalved(4, m2=-4.0, lam=8.0), None, 2.405138962, {}),
    "field": (FIELD, None, FIELD.log_z, {"start": FreeField(3, m2=2.5)}),
}


@pytest.mark.statistical
@pytest.mark.parametrize("case", CASES)
def test_bounds_bracket_the_exact_log_z(case):
    target, move, exact, how = CASES[case]
    ds = log_z_sandwich(target, move=move, n_chains=256, n_temperatures=50, seed=3, **how)
    assert ds["closes"].item()
    assert ds.attrs["warnings"] == ""
    numbers = {
        k: (ds[k].item(), ds[f"{k}_error"].item()) for k in ds.data_vars if k + "_error" in ds
    }
    assert within(*_of(numbers, "log_z", exact), largest=0.05)
    assert within(*_of(numbers, "log_z_forward", exact), largest=0.07)
    assert within(*_of(numbers, "log_z_reverse", exact), largest=0.07)
    (low, e), (high, f) = numbers["log_z_lower"], numbers["log_z_upper"]
    assert low - 4 * e < exact < high + 4 * f
    # Both are a distance away, and no other: the mean of log w and the log of the mean differ.
    assert 0.02 < high - low < 0.6
    assert ds["gap"].item() == pytest.approx(high - low)
    assert low < numbers["log_z_forward"][0]
    assert numbers["log_z_reverse"][0] < high


def _of(numbers, name, exact):
    value, error = numbers[name]
    return value, exact, error


class Hotter(TemperedPath):
    """Leads to the target at 5 % more than its temperature."""

    def at(self, fraction):
        return self.target.tempered(float(fraction) / 1.05)


class Forgetful(TemperedPath):
    """Forgets log Z of the start."""

    log_z = 0.0


@pytest.mark.statistical
@pytest.mark.slow
def test_error_bars_cover():
    strong = SmallRBM.random(scale=0.7, seed=4)

    def p_value(path=None, move=None):
        def test(n, seed):
            pulls = []
            for k in range(n):
                ds = log_z_sandwich(
                    strong, path=path, move=move or SmallGibbs(), n_chains=128, n_temperatures=60,
                    seed=1000 * seed + k,
                )  # fmt: skip
                t = (ds["log_z"].item() - strong.log_z) / ds["log_z_error"].item()
                pulls.append(stats.norm.ppf(stats.t.cdf(t, 2 * BLOCKS - 2)))
            return min(2 * unit_variance_p(np.array(pulls)), 2 * normal_p(sum(pulls) / n**0.5), 1)

        return test

    assert accepts(p_value(), 40)
    assert not accepts(p_value(Hotter(strong)), 6)
    assert not accepts(p_value(Forgetful(strong)), 3)


@pytest.mark.statistical
def test_saboteurs_are_off():
    strong = SmallRBM.random(scale=0.7, seed=4)

    def off(path=None, move=None):
        ds = log_z_sandwich(
            strong, path=path, move=move or SmallGibbs(), n_chains=256, n_temperatures=100, seed=2
        )
        return not within(ds["log_z"], strong.log_z, ds["log_z_error"], largest=0.05) or not bool(
            ds["closes"]
        )

    assert not off()
    assert off(path=Hotter(strong))
    assert off(path=Forgetful(strong))
    assert off(move=SmallGibbs(heat=1.05))  # chains of another temperature


@pytest.mark.statistical
def test_the_way_back_needs_draws_of_the_target():
    target = Ising(L=4, beta=0.6)

    def sandwich(samples):
        return log_z_sandwich(target, n_chains=512, n_temperatures=60, samples=samples, seed=1)

    exact = ExactDraws().bind(target)
    good = sandwich(exact.configurations(exact.init(Stream(1), 512)))
    assert good["closes"].item()
    assert good.attrs["samples"] == "given"
    hot = sandwich(target.hot(Stream(1), 512))
    assert not hot["closes"].item()
    assert "does not close" in hot.attrs["warnings"]
    assert "the samples are draws of another law" in hot.attrs["warnings"]
    # The error bar grows with what is not known.
    apart = abs(hot["log_z_forward"] - hot["log_z_reverse"]).item()
    assert hot["log_z_error"].item() >= 0.5 * apart


def test_a_mode_that_only_samples_know_opens_the_sandwich():
    """Chains that start up and are never moved far: the samples of both signs tell."""
    target = Ising(L=4, beta=0.9, h=0.0)
    up = IndependentSites(np.log(np.broadcast_to([1e-4, 1 - 1e-4], (4, 4, 2))), SPINS)
    both = np.ones((256, 4, 4), np.int8)
    both[::2] *= -1
    how = {"start": up, "n_chains": 256, "n_temperatures": 60, "seed": 1}
    blind, seeing = log_z_sandwich(target, **how), log_z_sandwich(target, samples=both, **how)
    assert not seeing["closes"].item()
    exact = float(kaufman(0.9, (4, 4)))
    assert blind["log_z"].item() < exact - 0.5  # half of Z: nothing at hand can see it


def test_temperatures_are_equidistant_in_the_length_of_the_path():
    target = Ising(L=8, beta=0.5)
    ds = log_z_sandwich(target, n_chains=512, n_temperatures=80, seed=1)
    spread = np.sqrt(1 / ds["cess"].values - 1)
    assert spread.max() < 2.2 * np.median(spread)
    assert ds["cess"].values.min() > 0.97
    fraction = ds["fraction"].values
    assert fraction.shape == (80,)
    assert np.all(np.diff(fraction) > 0)
    assert fraction[-1] == 1
    # Equal steps in beta are worse where the energy fluctuates: here they leave a smaller share.
    path = usual_path(target)
    pilot = pilot_run(path, HEAT_BATH, 512, 20, Stream(3))
    uniform = [Stage(f, {}) for f in np.linspace(0, 1, 81)]
    x = path.sample(Stream(4), 512)
    even, tuned = (
        passage(path, HEAT_BATH, ladder, x, Stream(5), 1) for ladder in (uniform, pilot.ladder(80))
    )
    assert min(tuned.cess) > min(even.cess)
    assert tuned.work.var() < 1.1 * even.work.var()


def test_the_pilot_meets_its_share_and_ends_in_equilibrium():
    path = TemperedPath(RBM)
    pilot = pilot_run(path, SmallGibbs(), 2048, 20, Stream(1))
    fractions = [0.0, *(s.fraction for s in pilot.stages)]
    x = RBM.tempered(fractions[-2]).draws(20_000, 1)
    for k, (a, b) in enumerate(pairwise(fractions)):
        x = RBM.tempered(a).draws(20_000, k)
        v = np.exp(RBM.tempered(a).action(x) - RBM.tempered(b).action(x))
        cess = v.mean() ** 2 / (v**2).mean()
        assert cess > 0.87 if b == 1 else 0.87 < cess < 0.93
    assert pilot.length == pytest.approx(pilot.n_stages / 3)
    means = pilot.draws.mean(axis=0)
    exact = RBM.probabilities @ states(10)
    assert within(means, exact, np.sqrt((1 - exact**2) / 2048), largest=0.03)


@pytest.mark.statistical
def test_a_tolerance_is_reached_and_one_that_is_not_is_said():
    ds = log_z_sandwich(RBM, move=SmallGibbs(), tolerance=0.02, seed=1)
    assert ds["log_z_error"].item() <= 0.02
    assert within(ds["log_z"], RBM.log_z, ds["log_z_error"], largest=0.02)
    few = log_z_sandwich(
        RBM, move=SmallGibbs(), tolerance=0.001, n_chains=64, max_temperatures=20, seed=1
    )
    assert few.attrs["n_temperatures"] == 20
    assert "0.001 was asked for" in few.attrs["warnings"]


def test_numbers_repeat_and_belong_to_the_seed():
    how = {"move": SmallGibbs(), "n_chains": 64, "n_temperatures": 10}
    a, b = log_z_sandwich(RBM, seed=7, **how), log_z_sandwich(RBM, rng=Stream(7), **how)
    assert a.identical(b)
    assert log_z_sandwich(RBM, seed=8, **how)["log_z"] != a["log_z"]


@pytest.mark.statistical
def test_smc_walks_the_same_path():
    ds = smc(RBM, move=SmallGibbs(), n_particles=64, n_islands=16, seed=2)
    assert within(ds["log_z"], RBM.log_z, ds["log_z_error"], largest=0.05)


def test_uneven_weights_are_said():
    target = Ising(L=8, beta=0.6)
    ds = log_z_sandwich(target, n_chains=64, n_temperatures=3, seed=1)
    assert not ds["closes"].item()
    assert "chains count" in ds.attrs["warnings"]


@pytest.mark.slow
def test_a_biased_move_makes_the_result_approximate():
    target = Phi4.from_halved(3, m2=1.0, lam=0.5)
    how = {"n_chains": 64, "n_temperatures": 5, "seed": 1}
    assert log_z_sandwich(target, **how).attrs["exactness"] == "asymptotic"
    ds = log_z_sandwich(target, move=ULA(step_size=0.01), **how)
    assert ds.attrs["exactness"] == "approximate"


# --- independent sites ----------------------------------------------------------------------


def test_independent_sites_sum_to_one_and_are_drawn():
    x = np.random.default_rng(1).choice([-1, -1, 1], (50, 4)).astype(np.int8)
    x[:, 2] = 1  # a constant site keeps both values
    q = IndependentSites.matched(x, SPINS)
    p = np.exp(q.log_prob(states(4)))
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.min() > 0
    np.testing.assert_allclose(np.exp(q.log_p[2]), [1 / 52, 51 / 52])
    draws = q.sample(20_000, 3)
    assert draws.dtype == np.int8
    exact = p @ states(4)
    assert within(draws.mean(0), exact, np.sqrt((1 - exact**2) / 20_000), largest=0.01)
    labels = IndependentSites.uniform((3,), outcomes(5))
    y, log_q = labels.sample_and_log_prob(100, 1)
    assert y.dtype == np.uint8
    assert set(np.unique(y)) == set(range(5))
    np.testing.assert_allclose(log_q, -3 * math.log(5))


@dataclass(frozen=True)
class Sites:
    """A sum over sites, and whatever spoils it."""

    event_shape: tuple
    support: object
    weights: np.ndarray
    coupling: float = 0.0

    def action(self, x):
        x = np.asarray(x, float)
        if self.support.K:
            return self.weights[np.arange(x.shape[-1]), x.astype(int)].sum(-1)
        square = self.weights[:, 1] * x**2 if self.support.kind == "reals" else 0.0
        return (
            1.5 + (self.weights[:, 0] * x + square).sum(-1) + self.coupling * x[..., 0] * x[..., 1]
        )


def test_a_sum_over_sites_is_read_from_its_action():
    draw = np.random.default_rng(2)
    spins = Sites((6,), SPINS, draw.standard_normal((6, 2)))
    density, log_z = sites_of(spins)
    S = spins.action(states(6))
    assert log_z == pytest.approx(np.log(np.exp(-S).sum()), abs=1e-12)
    np.testing.assert_allclose(density.log_prob(states(6)), -S - log_z, atol=1e-12)
    labels = Sites((3,), outcomes(4), draw.standard_normal((3, 4)))
    assert sites_of(labels)[1] == pytest.approx(np.log(np.exp(-labels.weights).sum(1)).sum())
    weights = np.array([[0.3, 0.5], [-1.0, 2.0]])
    normals, log_z = sites_of(Sites((2,), REALS, weights))
    assert isinstance(normals, IndependentNormals)
    b, a = weights.T
    assert log_z == pytest.approx(-1.5 + np.sum(b**2 / (4 * a) + 0.5 * np.log(np.pi / a)))
    with pytest.raises(InputError, match="must have independent sites"):
        sites_of(replace(spins, coupling=0.1))
    with pytest.raises(InputError, match="does not grow with site 1"):
        sites_of(Sites((2,), REALS, np.array([[0.0, 1.0], [0.0, -1.0]])))


# --- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_chains": 0}, "n_chains must be an integer >= 64, got 0"),
        ({"n_temperatures": 0}, "n_temperatures must be a positive integer, got 0"),
        ({"tolerance": 0.0}, r"tolerance must be a positive number, got 0\.0"),
        ({"tolerance": 0.1, "n_temperatures": 5}, "n_temperatures or tolerance may be given"),
        ({"n_moves": 0}, "n_moves must be a positive integer, got 0"),
        ({"rng": 1}, "seed or rng must be given"),
        ({"move": "gibbs"}, "move must be a sampler"),
        ({"samples": np.ones((5, 10))}, r"samples must be at least 32 .* got \(5, 10\)"),
        ({"samples": np.ones((64, 9))}, r"of shape \(10,\), got \(64, 9\)"),
        ({"start": 3}, "start must be a density, got int"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        log_z_sandwich(RBM, seed=1, **({"move": SmallGibbs()} | arguments))


def test_a_start_that_is_not_normalised_is_refused():
    @dataclass(frozen=True, eq=False)
    class Coupled(SmallRBM):
        def tempered(self, fraction):
            return self  # never comes apart

    with pytest.raises(InputError, match=r"independent sites.*give start="):
        log_z_sandwich(Coupled(RBM.W, RBM.a, RBM.b), move=SmallGibbs(), seed=1)


def test_an_action_that_is_not_finite_is_located():
    @dataclass(frozen=True, eq=False)
    class Broken(SmallRBM):
        def tempered(self, fraction):
            return SmallRBM(fraction * self.W, self.a, fraction * self.b)

        def action(self, v):
            S = np.array(super().action(v))
            S[2:3] = np.inf
            return S

    path = TemperedPath(Broken(RBM.W, RBM.a, RBM.b))
    ladder = [Stage(0.0, {}), Stage(0.5, {}), Stage(1.0, {})]
    with pytest.raises(NonFiniteActionError, match=r"chain 2 from lambda = 0.5 to 1 \(1 of 8"):
        passage(path, SmallGibbs(), ladder, path.sample(Stream(1), 8), Stream(1), 1)
