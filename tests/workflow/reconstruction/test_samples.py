"""The sample files that come with the workflow state_reconstruction: they import, and mean it."""

import json
from pathlib import Path

import numpy as np
from helpers.statistics import within

from physgen.cli import main
from physgen.quantum import MeasurementData, estimate_observables, ghz_state
from physgen.quantum.importing import import_measurements
from physgen.quantum.tomography import direct_estimates

FOLDER = Path(__file__).parents[3] / "workflows/state_reconstruction"


def test_shots(tmp_path, capsys):
    """GHZ of four qubits, Bloch vectors shorter by 1 - 4p/3 with p = 0.02: <ZZ> = 0.948."""
    out = tmp_path / "shots.h5"
    assert main(["import-data", str(FOLDER / "shots.txt"), "--out", str(out)]) == 0
    assert "10,000 shots of 4 sites, pauli-6" in capsys.readouterr().out
    ds = estimate_observables(MeasurementData.load(out))
    exact = (1 - 4 * 0.02 / 3) ** 2
    assert within(ds.zz.values, exact, ds.zz_error.values, largest=0.04)
    assert main(["import-data", str(FOLDER / "shots.txt"), "--out", str(out)]) == 2
    assert "--out must be a new file" in capsys.readouterr().err


def test_counts_and_calibration():
    """A GHZ state of three qubits, unequal settings, readout errors up to 0.08, qubit 0 last."""
    how = {"reverse": True}
    data = import_measurements(FOLDER / "counts.json", **how)
    counts = json.loads((FOLDER / "counts.json").read_text())
    assert data.n == sum(n for c in counts.values() for n in c.values())
    assert (len(data.setting_table), data.setting_table.n_missing) == (27, 0)
    raw = direct_estimates(data, ghz_state(3))
    assert float(raw.fidelity_squared) < 0.9
    data = import_measurements(FOLDER / "counts.json", readout=FOLDER / "calibration.json", **how)
    ds = direct_estimates(data, ghz_state(3))
    assert within(float(ds.fidelity_squared), 1.0, float(ds.fidelity_squared_error), largest=0.025)
    # saboteur: the errors of the other end of the chain
    wrong = import_measurements(
        FOLDER / "counts.json", readout=_mirrored(FOLDER / "calibration.json"), **how
    )
    ds = estimate_observables(wrong)
    right = estimate_observables(data)
    assert np.abs(right.z / right.z_error).max() < np.abs(ds.z / ds.z_error).max()


def _mirrored(path):
    counts = json.loads(path.read_text())
    return {p: {k[::-1]: n for k, n in c.items()} for p, c in counts.items()}
