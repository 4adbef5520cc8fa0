"""Runs of phi^4 in the convention of the lambda/4 literature: their scan falls in m2."""

import numpy as np
import pytest
import xarray as xr

from physgen.analysis.format import format_estimate
from physgen.exact.tadpole import renormalised_mass, tadpole
from physgen.targets import Phi4
from physgen.workflow.lattice.config import Config
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.summary import summarize
from physgen.workflow.loading import config_from_dict
from physgen.workflow.run import run
from physgen.workflow.target.exact import continuum_coupling

M2 = [-0.9, -0.75, -0.6]
QUARTER = {
    "seed": 3,
    "target": {"name": "phi4-2d", "convention": "quarter", "L": [4, 8], "m2": M2, "lam": 0.5},
    "sampler": {"name": "phi4-cluster", "n_chains": 64, "n_draws": 100},
}


def scan(**target):
    config = config_from_dict(QUARTER | {"target": QUARTER["target"] | target})
    assert isinstance(config, Config)
    return Scan(config)


def test_the_target_is_that_of_the_convention():
    action, x = scan().target(4, -0.75), np.random.default_rng(1).normal(size=(3, 4, 4))
    square = sum((x - np.roll(x, 1, axis=k)) ** 2 for k in (1, 2))
    expected = (square / 2 - 0.75 / 2 * x**2 + 0.5 / 4 * x**4).sum((1, 2))
    assert action.action(x) == pytest.approx(expected)


@pytest.mark.slow
def test_a_scan_that_falls_into_the_disordered_phase_crosses(tmp_path):
    """U is larger at the lower end of m2, and at that of kappa at the upper one."""
    config = config_from_dict(QUARTER)
    run(config, tmp_path)
    with xr.open_datatree(tmp_path / "run.h5", engine="h5netcdf") as tree:
        found = tree["crossings"].to_dataset()
        at, error = float(found["coupling"][0]), float(found["coupling_error"][0])
        assert (np.diff(found["at"][0]) < 0).all()
        table = next(t for t in summarize(tree, config).tables if t.heading == "Binder crossings")
    assert -0.9 < at < -0.6
    assert 0 < error < 0.02
    f, f_error = continuum_coupling(scan(), at, error)
    assert f == pytest.approx(0.5 / renormalised_mass(at, 0.5))
    assert f_error > error
    k = [column.head for column in table.columns].index("lambda/mu^2")
    assert table.rows[0][k] == format_estimate(f, f_error)


def test_the_continuum_coupling_is_one_number_in_every_convention():
    f = continuum_coupling(scan(), -0.75, 0.001)
    given = Phi4.from_quarter(4, m2=-0.75, lam=0.5).to("hopping").couplings
    other = scan(convention="hopping", m2=None, **given)
    assert continuum_coupling(other, given["kappa"], 1e-4)[0] == pytest.approx(f[0])
    mu2 = 0.5 / f[0]
    assert mu2 == pytest.approx(-0.75 + 1.5 * tadpole(mu2))


def test_others_have_none():
    assert continuum_coupling(scan(lam=0.0, m2=[1.0, 2.0]), 1.0, 0.1) is None
    ising = {"name": "ising-2d", "L": 4, "beta": [0.4, 0.5]}
    config = config_from_dict({"target": ising, "sampler": {"name": "heat-bath"}})
    assert isinstance(config, Config)
    assert continuum_coupling(Scan(config), 0.44, 0.01) is None
