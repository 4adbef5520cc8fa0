"""Operators of a user's own and entropies of blocks, from config to table."""

import numpy as np
import pytest
from helpers.statistics import within

from physgen.core.errors import InputError
from physgen.quantum import (
    MPS,
    Born,
    MeasurementData,
    PauliSum,
    ghz_state,
    povm,
)
from physgen.quantum.settings import label_settings
from physgen.quantum.tomography import block_purities
from physgen.results import config_hash, open_run
from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.reconstruction.inputs import check, operators_of
from physgen.workflow.run import run
from physgen.workflow.tables import summarize

OWN = {"heisenberg": "sum XX + YY + ZZ", "far": "X0 Z3", "parity": "XXXX"}
MPS_MODEL = {"family": "mps", "bond": 4, "symmetries": ["reflection"]}
TABLE = {
    "seed": 3,
    "system": {"L": 4, "boundary": "periodic"},
    "data": {"n_shots": 1000, "povm": "pauli-6"},
    "observables": OWN,
    "model": [MPS_MODEL],
    "train": {"n_epochs": 12, "validation_fraction": 0.2},
    "sample": {"n_samples": 1000},
    "validate": {"n_samples": 500},
    "errors": {"refits": 3},
    "tomography": {"max_sites": 0},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("own") / "run"
    run(config_from_dict(TABLE), out, until="validate")
    return open_run(out)


def test_a_run_has_them_from_data_model_and_state(finished):
    data, model, exact = (
        finished[f"observables/{name}"].to_dataset() for name in ("data", "model", "exact")
    )
    state = MPS.from_dataset(finished["state"].to_dataset())
    for name, text in OWN.items():
        operator = PauliSum.parse(text, 4, "periodic")  # the ring of [system]
        assert float(exact[name]) == pytest.approx(state.expectation(operator), abs=1e-12)
        assert within(data[name], exact[name], data[f"{name}_error"], largest=0.8)
        assert data[f"{name}_unphysical"] == 0
        assert float(model[f"{name}_error"]) == 0  # a state is contracted
        assert float(model[name]) == pytest.approx(float(exact[name]), abs=0.5)
    assert float(exact["parity"]) == pytest.approx(1, abs=1e-9)


def test_refits_give_them_errors_and_intervals(finished):
    errors, rows = finished["errors"].to_dataset(), finished["refits"].to_dataset()
    for name in OWN:
        fit, refits = rows[name].values[0], rows[name].values[1:]
        assert len(set(rows[name].values)) == 4
        assert float(errors[name]) == pytest.approx(2 * fit - refits.mean())
        assert float(errors[f"{name}_error_of_fit"]) == pytest.approx(refits.std(ddof=1))
        assert errors[f"{name}_interval"].shape == (2, 2)
    summary = summarize(finished)
    for heading in ("Observables", "Intervals"):
        (table,) = [t for t in summary.tables if t.heading == heading]
        rows = {row[0]: row[1:] for row in table.rows}
        assert set(OWN) <= set(rows)
        assert all(rows["heisenberg"][:2])
    assert "heisenberg = sum XX + YY + ZZ" in summary.notes[-1]
    assert "heisenberg, model" in summary.figures


def test_entropies_of_blocks_stand_side_by_side(finished):
    (table,) = [t for t in summarize(finished).tables if t.heading == "Entropies of blocks"]
    assert [row[0] for row in table.rows] == ["site 0", "sites 0-1", "sites 1-2"]
    state = MPS.from_dataset(finished["state"].to_dataset())
    exact = block_purities(state, [(0,), (0, 1), (1, 2)]).block_renyi2.values
    assert [float(row[3]) for row in table.rows] == pytest.approx(exact.tolist(), abs=1e-6)
    data = finished["blocks/data"].to_dataset()
    purity = np.exp(-exact)
    assert within(data["block_purity"], purity, data["block_purity_error"], largest=0.2)


def test_outcomes_of_a_file_in_chosen_settings(tmp_path):
    """Without [system] the chain is open, and what no setting sees is named."""
    state = ghz_state(3)
    shots = Born(state, povm("pauli-6")).sample(3000, 1)
    kept = shots[(shots % 3 == 2).sum(axis=1) < 2]  # at most one Y a setting
    labelled = MeasurementData(kept, "pauli-6", settings=label_settings(kept % 3))
    labelled.save(tmp_path / "shots.h5")
    own = {"chain": "sum ZZ", "yy": "Y0 Y1", "xxx": "XXX"}
    table = {
        "data": {"file": str(tmp_path / "shots.h5")},
        "observables": own,
        "model": [{**MPS_MODEL, "symmetries": []}],
        "train": {"n_epochs": 6, "validation_fraction": 0.2},
        "sample": {"n_samples": 500},
        "errors": {"refits": 0},
    }
    run(config_from_dict(table), tmp_path / "run", until="validate")
    tree = open_run(tmp_path / "run")
    data = tree["observables/data"].to_dataset()
    assert float(data["chain"]) == pytest.approx(2)  # the shots of a GHZ state agree
    assert within(data["xxx"], 1, data["xxx_error"], largest=0.05, rounding=1e-12)
    assert "yy needs settings that see Y0 Y1" in data.attrs["missing"]
    assert "yy" not in data
    assert "exact" not in tree["observables"]
    warned = " ".join(summarize(tree).warnings)
    assert "yy needs settings" in warned


@pytest.mark.slow
def test_a_network_leaves_out_what_its_draws_cannot_tell(tmp_path):
    table = TABLE | {
        "system": {"L": 4},
        "model": [{"family": "gru", "hidden": 4, "layers": 1}],
        "train": {"n_epochs": 1},
        "errors": {"refits": 2, "n_samples": 500},  # 81 * 10 carry XXXX
    }
    run(config_from_dict(table), tmp_path / "run", until="validate")
    tree = open_run(tmp_path / "run")
    model, errors = (tree[g].to_dataset() for g in ("observables/model", "errors"))
    assert "parity" not in model
    assert "parity" not in errors
    assert "parity" in tree["observables/data"]
    assert {"far", "far_error_of_fit", "far_interval"} <= set(errors)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (
            {"energy": "X0"},
            r"\[observables\] the name of an observable must be free, got 'energy'",
        ),
        ({"a-b": "X0"}, "letters, digits and '_'"),
        ({"far": 3}, r"\[observables\] far must be an operator as text, .* got 3"),
        ({"far": "X0 Z9"}, r"\[observables\] far: a site must be in 0\.\.3, got 9"),
        ({"far": "X0 and Z1"}, r"\[observables\] far: "),
        ({"far": "XXX"}, "one for each of 4 sites"),
    ],
)
def test_what_is_refused_before_a_run_begins(own, message):
    with pytest.raises(InputError, match=message):
        check(config_from_dict(TABLE | {"observables": own}))


def test_without_them_a_run_is_the_run_that_it_was(tmp_path):
    plain = {key: value for key, value in TABLE.items() if key != "observables"}
    config = config_from_dict(plain)
    assert "observables" not in config.canonical()
    empty = config_from_dict(plain | {"observables": {}})
    assert config_hash(empty.canonical()) == config_hash(config.canonical())
    own = config_from_dict(TABLE)
    assert config_hash(own.canonical()) != config_hash(config.canonical())
    assert config_from_dict(own.canonical()) == own
    (tmp_path / "config.toml").write_text("[system]\nL = 4\n")
    told = load_config(tmp_path / "config.toml", ["observables.far=X0 Z3"])
    assert operators_of(told, 4) == {"far": PauliSum.parse("X0 Z3", 4)}
