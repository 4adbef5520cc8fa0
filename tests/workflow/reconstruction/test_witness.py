"""What a run says of coherence: GHZ states in files, shots in two settings, tables and words."""

import numpy as np
import pytest
import xarray as xr

from physgen.quantum import MeasurementData, ghz_state
from physgen.results import open_run
from physgen.workflow.loading import config_from_dict
from physgen.workflow.reconstruction.coherence import coherence_figures, coherence_table
from physgen.workflow.run import run
from physgen.workflow.tables import summarize

QUICK = {
    "model": {"family": "mps", "bond": 2},
    "train": {"n_epochs": 2, "min_steps": 20},
    "errors": {"refits": 2, "n_samples": 100},
    "sample": {"n_samples": 200},
    "validate": {"n_samples": 200},
    "tomography": {"target": "ghz", "max_sites": 0},
}


def finished(config, out):
    run(config_from_dict(QUICK | config), out, until="validate")
    tree = open_run(out)
    (table,) = [t for t in summarize(tree).tables if t.heading == "Coherence"]
    return tree, table, summarize(tree)


def two_settings(path, n=300, coherence=1.0, settings=("Z", "X")):
    rng = np.random.default_rng(1)
    z = np.repeat(rng.random((n, 1)) < 0.5, 3, axis=1)
    x = rng.random((n, 3)) < 0.5
    x[:, 2] = x[:, 0] ^ x[:, 1] ^ (rng.random(n) < (1 - coherence) / 2)
    parts = [{"Z": 3 * z, "X": 1 + 3 * x}[s] for s in settings]
    labels = np.repeat(range(len(parts)), n)
    MeasurementData(np.concatenate(parts), "pauli-6", settings=labels).save(path)
    return {"data": {"file": str(path)}}


@pytest.mark.slow
def test_two_settings_certify_entanglement(tmp_path):
    tree, table, summary = finished(two_settings(tmp_path / "lab.h5"), tmp_path / "run")
    data, model = (tree[f"witness/{name}"].to_dataset() for name in ("data", "model"))
    assert float(data["ghz_witness_lower"].sel(level=0.95)) > 0.95
    assert float(data["ghz_witness_error"]) > 0
    assert "ghz_fidelity_squared" not in data
    assert {"ghz_fidelity_squared_error", "ghz_fidelity_squared_lower"} <= set(model)
    assert any("certify genuine entanglement" in note for note in summary.notes)
    texts = [row[0] for row in table.rows]
    assert "GHZ bound of two settings, 95 %" in texts
    assert "GHZ bound of two settings, 95 %, data" in summary.figures


@pytest.mark.slow
def test_a_model_of_shots_in_z_alone_shows_no_coherence(tmp_path):
    config = two_settings(tmp_path / "lab.h5", settings=("Z",))
    run(config_from_dict(QUICK | config), tmp_path / "run", until="validate")
    tree = open_run(tmp_path / "run")
    model = tree["witness/model"].to_dataset()
    assert not model.data_vars
    assert "0 shots have X or Y on all 3 sites" in model.attrs["left_out"]
    told = summarize(tree).notes
    assert any("no GHZ fidelity" in note for note in told)


@pytest.mark.slow
def test_a_ghz_state_in_a_file_is_known_with_its_phase(tmp_path):
    ghz_state(3, 0.7).save(tmp_path / "state.npz")
    config = {
        "system": {"L": 3, "h": 0.0},
        "state": {"file": str(tmp_path / "state.npz")},
        "data": {"povm": "pauli-6", "n_shots": 2000},
        "errors": {"refits": 0},
        "tomography": {"max_sites": 0},
    }
    tree, table, _ = finished(config, tmp_path / "run")
    exact, data = (tree[f"witness/{name}"].to_dataset() for name in ("exact", "data"))
    assert exact.attrs["phase"] == pytest.approx(0.7)
    assert float(exact["ghz_fidelity_squared"]) == pytest.approx(1)
    assert float(exact["ghz_coherence_quadrature"]) == pytest.approx(0)
    assert abs(float(data["ghz_coherence"]) - 1) < 4 * float(data["ghz_coherence_error"])
    # h = 0: the parity is 0 on average, so half of the state is the ground state of P = +1.
    assert data.attrs["parity"] == 1
    assert float(exact["witness"]) == pytest.approx((1 + np.cos(0.7)) / 2)
    assert table.rows[0][0] == "W, gap of prod X = +1"
    # Without refits the model has no error, and no bound.
    assert "fidelity_squared_lower" not in tree["witness/model"]


def of_source(**values):
    level = {"level": [0.68, 0.95]}
    ds = xr.Dataset({k: ("level", v) if isinstance(v, list) else v for k, v in values.items()})
    return ds.assign_coords(level) if "level" in ds.dims else ds


def test_the_table_shows_what_there_is():
    groups = {
        "data": of_source(
            witness=0.9, witness_error=0.05, fidelity_squared_lower=[0.87, 0.81]
        ).assign_attrs(parity=0, left_out="no GHZ fidelity: settings are missing"),
        "model": of_source(witness=0.95).assign_attrs(left_out="why"),
    }
    table, told = coherence_table(groups)
    assert table.rows == (
        ("W = 1 - (E - E0)/gap", "0.900(50)", "0.950000", ""),
        ("fidelity with ground state, 95 %", ">= 0.810", "", ""),
    )
    assert told == ("From the data: no GHZ fidelity: settings are missing.",)
    assert "From the model: why." in table.notes
    assert not any("GHZ state, 0 if" in note for note in table.notes)
    assert coherence_figures(groups)["fidelity with ground state, 95 %, data"] == ">= 0.810"


def test_an_energy_that_is_not_known_to_the_gap_is_said_to_bound_nothing():
    data = of_source(witness=3.0, witness_error=7.4, fidelity_squared_lower=[0.0, 0.0])
    groups = {"data": data.assign_attrs(gap=0.061), "exact": of_source(witness=1.0)}
    told = "by the energy: its error of 0.45 is more than the gap of 0.061."
    assert coherence_table(groups) == (None, (f"No bound on the quantum fidelity {told}",))
    model = of_source(witness=0.7, witness_error=0.2, fidelity_squared_lower=[0.6, 0.4])
    table, told = coherence_table(groups | {"model": model.assign_attrs(gap=0.061)})
    assert not told
    assert [row[2] for row in table.rows] == ["0.70(20)", ">= 0.400"]


def test_nothing_is_shown_where_there_is_nothing():
    assert coherence_table({}) == (None, ())
    only_a_reason = {"data": xr.Dataset(attrs={"left_out": "no"})}
    assert coherence_table(only_a_reason) == (None, ("From the data: no.",))
    assert coherence_figures(only_a_reason) == {}
