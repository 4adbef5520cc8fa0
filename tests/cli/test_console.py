"""Progress is told in plain lines to a log, and live on a terminal, with the figure of merit."""

import io
import math

import pytest
from rich.console import Console

from physgen.cli import lines
from physgen.cli.lines import LineReporter
from physgen.cli.live import RichReporter
from physgen.samplers.loop.progress import Progress as ChainProgress
from physgen.training import Progress
from physgen.workflow import reporting
from physgen.workflow.lattice.progress import ScanProgress


def progress(step=50, validation=1.2961, floor=1.2876, label="NLL", item="shots"):
    return Progress(
        epoch=1,
        n_epochs=2,
        step=step,
        n_steps=100,
        label=label,
        item=item,
        unit="nat",
        train_loss=1.3,
        validation_loss=validation,
        merits={},
        entropy_floor=floor,
        samples_per_second=2345.6,
        eta_s=75.0,
    )


def test_a_line_tells_rate_eta_and_both_likelihoods_beside_their_floors(capsys):
    LineReporter().progress(progress(), 1.2959)
    line = capsys.readouterr().err
    assert "epoch 1/2, step 50/100" in line
    assert "NLL/site 1.3000 (floor 1.2876), held out 1.2961 (floor 1.2959)" in line
    assert "2,346 shots/s, ETA 1:15" in line


def test_a_loss_has_the_name_and_the_items_of_its_objective(capsys):
    LineReporter().progress(progress(label="score matching", item="fields"), None)
    line = capsys.readouterr().err
    assert "score matching/site 1.3000" in line
    assert "2,346 fields/s" in line


def test_what_is_not_known_is_not_said(capsys):
    LineReporter().progress(progress(validation=math.nan, floor=None), None)
    line = capsys.readouterr().err
    assert "NLL/site 1.3000, 2,346" in line


def test_lines_are_rare_but_the_last_is_always_said(capsys, monkeypatch):
    now = iter([0.0, 1.0, 2.0, 11.0, 12.0])
    monkeypatch.setattr(lines.time, "monotonic", lambda: next(now))
    reporter = LineReporter()
    for step in (10, 20, 30, 40, 100):
        reporter.progress(progress(step), None)
    steps = [line.split("step ")[1].split("/")[0] for line in capsys.readouterr().err.splitlines()]
    assert steps == ["10", "40", "100"]


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_bar_fits_the_terminal(width):
    reporter = RichReporter()
    screen = io.StringIO()
    reporter._console = Console(file=screen, force_terminal=True, width=width)
    reporter.start("generate", "ground state")
    reporter.update("generate", "sweep 3")
    reporter.finish("generate", "300 shots", 1.0)
    reporter.start("train", "maximum likelihood")
    reporter.progress(progress(), 1.2959)
    reporter.close()
    text = screen.getvalue()
    assert "epoch 1/2" in text
    assert "shots/s" in text
    assert "held out 1.2961" in text or width < 80


@pytest.mark.parametrize(
    ("seconds", "text"), [(5, "0:05"), (75, "1:15"), (3700, "1:01:40"), (math.inf, "?")]
)
def test_durations(seconds, text):
    assert reporting.duration(seconds) == text


def scan_progress(phase="draws", done=400, tau=4.2, hat=1.0031, rate=3.1e7):
    now = ChainProgress(phase, done, 1000, 12.0, 50.0, tau, hat, 1000)
    return ScanProgress("wolff, L = 32, beta = 0.44", 3, 52, now, rate, 130.0)


def test_a_line_of_a_scan_tells_point_rate_and_how_well_the_chains_mix(capsys):
    LineReporter().sampled(scan_progress())
    assert capsys.readouterr().err == (
        "sample    3/52 wolff, L = 32, beta = 0.44: draw 400/1,000, 31 M updates/s, "
        "tau_int 4.2, R-hat 1.0031; ETA 2:10\n"
    )


def test_what_is_not_known_of_a_scan_is_not_said(capsys):
    LineReporter().sampled(scan_progress("warmup", 64, math.nan, math.nan, math.nan))
    assert capsys.readouterr().err == (
        "sample    3/52 wolff, L = 32, beta = 0.44: warm-up, 64 steps; ETA 2:10\n"
    )


@pytest.mark.parametrize("width", [60, 120])
def test_the_live_bar_of_a_scan_fits_the_terminal(width):
    reporter = RichReporter()
    screen = io.StringIO()
    reporter._console = Console(file=screen, force_terminal=True, width=width)
    reporter.start("sample", "Markov chains at every point")
    reporter.update("sample", "52 points")
    reporter.sampled(scan_progress("warmup", 64, math.nan, math.nan, math.nan))
    reporter.sampled(scan_progress())
    reporter.finish("sample", "52 points", 1.0)
    text = screen.getvalue()
    assert "point 3/52" in text
    assert "R-hat 1.0031" in text or width < 80


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0.0, ""), (math.nan, ""), (12.0, "12 updates/s"), (4.21e5, "421 k"), (2e9, "2 G updates/s")],
)
def test_rates(rate, text):
    assert lines.updates(rate).startswith(text)


def test_a_time_that_is_not_known_is_not_shown(capsys):
    now = ChainProgress("warmup", 64, 1000, 12.0, 50.0, math.nan, math.nan, 1000)
    LineReporter().sampled(ScanProgress("wolff, L = 32", 1, 52, now, math.nan, math.inf))
    assert capsys.readouterr().err == "sample    1/52 wolff, L = 32: warm-up, 64 steps\n"
    assert (reporting.eta(math.inf), reporting.eta(math.nan), reporting.eta(5)) == (
        "",
        "",
        "ETA 0:05",
    )
