"""Figures of models beside chains show the numbers that they are given."""

import numpy as np
import pytest
import xarray as xr

from physgen.plotting import (
    plot_ess_curve,
    plot_free_energy,
    plot_mixing,
    plot_side_by_side,
    render,
)
from physgen.workflow.target.quantities import attrs, head

DIMS = ("generator", "L", "lam")
LAM = [6.0, 8.0]


def history(kl):
    n = len(kl)
    data = {"step": np.arange(n), "ess": np.linspace(0.1, 0.9, n), "kl": np.array(kl)}
    return xr.Dataset({name: ("evaluation", values) for name, values in data.items()})


@pytest.mark.parametrize("kl", [[1.0, 0.1, -0.001], [-0.1, -0.2], [np.nan, 0.5]])
def test_a_divergence_that_noise_makes_negative_is_left_out(kl):
    """All of it may be: the axis then has no logarithm, and nothing warns."""
    figure = plot_ess_curve({"flow": history(kl)})
    render(figure, "png")
    shown = figure.axes[1].lines[0].get_ydata()
    np.testing.assert_array_equal(shown, np.where(np.array(kl) > 0, kl, np.nan))


@pytest.fixture
def estimates():
    """Chains without log Z, a model with it, and annealed particles."""
    nan = np.nan
    data = {
        "phi2": [[[0.2, 0.1]], [[0.21, 0.11]], [[nan, nan]]],
        "phi2_error": [[[0.01, 0.01]], [[0.001, 0.001]], [[nan, nan]]],
        "phi2_pull": [[[0.5, -0.5]], [[1.5, 2.5]], [[nan, nan]]],
        "log_z": [[[nan, nan]], [[4.0, 2.0]], [[4.1, 1.9]]],
        "log_z_error": [[[nan, nan]], [[0.01, 0.02]], [[0.1, 0.2]]],
        "tau_int": [[[1.0, 2.0]], [[nan, nan]], [[nan, nan]]],
    }
    ds = xr.Dataset({name: (DIMS, np.array(values)) for name, values in data.items()})
    ds["n_sites"] = ("L", [16])
    return ds.assign_coords(generator=["mcmc", "flow", "smc"], L=[4], lam=LAM)


def test_free_energy_shows_log_z_beside_the_reference(estimates):
    figure = plot_free_energy(estimates)
    top, below = figure.axes
    (flow, smc) = (c.lines[0].get_ydata() for c in top.containers)
    np.testing.assert_allclose(flow, [-4 / 16, -2 / 16])
    np.testing.assert_allclose(smc, [-4.1 / 16, -1.9 / 16])
    (off,) = (c.lines[0].get_ydata() for c in below.containers)
    np.testing.assert_allclose(off, [-0.1, 0.1])  # from SMC, where nothing is exact
    known = estimates.assign(log_z_exact=(DIMS[1:], [[4.05, 2.05]]))
    offs = [c.lines[0].get_ydata() for c in plot_free_energy(known).axes[1].containers]
    np.testing.assert_allclose(offs, [[-0.05, -0.05], [0.05, -0.15]])


def test_every_pull_is_a_mark(estimates):
    pull = np.array([[[[1.0, -2.0]], [[np.nan, np.nan]]]])
    agreement = xr.Dataset(
        {"pull": (("quantity", "other", "L", "lam"), pull)},
        {"quantity": ["phi2"], "other": ["flow", "smc"]},
        {"first": "mcmc"},
    )
    lines = plot_side_by_side(estimates, agreement).axes[0].lines
    shown = sorted(
        float(x) for line in lines if line.get_marker() in "oD" for x in line.get_xdata()
    )
    assert shown == [-2.0, -0.5, 0.5, 1.0, 1.5, 2.5]


def test_a_figure_calls_a_quantity_what_the_table_calls_it(estimates):
    estimates["phi2"].attrs = attrs("phi2")
    ax = plot_side_by_side(estimates).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == [head("phi2")] == ["<phi^2>"]


def test_mixing_shows_tau_beside_k_and_hollow_lower_bounds():
    series = {"step": ("e", [1, 10, 20]), "tau": ("e", [2.0, 8.0, 30.0])}
    history = xr.Dataset(series, attrs={"k": 10})
    along = xr.Dataset(
        {
            "needed": ("timed", [5.0, 40.0, np.inf]),
            "is_lower_bound": ("timed", [False, True, True]),
        },
        {"timed_label": ("timed", [1.0, 10.0, 21.0])},
    )  # fmt: skip
    figure = plot_mixing({"rbm": (history, along), "other": (history, None)})
    (axis,) = figure.axes
    line, full, hollow, other, k = axis.lines
    np.testing.assert_array_equal(line.get_ydata(), [2, 8, 30])
    np.testing.assert_array_equal(other.get_ydata(), [2, 8, 30])
    assert (full.get_ydata().tolist(), hollow.get_ydata().tolist()) == ([5.0], [40.0])
    assert hollow.get_markerfacecolor() == "none"
    assert set(k.get_ydata()) == {10}
    render(figure, "png")
