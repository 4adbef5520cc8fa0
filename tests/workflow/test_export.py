"""Numbers of a run as CSV: every point of a grid, units in the heads, nothing too large."""

import csv

import numpy as np
import pytest
import xarray as xr

from physgen.workflow import export


@pytest.fixture
def tree():
    energy = (("L", "beta"), np.array([[-0.1, -0.2, -0.3], [-1.1, -1.2, 0.1 + 0.2]]))
    estimates = xr.Dataset(
        {"e": energy, "sites": ("L", [16, 64])}, {"L": [4, 8], "beta": [0.1, 0.2, 0.3]}
    )
    estimates["e"].attrs["units"] = "J"
    estimates["sites"].attrs["units"] = "1"
    groups = {
        "estimates": estimates,
        "log_z": xr.Dataset({"log_z": 1.5}),
        "models/flow/model": xr.Dataset({"weights": ("axis0", np.zeros(4))}),
        "models/flow/training/checkpoint": xr.Dataset({"moments": ("axis0", np.zeros(4))}),
        "compared/score-model": xr.Dataset({"c2st": 0.5}),
        "chains": xr.Dataset({"x": (("chain", "draw"), np.zeros((2, 40)))}),
    }
    return xr.DataTree.from_dict(groups)


def rows(path):
    with open(path, newline="") as file:
        return list(csv.reader(file))


def test_a_file_a_grid(tree, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "LARGEST", 50)
    written, left = export.export_csv(tree, tmp_path / "out")
    names = sorted(str(path.relative_to(tmp_path / "out")) for path in written)
    assert names == [
        "compared/score-model.csv", "estimates.L-beta.csv", "estimates.L.csv", "log_z.csv",
    ]  # fmt: skip
    assert left == ["chains/x"]
    found = rows(tmp_path / "out" / "estimates.L-beta.csv")
    assert found[0] == ["L", "beta", "e [J]"]
    assert found[6] == ["8", "0.3", repr(0.1 + 0.2)]  # all digits
    assert len(found) == 7
    assert rows(tmp_path / "out" / "estimates.L.csv") == [["L", "sites"], ["4", "16"], ["8", "64"]]
    assert rows(tmp_path / "out" / "log_z.csv") == [["log_z"], ["1.5"]]


def test_a_group_of_one_grid_has_its_name_alone(tree, tmp_path):
    written, left = export.export_csv(tree, tmp_path)
    assert tmp_path / "chains.csv" in written
    assert not left
