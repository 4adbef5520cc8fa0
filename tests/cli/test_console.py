"""Progress is told in plain lines to a log, and live on a terminal, with the figure of merit."""

import io
import math

import pytest
from rich.console import Console

from physgen.cli import console
from physgen.cli.console import LineReporter, RichReporter
from physgen.training import Progress


def progress(step=50, validation=1.2961, floor=1.2876):
    return Progress(
        epoch=1,
        n_epochs=2,
        step=step,
        n_steps=100,
        train_nll=1.3,
        validation_nll=validation,
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


def test_what_is_not_known_is_not_said(capsys):
    LineReporter().progress(progress(validation=math.nan, floor=None), None)
    line = capsys.readouterr().err
    assert "NLL/site 1.3000, 2,346" in line


def test_lines_are_rare_but_the_last_is_always_said(capsys, monkeypatch):
    now = iter([0.0, 1.0, 2.0, 11.0, 12.0])
    monkeypatch.setattr(console.time, "monotonic", lambda: next(now))
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
    assert console._duration(seconds) == text
