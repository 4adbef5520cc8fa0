"""Any config in miniature: every length is cut, nothing else; what is left out stays out."""

import tomllib

import pytest

from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.shipped import find_workflow, list_workflows
from physgen.workflow.toy import shortened

CONFIGS = [
    path
    for name in list_workflows()
    for path in sorted(find_workflow(name).glob("*.toml"))
    if path.name != "lab.toml"  # which wants the file of a laboratory
]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_shipped_configs_have_a_miniature(path):
    table = tomllib.loads(path.read_text())
    whole, small = load_config(path), load_config(path, toy=True)
    assert (small.KIND, small.seed) == (whole.KIND, whole.seed)
    if "target" in table:
        assert len(small.sampler) == len(whole.sampler)
        assert [m.family for m in small.model] == [m.family for m in whole.model]
        assert all(m.train.n_epochs == 1 for m in small.model)
        assert all(s.n_draws == 4 for s in small.sampler)
    else:
        assert small.data.n_shots == 400
    assert shortened(table, sizes=False).get("target", {}).get("L") == table.get("target", {}).get(
        "L"
    )
    assert table == tomllib.loads(path.read_text())  # and the whole is as it was


def test_a_scan_keeps_its_first_values():
    target = {"name": "ising-2d", "L": [8, 16], "beta": {"start": 0.1, "stop": 0.5, "n": 9}}
    small = shortened({"target": target, "sampler": {"name": "heat-bath"}})
    assert small["target"]["beta"] == [0.1, 0.5]
    assert config_from_dict(small).target is not None
    assert shortened({"target": target | {"beta": [0.3, 0.4]}, "model": {}})["target"]["beta"] == [
        0.3
    ]


def test_what_is_off_stays_off():
    small = shortened({"target": {"name": "ising-2d"}, "model": {}, "smc": {"n_particles": 0}})
    assert small["smc"] == {"n_particles": 0}
    assert "compare" not in small


def test_what_is_set_goes_before_the_miniature(tmp_path):
    path = find_workflow("ising_criticality") / "config.toml"
    config = load_config(path, ["target.L=8", "sampler.n_draws=6"], toy=True)
    assert [each.n_draws for each in config.sampler] == [6]
    assert list(config.target.L) == [8]
