"""Models of a lattice target from the command line: a run, its file and report, mistakes."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers.statistics import joint_p
from helpers.terminal import numbers_missing

from physgen.cli import main
from physgen.cli.look import print_result
from physgen.results import open_run
from physgen.workflow.lattice.job import GROUPS, JOB
from physgen.workflow.tables import summarize

ISING = """
[target]
name = "ising-2d"
L = 4
beta = [0.3, 0.44]
[model]
hidden = 6
[train]
n_epochs = 3
draws_per_epoch = 12800
[importance]
n_draws = 12800
[sampler]
name = "auto"
n_draws = 20
thin = 5
[smc]
n_particles = 0
"""


@pytest.fixture
def done(weighed):
    return weighed


@pytest.fixture
def config(tmp_path, weighed):
    return Path(shutil.copy(weighed.parent / "config.toml", tmp_path))


def refused(config, capfd, *overrides):
    sets = [part for each in overrides for part in ("--set", each)]
    assert main(["run", str(config), "--out", str(config.parent / "no"), *sets]) == 2
    assert not (config.parent / "no").exists()
    return capfd.readouterr().err.splitlines()[-1]


def chi2_p(pulls):
    return joint_p(np.asarray(pulls)[np.isfinite(pulls)])


def test_free_energies_are_exact_within_errors(done):
    grid = open_run(done)["estimates"].to_dataset()
    model = grid.sel(generator="model")
    assert list(grid["generator"].values) == ["mcmc", "model", "smc"]
    assert chi2_p(model["log_z_pull"]) > 1e-3
    assert chi2_p(grid["log_z_pull"].sel(generator="smc")) > 1e-3
    assert float(model["log_z_error"].max()) < 0.01
    assert float(model["ess_share"].min()) > 0.8
    shifted = (model["log_z"] + 0.05 - model["log_z_exact"]) / model["log_z_error"]
    assert chi2_p(shifted) < 1e-3
    for name in ("action_per_site", "phi2"):
        assert np.isfinite(grid[f"{name}_pull"].sel(generator=["mcmc", "model"])).all()
        assert chi2_p(grid[f"{name}_pull"].sel(generator="model")) > 1e-3
    # Moments of one set of draws are correlated: one of them stands for the generators.
    agreement = open_run(done)["agreement"]
    assert agreement.attrs["first"] == "mcmc"
    assert chi2_p(agreement["pull"].sel(quantity="phi2", other="model")) > 1e-3


@pytest.mark.parametrize("width", [100, 80, 50, 30])
def test_no_number_is_cut_in_a_terminal_of_any_width(done, width):
    assert numbers_missing(summarize(open_run(done)), width) == []


def test_the_file_and_the_report_are_whole(done):
    tree = open_run(done)
    assert tree.attrs["complete"] == 1
    assert tree.attrs["layout"] == 2
    page = (done / "report.html").read_text()
    for node in tree.subtree:
        if node.has_data:
            assert JOB.group_of(node.path) in GROUPS, node.path
            assert node.attrs["exactness"] in ("exact", "asymptotic", "approximate"), node.path
            assert node.attrs["exactness_for"], node.path
            # Of many points there is one row.
            assert f'data-head="group">{JOB.group_of(node.path)}' in page
    for word in ("Free energy", "Observables", "ffective share", "log Z"):
        assert word in page
    figures = {path.stem for path in (done / "figures").iterdir()}
    assert {"training", "weights", "observables", "free_energy"} <= figures
    assert {"nis", "reverse-kl", "Gerdes2023"} <= set(json.loads(tree.attrs["citations"]))


def test_the_terminal_shows_the_numbers_of_the_file(done, capfd):
    print_result(done)  # as `physgen report` does once the figures are drawn
    out = capfd.readouterr().out
    grid = open_run(done)["estimates"]
    assert f"{float(grid['log_z_exact'][0, 1]):.5f}" in out
    assert f"{float(grid['ess_share'].sel(generator='model')[0, 0]):.3f}" in out
    assert "no path of couplings is integrated" in out
    assert "…" not in out


def test_the_same_command_again_does_nothing(done, capfd):
    # To the last stage before the report, which is drawn anew each time.
    argv = ["validate", str(done.parent / "config.toml"), "--out", str(done)]
    before = (done / "run.h5").read_bytes()
    assert main(argv) == 0
    assert (done / "run.h5").read_bytes() == before
    assert capfd.readouterr().err.count("already done") == 4


def run(folder, text, *overrides):
    (folder / "config.toml").write_text(text)
    sets = [part for each in overrides for part in ("--set", each)]
    assert main(["run", str(folder / "config.toml"), "--out", str(folder / "run"), *sets]) == 0
    return open_run(folder / "run")


@pytest.mark.slow
def test_ising_spins(tmp_path, capfd):
    grid = run(tmp_path, ISING)["estimates"].sel(generator="model")
    for name in ("log_z", "energy_per_site", "entropy_per_site"):
        assert chi2_p(grid[f"{name}_pull"]) > 1e-3
    assert float(grid["log_z_error"].max()) < 0.02
    assert "pull" in capfd.readouterr().out


@pytest.mark.slow  # `tests/workflow/lattice/test_families.py` does so for every family
@pytest.mark.parametrize("how", ["model.decimate=false", "target.L=3"])
def test_a_model_of_all_sites_is_trained_stored_and_weighed(tmp_path, how):
    """No checkerboard, or none wanted: the whole model is what was trained."""
    toy = ["model.family=masked-net", "model.hidden=2", "target.beta=0.3", "train.n_epochs=2"]
    grid = run(tmp_path, ISING, *toy, how)["estimates"]
    at = grid.sel(generator="masked-net")
    assert chi2_p(at["log_z_pull"] if "log_z_pull" in at else np.zeros(1)) > 1e-3
    assert float(at["ess_share"].min()) > 0.1


FIELD = """
[target]
name = "ising-2d"
L = 4
beta = 0.3
h = 0.2
[[sampler]]
name = "heat-bath"
n_chains = 8
n_draws = 4
[[model]]
hidden = 4
[train]
n_epochs = 3
draws_per_epoch = 6400
[importance]
n_draws = 6400
[smc]
n_particles = 0
"""


@pytest.mark.slow
def test_a_field_and_chains_that_have_not_converged(tmp_path, capfd):
    """<m> is compared where a field makes it non-zero, and warnings travel with the numbers."""
    tree = run(tmp_path, FIELD)
    out = " ".join(capfd.readouterr().out.split())
    grid = tree["estimates"].sel(generator="model")
    assert abs(float(grid["magnetization_pull"].item())) < 4
    assert 0 < float(grid["magnetization_error"].item()) < 0.02
    assert "<m>" in out
    assert "draws a chain are fewer than 50 tau_int" in out
    page = (tmp_path / "run" / "report.html").read_text()
    assert "heat-bath, L = 4, beta = 0.3" in page
    assert "fewer than 50 tau_int" in page


def test_a_run_of_the_old_layout_is_answered_in_one_line(done, config, tmp_path, capfd):
    import h5py

    old = tmp_path / "old"
    shutil.copytree(done, old)
    with h5py.File(old / "run.h5", "r+") as file:
        del file.attrs["layout"]
    argvs = (["report", str(old)], ["resume", str(old)], ["run", str(config), "--out", str(old)])
    for argv in argvs:
        assert main(argv) == 2
        error = capfd.readouterr().err
        assert "of an older layout" in error
        assert error.count("\n") == 1


def test_an_old_config_is_told_what_its_sections_are_called_now(config, capfd):
    config.write_text(config.read_text().replace('[sampler]\nname = "auto"', "[chains]"))
    assert "[chains] is [[sampler]] now" in refused(config, capfd)


SEVERAL = """
[target]
name = "phi4-2d"
L = 4
convention = "unhalved"
m2 = -4.0
lam = 8.0
[[sampler]]
name = "auto"
n_draws = 100
[[model]]
family = "coupling-flow"
label = "by-action"
[[model]]
family = "coupling-flow"
label = "by-configurations"
train = { on = "configurations", n_epochs = 3 }
[[model]]
family = "coupling-flow"
label = "both"
train = { objective = "mixed-kl", n_epochs = 1 }
[train]
n_epochs = 2
draws_per_epoch = 2560
[importance]
n_draws = 6400
ess_floor = 100
[smc]
n_particles = 0
"""


@pytest.mark.slow
def test_several_models_of_either_source_stand_in_one_table(tmp_path, capfd):
    tree = run(tmp_path, SEVERAL)
    grid = tree["estimates"]
    assert list(grid["generator"].values) == ["mcmc", "by-action", "by-configurations", "both"]
    for label in ("by-action", "by-configurations", "both"):
        assert abs(float(grid["log_z_pull"].sel(generator=label).item())) < 4
        assert float(grid["log_z_error"].sel(generator=label).item()) < 0.05
    names = {label: list(tree[f"models/{label}/L4/m2-4/training"].data_vars)
             for label in ("by-action", "by-configurations", "both")}  # fmt: skip
    assert "train_free_energy" in names["by-action"]
    assert "train_log_z_bound" in names["by-configurations"]
    assert "train_mixed" in names["both"]
    out = capfd.readouterr().out
    assert all(label in out for label in names)


def test_mistakes_are_one_line_before_anything_is_made(config, capfd, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    cases = {
        ("train.device=cuda",): "[train] device must be 'cpu' on this machine, got 'cuda'",
        ("train.device=gpu",): "[train] device must be 'cpu' or 'cuda' (CUDA_VISIBLE_DEVICES",
        ("model.family=coloured-net",): "family of a target of reals must be one of",
        (
            "model.featurs=3",
        ): "[model] featurs is not a known key of 'equivariant-cnf'; did you mean",
        ("model.shape=[4]",): "[model] shape follows from target and family",
        ("train.budget=soon",): "budget must be a time such as '60s'",
        ("train.budget=5s",): "takes budget or n_epochs, got both",
        ("train.on=data",): "[train] on must be 'auto', 'action' or 'configurations'",
        ("sampler.label=model",): "label must differ from the others, got 'model' twice",
        ("train.gradient=reverse",): "'path', 'reparam' or 'reinforce'",
        ("sampler.name=gibbs",): "[sampler] name is not a known algorithm",
        ("sampler.name=wolff",): "[sampler] wolff",
        ("importance.n_draws=5",): "an integer >= 128",
    }
    for overrides, says in cases.items():
        assert says in refused(config, capfd, *overrides), overrides


@pytest.mark.slow
def test_a_poor_model_is_refused_with_the_way_out(config, capfd):
    """No number of its weights is shown; the others are, and the reason stands beside them."""
    out = config.parent / "run"
    sets = ["--set", "importance.ess_floor=1e6", "--set", "smc.n_particles=0"]
    assert main(["run", str(config), "--out", str(out), *sets]) == 0
    told = " ".join(capfd.readouterr().out.split())
    assert "refused: importance sampling needs at least 1e+06 effective draws" in told
    assert "train the model further" in told
    grid = open_run(out)["estimates"]
    assert not np.isfinite(grid["phi2"].sel(generator="model")).any()
    assert np.isfinite(grid["phi2"].sel(generator="mcmc")).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phi4_free_energy", "ising_van"])
def test_the_shipped_workflows_run_at_toy_size(name, tmp_path):
    from physgen.workflow.shipped import find_workflow

    shutil.copytree(find_workflow(name), tmp_path / name)
    config = tmp_path / name / "config.toml"
    coupling = "lam=[7.0, 8.0]" if name.startswith("phi4") else "beta=[0.3, 0.4]"
    toy = ["target.L=4", f"target.{coupling}", "train.budget=1s", "train.n_validation=128"]
    toy += ["importance.n_draws=6400", "sampler.n_draws=10"]
    if name.startswith("phi4"):
        toy.append("smc.n_particles=32")
    argv = ["run", str(config), "--out", str(tmp_path / "run")]
    assert main([*argv, *(part for each in toy for part in ("--set", each))]) == 0
    assert open_run(tmp_path / "run").attrs["complete"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", ["phi4_diffusion", "phi4_flow_matching"])
def test_workflows_that_learn_from_configurations_run_at_toy_size(name, tmp_path):
    from physgen.workflow.shipped import find_workflow

    shutil.copytree(find_workflow(name), tmp_path / name)
    toy = ["target.L=4", "target.kappa=0.22", "train.budget=1s", "importance.n_draws=6400"]
    toy += ["sampler.n_chains=50", "smc.n_particles=0"]
    argv = ["run", str(tmp_path / name / "config.toml"), "--out", str(tmp_path / "run")]
    assert main([*argv, *(part for each in toy for part in ("--set", each))]) == 0
    run = open_run(tmp_path / "run")
    assert run.attrs["complete"] == 1
    assert (tmp_path / "run" / "figures" / "strip.png").stat().st_size > 10_000
    (model,) = run["models"].children.values()
    (path,) = [n.to_dataset() for n in model.subtree if n.name == "path"]
    assert path["field"].dims == ("time", "draw", "x0", "x1")
    assert path.attrs["exactness"] == "approximate"
