"""Where Binder cumulants cross: at the right place, with an error bar that covers."""

import numpy as np
import pytest
import xarray as xr
from helpers.statistics import accepts, unit_variance_p

from physgen.samplers import SwendsenWang, run
from physgen.targets import Ising
from physgen.workflow.lattice.crossing import crossings, moments

VALUES = np.array([0.1, 0.2, 0.3, 0.4])


def share(slope, x):
    """Share of draws with m = +-1; then U = 1 - 1 / (3 share), the larger the steeper."""
    return 0.6 + slope * (x - 0.24)


def chains(slope, x, rng, n_chains=16, n_draws=100, copies=1):
    """Draws of m in {-1, 0, 1}; `copies` of every chain are the same draws."""
    n = n_chains // copies
    m = rng.choice([-1.0, 1.0], (n, n_draws)) * (rng.random((n, n_draws)) < share(slope, x))
    return xr.Dataset({"magnetization": (("chain", "draw"), np.repeat(m, copies, axis=0))})


def crossing(seed, copies=1):
    """Return the crossing of two curves that are linear in the share; the truth is 0.24."""
    rng = np.random.default_rng(seed)
    draws = {(i, j): chains(slope, x, rng, copies=copies)
             for i, slope in enumerate((0.3, 1.8)) for j, x in enumerate(VALUES)}  # fmt: skip
    binder = np.array([[moments(draws[i, j], np.zeros(1)).binder()[0, 0] for j in range(4)]
                       for i in range(2)])  # fmt: skip
    found = crossings([8, 16], VALUES, binder, np.full((2, 4), 0.02), lambda i, j: draws[i, j],
                      reweight=False)  # fmt: skip
    if not found.sizes["pair"]:
        return None
    return float(found["coupling"][0]), float(found["coupling_error"][0])


def true_crossing():
    """Return where the two interpolated curves cross: U is not quite linear in between."""
    mesh = np.linspace(0.2, 0.3, 33)
    w = (0.3 - mesh) / 0.1
    small, large = (
        w * (1 - 1 / (3 * share(s, 0.2))) + (1 - w) * (1 - 1 / (3 * share(s, 0.3)))
        for s in (0.3, 1.8)
    )
    difference = large - small
    i = int(np.flatnonzero(difference > 0)[0])
    return mesh[i - 1] - difference[i - 1] * (mesh[1] - mesh[0]) / (
        difference[i] - difference[i - 1]
    )


def pulls(n, seed, copies=1):
    found = [crossing(seed * 10_000 + k, copies) for k in range(n)]
    exact = true_crossing()
    return np.array([(at - exact) / error for at, error in filter(None, found)])


@pytest.mark.slow
def test_the_error_of_a_crossing_covers_and_would_not_for_copied_chains():
    def p(copies):
        return lambda n, seed: unit_variance_p(pulls(n, seed, copies))

    assert accepts(p(1), 60)
    assert not accepts(p(4), 60)


def test_one_long_chain_gives_the_error_of_many_short_ones():
    """... by blocks of it, which are longer than it remembers."""
    rng = np.random.default_rng(5)
    many = chains(0.3, 0.2, rng, n_chains=64, n_draws=200)
    one = xr.Dataset(
        {"magnetization": (("chain", "draw"), many["magnetization"].values.reshape(1, -1))}
    )

    def error(ds):
        u = moments(ds, np.zeros(1)).binder()[:, 0]
        n = len(u) - 1
        return np.sqrt((n - 1) / n * np.sum((u[1:] - u[1:].mean()) ** 2))

    assert error(one) == pytest.approx(error(many), rel=0.4)


def test_a_coupling_that_orders_downwards_gives_the_same_crossing():
    """m2 = -x: the curves of the scan run backwards."""
    rng = np.random.default_rng(7)
    draws = {(i, j): chains(slope, x, rng) for i, slope in enumerate((0.3, 1.8))
             for j, x in enumerate(VALUES)}  # fmt: skip
    binder = np.array([[moments(draws[i, j], np.zeros(1)).binder()[0, 0] for j in range(4)]
                       for i in range(2)])  # fmt: skip
    error = np.full((2, 4), 0.02)
    up = crossings([8, 16], VALUES, binder, error, lambda i, j: draws[i, j], reweight=False)
    down = crossings([8, 16], -VALUES[::-1], binder[:, ::-1], error[:, ::-1],
                     lambda i, j: draws[i, 3 - j], reweight=False)  # fmt: skip
    assert up.sizes["pair"] == 1
    for name, sign in (("coupling", -1), ("at", -1), ("coupling_error", 1), ("binder", 1),
                       ("binder_large", 1)):  # fmt: skip
        assert np.array_equal(down[name], sign * up[name])


def test_curves_that_do_not_cross_give_nothing():
    rng = np.random.default_rng(1)
    draws = {(i, j): chains(0.6, x, rng) for i in range(2) for j, x in enumerate(VALUES)}
    binder = np.array([[0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5]])
    found = crossings([8, 16], VALUES, binder, np.full((2, 4), 0.01), lambda i, j: draws[i, j],
                      reweight=False)  # fmt: skip
    assert found.sizes["pair"] == 0
    assert found["at"].shape == (0, 33)


def test_reweighted_moments_are_those_of_the_other_temperature():
    """... as enumeration has them, and those that are not reweighted are not."""
    from physgen.exact import exact_values

    ds = run(SwendsenWang(), Ising(L=4, beta=0.42), n_chains=64, n_draws=300, seed=2)
    there = float(exact_values(Ising(L=4, beta=0.45))["binder"])

    def pull(shift):
        u = moments(ds, np.array([shift])).binder()[:, 0]
        n = len(u) - 1
        error = np.sqrt((n - 1) / n * np.sum((u[1:] - u[1:].mean()) ** 2))
        return (u[0] - there) / error

    assert abs(pull(0.03)) < 3.5
    assert abs(pull(0.0)) > 8


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_the_crossing_is_sought_where_the_curves_change_sides_not_where_noise_does(noise):
    from physgen.workflow.lattice.crossing import _interval

    difference = np.array([-0.1, -0.3, -0.2, 0.2, 0.3, 0.01, 0.01]) * 1.0
    difference[5:] += noise * np.array([-1, 1])  # a second change of sign, of no significance
    error = np.array([0.02] * 5 + [0.05] * 2)
    assert _interval(difference, error) == 2
