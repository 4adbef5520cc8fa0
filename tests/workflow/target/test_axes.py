"""Names of random streams: a point has the same numbers, whatever else a run scans."""

from dataclasses import dataclass

import pytest

from physgen.workflow.target.axes import Axes
from physgen.workflow.target.section import TargetSection


@dataclass
class Points(Axes):
    given: dict

    @property
    def section(self):
        return TargetSection.model_validate(self.given)

    def streams(self):
        return {v: self.stream(L, v) for L in self.extents for v in self.values}


PHI4 = {"name": "phi4-2d", "convention": "unhalved", "L": 4, "m2": -4.0, "lam": 7.0}


def test_a_run_of_one_coupling_and_every_scan_name_a_point_alike():
    one = Points(PHI4).streams()[-4.0]
    assert one == ["L4", "m2-4", "lam7"]
    assert Points(PHI4 | {"lam": [6.0, 7.0]}).streams()[7.0] == one
    assert Points(PHI4 | {"m2": [-4.0, -3.0]}).streams()[-4.0] == one
    # Saboteur: what is scanned, which names the groups of a file.
    assert Points(PHI4).place(4, -4.0) != Points(PHI4 | {"lam": [6.0, 7.0]}).place(4, 7.0)


def test_different_points_have_different_names():
    names = [
        tuple(name)
        for given in (
            PHI4,
            PHI4 | {"m2": [-3.0, -5.0]},
            PHI4 | {"lam": [1.0, 2.0]},
            PHI4 | {"L": 6},
        )
        for name in Points(given).streams().values()
    ]
    assert len(set(names)) == len(names)


def test_a_coupling_at_its_default_goes_without_saying():
    given = {"name": "ising-2d", "L": 4, "beta": 0.44}
    assert Points(given).streams()[0.44] == ["L4", "beta0.44"]
    assert Points(given | {"h": [0.0, 0.5]}).streams()[0.0] == ["L4", "beta0.44"]
    assert Points(given | {"h": [-0.0, 0.5]}).streams()[0.5] == ["L4", "beta0.44", "h0.5"]


def test_parameters_of_an_own_action_in_any_order(tmp_path):
    file = tmp_path / "own.py"
    file.write_text("target = None")
    given = {"file": str(file), "parameters": {"b": [2.0], "a": [1.0, 3.0]}}
    turned = given | {"parameters": {"a": [1.0], "b": [2.0, 5.0]}}
    assert Points(given).streams()[1.0] == Points(turned).streams()[2.0] == ["a1", "b2"]


@pytest.mark.parametrize("scan", [{"lam": [7.0]}, {"m2": [-4.0]}])
def test_lists_of_one_are_numbers(scan):
    assert Points(PHI4 | scan).streams() == Points(PHI4).streams()
