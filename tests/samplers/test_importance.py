"""Importance sampling: error bars cover, and what weights cannot tell is not passed over."""

import itertools
import math

import numpy as np
import pytest
import torch
import xarray as xr
from helpers.statistics import accepts, within
from scipy.stats import chi2

from physgen import (
    EquivariantCNF,
    FitSettings,
    FreeField,
    Hypercubic,
    Ising,
    Phi4,
    ReverseKL,
    estimates,
    exact_values,
    fit,
    for_target,
    importance,
)
from physgen.analysis import weights
from physgen.core.errors import InputError
from physgen.core.protocols import REALS
from physgen.core.random import Stream, as_stream
from physgen.exact.phi4_quadrature import phi4_torus
from physgen.samplers import log_weights
from physgen.samplers.weight_alarms import alarms
from physgen.samplers.weighted_draws import WeightedDraws
from physgen.targets import as_target

WELL = 5.0  # distance of the two modes from 0, in their width


class Gaussians:
    """An equal mixture of unit Gaussians; `offset` is added to log q: a broken log-determinant."""

    event_shape, support = (1,), REALS

    def __init__(self, *centres, offset=0.0):
        self.centres, self.offset = np.array(centres), offset

    def log_prob(self, x):
        d = np.asarray(x)[..., :1] - self.centres
        return np.log(np.exp(-(d**2) / 2).mean(-1)) - 0.5 * math.log(2 * math.pi)

    def sample(self, n, rng):
        return self.sample_and_log_prob(n, rng)[0]

    def sample_and_log_prob(self, n, rng):
        generator = as_stream(rng).numpy()
        centre = self.centres[generator.integers(len(self.centres), size=n)]
        x = (centre + generator.normal(size=n))[:, None]
        return x, self.log_prob(x) + self.offset


def two_wells(x):
    """-log of two unit Gaussians at -5 and 5, unnormalised: log Z = log 2 + log sqrt(2 pi)."""
    return -np.logaddexp(-((x[:, 0] - WELL) ** 2) / 2, -((x[:, 0] + WELL) ** 2) / 2)


TARGET = as_target(two_wells, (1,))
LOG_Z = math.log(2) + 0.5 * math.log(2 * math.pi)
WIDE = Gaussians(-4.2, 4.2)


def test_log_z_and_observables_of_an_interacting_field():
    """The free field proposes for phi^4; quadrature knows the answer."""
    target = Phi4.from_halved(L=4, m2=1.0, lam=0.05)
    exact = phi4_torus(target)
    ds = importance(FreeField(L=4, m2=1.3), target, 60_000, seed=1, exact=exact)
    assert within(ds.log_z, exact["log_z"], ds.log_z_error, largest=0.001)
    compared = ds.sel(quantity=np.isfinite(ds["pull"]))
    assert compared.sizes["quantity"] >= 3
    for _, at in compared.groupby("quantity"):
        assert within(at.pull * at.error, 0, at.error, largest=0.001 + 0.02 * abs(at.value))
    entropy = 16 * float(exact["action_per_site"]) + float(exact["log_z"])
    assert within(ds.entropy, entropy, ds.entropy_error, largest=0.02)
    assert ds.attrs["exactness"] == "asymptotic"


def p_value(n, seed, scale=1.0):
    """Whether pulls of log Z and of <x^2> have unit variance, over n runs."""
    found = []
    for k in range(n):
        ds = importance(WIDE, TARGET, 640, seed=Stream(seed).at(k), ess_floor=10)
        row = ds.sel(quantity="phi2")
        found.append((float(ds.log_z) - LOG_Z) / float(ds.log_z_error))
        found.append((float(row.value) - (WELL**2 + 1)) / float(row.error))
    return chi2.sf(np.sum((scale * np.array(found)) ** 2), len(found))


@pytest.mark.slow
def test_error_bars_cover_and_too_small_ones_are_caught():
    assert accepts(p_value, 60)
    assert p_value(60, 1, scale=1.7) < 1e-6


def entropy_p_value(n, seed, apart=False):
    """Whether pulls of the entropy have unit variance; `apart`: of <S> and log Z independent."""
    exact, pulls = math.log(2) + 0.5 * math.log(2 * math.pi * math.e), []
    for k in range(n):
        x, log_q = WIDE.sample_and_log_prob(20_000, Stream(seed).at(k))
        S = two_wells(x)
        value, error = weights.entropy(-S - log_q, S)
        if apart:
            w = np.exp(-S - log_q)
            w /= w.mean()
            mean = (w * (S - np.mean(w * S))).std() / math.sqrt(len(w))
            error = math.hypot(mean, weights.log_z(-S - log_q)[1])
        pulls.append((value - exact) / error)
    return chi2.sf(np.sum(np.square(pulls)), n)


@pytest.mark.slow
def test_the_entropy_has_one_error_and_not_two():
    """<S> and log Z come from the same draws: their errors do not add in quadrature."""
    assert accepts(entropy_p_value, 100)
    apart = entropy_p_value(400, 1, apart=True)
    assert min(apart, 1 - apart) < 1e-3


def test_forward_and_reverse_shares_agree_where_the_model_covers():
    x = np.random.default_rng(1).normal(size=(4000, 1))
    x = x + WELL * np.where(np.random.default_rng(2).random((4000, 1)) < 0.5, 1, -1)
    ds = importance(WIDE, TARGET, 40_000, seed=3, samples=x, log_z=(LOG_Z, 0.0))
    assert float(ds.ess_forward) == pytest.approx(float(ds.ess_reverse), rel=0.1)
    assert float(ds.ess_share) == min(float(ds.ess_forward), float(ds.ess_reverse))
    assert ds.attrs["warnings"] == ""


def test_a_lost_mode_is_named():
    """Reverse weights of one mode are perfect: its share is 1, and log Z is ln 2 too small."""
    one = Gaussians(WELL)
    alone = importance(one, TARGET, 6400, seed=3)
    assert float(alone.ess_reverse) > 0.99
    ds = importance(one, TARGET, 6400, seed=3, log_z=(LOG_Z, 0.01))
    assert float(ds.ess_share) == 0
    assert "it is ln 2" in ds.attrs["warnings"]
    x = WELL * np.array([[1.0], [-1.0]] * 200) + np.random.default_rng(1).normal(size=(400, 1))
    seen = importance(one, TARGET, 6400, seed=3, samples=x)
    assert float(seen.ess_share) < 1e-3
    assert "configurations of the target are missing" in seen.attrs["warnings"]


def test_samples_of_another_target_are_named():
    """A divergence of samples from the model that is negative cannot be one."""
    x = np.zeros((500, 1)) + 0.1 * np.random.default_rng(1).normal(size=(500, 1))
    ds = importance(WIDE, TARGET, 6400, seed=3, samples=x)
    assert "none is negative" in ds.attrs["warnings"]
    assert float(ds.ess_share) == 0


def test_a_broken_log_determinant_is_refused():
    with pytest.raises(InputError, match=r"difference of 0\.2 \(rms\)"):
        importance(Gaussians(-4.2, 4.2, offset=0.2), TARGET, 6400)


def test_too_few_effective_draws_are_refused():
    with pytest.raises(InputError, match="at least 200 effective draws"):
        importance(Gaussians(-9.0), TARGET, 6400)


def test_heavy_tails_are_flagged():
    """A narrow proposal for a wide target: the weights have no variance."""
    wide = as_target(lambda x: x[:, 0] ** 2 / 32, (1,))
    ds = importance(Gaussians(0.0), wide, 64_000, seed=1, ess_floor=1)
    assert float(ds.k_hat) > 0.7
    assert "heavy tail" in ds.attrs["warnings"]


def test_a_model_of_few_states_raises_no_alarm():
    """256 even states are drawn many times over: their weights are bounded, however unequal."""
    target = Ising(L=4, beta=0.3, h=0.2)
    q = for_target(target, "masked-net", rng=1, hidden=2)  # not trained
    ds = importance(q, target, 16_384, seed=2)
    even = np.array(list(itertools.product((-1, 1), repeat=8)))
    exact = np.logaddexp.reduce(-target.action_even(even))
    assert abs(float(ds.log_z) - exact) < 4 * float(ds.log_z_error)
    assert float(ds.ess_share) < 0.2
    assert math.isnan(float(ds.k_hat))
    assert 0 < float(ds.largest_share) < 0.01
    assert ds.attrs["warnings"] == ""


def test_a_few_draws_that_carry_the_sum_are_flagged():
    """Three draws of 10,000 came once, the others repeat: too few to fit a tail."""
    log_w = np.log(np.r_[np.ones(9_997), 100.0, 200.0, 300.0])
    (found,) = alarms(log_w, None, None)
    assert "3 of 10,000 draws carry 0.057 of the weights" in found.text
    assert not found.fatal
    assert alarms(np.log(np.r_[np.ones(9_997), 2.0, 3.0, 4.0]), None, None) == []


def test_draws_can_be_kept_and_estimated_later():
    target = Phi4.from_halved(L=4, m2=1.0, lam=0.05)
    q = FreeField(L=4, m2=1.3)
    table = importance(q, target, 6400, seed=5)
    draws = importance(q, target, 6400, seed=5, keep="draws")
    again = estimates(draws)
    np.testing.assert_array_equal(again["value"], table["value"])
    with pytest.raises(InputError, match="cannot be reweighted"):
        estimates(draws, beta=0.3)


def test_densities_on_other_configurations_are_refused():
    with pytest.raises(InputError, match="must live on the configurations of the target"):
        importance(FreeField(L=6, m2=1.0), Phi4.from_halved(L=4, m2=1.0, lam=0.1))
    with pytest.raises(InputError, match="must have log_prob"):
        importance(object(), TARGET)
    with pytest.raises(InputError, match="must live on"):
        log_weights(FreeField(L=4, m2=1.0), Ising(L=4, beta=0.4), np.ones((2, 4, 4)))


def test_weights_in_closed_form():
    a = np.log([1.0, 2.0, 3.0, 2.0])
    assert weights.ess(a) == pytest.approx(64 / (4 * 18))
    assert weights.ess(a + 700) == pytest.approx(weights.ess(a))
    assert weights.log_z(a)[0] == pytest.approx(math.log(2))
    assert weights.largest_share(a) == pytest.approx(3 / 8)
    assert weights.forward_ess(np.zeros(3)) == pytest.approx(1)
    assert weights.forward_ess(a) == pytest.approx(1 / (2 * np.mean([1, 1 / 2, 1 / 3, 1 / 2])))
    with pytest.raises(InputError, match="got nan at draw 1"):
        weights.ess([0.0, math.nan])
    with pytest.raises(InputError, match="weight zero"):
        weights.ess([-math.inf])


class Stepped(Gaussians):
    """A density whose steps shift log q by 0.3 over the fourth power of their number."""

    def __init__(self, *centres, steps=1):
        super().__init__(*centres)
        self.steps = steps

    def log_prob(self, x):
        return super().log_prob(x) + 0.3 / self.steps**4

    def refined(self):
        return Stepped(*self.centres, steps=2 * self.steps)


def test_steps_are_refined_until_they_do_not_matter():
    ds = importance(Stepped(-4.2, 4.2), TARGET, 40_000, seed=3)
    assert within(ds.log_z, LOG_Z, ds.log_z_error, largest=0.008)
    assert 0 < abs(float(ds.discretisation)) < 0.2 * float(ds.log_z_error) * 1.1

    plain = Gaussians(-4.2, 4.2)  # the saboteur keeps its steps, unseen by the round trip
    plain.log_prob = Stepped(-4.2, 4.2).log_prob
    biased = importance(plain, TARGET, 40_000, seed=3)
    assert abs(float(biased.log_z) - LOG_Z) > 10 * float(biased.log_z_error)


class Ring:
    """A target of a user: neighbours on a ring, with what it says of its symmetries."""

    lattice, event_shape, support = Hypercubic((6,)), (6,), REALS
    symmetries = frozenset({"translations", "z2"})

    def action(self, x):
        roll = np.roll if isinstance(x, np.ndarray) else torch.roll
        return (x * x - 0.4 * x * roll(x, 1, -1)).sum(-1)

    def force(self, x):
        roll = np.roll if isinstance(x, np.ndarray) else torch.roll
        return -2 * x + 0.4 * (roll(x, 1, -1) + roll(x, -1, -1))


@pytest.mark.slow
def test_a_class_of_a_user_is_enough():
    model = EquivariantCNF.for_target(Ring(), rng=1)
    how = FitSettings(n_epochs=3, batch_size=64, learning_rate=2e-2, ema_decay=0.9)
    fit(model, ReverseKL(Ring(), draws_per_epoch=3200), how)
    ds = importance(model, Ring(), 6400, seed=1)
    k = 2 * np.pi * np.arange(6) / 6
    exact = 0.5 * np.sum(np.log(np.pi / (1 - 0.4 * np.cos(k))))
    assert within(ds.log_z, exact, ds.log_z_error, largest=0.0002)
    assert float(ds.ess_share) > 0.95


@pytest.mark.slow
def test_the_weights_are_those_of_the_target_that_is_asked_for():
    """A model whose odd sites follow lam = 8 gives the log Z of lam = 6.975 all the same."""
    made, asked = (Phi4.from_unhalved(L=4, m2=-4.0, lam=lam) for lam in (8.0, 6.975))
    model = EquivariantCNF.for_target(made, rng=1)
    fit(model, ReverseKL(made, draws_per_epoch=3200), FitSettings(n_epochs=1, batch_size=64))
    exact = exact_values(asked)
    ds = importance(model, asked, 64_000, seed=1, exact={"phi2": float(exact["phi2"])})
    assert within(ds.log_z, exact["log_z"], ds.log_z_error, largest=0.0035)
    at = ds.sel(quantity="phi2")
    assert within(at.value, exact["phi2"], at.error, largest=0.0006)
    # The two differ by hundreds of errors, so to take one for the other would be seen.
    gap = float(exact["log_z"]) - float(exact_values(made)["log_z"])
    assert gap > 50 * float(ds.log_z_error)


def test_a_flow_that_no_step_resolves_is_flagged():
    class Stiff(Stepped):
        def log_prob(self, x):
            return Gaussians.log_prob(self, x) + 0.1 * (-1) ** int(math.log2(self.steps))

        def refined(self):
            return Stiff(*self.centres, steps=2 * self.steps)

    assert "too stiff" in importance(Stiff(-4.2, 4.2), TARGET, 6400).attrs["warnings"]


def test_blocks_go_on_after_those_that_are_kept():
    """A store that keeps the first blocks draws the others, to the same numbers bit for bit."""
    target = Phi4.from_unhalved(L=4, m2=-4.0, lam=8.0)
    model = for_target(target, features=2, frequencies=3, times=2, rng=1)
    work = WeightedDraws.prepare(model, target, 12_800, 3)
    parts = list(work.blocks())
    assert len(parts) > 3
    done = sum(part.sizes["sample"] for part in parts[:2])
    again = [*parts[:2], *WeightedDraws.prepare(model, target, 12_800, 3).blocks(done)]
    one, two = (work.result(xr.concat(p, "sample"), ess_floor=1.0) for p in (parts, again))
    xr.testing.assert_identical(one, two)
    whole = importance(model, target, 12_800, 3, keep="draws", ess_floor=1.0, forward_check=False)
    xr.testing.assert_identical(one, whole)
    shares = itertools.zip_longest(*(work.blocks(done, (i, 2)) for i in range(2)))
    dealt = [block for both in shares for block in both if block is not None]
    xr.testing.assert_identical(xr.concat(dealt, "sample"), xr.concat(parts[2:], "sample"))
