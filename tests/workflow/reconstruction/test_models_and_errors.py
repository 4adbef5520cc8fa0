"""Several models, refits and matrices of one run: what is chosen, and what its errors say."""

import json

import numpy as np
import pytest
import xarray as xr
from helpers.statistics import within
from scipy import stats

from physgen import models
from physgen.core.errors import InputError
from physgen.quantum import TFIM, Born, MeasurementData, depolarised, ghz_state, povm
from physgen.results import open_run
from physgen.validation import fidelity_witness
from physgen.workflow import shipped
from physgen.workflow.loading import config_from_dict, load_config
from physgen.workflow.reconstruction.fitting import _preferred
from physgen.workflow.reconstruction.inputs import check
from physgen.workflow.reconstruction.model_section import ModelSection
from physgen.workflow.run import run
from physgen.workflow.tables import summarize

MODELS = [
    {"family": "gru", "hidden": 4, "layers": 1, "symmetries": ["reflection"]},
    {"family": "mps", "symmetries": ["reflection"], "bond": 4},
]
TABLE = {
    "seed": 7,
    "system": {"L": 4},
    "data": {"n_shots": 1500, "povm": "pauli-6"},
    "model": MODELS,
    "train": {"n_epochs": 12, "validation_fraction": 0.2},
    "sample": {"n_samples": 1000},
    "validate": {"n_samples": 500},
    "errors": {"refits": 3, "n_samples": 500},
    "tomography": {"bootstrap": 50},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "run"
    run(config_from_dict(TABLE), out, until="validate")
    return open_run(out)


@pytest.mark.slow
def test_the_model_with_the_lowest_held_out_likelihood_is_kept(finished):
    selection = finished["selection"].to_dataset()
    chosen = int(selection.attrs["chosen"])
    assert list(selection["candidate"].values) == ["gru + reflection", "mps + reflection"]
    assert int(np.argmin(selection["nll"].values)) == chosen == 1  # 4 hidden units are too few
    assert selection["behind"].values[1] == 0
    assert selection["behind"].values[0] > selection["behind_error"].values[0] > 0
    kept, candidate = (finished[g].to_dataset() for g in ("model", "candidates/1/model"))
    xr.testing.assert_identical(kept, candidate)
    (table,) = [t for t in summarize(finished).tables if t.heading == "Models"]
    assert [row[2] == "chosen" for row in table.rows] == [False, True]


def test_models_are_compared_on_half_of_the_shots_and_the_best_is_fitted_to_all(tmp_path):
    table = TABLE | {
        "errors": {"refits": 0},
        "train": {"n_epochs": 6, "selection_fraction": 0.5, "validation_fraction": 0.1},
        "tomography": {"max_sites": 0},
    }
    out = tmp_path / "run"
    run(config_from_dict(table), out, until="train")
    tree = open_run(out)
    selection = tree["selection"].to_dataset()
    best = int(selection.attrs["chosen"])
    assert (best, int(selection.attrs["n"])) == (int(np.argmin(selection["nll"].values)), 750)
    # Of half of the shots, then of all but those that stop the fit.
    steps = [int(tree[f"{g}training"].attrs["n_steps"]) for g in (f"candidates/{best}/", "")]
    assert steps[1] == pytest.approx(steps[0] * 0.9 / 0.5, rel=0.1)
    kept, candidate = (tree[g].to_dataset() for g in ("model", f"candidates/{best}/model"))
    assert not kept.identical(candidate)
    # The candidates were compared on shots that they did not know: the exact likelihood of those
    # shots, by the models that are in the file.
    data = MeasurementData.from_dataset(tree["data"].to_dataset())
    known = [models.from_dataset(tree[f"candidates/{k}/model"].to_dataset()) for k in (0, 1)]
    of_all = [-float(m.log_prob(data.outcomes).mean()) / 4 for m in known]
    assert np.all(np.abs(selection["nll"].values - of_all) < 5 * selection["nll_error"].values)
    (table,) = [t for t in summarize(tree).tables if t.heading == "Models"]
    assert "fitted to 50% of the shots and compared on the other 750" in table.notes[1]


def test_a_run_without_a_share_for_selection_is_the_run_it_was():
    plain = config_from_dict(TABLE)
    assert "selection_fraction" not in plain.canonical()["train"]
    with pytest.raises(InputError, match=r"selection_fraction must be a share in \(0, 1\)"):
        config_from_dict(TABLE | {"train": {"selection_fraction": 1.0}})
    apart = config_from_dict(
        TABLE | {"train": {"selection_fraction": 0.3, "validation_fraction": 0}}
    )
    assert apart.canonical()["train"]["selection_fraction"] == 0.3


def test_errors_hold_fit_and_sampling(finished):
    errors, rows = finished["errors"].to_dataset(), finished["refits"].to_dataset()
    assert rows.sizes["refit"] == 4
    fit, refits = rows["energy"].values[0], rows["energy"].values[1:]
    assert len(set(rows["energy"].values)) == 4
    assert float(errors["energy_bias"]) == pytest.approx(refits.mean() - fit)
    assert float(errors["energy"]) == pytest.approx(2 * fit - refits.mean())
    assert float(errors["energy_error_of_fit"]) == pytest.approx(refits.std(ddof=1))
    assert float(errors["energy_error_of_sampling"]) == 0  # a state is contracted
    low, high = np.moveaxis(errors["x_interval"].values, -1, 0)
    assert np.all(low[:, 1] < low[:, 0])
    assert np.all(low < high)
    found = [t for t in summarize(finished).tables if t.heading == "Intervals"]
    assert len(found) == 1


def test_a_bound_on_the_fidelity_stands_beside_them(finished):
    """From the shots as of the library, from the model with the error of its fit."""
    groups = finished["witness"]
    shots = MeasurementData.from_dataset(finished["data"].to_dataset())
    data, model, exact = (groups[n].to_dataset() for n in ("data", "model", "exact"))
    of_library = fidelity_witness(shots, TFIM(4))
    for name in of_library.data_vars:
        np.testing.assert_array_equal(data[name], of_library[name])
    assert float(exact["witness"]) == pytest.approx(1, abs=1e-9)
    rows, errors = finished["refits"]["witness"].values, finished["errors"].to_dataset()
    energy = finished["refits"]["energy"].values
    E0, gap = TFIM(4).ground_state_energy(), TFIM(4).gap()
    np.testing.assert_allclose(rows, 1 - (energy - E0) / gap)
    assert np.all(rows <= finished["refits"]["fidelity_squared"].values + 1e-9)
    assert float(model["witness"]) == pytest.approx(2 * rows[0] - rows[1:].mean())
    assert float(model["witness_error"]) == float(errors["witness_error"]) > 0
    student = stats.t(2).ppf(0.95)  # three refits
    assert float(model["fidelity_squared_lower_raw"].sel(level=0.95)) == pytest.approx(
        float(model["witness"]) - student * float(model["witness_error"])
    )
    assert (data.attrs["exactness"], model.attrs["exactness"]) == ("asymptotic", "approximate")
    assert {"fidelity-witness"} <= set(json.loads(finished.attrs["citations"]))
    (table,) = [t for t in summarize(finished).tables if t.heading == "Coherence"]
    assert table.rows[1][0] == "fidelity with ground state, 95 %"
    assert table.rows[1][1] == f">= {float(data.fidelity_squared_lower[1]):.3f}"
    assert any("says nothing" in note for note in table.notes)


def test_matrices_of_a_small_system(finished):
    groups = finished["tomography"]
    direct, likely, model = (groups[n].to_dataset() for n in ("direct", "likelihood", "model"))
    # The target is the measured state itself, which is pure.
    assert within(direct.fidelity_squared, 1, direct.fidelity_squared_error, largest=0.09)
    assert 0.7 < float(likely["fidelity_squared"]) <= 1
    assert float(model["purity"]) == pytest.approx(1, abs=1e-9)
    rho = model["rho_real"].values + 1j * model["rho_imag"].values
    assert np.trace(rho) == pytest.approx(1)
    assert any(t.heading == "Density matrix" for t in summarize(finished).tables)


@pytest.mark.parametrize(
    ("families", "behind", "chosen"),
    [
        (["mps", "lpdo"], [0.0, 0.0005], 1),  # a tie: the error of the difference is 0.001
        (["mps", "lpdo"], [0.0, 0.002], 0),
        (["lpdo", "mps"], [0.0, 0.0005], 0),
        (["lstm", "mps", "lpdo"], [0.0, 0.0, 0.0], 0),
        (["mps", "lstm"], [0.0, 0.0005], 0),  # a network is no safer than a state
    ],
)
def test_a_pure_state_must_beat_a_mixed_one(families, behind, chosen):
    sections = [ModelSection(family=family) for family in families]
    error = np.full(len(behind), 0.001)
    assert _preferred(sections, np.array(behind), error) == chosen


@pytest.mark.slow
def test_a_model_that_contradicts_the_shots_is_named(tmp_path):
    """A pure state fitted to a mixture, with a symmetry that it has not: <Z> = 0 by parity."""
    down = np.full((1500, 4), 3)  # Z- on every site, in the setting ZZZZ
    shots = np.where(np.random.default_rng(1).random((1500, 1)) < 0.9, down, down - 3)
    data = write(tmp_path / "lab.h5", shots, settings=np.zeros(1500, dtype=np.int64))
    warned = {}
    for parity in ({"parity": "X"}, {}):
        config = {
            "data": {"file": data},
            "model": {"family": "mps", "bond": 4} | parity,
            "errors": {"refits": 2},
            "sample": {"n_samples": 200},
        }
        run(config_from_dict(config), tmp_path / str(len(parity)), until="validate")
        told = summarize(open_run(tmp_path / str(len(parity)))).warnings
        warned[bool(parity)] = [w for w in told if "disagree" in w]
    assert not warned[False]
    assert "z_mean" in warned[True][0]
    assert "believe the data" in warned[True][0]


def test_the_config_for_files_takes_a_file_from_where_one_is(tmp_path, monkeypatch):
    write(tmp_path / "shots.h5", Born(ghz_state(3), "pauli-6").sample(300, 1))
    monkeypatch.chdir(tmp_path)
    lab = shipped.find_workflow("state_reconstruction") / "lab.toml"
    config = load_config(lab, ["data.file=shots.h5"])
    check(config)
    assert config.data.file == str(tmp_path / "shots.h5")
    assert [model.family for model in config.model] == ["lstm", "mps", "lpdo"]


def test_a_target_is_checked_before_anything_is_done(tmp_path):
    ghz_state(3).save(tmp_path / "three.npz")
    (tmp_path / "four.txt").write_text("0 1")
    chain = {"system": {"L": 4}, "tomography": {"file": str(tmp_path / "three.npz")}}
    with pytest.raises(InputError, match="must hold a state of 4 sites, got 3"):
        check(config_from_dict(chain))
    chain["system"] = {"L": 3}
    check(config_from_dict(chain))
    for table, message in (
        ({"file": str(tmp_path / "absent.npz")}, "must be a readable file"),
        ({"file": str(tmp_path / "four.txt")}, "must be .npz"),
        ({"file": "x.npz", "target": "w"}, "target or file, not both"),
        ({"target": "bell"}, "'ghz' or 'w'"),
    ):
        with pytest.raises(InputError, match=message):
            check(config_from_dict(chain | {"tomography": table}))


def write(path, outcomes, **how):
    MeasurementData(outcomes, "pauli-6", **how).save(path)
    return str(path)


def shots_of_settings(settings, n, seed=1):
    """n GHZ shots of each setting, e.g. "ZZX", as pauli-6 outcomes with their labels."""
    truth = Born(ghz_state(len(settings[0])), "pauli-6").sample(60_000, seed)
    parts = []
    for setting in settings:
        bases = np.array(["ZXY".index(letter) for letter in setting])
        parts.append(truth[(truth % 3 == bases).all(axis=1)][:n])
        assert len(parts[-1]) == n
    return np.concatenate(parts), np.repeat(np.arange(len(settings)), n)


@pytest.mark.slow
def test_incomplete_settings_are_for_states_alone(tmp_path):
    shots, labels = shots_of_settings(["ZZZ", "XXX", "YYX"], 300)
    table = {"data": {"file": write(tmp_path / "lab.h5", shots, settings=labels)}}
    with pytest.raises(InputError, match="or fit only states"):
        check(config_from_dict(table | {"model": {"family": "lstm"}}))
    config = config_from_dict(
        table
        | {
            "model": [{"family": "lstm"}, {"family": "mps", "bond": 2}],
            "errors": {"refits": 2},
            "sample": {"n_samples": 200},
            "tomography": {"target": "ghz"},
        }
    )
    run(config, tmp_path / "run", until="validate")
    tree = open_run(tmp_path / "run")
    assert tree["data"].attrs["models"].startswith("lstm left out: all 3^L settings must be")
    assert "settings are missing" in tree["tomography"].attrs["left_out"]
    # <ZZ> = 1, from the setting ZZZ; nothing is seen of <X_0 X_1> beyond XXX.
    np.testing.assert_allclose(tree["observables/model"]["zz"].values, 1, atol=0.05)
    np.testing.assert_allclose(tree["observables/data"]["zz"].values, 1, atol=1e-12)


@pytest.mark.slow
def test_shots_stay_in_their_file_when_streamed(tmp_path):
    shots = Born(ghz_state(4), "pauli-6").sample(2000, 1)
    table = {
        "data": {"file": write(tmp_path / "lab.h5", shots)},
        "model": {"family": "mps", "bond": 2},
        "train": {"stream": True},
        "errors": {"refits": 2},
        "sample": {"n_samples": 200},
        "tomography": {"max_sites": 0},
    }
    run(config_from_dict(table), tmp_path / "run")
    tree = open_run(tmp_path / "run")
    assert "outcomes" not in tree["data"]
    assert int(tree["data"]["counts"].sum()) == 8000
    np.testing.assert_allclose(tree["observables/model"]["zz"].values, 1, atol=0.05)
    with pytest.raises(InputError, match=r"\[train\] stream must stand with \[data\] file"):
        check(config_from_dict({"system": {"L": 4}, "train": {"stream": True}}))


def test_noise_of_generated_shots_is_known_to_the_models(tmp_path):
    noise = {"depolarising": 0.1, "readout_error": 0.02}
    table = TABLE | {
        "data": {"n_shots": 600, "povm": "pauli-6"} | noise,
        "model": MODELS[1],
        "errors": {"refits": 0},
        "tomography": {"max_sites": 0},
    }
    run(config_from_dict(table), tmp_path / "run", until="validate")
    tree = open_run(tmp_path / "run")
    data = MeasurementData.from_dataset(tree["data"].to_dataset())
    assert "depolarised 0.1" in data.povm.name
    assert not data.povm.matches(povm("pauli-6"))
    assert not data.povm.matches(depolarised("pauli-6", 0.1))
    assert float(tree["validation"]["fidelity"][0]) > 0.98
    assert tree["errors"].attrs["refits"] == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": {"family": "mps", "hidden": 3}}, "hidden must stand with a family that has it"),
        ({"model": [MODELS[0], MODELS[0]]}, "label must differ from the others"),
        ({"data": {"file": "x.h5", "depolarising": 0.1}}, "must be left out beside a file"),
        ({"errors": {"refits": 1}}, "refits must be 0, or an integer >= 2"),
        (
            {"model": MODELS, "train": {"validation_fraction": 0.0}},
            "validation_fraction must be positive where several models are compared",
        ),
        (
            {"model": {"family": "mps", "parity": "X", "bond": 1}},
            "bond must be at least 2 with a parity",
        ),
        ({"model": {"family": "gru", "symmetries": ["z2"]}}, "pauli-4"),
        ({"model": MODELS[1], "train": {"device": "cuda"}}, "device must be 'cpu'"),
        ({"tomography": {"bootstrap": 10}}, "an integer >= 50"),
    ],
)
def test_what_does_not_fit_is_refused_before_a_run_begins(change, message):
    table = {"system": {"L": 4}} | change
    with pytest.raises(InputError, match=message):
        check(config_from_dict(table))
