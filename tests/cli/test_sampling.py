"""A toy scan through the commands of a user: two sizes, three temperatures, two samplers."""

import html
import json
import re
import shutil

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import joint_p
from helpers.terminal import numbers_missing

from physgen.cli import main
from physgen.cli.look import print_result
from physgen.exact import kaufman
from physgen.results import open_run
from physgen.workflow.tables import summarize


def test_a_scan_leaves_one_file_a_report_and_figures(scanned):
    names = {p.name for p in scanned.iterdir() if not p.name.startswith(".")}
    assert names == {"run.h5", "report.html", "figures"}
    figures = {p.stem for p in (scanned / "figures").iterdir()}
    assert figures == {
        "energy_per_site", "specific_heat", "abs_magnetization", "chi_abs", "binder", "tau_int",
        "agreement",
    }  # fmt: skip


def test_the_file_holds_every_point_and_says_what_it_is(scanned):
    tree = open_run(scanned)
    for label in ("heat-bath", "swendsen-wang"):
        for L in (4, 8):
            for beta in (0.3, 0.44, 0.6):
                draws = tree[f"chains/{label}/L{L}/beta{beta:g}"]
                assert draws.sizes["chain"] == 64
                assert draws.sizes["draw"] == 60
                assert draws["energy"].dtype == draws["spin_sum"].dtype == np.int16
                assert draws.attrs["exactness"] == "asymptotic"
                assert draws["energy"].attrs["tau_int"] > 0
    estimates = tree["estimates"]
    assert estimates["energy_per_site"].dims == ("generator", "L", "beta")
    assert list(estimates["generator"].values) == ["heat-bath", "swendsen-wang"]
    assert tree.attrs["complete"] == 1


def test_estimates_agree_with_exact_values_and_would_not_at_another_temperature(scanned):
    estimates = open_run(scanned)["estimates"]
    for name, exact in (
        ("energy_per_site", kaufman.energy_per_site),
        ("specific_heat", kaufman.specific_heat),
    ):
        for L in (4, 8):
            known = exact(estimates["beta"].values, (L, L))
            at = estimates.sel(L=L)
            np.testing.assert_allclose(at[f"{name}_exact"], known, rtol=1e-12)
            pulls = (at[name].values - known) / at[f"{name}_error"].values
            np.testing.assert_allclose(at[f"{name}_pull"], pulls, atol=1e-9)
    assert joint_p(estimates["energy_per_site_pull"]) > 1e-3
    colder = kaufman.energy_per_site(estimates["beta"].values * 1.02, (8, 8))
    at = estimates.sel(L=8)
    assert joint_p((at["energy_per_site"] - colder) / at["energy_per_site_error"]) < 1e-3


def test_chains_are_judged_without_the_sign_that_a_symmetry_leaves_open(scanned):
    """In the ordered phase heat bath keeps the signs it began with, and mixes all the same."""
    tree = open_run(scanned)
    at = {"generator": "heat-bath", "L": 8, "beta": 0.6}
    draws = tree["chains/heat-bath/L8/beta0.6"]
    assert float(draws["spin_sum"].attrs["r_hat"]) > 1.5
    assert float(tree["estimates"]["r_hat"].sel(at)) < 1.1
    assert "magnetization" not in tree["estimates"]


def test_samplers_are_compared_point_by_point(scanned):
    tree = open_run(scanned)
    estimates, agreement = tree["estimates"], tree["agreement"]
    assert list(agreement["other"].values) == ["swendsen-wang"]
    a, b = (estimates.isel(generator=k) for k in (0, 1))
    error = np.hypot(a["binder_error"], b["binder_error"])
    np.testing.assert_allclose(
        agreement["pull"].sel(quantity="binder").isel(other=0), (b["binder"] - a["binder"]) / error
    )
    assert joint_p(agreement["pull"].sel(quantity="abs_magnetization")) > 1e-3


@pytest.mark.slow
def test_the_terminal_shows_the_numbers_of_the_file(scanned, capsys):
    print_result(scanned)
    out = capsys.readouterr().out
    for text in ("heat-bath", "swendsen-wang", "<|m|>", "U_L", "tau_int", "largest R-hat"):
        assert text in out
    estimates = open_run(scanned)["estimates"].sel(generator="heat-bath", L=8, beta=0.3)
    shown = re.search(r"heat-bath +8 +0\.3 +(-0\.\d+)\((\d+)\)", out)
    value, error = shown[1], int(shown[2])
    digits = len(value.split(".")[1])
    assert float(value) == pytest.approx(float(estimates["energy_per_site"]), abs=10**-digits)
    assert error == pytest.approx(float(estimates["energy_per_site_error"]) * 10**digits, abs=0.51)


@pytest.mark.parametrize("width", [100, 80, 50, 30])
def test_no_number_is_cut_in_a_terminal_of_any_width(scanned, width):
    assert numbers_missing(summarize(open_run(scanned)), width) == []


def test_the_report_is_self_contained_and_agrees_with_the_table(scanned):
    page = (scanned / "report.html").read_text()
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert page.count("data:image/png;base64,") == 7
    assert "Kaufman" in html.unescape(page)
    assert "Swendsen" in html.unescape(page)
    estimates = open_run(scanned)["estimates"]
    exact = float(estimates["energy_per_site_exact"].sel(L=4, beta=0.6))
    assert exact == pytest.approx(-1.9083, abs=1e-3)
    assert page.count('data-head="generator">heat-bath</th>') == 6
    assert re.search(">estimates</th><td [^>]*>asymptotic<", page)


@pytest.mark.slow
def test_the_same_command_again_changes_nothing(scanned, scan_config, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(scanned, run_dir)
    before = (run_dir / "run.h5").read_bytes()
    assert main(["run", str(scan_config), "--out", str(run_dir)]) == 0
    assert capsys.readouterr().err.count("already done") == 2
    assert (run_dir / "run.h5").read_bytes() == before


@pytest.mark.parametrize("stage", ["generate", "train"])
def test_a_scan_has_nothing_to_generate_or_train(scan_config, tmp_path, capsys, stage):
    assert main([stage, str(scan_config), "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert "has the stages 'sample', 'validate', 'report'" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_sample_alone_draws_and_tells_how_far_it_is(scan_config, tmp_path, capsys):
    out = tmp_path / "run"
    argv = ["sample", str(scan_config), "--out", str(out), "--set", "target.L=4"]
    assert main([*argv, "--set", "target.beta=0.3"]) == 0
    assert "/estimates" not in open_run(out).groups
    told = capsys.readouterr()
    assert "2 points (Ising model), 64 chains x 60 draws each" in told.err
    assert "2 of 2 points drawn" in told.out
    assert "run.h5" in told.out
    assert main(["resume", str(out)]) == 0
    assert "/estimates" in open_run(out).groups
    assert "energy per site, exact" in capsys.readouterr().out  # no curve, but a table
    assert not (out / "figures").exists()


@pytest.mark.slow
def test_runs_are_compared_side_by_side(scanned, scan_config, tmp_path, capsys):
    other = tmp_path / "other"
    argv = ["validate", str(scan_config), "--out", str(other), "--set", "seed=4"]
    assert main([*argv, "--set", "target.L=4"]) == 0
    capsys.readouterr()
    assert main(["compare", str(scanned), str(other)]) == 0
    out = capsys.readouterr().out
    assert re.search(r"seed +3 +4", out)
    assert re.search(r"e, heat-bath, L = 4, beta = 0\.3 +-0\.\d+\(\d+\) +-0\.\d+\(\d+\)", out)


def test_cite_prints_bibtex_of_the_methods_used(scanned, capsys):
    assert main(["cite", str(scanned)]) == 0
    out = capsys.readouterr().out
    for key in ("SwendsenWang1987", "Kaufman1949", "Onsager1944", "Vehtari2021", "Wolff2004"):
        assert key in out
    assert "Wolff1989" not in out  # single clusters were not used


@pytest.mark.slow
def test_figures_in_another_format(scanned, tmp_path, capsys):
    run_dir = tmp_path / "run"
    shutil.copytree(scanned, run_dir)
    assert main(["plot", str(run_dir), "--format", "svg"]) == 0
    assert len(capsys.readouterr().out.split()) == 7
    assert (run_dir / "figures" / "binder.svg").read_bytes().startswith(b"<?xml")


def test_a_point_does_not_depend_on_what_else_is_scanned(scanned, scan_config, tmp_path):
    out = tmp_path / "run"
    argv = ["sample", str(scan_config), "--out", str(out), "--set", "target.beta=[0.6, 0.44]"]
    assert main([*argv, "--set", "target.L=8"]) == 0
    group = "chains/heat-bath/L8/beta0.44"
    here, there = (open_run(path)[group].to_dataset(inherit=False) for path in (out, scanned))
    np.testing.assert_array_equal(here["energy"], there["energy"])


def test_force_takes_the_directory_of_a_run_of_the_other_kind(scanned, toy_text, tmp_path):
    out = tmp_path / "run"
    shutil.copytree(scanned, out)
    (tmp_path / "toy.toml").write_text(toy_text)
    argv = ["generate", str(tmp_path / "toy.toml"), "--out", str(out)]
    assert main(argv) == 2
    assert main([*argv, "--force"]) == 0
    assert [p.name for p in out.iterdir()] == ["run.h5"]
    assert "system" in json.loads(open_run(out).attrs["config"])


@pytest.mark.parametrize(
    ("name", "coupling"),
    [
        slow("ising_criticality", "beta=[0.4, 0.45]"),
        slow("phi4_phase_diagram", "kappa=[0.25, 0.28]"),
    ],
)
def test_the_shipped_workflows_run_at_toy_size(name, coupling, tmp_path):
    from physgen.workflow.shipped import find_workflow

    argv = ["run", str(find_workflow(name) / "config.toml"), "--out", str(tmp_path / "run")]
    toy = ["target.L=[4, 6]", f"target.{coupling}", "sampler.n_draws=30", "sampler.warmup=40"]
    assert main([*argv, *(part for each in toy for part in ("--set", each))]) == 0
    tree = open_run(tmp_path / "run")
    assert tree.attrs["complete"] == 1
    assert tree["estimates"].sizes["L"] == 2
    assert "<h1>" in (tmp_path / "run" / "report.html").read_text()
