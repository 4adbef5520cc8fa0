"""Chains that run away are stopped in the warm-up; slow chains are not."""

import numpy as np
import pytest
from helpers.marks import slow

from physgen.core.errors import ChainTooShortError, UnboundedTargetError
from physgen.samplers import HMC, MALA, ULA, AutoWarmup, Emcee, run
from physgen.samplers.loop.runaway import flattest_direction, pull, widest_direction
from physgen.targets import Phi4, as_target


def quadratic(matrix):
    K = np.array(matrix, float)
    return as_target(
        lambda x: 0.5 * np.einsum("ni,ij,nj->n", x, K, x), len(K), force=lambda x: -x @ K
    )


FLAT = quadratic(np.diag([1, 1, 0]))
# x_1 = 2 x_2 is free: a direction that is neither uniform nor an axis.
OBLIQUE = quadratic([[2, -4, 0], [-4, 8, 0], [0, 0, 2]])
SIGN = quadratic(-np.eye(3))
MASSLESS = as_target(
    lambda x: 0.5 * sum(((np.roll(x, -1, m) - x) ** 2).sum((1, 2)) for m in (1, 2)),
    (4, 4),
    force=lambda x: sum(np.roll(x, -1, m) + np.roll(x, 1, m) - 2 * x for m in (1, 2)),
)
SHORT = {"n_chains": 64, "n_draws": 20}


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("sampler", [HMC(), MALA(), ULA(step_size=0.01), Emcee()], ids=repr)
@pytest.mark.parametrize("target", [FLAT, SIGN, MASSLESS], ids=["flat", "sign", "massless"])
def test_weights_without_a_norm_are_refused(target, sampler, seed):
    with pytest.raises(UnboundedTargetError, match="cannot be normalized"):
        run(sampler, target, seed=seed, **SHORT)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize("sampler", [HMC(), MALA()], ids=repr)
def test_any_flat_direction_shows_in_the_chains(sampler, seed):
    with pytest.raises(UnboundedTargetError, match=r"spread grew from .* does not pull back"):
        run(sampler, OBLIQUE, seed=seed, **SHORT)


def turned(spectrum, seed):
    """A Gaussian of these curvatures along directions at random."""
    n = len(spectrum)
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((n, n)))[0]
    return quadratic(q * np.array(spectrum) @ q.T)


N = 100
OBLIQUE_FAR = {
    "one of many": lambda: turned([0, *[1] * (N - 1)], 1),
    "beside soft and stiff": lambda: turned([0, *np.geomspace(0.1, 10, N - 1)], 1),
    "all but the sum": lambda: quadratic(np.ones((N, N))),
}


@pytest.mark.parametrize("name", ["one of many", *map(slow, list(OBLIQUE_FAR)[1:])])
def test_an_oblique_flat_direction_of_a_hundred(name):
    with pytest.raises(UnboundedTargetError, match="does not pull back"):
        run(HMC(), OBLIQUE_FAR[name](), seed=1, **SHORT)


def test_the_flattest_direction_is_found_where_the_widest_is_not():
    """64 chains tell a direction of 100 only roughly."""
    q = np.linalg.qr(np.random.default_rng(1).standard_normal((N, N)))[0]
    spectrum = np.array([0.0, *np.geomspace(0.1, 10, N - 1)])
    target = quadratic(q * spectrum @ q.T)
    x = np.random.default_rng(2).standard_normal((64, N)) / np.sqrt([0.02, *spectrum[1:]]) @ q.T
    v = widest_direction(x)
    (flat,) = flattest_direction(target, x, v)
    # How S rises at n spreads, over n^2: a twentieth is what passes for level.
    rises = [0.5 * (x @ u).var() * np.sum(spectrum * (q.T @ u) ** 2) for u in (flat, v)]
    assert rises[0] < 0.01 < 0.05 < rises[1]


@pytest.mark.parametrize("seed", [1, *(slow(seed) for seed in range(2, 12))])
def test_soft_directions_of_a_hundred_go_on(seed):
    ds = run(HMC(), turned(np.geomspace(0.01, 10, N), seed), seed=seed, **SHORT)
    assert ds.attrs["warnings"] == ""


def test_an_ensemble_that_explodes():
    with pytest.raises(UnboundedTargetError, match="run away"):
        run(Emcee(), OBLIQUE, seed=1, **SHORT)


@pytest.mark.parametrize("warmup", ["auto", 300])
def test_quiet_runs_end_with_a_warning(warmup):
    ds = run(HMC(), FLAT, seed=1, quiet=True, warmup=warmup, **SHORT)
    assert "cannot be normalized" in ds.attrs["warnings"]
    with pytest.raises(UnboundedTargetError, match="log p"):
        run(HMC(), SIGN, seed=1, quiet=True, warmup=warmup, **SHORT)


@pytest.mark.parametrize("seed", range(1, 4))
@pytest.mark.parametrize(
    "target",
    [
        quadratic(np.diag([1 / 100, 1, 1])),
        Phi4.from_hopping(8, kappa=0.27088, lam=0.022),
        Phi4.from_unhalved(L=8, m2=-4.0, lam=5.0),
    ],
    ids=["wide", "critical", "broken"],
)
def test_slow_chains_of_sound_targets_go_on(target, seed):
    # Tests of convergence have false alarms, which depend on the last bits of a kernel.
    ds = run(HMC(), target, seed=seed, quiet=True, **SHORT)
    assert "cannot be normalized" not in ds.attrs["warnings"]
    assert len(ds.attrs["warnings"].split("\n")) == 1  # at most one


@pytest.mark.parametrize("seed", range(1, 5))
def test_two_wells_are_not_called_flat(seed):
    wells = as_target(
        lambda x: 4 * ((x**2 - 1) ** 2).sum(1), 2, force=lambda x: -16 * x * (x**2 - 1)
    )
    how = AutoWarmup(max_steps=1024)  # hardly enough: a warning may say so, and no more
    ds = run(MALA(), wells, seed=seed, warmup=how, quiet=True, **SHORT)
    assert "pull" not in ds.attrs["warnings"]


def test_angles_are_fine_for_observables_that_do_not_feel_the_flat_direction():
    xy = as_target(
        lambda x: -np.cos(x - np.roll(x, 1, 1)).sum(1), 4,
        lambda x: np.sin(np.roll(x, 1, 1) - x) + np.sin(np.roll(x, -1, 1) - x),
        observables={"bond": lambda x: np.cos(x[:, 0] - x[:, 1])},
    )  # fmt: skip
    ds = run(HMC(), xy, seed=1, **SHORT)
    assert ds.attrs["warnings"] == ""
    with pytest.raises(UnboundedTargetError, match="zero mode"):
        run(HMC(), xy, seed=1, observables={"mean": lambda x: x.mean(1)}, **SHORT)


def test_no_move_is_accepted():
    sound = quadratic(np.eye(3))
    with pytest.raises(ChainTooShortError, match=r"no move .* in 128 steps \(step_size = 1e\+03"):
        run(HMC(step_size=1e3, n_leapfrog=4), sound, seed=1, **SHORT)


def test_the_pull_of_exact_draws_is_one_and_of_a_share_of_their_spread_that_share():
    r = np.random.default_rng(1)
    K = np.diag([0.01, 1.0, 4.0])
    target = quadratic(K)
    x = r.standard_normal((8, 500, 3)) / np.sqrt(np.diag(K))
    v = widest_direction(x.reshape(-1, 3))
    assert abs(v[0]) > 0.99
    share, error = pull(target, x, v)
    assert abs(share - 1) < 4 * error < 0.3
    x[..., 0] *= 0.3  # has reached 0.09 of its variance
    share, error = pull(target, x, np.array([1.0, 0, 0]))
    assert abs(share - 0.09) < 4 * error < 0.03
