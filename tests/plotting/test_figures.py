"""Figures show the numbers they were given, and say what the axes mean."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from helpers.marks import slow

from physgen.plotting import plot_log_prob, plot_marginals, plot_training, plot_two_point, render

R = np.arange(1, 6)
EXACT = 0.6 * R**-0.25


@pytest.fixture
def observables():
    coords = {"r": ("pair", R), "i": ("pair", np.full(5, 4))}

    def estimate(shift, error):
        values = {"zz": ("pair", EXACT + shift), "zz_error": ("pair", np.full(5, error))}
        return xr.Dataset(values, coords=coords)

    exact = xr.Dataset({"zz": ("pair", EXACT)}, coords=coords)
    return {"data": estimate(0.05, 0.05), "model": estimate(-0.01, 0.01), "exact": exact}


@pytest.fixture
def history():
    nll = np.array([1.4, 1.3, 1.29])
    return xr.Dataset(
        {
            "step": ("evaluation", [100, 200, 300]),
            "train_nll": ("evaluation", nll),
            "validation_nll": ("evaluation", nll + 0.01),
        },
        attrs={"entropy_floor": 1.2884, "entropy_floor_validation": 1.291},
    )


def labelled(fig):
    return all(ax.get_xlabel() or ax.get_ylabel() for ax in fig.axes)


def test_two_point_draws_every_source_and_its_error_bars(observables):
    fig = plot_two_point(observables)
    (ax,) = fig.axes
    exact_line = ax.lines[0]
    np.testing.assert_array_equal(exact_line.get_ydata(), EXACT)
    bars = {c.get_label(): c for c in ax.containers}
    segments = np.array(bars["data, dual frame"].lines[2][0].get_segments())
    np.testing.assert_allclose(segments[:, 1, 1] - segments[:, 0, 1], 0.1)
    assert "model" in bars
    assert "Z_{4}" in ax.get_ylabel()


def test_two_point_without_an_exact_answer(observables):
    fig = plot_two_point({name: observables[name] for name in ("data", "model")})
    assert "exact" not in fig.axes[0].get_legend_handles_labels()[1]


def test_training_curve_shows_each_entropy_floor(history):
    ax = plot_training(history).axes[0]
    labels = ax.get_legend_handles_labels()[1]
    assert [label for label in labels if "floor" in label] == [
        "their entropy floor, 1.2884",
        "their entropy floor, 1.2910",
    ]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), history["train_nll"])
    assert "nats per site" in ax.get_ylabel()


def test_training_curve_marks_the_weights_that_are_kept(history):
    ax = plot_training(history.assign_attrs(best_step=200)).axes[0]
    (mark,) = [line for line in ax.lines if line.get_label() == "weights kept"]
    assert set(mark.get_xdata()) == {200}


def test_a_long_training_curve_has_no_markers(history):
    long = history.isel(evaluation=np.arange(60) % history.sizes["evaluation"])
    figure = plot_training(long)
    assert {line.get_marker() for line in figure.axes[0].lines} <= {"", "None"}


def test_training_curve_without_floor_or_held_out_shots(history):
    history["validation_nll"][:] = np.nan
    history.attrs.clear()
    ax = plot_training(history).axes[0]
    assert ax.get_legend_handles_labels()[1] == ["training shots"]


def test_log_prob_marks_the_mean_difference_of_the_samples_shown():
    log_p = np.linspace(-10, -5, 50)
    ds = xr.Dataset(
        {"log_prob_target": ("sample", log_p), "log_prob_model": ("sample", log_p - 0.25)}
    )
    fig = plot_log_prob(ds)
    assert any(
        "mean of the samples shown +0.2500" in " ".join(t.get_text().split())
        for t in fig.axes[1].texts
    )
    assert labelled(fig)


def test_log_prob_survives_samples_that_the_model_excludes():
    log_p = np.array([-5.0, -5.0, -5.5])
    log_q = np.array([-5.0, -np.inf, -6.0])
    ds = xr.Dataset({"log_prob_target": ("sample", log_p), "log_prob_model": ("sample", log_q)})
    fig = plot_log_prob(ds)
    assert "1 with" in fig.axes[0].texts[0].get_text()


def test_marginals_are_the_outcome_frequencies():
    data = np.array([[0, 1], [0, 1], [1, 1], [3, 1]], dtype=np.uint8)
    model = np.array([[0, 1], [2, 0]], dtype=np.uint8)
    fig = plot_marginals(data, model, ["Z+", "X+", "Y+", "rest"])
    top = fig.axes[0]
    np.testing.assert_allclose(top.lines[0].get_ydata(), [0.5, 0.5])  # model, Z+
    np.testing.assert_allclose(top.containers[0].lines[0].get_ydata(), [0.5, 0.0])
    assert labelled(fig)


@pytest.mark.parametrize(
    ("kind", "magic"), [("png", b"\x89PNG"), slow("pdf", b"%PDF"), slow("svg", b"<?xml")]
)
def test_a_figure_renders_to_the_same_bytes_every_time(history, kind, magic):
    first, second = (render(plot_training(history), kind) for _ in range(2))
    assert first == second
    assert first.startswith(magic)


@pytest.mark.parametrize(("scale", "power"), [(1.0, ""), (1e-7, "10^{\u22128}")])
def test_numbers_beside_ticks_are_text_and_their_power_of_ten_is_mathtext(scale, power):
    coords = {"r": ("pair", R), "i": ("pair", np.full(5, 4))}
    zz = xr.Dataset({"zz": ("pair", scale * (EXACT - 0.5))}, coords)
    fig = plot_two_point({"exact": zz})
    render(fig)
    (ax,) = fig.axes
    labels = [label.get_text().replace("\u2212", "-") for label in ax.get_yticklabels()]
    unit = 1e-8 if power else 1.0
    np.testing.assert_allclose(
        [unit * float(text) for text in labels], ax.get_yticks(), atol=1e-12 * scale
    )
    offset = ax.yaxis.get_offset_text().get_text()
    assert power in offset
    assert bool(offset) == bool(power)


def test_import_loads_no_matplotlib():
    code = "import sys, physgen.plotting; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
