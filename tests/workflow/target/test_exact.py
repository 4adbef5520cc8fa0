"""What a run is compared with: every exact value that no symmetry makes trivial."""

import math
import shutil

import numpy as np
import pytest
from helpers.statistics import within

from physgen.catalogue import systems
from physgen.cli import main
from physgen.exact import exact_values
from physgen.results import open_run
from physgen.targets import FreeField, Ising, Phi4, as_target
from physgen.workflow.lattice.points import Scan
from physgen.workflow.loading import config_from_dict
from physgen.workflow.target.exact import critical_coupling, exact_of, is_square_ising, lines

K_C = math.log1p(math.sqrt(2)) / 2
SAMPLER = {"name": "heat-bath"}


def scan(**target):
    target = {"name": "ising-2d", "L": [8, 4], "beta": [0.5, 0.3]} | target
    return Scan(config_from_dict({"target": target, "sampler": SAMPLER}))


@pytest.mark.slow
def test_a_magnetization_is_hidden_only_where_a_symmetry_makes_it_zero():
    field = Ising(L=4, beta=0.3, h=0.2)
    assert exact_of(field)["magnetization"] == float(exact_values(field)["magnetization"]) > 0.1
    for target in (Ising(L=4, beta=0.3), Phi4.from_unhalved(4, -4.0, 8.0), FreeField(4, 1.0)):
        assert "log_z" in exact_of(target)
        assert "magnetization" not in exact_of(target)
        assert not [name for name in exact_of(target) if name.endswith("_error")]
    assert exact_of(as_target(lambda x: (x**2).sum(1), (4,))) == {}


def test_which_scans_kaufman_solves():
    assert is_square_ising(scan())
    assert is_square_ising(scan(J=-2.0))
    assert not is_square_ising(scan(h=0.1))
    assert not is_square_ising(scan(beta=0.3, J=[0.5, 1.0]))
    phi4 = {"name": "phi4-2d", "beta": None, "kappa": 0.2, "lam": 0.1}
    assert not is_square_ising(scan(**phi4))
    assert critical_coupling(scan()) == pytest.approx(K_C, abs=1e-15)
    assert critical_coupling(scan(J=2.0)) == pytest.approx(K_C / 2, abs=1e-15)
    assert critical_coupling(scan(J=-1.0)) is None
    assert lines(scan(h=0.1)) is None


def test_the_target_decides_and_not_its_name(tmp_path, monkeypatch):
    """The same class under another name, and another class under a coupling of this name."""
    package = tmp_path / "physgen"
    old = systems.shipped_folder("systems")
    text = (old / "ising-2d" / "system.toml").read_text()
    for name, path in (("magnet", "physgen.targets.ising:Ising"), ("bath", "foreign:bath")):
        (package / "_systems" / name).mkdir(parents=True)
        changed = text.replace("physgen.targets.ising:Ising", path)
        (package / "_systems" / name / "system.toml").write_text(changed)
    shutil.copytree(old / "ising-2d", package / "_systems" / "ising-2d")
    (tmp_path / "foreign.py").write_text(
        "from physgen.targets import Ising\n"
        "def bath(L, beta, J, h): return Ising(L, beta=2 * beta, J=J, h=h)\n"
    )
    monkeypatch.setattr(systems, "_PACKAGE", package)
    monkeypatch.syspath_prepend(tmp_path)
    assert is_square_ising(scan(name="magnet"))
    assert not is_square_ising(scan(name="bath"))  # its beta is not the beta of the target
    curves, known = lines(scan(name="magnet")), lines(scan())
    assert curves.equals(known)


def test_lines_are_those_of_the_oracle():
    found = lines(scan(J=0.8))
    for L in (4, 8):
        at = found.sel(L=L).isel(curve=[0, -1])
        values = [exact_values(Ising(L=L, beta=beta, J=0.8)) for beta in (0.3, 0.5)]
        for name in ("energy_per_site", "specific_heat"):
            expected = [float(each[name]) for each in values]
            np.testing.assert_allclose(at[name], expected, rtol=1e-12)


FIELD = '[target]\nname = "ising-2d"\nL = 4\nbeta = 0.3\nh = 0.2\n'


def ran(tmp_path, rest):
    (tmp_path / "config.toml").write_text(FIELD + rest)
    out = tmp_path / "run"
    assert main(["validate", str(tmp_path / "config.toml"), "--out", str(out)]) == 0
    return open_run(out)


def test_a_scan_in_a_field_is_compared_in_m(tmp_path):
    run = ran(tmp_path, '[sampler]\nname = "heat-bath"\nn_draws = 50\n')
    at = run["estimates"].to_dataset().squeeze()
    known = exact_of(Ising(L=4, beta=0.3, h=0.2))["magnetization"]
    assert float(at["magnetization_exact"]) == pytest.approx(known, rel=1e-12)
    assert within(at["magnetization"], known, at["magnetization_error"], largest=0.045)


def test_weighted_draws_in_a_field_are_compared_in_m(tmp_path):
    rest = "[model]\nhidden = 4\n[train]\nn_epochs = 4\ndraws_per_epoch = 6400\n"
    rest += "[importance]\nn_draws = 6400\n[sampler]\nname = 'auto'\nn_draws = 40\n"
    grid = ran(tmp_path, rest + "[smc]\nn_particles = 0\n")["estimates"].to_dataset().squeeze()
    known = exact_of(Ising(L=4, beta=0.3, h=0.2))["magnetization"]
    assert float(grid["magnetization_exact"]) == pytest.approx(known, rel=1e-12)
    for label, largest in (("mcmc", 0.045), ("model", 0.015)):
        at = grid.sel(generator=label)
        assert within(at["magnetization"], known, at["magnetization_error"], largest=largest)
