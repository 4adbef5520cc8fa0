"""Figures of a scan show the numbers they were given, for every size and sampler."""

import numpy as np
import pytest
import xarray as xr

from physgen.plotting import plot_agreement, plot_binder, plot_scan, plot_tau_int, render

BETA = np.array([0.40, 0.42, 0.44, 0.46])
L = [8, 16]


def grid(samplers=("a", "b"), infinite=False):
    shape = (len(samplers), len(L), len(BETA))
    rng = np.random.default_rng(1)
    dims = ("generator", "L", "beta")
    names = ("energy_per_site", "chi_abs", "binder", "tau_int")
    values = {n: (dims, 1 + rng.random(shape)) for n in names}
    values |= {f"{n}_error": (dims, np.full(shape, 0.05)) for n in names}
    values["energy_per_site_pull"] = (dims, rng.normal(size=shape))
    ds = xr.Dataset(values, {"generator": list(samplers), "L": L, "beta": BETA})
    ds["energy_per_site"].attrs = {"symbol": "$e$", "long_name": "energy per site"}
    ds["beta"].attrs["symbol"] = r"$\beta$"
    return ds


def exact(diverges=False):
    x = np.linspace(0.4, 0.46, 31)
    top = 1e6 if diverges else 1.0
    return xr.Dataset(
        {
            "energy_per_site": (("L", "curve"), np.array([x, 2 * x])),
            "energy_per_site_infinite": ("curve", np.where(abs(x - 0.43) < 1e-3, top, 0.5)),
        },
        {"L": L, "coupling": ("curve", x)},
    )


def crossings(n=1):
    mesh = np.linspace(0.42, 0.44, 5)
    return xr.Dataset(
        {
            "coupling": ("pair", [0.431][:n]),
            "coupling_error": ("pair", [0.0012][:n]),
            "binder": ("pair", [1.5][:n]),
            "at": (("pair", "mesh"), np.array([mesh])[:n]),
            "binder_small": (("pair", "mesh"), np.array([mesh * 3])[:n]),
            "binder_large": (("pair", "mesh"), np.array([mesh * 4])[:n]),
        },
        {"L_small": ("pair", [8][:n]), "L_large": ("pair", [16][:n])},
    )


def test_every_size_and_sampler_has_its_points_bars_and_pulls():
    estimates = grid()
    top, bottom = plot_scan(estimates, "energy_per_site", exact(), critical=0.44).axes
    bars = {c.get_label(): c for c in top.containers}
    assert set(bars) == {f"L = {n}, {s}" for n in L for s in "ab"}
    at = estimates.sel(generator="b", L=16)
    np.testing.assert_array_equal(bars["L = 16, b"].lines[0].get_ydata(), at["energy_per_site"])
    segments = np.array(bars["L = 16, b"].lines[2][0].get_segments())
    np.testing.assert_allclose(segments[:, 1, 1] - segments[:, 0, 1], 0.1)
    pulls = [line.get_ydata() for line in bottom.lines]
    assert any(np.array_equal(y, at["energy_per_site_pull"]) for y in pulls)
    assert (top.get_ylabel(), bottom.get_xlabel()) == ("$e$", r"$\beta$")


def test_a_divergence_of_the_infinite_lattice_does_not_hide_the_points():
    top = plot_scan(grid(("a",)), "energy_per_site", exact(diverges=True)).axes[0]
    assert top.get_ylim()[1] < 3
    assert "exact, infinite" in top.get_legend_handles_labels()[1]
    assert "L = 8" in top.get_legend_handles_labels()[1]  # one sampler needs no name


def test_without_exact_values_there_are_no_pulls():
    (ax,) = plot_scan(grid(), "chi_abs", log=True).axes
    assert ax.get_yscale() == "log"


def test_binder_marks_each_crossing_with_its_number():
    known = {"coupling": 0.44, "binder": 0.61}
    left, right = plot_binder(grid(), crossings(), critical=known).axes
    assert {c.get_label() for c in left.containers} == {"L = 8", "L = 16"}  # of one sampler
    assert "8, 16:  0.4310(12)" in right.texts[0].get_text()
    low, high = right.get_xlim()
    assert 0.419 <= low < 0.431 < 0.44 < high <= 0.441  # close to both, and not the whole scan


@pytest.mark.parametrize("found", [None, crossings(0)])
def test_binder_curves_that_do_not_cross_say_so(found):
    right = plot_binder(grid(), found).axes[1]
    assert "no two curves cross" in right.texts[0].get_text()


def test_tau_int_is_shown_at_its_largest_for_every_size():
    estimates = grid()
    left, right = plot_tau_int(estimates).axes
    assert left.get_yscale() == "log"
    largest = estimates["tau_int"].max("beta")
    shown = {c.get_label(): c.lines[0].get_ydata() for c in right.containers}
    for sampler in "ab":
        np.testing.assert_array_equal(shown[sampler], largest.sel(generator=sampler))


def test_a_dynamical_exponent_is_told_for_three_sizes_or_more():
    sizes = [8, 16, 32]
    tau = 0.1 * np.array(sizes, float)[None, :, None] ** 2
    dims = ("generator", "L", "beta")
    ds = xr.Dataset(
        {"tau_int": (dims, tau), "tau_int_error": (dims, 0.01 * tau)},
        {"generator": ["a"], "L": sizes, "beta": [0.44]},
    )
    assert plot_tau_int(ds).axes[1].containers[0].get_label() == r"a, $z \approx 2.0$"


def test_agreement_shows_every_pull_and_their_spread():
    estimates = grid()
    pulls = np.random.default_rng(2).normal(size=(2, 1, 2, 4))
    ds = xr.Dataset(
        {"pull": (("quantity", "other", "L", "beta"), pulls)},
        {"quantity": ["energy_per_site", "binder"], "other": ["b"], "L": L, "beta": BETA},
        {"first": "a"},
    )
    left, right = plot_agreement(estimates, ds).axes
    shown = np.concatenate(
        [line.get_ydata() for line in left.lines if line.get_marker() not in ("", "None")]
    )
    np.testing.assert_array_equal(np.sort(shown), np.sort(pulls.ravel()))
    assert "Agreement of a and b" in left.get_title(loc="left")
    assert f"rms {np.sqrt(np.mean(pulls**2)):.2f}" in right.texts[0].get_text()


def test_the_same_scan_gives_the_same_bytes():
    first, second = (render(plot_binder(grid(), crossings())) for _ in range(2))
    assert first == second


@pytest.mark.parametrize(("error", "known"), [(0.0012, 0.4407), (0.05, 0.30), (np.inf, 0.43)])
def test_the_zoom_holds_every_error_bar_and_the_known_point(error, known):
    found = crossings()
    found["coupling_error"].values[:] = error
    critical = {"coupling": known, "binder": 1.9}
    ax = plot_binder(grid(("a",)), found, critical=critical).axes[1]
    (left, right), (low, high) = ax.get_xlim(), ax.get_ylim()
    bar = error if np.isfinite(error) else 0.0
    assert left < 0.431 - bar <= 0.431 + bar < right
    assert left < known < right
    assert low < 1.5 < high
    assert low < 1.9 < high
