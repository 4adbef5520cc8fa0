"""One whole run at toy size, through the commands that a user types."""

import contextlib
import html
import io
import json
import re
import shutil

import h5py
import numpy as np
import pytest
import xarray as xr
from helpers.marks import slow
from helpers.statistics import within
from helpers.terminal import numbers_missing

from physgen.cli import main
from physgen.results import open_run
from physgen.workflow.tables import summarize


def tree_of(run_dir):
    return open_run(run_dir)


def assert_same_results(a, b):
    """Every group of two runs agrees bit for bit; only when and how long may differ."""
    one, two = tree_of(a), tree_of(b)
    assert sorted(one.groups) == sorted(two.groups)
    for group in one.groups:
        if group != "/":
            xr.testing.assert_identical(
                one[group].to_dataset(inherit=False), two[group].to_dataset(inherit=False)
            )
    assert one.attrs["config_hash"] == two.attrs["config_hash"]


def test_a_run_leaves_one_file_a_report_and_figures(finished):
    names = {p.name for p in finished.iterdir() if not p.name.startswith(".")}
    assert names == {"run.h5", "report.html", "figures"}
    figures = {p.name for p in (finished / "figures").iterdir()}
    assert figures == {"training.png", "two_point.png", "log_prob.png", "marginals.png"}


def test_the_file_holds_every_stage_and_says_so(finished):
    tree = tree_of(finished)
    for group in ("state", "data", "training", "model", "samples", "validation"):
        assert group in tree.children
    assert set(tree["observables"].children) == {"data", "model", "exact"}
    assert tree.attrs["complete"] == 1
    assert json.loads(tree.attrs["config"])["system"]["L"] == 4
    assert "Carrasquilla2019" not in tree.attrs["citations"]  # methods, not keys
    assert "povm-reconstruction" in json.loads(tree.attrs["citations"])


def test_the_file_opens_without_physgen(finished):
    with h5py.File(finished / "run.h5") as file:
        assert file["data/outcomes"].shape == (300, 4)
    with xr.open_datatree(finished / "run.h5", engine="h5netcdf") as tree:
        assert tree["validation"]["fidelity"].dims == ("sampled_from",)


def test_the_numbers_are_consistent_with_the_exact_ones(finished):
    tree = tree_of(finished)
    data, exact = tree["observables/data"], tree["observables/exact"]
    assert within(data["energy"], exact["energy"], data["energy_error"], largest=1.0)
    validation, enumerated = tree["validation"], tree["validation/exact"]
    error = validation["fidelity_error"]
    assert within(validation["fidelity"], enumerated["fidelity"], error, largest=0.025)
    assert float(enumerated["norm_model"]) == pytest.approx(1, abs=1e-5)


def test_the_same_command_again_changes_nothing(finished, tmp_path, toy_text, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(finished, run_dir)
    config = tmp_path / "config.toml"
    config.write_text(toy_text)
    before = (run_dir / "run.h5").read_bytes()
    report = (run_dir / "report.html").read_bytes()
    assert main(["run", str(config), "--out", str(run_dir)]) == 0
    assert capsys.readouterr().err.count("already done") == 6
    assert (run_dir / "run.h5").read_bytes() == before
    assert (run_dir / "report.html").read_bytes() == report


@pytest.mark.slow
def test_stage_by_stage_is_the_same_run(finished, config, tmp_path):
    run_dir = tmp_path / "run"
    for stage in ("generate", "train", "sample", "validate", "run"):
        assert main([stage, str(config), "--out", str(run_dir)]) == 0
    assert_same_results(run_dir, finished)


def test_a_late_stage_does_what_is_missing_before_it(finished, config, tmp_path):
    run_dir = tmp_path / "run"
    assert main(["validate", str(config), "--out", str(run_dir)]) == 0
    assert not (run_dir / "report.html").exists()
    assert main(["resume", str(run_dir)]) == 0
    assert (run_dir / "report.html").exists()
    assert_same_results(run_dir, finished)


def test_another_seed_is_another_run(finished, config, tmp_path):
    run_dir = tmp_path / "run"
    assert main(["generate", str(config), "--out", str(run_dir), "--set", "seed=8"]) == 0
    ours = tree_of(run_dir)["data"]["outcomes"]
    assert not np.array_equal(ours, tree_of(finished)["data"]["outcomes"])


@pytest.fixture(scope="module")
def reported(finished, tmp_path_factory):
    """What `physgen report` prints of a copy."""
    copy = shutil.copytree(finished, tmp_path_factory.mktemp("reported") / "run")
    with contextlib.redirect_stdout(io.StringIO()) as out:
        assert main(["report", str(copy)]) == 0
    return out.getvalue().replace(str(copy), "DIR")


def test_the_terminal_shows_the_table_and_the_paths(reported):
    for text in ("from data", "from model", "exact", "pull", "F_c", "KL(P||Q)", "KL(Q||P)"):
        assert text in reported
    assert re.search(r"energy <H> +-?\d+\.\d+\(\d+", reported)
    assert "-4.758770" in reported  # E0 of the critical chain of 4 sites
    for name in ("run.h5", "report.html", "figures"):
        assert f"DIR/{name}" in reported


@pytest.mark.parametrize("width", [100, 80, 50, 30])
def test_no_number_is_cut_in_a_terminal_of_any_width(finished, width):
    assert numbers_missing(summarize(tree_of(finished)), width) == []


def test_the_report_is_self_contained_and_agrees_with_the_table(finished):
    page = (finished / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "http" not in re.sub(r"<pre>.*?</pre>", "", page, flags=re.DOTALL)
    assert page.count("data:image/png;base64,") == 4
    assert "-4.758770" in page
    assert "Carrasquilla" in html.unescape(page)
    assert "asymptotic" in page
    assert "the model" in page


def test_few_samples_are_warned_about(finished, reported):
    assert "only 300 shots" in " ".join(reported.split())
    assert "only 300 shots" in (finished / "report.html").read_text()


@pytest.mark.slow
def test_figures_in_another_format(finished, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(finished, run_dir)
    assert main(["plot", str(run_dir), "--format", "pdf"]) == 0
    for line in capsys.readouterr().out.split():
        assert line.endswith(".pdf")
    assert (run_dir / "figures" / "two_point.pdf").read_bytes().startswith(b"%PDF")
    assert main(["plot", str(run_dir), "--format", "gif"]) == 2


@pytest.mark.parametrize(
    "command", [slow("report"), slow("plot"), "compare", "cite", slow("resume"), slow("run")]
)
def test_the_run_file_names_its_run(finished, config, tmp_path, capsys, command):
    run_dir = tmp_path / "run"
    shutil.copytree(finished, run_dir)
    before = {p.name for p in run_dir.rglob("*")}
    named = ["run", str(config), "--out"] if command == "run" else [command]
    assert main([*named, str(run_dir)]) == 0
    from_directory = capsys.readouterr().out
    assert main([*named, str(run_dir / "run.h5")]) == 0
    from_file = capsys.readouterr().out
    if command != "compare":  # which shows the names as they were given
        assert from_file == from_directory
    assert {p.name for p in run_dir.rglob("*")} == before


def test_runs_are_compared_side_by_side(finished, config, tmp_path, capsys):
    other = tmp_path / "other"
    assert main(["generate", str(config), "--out", str(other), "--set", "seed=8"]) == 0
    capsys.readouterr()
    assert main(["compare", str(finished), str(other)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"seed +7 +8", out)
    assert "F_c" in out


def test_cite_prints_bibtex_of_the_methods_used(finished, capsys):
    assert main(["cite", str(finished)]) == 0
    out = capsys.readouterr().out
    assert "Carrasquilla2019" in out
    assert "Hochreiter1997" in out  # the LSTM was used
    assert "Cho2014" not in out  # the GRU was not
