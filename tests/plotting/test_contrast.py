"""Nothing that must be read is faint, and colour is never the only difference."""

import numpy as np
import pytest
import xarray as xr
from helpers.contrast import contrast, drawn
from matplotlib.figure import Figure

from physgen.plotting import (
    plot_agreement,
    plot_binder,
    plot_scan,
    plot_tau_int,
)
from physgen.plotting.scan import series_of
from physgen.plotting.style import COLOR, MARKERS, OUTCOME_COLORS, sequence


def test_contrast_is_that_of_the_standard():
    assert contrast("black") == pytest.approx(21)
    assert contrast("white") == pytest.approx(1)
    assert contrast("#777777") == pytest.approx(4.48, abs=0.01)  # the textbook case of 4.5
    assert contrast("black", 0.0) == pytest.approx(1)


def test_every_colour_of_the_palette_can_be_seen():
    assert min(map(contrast, (*COLOR.values(), *OUTCOME_COLORS))) >= 3
    assert min(contrast(c) for n in range(1, 8) for c in sequence(n)) >= 3


def scan(n_sizes: int, n_generators: int) -> xr.Dataset:
    beta, L = np.linspace(0.40, 0.46, 4), 8 * np.arange(1, n_sizes + 1)
    dims = ("generator", "L", "beta")
    shape = (n_generators, n_sizes, 4)
    rng = np.random.default_rng(1)
    values: dict = {}
    for name in ("energy_per_site", "binder", "tau_int"):
        values |= {
            name: (dims, 1 + rng.random(shape)),
            f"{name}_error": (dims, np.full(shape, 0.1)),
        }
    values["energy_per_site_pull"] = (dims, rng.normal(size=shape))
    names = [f"g{k}" for k in range(n_generators)]
    return xr.Dataset(values, {"generator": names, "L": L, "beta": beta})


def agreement(estimates: xr.Dataset) -> xr.Dataset:
    names = ["energy_per_site", "binder", "tau_int"]
    shape = (3, estimates.sizes["generator"] - 1, *estimates["binder"].shape[1:])
    pull = np.random.default_rng(2).normal(size=shape)
    dims = ("quantity", "other", "L", "beta")
    coords = {"quantity": names, "other": estimates["generator"].values[1:],
              "L": estimates["L"], "beta": estimates["beta"]}  # fmt: skip
    return xr.Dataset({"pull": (dims, pull)}, coords)


@pytest.mark.parametrize("n_sizes", [1, 3, 6])
def test_lines_markers_and_text_of_scans_stand_out(n_sizes):
    estimates = scan(n_sizes, 3)
    figures: list[Figure] = [
        plot_scan(estimates, "energy_per_site", critical=0.44),
        plot_binder(estimates, critical={"coupling": 0.44, "binder": 0.61}),
        plot_tau_int(estimates),
        plot_agreement(estimates, agreement(estimates)),
    ]
    for fig in figures:
        found = list(drawn(fig))
        assert len(found) > 20
        assert [what for what in found if what[1] < 3] == []


def test_a_faint_line_would_be_noticed():
    fig = plot_scan(scan(2, 1), "energy_per_site")
    fig.axes[0].plot([0, 1], [0, 1], color="#E69F00")
    fig.axes[0].text(0, 0, "pale", color="#AAAAAA")
    assert sum(value < 3 for _, value in drawn(fig)) == 2


def test_sizes_and_generators_differ_without_colour():
    styles = [style for style, _ in series_of(scan(len(MARKERS), 4))]
    looks = [(style["marker"], style["fillstyle"], style["mfc"] == "white") for style in styles]
    assert len(set(looks)) == len(looks) == 4 * len(MARKERS)
