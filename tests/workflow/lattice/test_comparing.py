"""The stage `compare`: what is stored, resumed, told on all outputs, and refused."""

import numpy as np
import pytest

from physgen.cli import main
from physgen.core.errors import InputError
from physgen.plotting import plot_comparison
from physgen.results import open_run
from physgen.workflow.latex import latex_table
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run
from physgen.workflow.summary import Column, Table

TABLE = {
    "seed": 3,
    "target": {"name": "ising-2d", "L": 4, "beta": [0.3, 0.4]},
    "sampler": [{"name": "swendsen-wang", "n_chains": 64, "n_draws": 40, "label": "baseline"},
                {"name": "metropolis", "n_chains": 64, "n_draws": 40, "thin": 2}],
    "model": [{"family": "coloured-net", "hidden": 4}, {"family": "local-spin-action"}],
    "train": {"n_epochs": 2},
    "importance": {"n_draws": 1024},
    "smc": {"n_particles": 0},
    "compare": {"tests": ["observables", "stein"], "n_draws": 512},
}  # fmt: skip
# A Gaussian knows nothing of the two wells: few of its draws count.
POOR = {
    "seed": 1,
    "target": {"name": "phi4-2d", "L": 4, "convention": "unhalved", "m2": -4.0, "lam": 8.0},
    "sampler": {"name": "phi4-cluster", "n_chains": 64, "n_draws": 10, "label": "mcmc"},
    "model": {"family": "gaussian"},
    "smc": {"n_particles": 0},
    "compare": {"tests": ["observables"], "n_draws": 256},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run(config_from_dict(TABLE), tmp_path_factory.mktemp("compared") / "run")


@pytest.fixture(scope="module")
def found(done):
    return open_run(done)["comparison"].to_dataset()


def test_every_generator_is_on_the_grid(found):
    assert dict(found.sizes) | {"quantity": 0} == {
        "generator": 3, "L": 1, "beta": 2, "quantity": 0, "test": 2,
    }  # fmt: skip
    assert list(found.kind.values) == ["samples", "density", "energy"]
    assert found.attrs["baseline"] == "baseline"
    assert found.attrs["support"] == "spins"
    assert found.n_sites.item() == 16
    trained = found.sel(generator=["coloured-net", "local-spin-action"])
    assert (trained.train_s > 0).all()
    assert (trained.draw_ms > 0).all()
    assert np.isnan(found.train_s.sel(generator="metropolis")).all()
    assert (trained.n_parameters > 0).all()


def test_likelihoods_are_those_of_probabilities(found):
    """Of spins log P <= 0, and D(target||model) >= 0 within its error."""
    known = found.sel(generator=["coloured-net", "local-spin-action"])
    assert (known.log_likelihood < 0).all()
    assert (known.log_likelihood > -16 * np.log(2) - 1).all()
    assert (known.kl_forward > -4 * known.kl_forward_error).all()
    chains = found.sel(generator="metropolis")
    assert np.isnan(chains.log_likelihood).all()
    assert np.isfinite(chains.raw).all()
    assert np.abs(chains.raw_pull).max() < 5


def test_a_test_that_needs_a_force_says_so_and_is_no_warning(found, done):
    from physgen.workflow.tables import summarize

    assert np.isnan(found.p_value.sel(test="stein")).all()
    assert "stein: left out" in str(found.notes.values[0])
    summary = summarize(open_run(done))
    assert not any("Stein" in text for text in summary.warnings)
    heads = {table.heading: table for table in summary.tables}
    assert {"Families", "Raw and corrected"} <= set(heads)
    words = {row[2] for row in heads["Families"].rows}
    assert words == {"metropolis", "coloured-net", "local-spin-action"}


@pytest.mark.slow
def test_a_page_and_latex_of_several_runs(done, tmp_path, capsys):
    page, tex = tmp_path / "all.html", tmp_path / "all.tex"
    assert main(["compare", str(done), str(done), "--html", str(page), "--latex", str(tex)]) == 0
    text = page.read_text()
    assert "Families" in text
    assert text.count("<img") >= 1
    assert "local-spin-action" in text
    body = tex.read_text()
    assert body.count(r"\begin{tabular}") == body.count(r"\bottomrule") >= 4
    assert r"\num{" in body
    assert "_" not in body.replace(r"\_", "").replace("\\begin{", "")
    assert str(page) in capsys.readouterr().out


def test_the_figure_shows_every_generator(found):
    figure = plot_comparison(found)
    left, middle, right = figure.axes
    assert [t.get_text() for t in left.get_yticklabels()] == list(map(str, found.generator.values))
    assert any(t.get_text() == "unknown" for t in middle.texts)
    assert not right.lines  # no classifier was asked for


def test_latex_cells():
    columns = (Column("", "name"), Column("log q\nper site"), Column("empty"))
    rows = (("a_b & c", "-1.25(3)", ""), ("d", ">= -1.3(1)", ""), ("e", "refused", ""))
    text = latex_table(Table("100 % sure", columns, rows))
    assert r"a\_b \& c & \num{-1.25(3)} \\" in text
    assert r"d & $\geq$ \num{-1.3(1)} \\" in text
    assert r"e & refused \\" in text
    assert "empty" not in text
    assert r"\caption{100 \% sure}" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sampler": [], "model": TABLE["model"][0]}, r"\[compare\] needs configurations"),
        ({"model": [], "sampler": TABLE["sampler"][0]}, "or a second"),
        ({"compare": {"tests": ["magic"]}}, "must be a list of 'observables', 'ks'"),
        ({"compare": {"n_draws": 5}}, "an integer >= 256"),
        ({"compare": {"draws": 500}}, "did you mean"),
    ],
)
def test_a_comparison_of_nothing_is_refused(change, said):
    table = {k: v for k, v in (TABLE | change).items() if v != [] and k not in ("train",)}
    if "model" not in table:
        table = {k: v for k, v in table.items() if k not in ("importance", "smc")}
    with pytest.raises(InputError, match=said):
        config_from_dict(table)


@pytest.mark.slow
def test_too_few_weighted_draws_leave_observables_out(tmp_path):
    """A poor model keeps its log Z and its comparison; what cannot have an error is left out."""
    table = POOR | {"importance": {"n_draws": 256, "ess_floor": 1.0}}
    tree = open_run(run(config_from_dict(table), tmp_path / "run", until="validate"))
    grid, found = tree["estimates"].to_dataset(), tree["comparison"].to_dataset()
    at = grid.sel(generator="gaussian")
    assert np.isfinite(at.log_z).all()
    assert np.isnan(at.phi2).all()
    assert "observables are left out" in grid.attrs["warnings"]
    assert "corrected numbers: left out" in str(found.notes.values[0])
    assert np.isfinite(found.raw).any()


@pytest.mark.slow
def test_weights_that_are_refused_leave_the_draws(tmp_path):
    """The raw numbers, the likelihood and the tests stay; nothing is corrected."""
    table = POOR | {"importance": {"n_draws": 256, "ess_floor": 200}}
    tree = open_run(run(config_from_dict(table), tmp_path / "run", until="validate"))
    assert tree["models/gaussian/L4/m2-4/draws"].attrs["refused"]
    found = tree["comparison"].to_dataset().squeeze()
    assert np.isfinite(found.raw.sel(quantity=["phi2", "abs_magnetization"])).all()
    assert np.isfinite([found.log_likelihood, found.p_value.item()]).all()
    assert np.isnan(found.corrected).all()
    assert np.isnan([found.log_z, found.fidelity, found.kl_forward]).all()
    assert "refused" in tree["estimates"].attrs["warnings"]


@pytest.mark.slow
def test_an_energy_that_cannot_be_sampled_is_left_out(tmp_path):
    """With a phi^6 below zero e^{-S} has no norm: the other energy is compared."""
    terms = ["nearest", "phi2", "phi4", "phi6"]
    table = {
        "seed": 8, "target": {"name": "phi4-2d", "L": 4, "convention": "hopping",
                                 "kappa": 0.2, "lam": 0.02},
        "sampler": {"name": "phi4-cluster", "n_chains": 64, "n_draws": 10, "label": "mcmc"},
        "model": [{"family": "local-action"},
                  {"family": "local-action", "label": "wild", "terms": terms}],
        "smc": {"n_particles": 0}, "compare": {"tests": ["observables"], "n_draws": 256},
    }  # fmt: skip
    both = run(config_from_dict(table), tmp_path / "both", until="validate")
    tree = open_run(both)
    assert "wild" in tree["estimates"].attrs["warnings"]
    assert list(tree["comparison"].to_dataset().generator.values) == ["local-action"]
    alone = table | {"model": table["model"][1:]}
    tree = open_run(run(config_from_dict(alone), tmp_path / "alone"))
    assert "comparison" not in tree
