"""A config is closed: what is not understood is refused in one line that says how to mend it."""

import dataclasses
import inspect
import json
import subprocess
import sys

import pytest

from physgen.core.errors import InputError
from physgen.models.families import family, names
from physgen.results import config_hash
from physgen.workflow import shipped
from physgen.workflow.loading import config_from_dict, config_of_run, load_config
from physgen.workflow.reconstruction.config import Config
from physgen.workflow.reconstruction.model_section import FAMILY_KEYS, ModelSection
from physgen.workflow.reconstruction.sections import TrainSection

TOY = "[system]\nL = 4\n\n[data]\nn_shots = 300\n"


@pytest.fixture
def toml(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(TOY)
    return path


BAD = [
    ("system.L=0", "[system] L must be an integer >= 2 (the number of sites), got 0"),
    ("system.L=-4", "[system] L must be an integer >= 2 (the number of sites), got -4"),
    ("system.L=4.5", "[system] L must be an integer >= 2 (the number of sites), got 4.5"),
    ("system.L=four", "[system] L must be an integer >= 2 (the number of sites), got 'four'"),
    ("system.L=1", "[system] L must be an integer >= 2 (the number of sites), got 1"),
    ("system.h=nan", "[system] h must be a finite number, got nan"),
    ("system.boundary=closed", "[system] boundary must be 'open' or 'periodic', got 'closed'"),
    (
        "system.name=xxz",
        "[system] name must be one of 'ising-ladder', 'pauli', 'tfim-1d', 'tfim-2d', "
        "'xxz-1d', got 'xxz'; did you mean 'xxz-1d'?",
    ),
    ("data.povm=pauli4", "[data] povm must be one of"),
    ("data.n_shots=0", "[data] n_shots must be an integer >= 2, got 0"),
    ("data.n_shots=1e4", "[data] n_shots must be an integer >= 2, got 10000.0"),
    ("data.n_shots=1", "[data] n_shots must be an integer >= 2, got 1"),
    ("sample.n_samples=1", "[sample] n_samples must be an integer >= 2, got 1"),
    ("validate.n_samples=1", "[validate] n_samples must be an integer >= 2, got 1"),
    ("train.budget=soon", "[train] budget must be a time such as '60s', '5min' or '1h', got"),
    ("data.sha256=abcd", "[data] sha256 must stand beside a file, got 'abcd' without one"),
    ("state.sha256=abcd", "[state] sha256 must stand beside a file, got 'abcd' without one"),
    ("model.site_features=1", "[model] site_features must be true or false, got 1"),
    ("train.learning_rate=0", "[train] learning_rate must be a positive number, got 0"),
    ("train.validation_fraction=1", "[train] validation_fraction must be a number in [0, 1)"),
    ("seed=-1", "seed must be an integer in [0, 2**63), got -1"),
    ("train.n_epoch=3", "[train] n_epoch is not a known key; did you mean 'n_epochs'?"),
    ("trian.n_epochs=3", "trian is not a known section or key; did you mean 'train'?"),
    ("train.n_shots=3", "[train] n_shots is not a known key; it belongs in [data]"),
    ("chi_max=3", "chi_max is not a known section or key; it belongs in [state]"),
    ("data.xyzzy=1", "[data] xyzzy is not a known key; valid: povm, depolarising, "),
    ("system=3", "[system] must be a section of the config, got 3"),
    ("a.b.c=1", "--set must read section.key=value, got 'a.b.c=1'"),
    ("system.L", "--set must read section.key=value, got 'system.L'"),
]


@pytest.mark.parametrize(("override", "message"), BAD)
def test_a_bad_value_is_refused_in_one_line(toml, override, message):
    with pytest.raises(InputError) as error:
        load_config(toml, [override])
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_both_couplings_zero_is_refused(toml):
    with pytest.raises(InputError, match="J and h must not both be 0"):
        load_config(toml, ["system.J=0", "system.h=0"])


def test_two_lengths_of_training_are_refused(toml):
    with pytest.raises(InputError, match="n_epochs or budget"):
        load_config(toml, ["train.n_epochs=3", "train.budget=60s"])


def test_patience_without_held_out_shots_is_refused(toml):
    with pytest.raises(InputError, match="patience needs held-out shots"):
        load_config(toml, ["train.patience=3", "train.validation_fraction=0"])
    assert load_config(toml, ["train.patience=3"]).train.patience == 3


def test_a_config_must_say_what_is_reconstructed():
    with pytest.raises(InputError, match=r"\[system\] must be given"):
        config_from_dict({})


def test_a_state_and_a_data_file_exclude_each_other():
    with pytest.raises(InputError, match="exclude each other"):
        config_from_dict({"data": {"file": "x.h5"}, "state": {"file": "x.npz"}})
    # How a ground state would be found says nothing about outcomes of a file, and is no obstacle.
    assert (
        "state"
        not in config_from_dict({"data": {"file": "x.h5"}, "state": {"chi_max": 8}}).canonical()
    )


def test_overrides_are_toml_values_or_bare_words(toml):
    config = load_config(toml, ["model.family=lstm", "system.h = -1", "train.n_epochs=3"])
    assert (config.model[0].family, config.system.h, config.train.n_epochs) == ("lstm", -1.0, 3)


def test_defaults_written_out_are_the_same_run(toml):
    plain = load_config(toml)
    spelled = load_config(toml, ["data.povm=pauli-4", "system.J=1.0", "errors.refits=12"])
    assert config_hash(plain.canonical()) == config_hash(spelled.canonical())
    other = load_config(toml, ["train.batch_size=17"])
    assert config_hash(plain.canonical()) != config_hash(other.canonical())


KINDS = {
    "a chain": "[system]\nL = 4\n[data]\nn_shots = 77\n[model]\nlayers = 2\n",
    "a state": '[system]\nL = 4\n[state]\nfile = "input"\n',
    "outcomes": '[data]\nfile = "input"\n',
    "outcomes of a chain": '[system]\nL = 4\n[data]\nfile = "input"\npovm = "pauli-6"\n',
    "a budget": '[system]\nL = 4\n[train]\nbudget = "60s"\n',
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_run_stores_reads_back_to_the_same_config(tmp_path, kind):
    (tmp_path / "input").write_bytes(b"shots")
    (tmp_path / "config.toml").write_text(KINDS[kind])
    config = load_config(tmp_path / "config.toml")
    stored = {"config": json.dumps(config.canonical()), "files": json.dumps(config.files())}
    assert config_of_run(stored) == config


def test_without_checksums_the_canonical_form_alone_reads_back():
    config = config_from_dict({"data": {"file": "shots.h5"}})
    assert config_from_dict(config.canonical()) == config


@pytest.mark.parametrize("kind", ["a state", "outcomes", "outcomes of a chain"])
def test_a_file_counts_by_what_it_holds_not_by_where_it_lies(tmp_path, kind):
    hashes = []
    for folder, content in (("here", b"shots"), ("there", b"shots"), ("else", b"others")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "input").write_bytes(content)
        (tmp_path / folder / "config.toml").write_text(KINDS[kind])
        config = load_config(tmp_path / folder / "config.toml")
        hashes.append(config_hash(config.canonical()))
    assert hashes[0] == hashes[1] != hashes[2]


def test_files_are_found_beside_the_config_and_hashed(toml):
    (toml.parent / "lab.h5").write_bytes(b"shots")
    toml.write_text('[data]\nfile = "lab.h5"\n')
    config = load_config(toml)
    assert config.data.file == str(toml.parent / "lab.h5")
    assert len(config.data.sha256) == 64
    with pytest.raises(InputError, match="sha256 must be the checksum"):
        load_config(toml, ["data.sha256=0000"])


@pytest.mark.parametrize("text", ["[system\nL = 4", "\xff\xfe"])
def test_what_is_not_toml_is_refused(toml, text):
    toml.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="valid TOML"):
        load_config(toml)


def test_a_missing_config_is_refused(tmp_path):
    with pytest.raises(InputError, match="readable TOML file"):
        load_config(tmp_path / "absent.toml")


def test_training_keys_are_the_settings_of_the_fit_and_leave_them_to_the_recipe():
    from physgen.training import FitSettings

    ours = {k: v.default for k, v in TrainSection.model_fields.items()}
    names = ("validation_fraction", "selection_fraction", "device", "stream")
    assert [ours.pop(k) for k in names] == [0.05, None, "cpu", False]
    of_draws = {"cuda_graphs"}  # shots are read from the host
    assert set(ours) == {f.name for f in dataclasses.fields(FitSettings)} - of_draws
    assert ours.pop("shards") == 1  # of the result: no recipe chooses it
    assert set(ours.values()) == {None}
    assert TrainSection().settings() == {"shards": 1}
    assert TrainSection(batch_size=7).settings() == {"batch_size": 7, "shards": 1}


def test_model_keys_are_the_arguments_of_the_families():
    assert set(FAMILY_KEYS) == {*names("outcomes"), *names("outcomes", "energy")}
    said_otherwise = {"self", "rng", "L", "K", "povm", "spin", "reflection"}
    for name, keys in FAMILY_KEYS.items():
        row = family(name)
        arguments = set(inspect.signature(row.load().__init__).parameters)
        of_lattices = {"shape", "boundary", "hidden", "even", "scale"}
        said = said_otherwise | (of_lattices if row.kind == "energy" else set())
        assert set(keys) == arguments - said - set(row.fixed)
    assert "kraus" in FAMILY_KEYS["lpdo"]
    assert "kraus" not in FAMILY_KEYS["mps"]  # a pure state has one
    assert [n for n in FAMILY_KEYS if ModelSection(family=n).is_state] == ["mps", "lpdo"]


def test_a_key_that_no_family_has_is_refused():
    with pytest.raises(InputError, match=r"\[model\] hiden is not a known key; did you mean 'hi"):
        config_from_dict({"system": {"L": 4}, "model": {"hiden": 3}})


def test_reading_a_config_of_models_loads_no_torch():
    code = (
        "import sys; from physgen.workflow.loading import config_from_dict as read;"
        "read({'system': {'L': 4}, 'model': {'family': 'mps', 'bond': 3}});"
        "print([m for m in ('torch', 'numba') if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"


def test_choices_are_those_of_the_rooms_that_own_them():
    from physgen.quantum.povm import names as povms

    for name in names("outcomes"):
        assert config_from_dict({"system": {"L": 4}, "model": {"family": name}})
    for name in povms():
        assert config_from_dict({"system": {"L": 4}, "data": {"povm": name}})


def test_the_shipped_config_is_valid_and_its_remarks_tell_the_defaults():
    """Every `# key = value` of the shipped config is a default of its section."""
    import tomllib

    path = shipped.find_workflow("state_reconstruction") / "config.toml"
    load_config(path)
    section, told = "", 0
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        if not line.startswith("# ") or " = " not in line or "file" in line:
            continue
        if section == "observables":  # has examples and no defaults
            continue
        try:
            ((key, value),) = tomllib.loads(line[2:]).items()
        except (tomllib.TOMLDecodeError, ValueError):
            continue
        default = Config.model_fields[section].default.model_dump() if section else {}
        if default.get(key, "") is None:  # as the recipe of the family has it
            continue
        if "default:" in line or key in ("budget", "title"):
            continue
        told += 1
        assert default[key] == value, line
    assert told >= 6
