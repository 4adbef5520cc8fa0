"""[target] observables: correlators of chains and of weighted draws, on one grid, in one table."""

import numpy as np
import pytest
import xarray as xr
from helpers.statistics import within

from physgen.core.errors import InputError
from physgen.exact import exact_values
from physgen.results import open_run
from physgen.targets import FreeField
from physgen.workflow.lattice.correlations import table
from physgen.workflow.lattice.job import JOB as LATTICE
from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.report import write_report
from physgen.workflow.run import run as run_job

CONFIG = """
seed = 3
[target]
name = "free-field"
L = [4, 6]
m2 = [0.5]
observables = ["correlator", "propagator"]
[[sampler]]
name = "hmc"
n_draws = 120
thin = 3
[[model]]
family = "equivariant-cnf"
features = 1
frequencies = 1
[train]
n_epochs = 3
batch_size = 256
draws_per_epoch = 2560
n_validation = 1024
[importance]
n_draws = 3200
[smc]
n_particles = 0
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("correlations")
    (folder / "config.toml").write_text(CONFIG)
    config = load_config(folder / "config.toml")
    return config, run_job(config, folder / "out")


@pytest.mark.slow
def test_every_curve_of_the_chains_is_right(done):
    tree = open_run(done[1])
    found = tree["correlators"].to_dataset()
    assert found["correlator"].dims == ("generator", "L", "m2", "distance")
    assert found["propagator"].dims == ("generator", "L", "m2", "momentum")
    assert found["correlator"].shape == (2, 2, 1, 4)
    np.testing.assert_allclose(found["momentum_of"].sel(L=4)[:3], np.pi / 2 * np.arange(3))
    assert found.attrs["exactness"] == "asymptotic"
    for i, L in enumerate((4, 6)):
        exact = exact_values(FreeField(L, m2=0.5))
        for name in ("correlator", "effective_mass", "propagator"):
            n = exact[name].size
            known = found[f"{name}_exact"].values[i, 0]
            np.testing.assert_allclose(known[:n], exact[name])
            assert np.isnan(known[n:]).all()
            value, error = (found[f"{name}{t}"].values[0, i, 0, :n] for t in ("", "_error"))
            for at in range(n):  # points of a curve are correlated
                largest = 0.1 * float(exact[name][at])
                assert within(value[at], exact[name][at], error[at], largest=largest), name
        # The model is hardly trained, and its weights say so; test_correlators has exact ones.
        draws = tree[f"models/equivariant-cnf/L{L}/m20.5/draws"]
        assert "configurations of the target are missing" in draws.attrs["warnings"]
        assert np.isfinite(found["correlator"].values[1, i, 0, :2]).all()
    estimates = tree["estimates"].to_dataset()
    np.testing.assert_allclose(estimates["correlation_length_exact"], np.sqrt(2))
    assert np.all(np.abs(estimates["correlation_length_pull"].sel(generator="hmc")) < 4)
    assert not any("[" in str(name) for name in estimates.data_vars)
    # the draws have the dims of their observables, in the file that xarray opens
    chains = tree["chains/hmc/L6/m20.5"].to_dataset()
    assert chains["correlator"].dims == ("chain", "draw", "distance")
    with xr.open_dataset(done[1] / "run.h5", group="correlators", engine="h5netcdf") as read:
        assert read["distance"].attrs["units"] == "lattice spacing"


@pytest.mark.slow
def test_the_table_and_the_page(done):
    config, out = done
    tree = open_run(out)
    shown = table(tree["correlators"].to_dataset())
    heads = [column.head for column in shown.columns]
    assert heads[:5] == ["generator", "L", "m2", "t", "G(t)"]
    assert len(shown.rows) == 2 * (3 + 4)
    last = shown.rows[-1]
    assert last[heads.index("m_eff(t)")] == ""  # there is none at half of the extent
    assert "(" in last[heads.index("G(t)")]
    told = LATTICE.summarize(tree, config)
    assert "Correlators" in [each.heading for each in told.tables]
    assert any("xi" in row for each in told.tables for row in each.rows)
    write_report(out)
    assert (out / "figures/correlators.png").stat().st_size > 5000


def test_names_are_checked_before_anything_is_drawn(tmp_path):
    target = {"name": "ising-2d", "L": 4, "beta": 0.4, "observables": ["correlatr"]}
    with pytest.raises(
        InputError, match=r"\[target\] observables must be.*one of 'magnetization'"
    ):
        config_from_dict({"target": target, "sampler": {"name": "heat-bath"}})
    (tmp_path / "mine.py").write_text(
        "import physgen as pg\n"
        "given = {'x2': lambda x: (x**2).mean((1, 2))}\n"
        "def target(lattice=0):\n"
        "    on = pg.Hypercubic((4, 4)) if lattice else None\n"
        "    force = lambda x: -2 * x\n"
        "    return pg.as_target(lambda x: (x**2).sum((1, 2)), (4, 4), force, lattice=on,\n"
        "                        observables=given if lattice else None)\n"
    )
    for lattice, told in ((0, "needs spins or fields on a lattice"), (1, "of a target without")):
        own = {
            "file": str(tmp_path / "mine.py"),
            "observables": ["correlator"],
            "parameters": {"lattice": lattice},
        }
        config = config_from_dict({"target": own, "sampler": {"name": "hmc"}})
        with pytest.raises(InputError, match=rf"\[target\] correlator {told}") as refused:
            LATTICE.check(config)
        assert "\n" not in str(refused.value)


def test_without_the_key_nothing_changes():
    target = {"name": "ising-2d", "L": 4, "beta": 0.4}
    config = config_from_dict({"target": target, "sampler": {"name": "heat-bath"}})
    assert "observables" not in config.canonical()["target"]
