"""A user's own action, from a Python file that the config names."""

import re
from pathlib import Path

import pytest
from helpers.statistics import within

from physgen.cli import main
from physgen.core.errors import InputError
from physgen.results import open_run
from physgen.workflow import shipped
from physgen.workflow.lattice.inputs import check
from physgen.workflow.lattice.points import Scan
from physgen.workflow.loading import load_config

GAUSS = """
import numpy as np, physgen
def target(L, m2):
    return physgen.as_target(lambda x: m2 * (x**2).sum((1, 2)) / 2, (L, L), lambda x: -m2 * x)
wrong = physgen.as_target(lambda x: (x**2).sum(1), (4,), lambda x: 2 * x)
plain = physgen.as_target(lambda x: (x**2).sum(1), (4,), lambda x: -2 * x)
number = 3
def nothing(L, m2): return None
def broken(L, m2): return 1 / 0
"""
CONFIG = """
[target]
file = "my_action.py"
object = "target"
L = [2, 3]
parameters = {m2 = [1.0, 4.0]}
[sampler]
name = "hmc"
n_draws = 40
"""


@pytest.fixture
def config(tmp_path):
    (tmp_path / "my_action.py").write_text(GAUSS)
    path = tmp_path / "config.toml"
    path.write_text(CONFIG)
    return path


@pytest.mark.slow
def test_a_scan_of_an_own_action(config, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["run", str(config), "--out", str(out)]) == 0
    estimates = open_run(out)["estimates"]
    assert estimates["phi2"].dims == ("generator", "L", "m2")
    exact = 1 / estimates["m2"].values  # of every site
    assert within(estimates["phi2"], exact, estimates["phi2_error"], largest=0.035 * exact)
    assert "target of my_action.py" in capsys.readouterr().out
    (tmp_path / "my_action.py").write_text(GAUSS + "# changed\n")
    assert main(["run", str(config), "--out", str(out)]) == 2
    assert "target.sha256" in capsys.readouterr().err


BAD = {
    "target.object=absent": "[target] object must be a name that my_action.py defines, got 'abs",
    "target.object=number": "[target] object must be a target or a function that returns one, g",
    "target.object=nothing": "[target] object 'nothing' must return a target (with event_shape,",
    "target.object=broken": "[target] broken(L = 2, m2 = 1.0) of my_action.py must return a tar",
    "target.object=plain": "[target] object 'plain' is a target already, so L, m2 must be left",
    "target.parameters={mass = 1.0}": "[target] target(L = 2, mass = 1.0) of my_action.py must r",
    "sampler.name=wolff": "[sampler] wolff, L = 2, m2 = 1: ",
    "target.beta=0.4": "[target] beta is no key of an own action; give it in parameters",
}


@pytest.mark.parametrize("override", BAD)
def test_what_cannot_be_sampled_is_refused_in_one_line(config, override):
    with pytest.raises(InputError) as error:
        check(load_config(config, [override]))
    assert str(error.value).startswith(BAD[override])
    assert "\n" not in str(error.value)


def test_a_force_that_is_not_the_gradient_is_refused(config):
    text = CONFIG.replace('"target"', '"wrong"').replace("L = [2, 3]\n", "")
    config.write_text(re.sub("parameters.*\n", "", text))
    with pytest.raises(InputError, match=r"^\[target\] .*force"):
        check(load_config(config))
    scan = Scan(load_config(config, ["target.object=plain"]))
    (point,) = scan.chains(next(scan.places()))
    assert point.group == "chains/hmc"
    assert point.target.event_shape == (4,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("import absent_module", "[target] file my_action.py must run, got ModuleNotFoundError"),
        ("def target(:", "[target] file my_action.py must run, got SyntaxError"),
    ],
)
def test_a_file_that_does_not_run_is_told(config, content, says):
    (config.parent / "my_action.py").write_text(content)
    with pytest.raises(InputError, match=re.escape(says)):
        check(load_config(config))


def test_the_action_in_the_readme_runs(tmp_path):
    """... and its force is that of its action."""
    readme = (shipped.find_workflow("ising_criticality") / "README.md").read_text()
    code = readme.split("# my_action.py\n")[1].split("\nand in the config")[0]
    section = readme.split("instead of a name,\n\n")[1].split("\n\nThe force")[0]
    dedented = "\n".join(line.removeprefix("    ") for line in section.splitlines())
    Path(tmp_path / "my_action.py").write_text(
        "\n".join(line.removeprefix("    ") for line in code.splitlines())
    )
    (tmp_path / "config.toml").write_text(dedented)
    config = load_config(tmp_path / "config.toml")
    check(config)
    assert Scan(config).n_points == 4


@pytest.mark.slow
def test_an_action_that_is_not_finite_is_told_and_the_draws_before_it_are_kept(config, capsys):
    """Its NaN lies five standard deviations out, so the warm-up does not find it."""
    text = GAUSS + (
        "\ndef hole(L, m2):\n"
        "    def action(x):\n"
        "        S = (x**2).sum((1, 2)) / 2\n"
        "        return np.where(np.abs(x).max((1, 2)) > 4.8, np.nan, S)\n"
        "    return physgen.as_target(action, (L, L), lambda x: -x)\n"
    )
    (config.parent / "my_action.py").write_text(text)
    out = config.parent / "run"
    argv = ["sample", str(config), "--out", str(out), "--set", "target.object=hole"]
    argv += ["--set", "sampler.n_draws=3000", "--set", "sample.checkpoint_every=0.05"]
    argv += ["--set", "sampler.warmup=20", "--set", "sampler.step_size=0.5"]
    assert main(argv) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert re.search(
        r"hmc, L = 2, m2 = 1: the action must be finite, got nan .*at draw \d+", error
    )
    assert f"the draws before it are in {out}" in error
    kept = open_run(out)["chains/hmc/L2/m21"]
    draw = int(re.search(r"at draw (\d+)", error)[1])
    assert 0 < kept.sizes["draw"] <= draw
    assert bool((abs(kept["action"]) < 1e6).all())
