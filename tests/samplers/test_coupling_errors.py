"""Errors of couplings become errors of observables: closed forms of independent normal sites."""

import numpy as np
import pytest
import xarray as xr

from physgen.core.errors import InputError
from physgen.samplers import estimates
from physgen.samplers.coupling_errors import with_coupling_errors

G, F, SIGMA, V = 0.7, 0.4, 0.01, 16


def draws():
    """Independent sites of S = sum_x [g x^2 + f x], and the terms of every draw."""
    x = np.random.default_rng(1).standard_normal((64, 200, V)) / np.sqrt(2 * G) - F / (2 * G)
    ds = xr.Dataset(
        {
            "phi2": (("chain", "draw"), (x**2).mean(-1)),
            "mean": (("chain", "draw"), x.mean(-1)),
        },
        attrs={
            "symmetries": "",
            "exactness": "asymptotic",
            "chains": "independent",
            "event_shape": [V],
        },
    )
    return ds, np.stack([(x**2).sum(-1), x.sum(-1)], axis=-1)


def of_couplings(covariance):
    ds, terms = draws()
    table = with_coupling_errors(estimates(ds), ds, terms, np.asarray(covariance))
    error = dict(zip(table["quantity"].values, table["error_of_couplings"].values))
    total = np.hypot(table["error_of_chains"].values, table["error_of_couplings"].values)
    np.testing.assert_allclose(table["error"].values, total)
    return error["phi2"], error["mean"]


def test_independent_errors_of_both_couplings():
    """<x> = -f / 2g and <x^2> = 1 / 2g + f^2 / 4 g^2."""
    phi2, mean = of_couplings(np.diag([SIGMA**2, 0.0]))
    assert phi2 == pytest.approx(SIGMA * (1 / (2 * G**2) + F**2 / (2 * G**3)), rel=0.03)
    assert mean == pytest.approx(SIGMA * F / (2 * G**2), rel=0.06)
    phi2, mean = of_couplings(np.diag([0.0, SIGMA**2]))
    assert phi2 == pytest.approx(SIGMA * F / (2 * G**2), rel=0.06)
    assert mean == pytest.approx(SIGMA / (2 * G), rel=0.03)


def test_correlated_errors_add_with_their_sign():
    """Along dg = s df the mean stays where it is if s = g / f: the errors cancel."""
    v = np.array([G, F])
    _, mean = of_couplings(SIGMA**2 * np.outer(v, v))
    _, apart = of_couplings(SIGMA**2 * np.outer(v, v) * np.eye(2))
    assert mean < 0.1 * apart


def test_no_error_of_couplings_changes_nothing():
    ds, terms = draws()
    table = estimates(ds)
    same = with_coupling_errors(table, ds, terms, np.zeros((2, 2)))
    np.testing.assert_array_equal(same["error"], table["error"])


@pytest.mark.parametrize("covariance", [np.full((2, 2), np.nan), np.eye(3)])
def test_bad_input_is_refused(covariance):
    ds, terms = draws()
    with pytest.raises(InputError, match="terms must have shape"):
        with_coupling_errors(estimates(ds), ds, terms, covariance)
