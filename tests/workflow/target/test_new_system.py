"""A system is one folder in systems/: its class may be anybody's, and a config can name it."""

import re
import shutil

import numpy as np
import pytest
from helpers.statistics import within

from physgen.catalogue import load_system, systems, target_systems
from physgen.cli import main
from physgen.core.errors import InputError
from physgen.exact import exact_values
from physgen.results import open_run
from physgen.workflow.lattice.points import Scan
from physgen.workflow.loading import config_from_dict

MODULE = '''
import numpy as np, xarray as xr
from physgen.observables import mean_square
from physgen.observables.observable import Observable
from physgen.core.protocols import REALS
from physgen.exact import exact_values

class Oscillators:
    """S = sum_i (x_{i+1} - x_i)^2 / 2 + omega^2 x_i^2 / 2 on rings, n_rings of them."""
    support = REALS
    def __init__(self, L, omega, n_rings, ends):
        self.omega, self.ends, self.event_shape = omega, ends, (n_rings, L)
        square = lambda x: mean_square(x, dim=2)
        self.observables = {"phi2": Observable("phi2", square, "1", "mean of all x_i^2")}
    def action(self, x):
        slope = x - self._before(x)
        return (slope**2 + self.omega**2 * x**2).sum((-2, -1)) / 2
    def force(self, x):
        after = np.roll(x, -1, axis=-1)
        return self._before(x) + after - (2 + self.omega**2) * x
    def _before(self, x):
        return np.roll(x, 1, axis=-1)

class Wrong(Oscillators):
    def force(self, x):
        return -super().force(x)

@exact_values.register
def modes(target: Oscillators) -> xr.Dataset:
    khat2 = 4 * np.sin(np.pi * np.arange(target.event_shape[1]) / target.event_shape[1]) ** 2
    return xr.Dataset({"phi2": np.mean(1 / (khat2 + target.omega**2))})

def nothing(L, omega, n_rings, ends): return None
'''
SYSTEM = r"""
title = "Rings of coupled oscillators"
label = "oscillators"
target = "stranger:Oscillators"
description = "Solvable by Fourier modes."
[parameters.L]
meaning = "sites of a ring"
type = "integer"
minimum = 2
[parameters.omega]
meaning = "frequency"
type = "number"
symbol = '$\omega$'
minimum = 0.1
[parameters.n_rings]
meaning = "rings"
type = "integer"
default = 2
minimum = 1
[parameters.ends]
meaning = "what joins the ends"
type = "choice"
choices = ["closed", "twisted"]
default = "closed"
[conventions]
action = "S = sum (d x)^2 / 2 + omega^2 x^2 / 2"
"""
CONFIG = {
    "target": {"name": "rings", "L": 4, "omega": [0.8, 1.2]},
    "sampler": {"name": "hmc", "n_draws": 60},
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A catalogue of the shipped systems and one folder more, and a module that Python finds."""
    package = tmp_path / "site-packages" / "physgen"
    shutil.copytree(systems.shipped_folder("systems"), package / "_systems")
    folder = package / "_systems" / "rings"
    folder.mkdir()
    (package / "_data").mkdir()
    (folder / "system.toml").write_text(SYSTEM)
    (folder / "reference.toml").write_text("")
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "stranger.py").write_text(MODULE)
    monkeypatch.setattr(systems, "_PACKAGE", package)
    monkeypatch.syspath_prepend(tmp_path / "modules")
    return folder


def replaced(folder, old, new):
    assert old in SYSTEM
    (folder / "system.toml").write_text(SYSTEM.replace(old, new))


def test_it_runs_and_is_compared_with_its_oracle(folder, tmp_path, capsys):
    lines = ['[target]\nname = "rings"\nL = [3, 4]\nomega = {start = 0.8, stop = 1.2, n = 2}']
    lines += ['[sampler]\nname = "hmc"\nn_draws = 60\n']
    (tmp_path / "config.toml").write_text("\n".join(lines))
    out = tmp_path / "run"
    assert main(["run", str(tmp_path / "config.toml"), "--out", str(out)]) == 0
    estimates = open_run(out)["estimates"]
    assert estimates["phi2"].dims == ("generator", "L", "omega")
    assert estimates["omega"].attrs["symbol"] == r"$\omega$"
    known = [[1 / 3 * (1 / w + 2 / (3 + w)) for w in (0.64, 1.44)]]
    known += [[1 / 4 * (1 / w + 2 / (2 + w) + 1 / (4 + w)) for w in (0.64, 1.44)]]
    np.testing.assert_allclose(estimates["phi2_exact"], known, rtol=1e-12)
    assert within(
        estimates["phi2"], [known], estimates["phi2_error"], largest=0.05 * np.array([known])
    )
    assert "oscillators, L = 3, 4, omega = 0.8 to 1.2" in capsys.readouterr().out
    assert main(["systems"]) == 0
    assert re.search(r"rings +\[target\] +Rings of coupled", capsys.readouterr().out)
    assert main(["systems", "show", "rings"]) == 0
    shown = capsys.readouterr().out
    assert '[target] name = "rings"' in shown
    assert re.search(r"n_rings +rings +2", shown)


def test_its_keys_are_those_of_its_file(folder):
    scan = Scan(config_from_dict(CONFIG))
    assert scan.section.choices() == {"ends": "closed"}
    assert scan.section.couplings() == {"omega": [0.8, 1.2], "n_rings": [2]}
    assert scan.text == "oscillators, L = 4, omega = 0.8 to 1.2"
    section = {"n_rings": 3, "ends": "twisted"}
    scan = Scan(config_from_dict({**CONFIG, "target": CONFIG["target"] | section}))
    place = next(scan.places())
    assert (place.target.event_shape, place.target.ends) == ((3, 4), "twisted")
    assert scan.text.endswith("omega = 0.8 to 1.2, n_rings = 3")
    assert scan.section.is_foreign
    assert not Scan(config_from_dict(ISING)).section.is_foreign


ISING = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "sampler": {"name": "heat-bath"}}
BAD = [
    ({"n_rings": 1.5}, "[target] n_rings must be an integer, got 1.5"),
    ({"n_rings": [1, 2]}, "[target] may scan one coupling, got lists for omega and n_rings"),
    ({"omega": 0}, "[target] omega must be >= 0.1, got 0"),
    ({"ends": "open"}, "[target] ends must be one of 'closed', 'twisted', got 'open'"),
    ({"omgea": 1}, "[target] omgea is not a known key; did you mean 'omega'?"),
    ({"zzz": 1}, "[target] zzz is not a known key; valid: name, L, omega, n_rings, ends"),
    ({"beta": 1}, "[target] beta is no coupling of rings, which takes omega, n_rings"),
    ({"convention": "a"}, "[target] convention must be left out for rings, got 'a'"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_bad_value_is_refused_in_one_line(folder, change, message):
    with pytest.raises(InputError) as error:
        config_from_dict({**CONFIG, "target": CONFIG["target"] | change})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_another_systems_config_says_where_a_key_of_it_belongs(folder):
    with pytest.raises(InputError, match="omega is no coupling of ising-2d, which takes beta, J"):
        config_from_dict({**ISING, "target": ISING["target"] | {"omega": 1.0}})


def test_a_system_without_extent_takes_no_L(folder):
    """... whose configurations have one shape."""
    old = SYSTEM[SYSTEM.index("[parameters.L]") : SYSTEM.index("[parameters.omega]")]
    replaced(folder, old, "")
    target = {"name": "rings", "omega": 1.0}
    assert Scan(config_from_dict({**CONFIG, "target": target})).extents == [None]
    with pytest.raises(InputError, match=r"\[target\] L must be left out"):
        config_from_dict(CONFIG)


WRONG = [
    ("stranger:Absent", "'stranger:Absent' (AttributeError: "),
    ("absent_module:Oscillators", "'absent_module:Oscillators' (ModuleNotFoundError: "),
    ("stranger", "got 'stranger' ("),
    ("stranger:nothing", "'stranger:nothing', which makes a NoneType"),
    ("stranger:modes", "'package.module:Class' that takes L, omega, n_rings, ends, got "),
]


@pytest.mark.parametrize(("path", "message"), WRONG)
def test_a_class_that_is_none_is_told(folder, path, message):
    replaced(folder, "stranger:Oscillators", path)
    with pytest.raises(InputError) as error:
        load_system("rings").target(L=3, omega=1.0)
    assert str(error.value).startswith("target of rings must be the class of an action, ")
    assert message in str(error.value)


def test_a_force_that_is_not_the_gradient_is_refused(folder, tmp_path, capsys):
    from physgen.workflow.lattice.inputs import check

    replaced(folder, "stranger:Oscillators", "stranger:Wrong")
    with pytest.raises(InputError, match=r"^\[target\] .*force"):
        check(config_from_dict(CONFIG))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("type = \"choice\"", "type = \"word\"", "type of ends in"),
        ("minimum = 0.1", "maximum = 3", "[parameters.omega] of"),
        ("label =", "lable =", "may also contain target, hamiltonian and label, got 'lable'"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_told(folder, old, new, message):
    replaced(folder, old, new)
    with pytest.raises(InputError, match=re.escape(message)):
        target_systems()


def test_a_class_without_an_oracle_is_told():
    with pytest.raises(InputError, match=r"exact values are known for Ising, .*, got 3"):
        exact_values(3)
