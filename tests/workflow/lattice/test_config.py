"""A sampling config: what it means, and what is refused in one line that says how to mend it."""

import json
import re
import tomllib

import pytest

from physgen.catalogue import target_systems
from physgen.core.errors import InputError
from physgen.results import config_hash
from physgen.results.citations import references
from physgen.samplers.registry import methods, settings_of
from physgen.workflow import shipped
from physgen.workflow.lattice.config import Config, TargetSection
from physgen.workflow.lattice.methods import make
from physgen.workflow.lattice.points import Scan
from physgen.workflow.lattice.sampler_section import SamplerSection
from physgen.workflow.loading import config_from_dict, config_of_run, load_config

ISING = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "sampler": {"name": "heat-bath"}}
PHI4 = {
    "target": {"name": "phi4-2d", "L": 4, "kappa": [0.2, 0.3], "lam": 0.02},
    "sampler": {"name": "hmc"},
}


def changed(table, **sections):
    """Return `table` with some keys of its sections changed; None removes one."""
    new = {name: dict(values) for name, values in table.items()}
    for name, values in sections.items():
        new[name] = {**new.get(name, {}), **values}
        new[name] = {k: v for k, v in new[name].items() if v is not None}
    return new


BAD = [
    ({"target": {"L": 1}}, "[target] L must be an integer >= 2 or a list of them, got 1"),
    ({"target": {"L": 4.0}}, "[target] L must be an integer >= 2 or a list of them, got 4.0"),
    ({"target": {"L": []}}, "[target] L must be an integer >= 2 or a list of them, got []"),
    ({"target": {"L": [4, 4]}}, "[target] L must hold each value once, got 4 twice"),
    ({"target": {"L": None}}, "[target] L must be given, an integer >= 2 or a list of them"),
    ({"target": {"beta": "hot"}}, "[target] beta must be a finite number, a list of them, or a"),
    ({"target": {"beta": [0.1, float("nan")]}}, "[target] beta must be a finite number, a list"),
    ({"target": {"beta": {"start": 0.1, "stop": 0.2}}}, "[target] beta as a range must read {st"),
    ({"target": {"beta": {"start": 0, "stop": 1, "n": 1}}}, "[target] beta as a range must read"),
    ({"target": {"beta": None}}, "[target] beta must be given for ising-2d; add it to the config"),
    ({"target": {"beta": [0.1, 0.2], "h": [0.0, 0.1]}}, "[target] may scan one coupling, got lis"),
    ({"target": {"kappa": 0.2}}, "[target] kappa is no coupling of ising-2d, which takes beta, J"),
    ({"target": {"convention": "hopping"}}, "[target] convention must be left out for ising-2d"),
    (
        {"target": {"name": [4]}},
        "[target] name must be one of 'free-field', 'ising-2d', 'phi4-2d'",
    ),
    ({"target": {"name": "potts"}}, "[target] name must be one of 'free-field', 'ising-2d', 'ph"),
    (
        {"target": {"name": None}},
        "[target] must have a name (one of 'free-field', 'ising-2d', 'ph",
    ),
    (
        {"target": {"name": "tfim-1d"}},
        "[target] name must be a system with an action, one of 'fre",
    ),
    ({"target": {"L": [4], "beta": [-1e999]}}, "[target] beta must be a finite number, a list of"),
    ({"target": {"object": "f"}}, "[target] object belongs beside a file; remove it or the name"),
    ({"target": {"betta": 1}}, "[target] betta is not a known key; did you mean 'beta'?"),
    (
        {"target": {"n_chains": 1}},
        "[target] n_chains is not a known key; it belongs in [train] or [sampler]",
    ),
    ({"sampler": {"n_chains": 0}}, "[sampler] n_chains must be a positive integer, got 0"),
    ({"sampler": {"n_draws": 1}}, "[sampler] n_draws must be an integer >= 2, got 1"),
    ({"sampler": {"warmup": "long"}}, "[sampler] warmup must be 'auto' or an integer >= 0"),
    ({"sampler": {"warmup": -1}}, "[sampler] warmup must be 'auto' or an integer >= 0"),
    ({"sampler": {"label": "a b"}}, "[sampler] label must be a text of letters, digits, '_', '+'"),
    ({"sampler": {"name": "wolf"}}, "[sampler] name is not a known algorithm, got 'wolf'; did yo"),
    ({"sampler": {"name": None}}, "[sampler] name must be given as a text; add it to the config"),
    ({"sampler": {"n_draw": 3}}, "[sampler] n_draw is not a known key of 'heat-bath'; did you me"),
    ({"sampler": {"step_size": 1}}, "[sampler] step_size is not a known key of 'heat-bath'; vali"),
    ({"sampler": {"rng": "dice"}}, "[sampler] rng must be one of"),
    ({"tomography": {}}, "tomography is not a known section or key; it belongs in a config wi"),
    ({"smapler": {}}, "smapler is not a known section or key; did you mean 'sampler'?"),
    ({"sample": {"n_samples": 5}}, "[sample] n_samples is not a known key; valid: checkpoint_ev"),
    ({"validate": {"ess_min": 0}}, "[validate] ess_min must be a positive number, got 0"),
]


@pytest.mark.parametrize(("change", "message"), BAD)
def test_a_bad_value_is_refused_in_one_line(change, message):
    with pytest.raises(InputError) as error:
        config_from_dict(changed(ISING, **change))
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


def test_what_a_convention_does_not_have_is_refused():
    with pytest.raises(InputError, match="m2 is no coupling of phi4-2d in the convention 'hopp"):
        config_from_dict(changed(PHI4, target={"m2": -4.0}))
    with pytest.raises(InputError, match="convention must be one of 'hopping', 'hopping_well'"):
        config_from_dict(changed(PHI4, target={"convention": "planck"}))
    halved = changed(PHI4, target={"convention": "halved", "kappa": None, "m2": [-1.0, 1.0]})
    assert Scan(config_from_dict(halved)).coupling == "m2"


def test_samplers_side_by_side_need_names_of_their_own():
    twice = {**ISING, "sampler": [{"name": "wolff"}, {"name": "wolff"}]}
    with pytest.raises(InputError, match="label must differ from the others, got 'wolff' twice"):
        config_from_dict(twice)
    twice["sampler"][1]["label"] = "more"
    assert [s.label for s in config_from_dict(twice).sampler] == ["wolff", "more"]


def test_a_complaint_about_the_second_sampler_says_so():
    with pytest.raises(InputError, match=r"^\[sampler 2\] n_chains must be a positive integer"):
        config_from_dict({**ISING, "sampler": [{"name": "wolff"}, {"name": "hmc", "n_chains": 0}]})


def test_a_sampler_that_is_no_section_is_refused():
    with pytest.raises(InputError, match=r"must have a \[\[sampler\]\] or a \[\[model\]\]"):
        config_from_dict({**ISING, "sampler": []})
    with pytest.raises(InputError, match="sampler must be a section, or a list of them, got 3"):
        config_from_dict({**ISING, "sampler": 3})


def test_a_range_has_both_ends_and_values_that_people_would_write():
    beta = {"start": 0.4, "stop": 0.46, "n": 4}
    config = config_from_dict(changed(ISING, target={"beta": beta}))
    assert Scan(config).values == [0.4, 0.42, 0.44, 0.46]


def test_an_override_reaches_every_sampler(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(
        '[target]\nname = "ising-2d"\nL = 4\nbeta = 0.4\n'
        '[[sampler]]\nname = "wolff"\n[[sampler]]\nname = "heat-bath"\n'
    )
    config = load_config(path, ["sampler.n_draws=7", "target.L=[4, 8]"])
    assert [s.n_draws for s in config.sampler] == [7, 7]
    assert config.target.L == [4, 8]


def test_defaults_written_out_are_the_same_run():
    """... and how often it is checkpointed is no part of what a run is."""
    spelled = changed(
        ISING,
        target={"J": 1, "beta": [0.4], "L": [4]},
        sampler={"thin": 1, "label": "heat-bath", "warmup": "auto"},
        sample={"checkpoint_every": 3.0},
    )
    hashes = [config_hash(config_from_dict(t).canonical()) for t in (ISING, spelled)]
    assert hashes[0] == hashes[1]
    other = config_from_dict(changed(ISING, sampler={"n_draws": 999}))
    assert config_hash(other.canonical()) != hashes[0]


@pytest.mark.parametrize("table", [ISING, PHI4, {**PHI4, "sampler": [{"name": "hmc"}]}])
def test_what_a_run_stores_reads_back_to_the_same_config(table):
    config = config_from_dict(table)
    attrs = {"config": json.dumps(config.canonical()), "layout": config.LAYOUT}
    assert config_of_run(attrs) == config


def test_the_points_are_all_combinations_each_a_group_of_its_own():
    table = {**PHI4, "sampler": [{"name": "hmc"}, {"name": "hmc", "label": "b", "n_leapfrog": 4}]}
    scan = Scan(config_from_dict(changed_list(table, L=[4, 8])))
    points = [point for place in scan.places() for point in scan.chains(place)]
    groups = [point.group for point in points]
    assert len(set(groups)) == len(groups) == scan.n_points == 8
    assert groups[:2] == ["chains/hmc/L4/kappa0.2", "chains/b/L4/kappa0.2"]
    assert [p.target.event_shape for p in points] == [(4, 4)] * 4 + [(8, 8)] * 4


def changed_list(table, **target):
    return {**table, "target": {**table["target"], **target}}


def test_every_method_exists_and_takes_its_defaults():
    for name, cls in methods().items():
        section = SamplerSection.model_validate({"name": name})
        assert section.settings() == settings_of(cls)
        assert make(name, section.settings()) == cls()
        assert set(cls.cites) <= set(references())
    with pytest.raises(InputError, match=r"a sampler must be one of .*'heat-bath'.*got 'heat'"):
        make("heat", {})


def test_every_system_with_an_action_can_be_named():
    values = {"beta": 0.4, "kappa": 0.2, "lam": 0.1, "m2": 0.5}
    for name, system in target_systems().items():
        about = system.parameters.get("convention")
        for convention in about.choices if about else [None]:
            wanted = system.couplings(convention)
            target = {"name": name, "L": 4} | {k: values[k] for k in wanted if k in values}
            if convention:
                target["convention"] = convention
            config = config_from_dict({"target": target, "sampler": {"name": "hmc"}})
            (point,) = Scan(config).places()
            assert point.target.event_shape == (4, 4)
            for coupling in target.keys() & values:
                assert point.target.couplings[coupling] == values[coupling]


SECTIONS = {"target": TargetSection, "sampler": SamplerSection}


@pytest.mark.parametrize("name", ["ising_criticality", "phi4_phase_diagram"])
def test_the_shipped_config_is_valid_and_its_remarks_tell_the_defaults(name):
    """Every `# key = value` of the shipped config is a default of its section."""
    path = shipped.find_workflow(name) / "config.toml"
    config = load_config(path)
    assert isinstance(config, Config)
    section, told = "", 0
    for line in path.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        if not re.match(r"# \w+ = ", line) or "file" in line:
            continue
        try:
            ((key, value),) = tomllib.loads(line[2:]).items()
        except tomllib.TOMLDecodeError:  # a formula
            continue
        told += 1
        if section == "sampler":
            assert any(getattr(s, key, None) == value for s in config.sampler), line
        elif section == "target":
            assert getattr(config.target, key) == [value], line
        else:
            fields = {f.alias or n: f for n, f in Config.model_fields.items()}
            assert fields[section].default.model_dump()[key] == value, line
    assert told >= 4


def test_every_sampler_of_one_target_can_be_named_in_a_config():
    """A density, a ladder of temperatures or particles are no settings that a table can hold."""
    from physgen import samplers

    classes = {n for n in samplers.__all__ if hasattr(getattr(samplers, n), "bind")}
    assert classes - {cls.__name__ for cls in methods().values()} == {
        "Alternating",
        "Independence",
        "ParallelTempering",
        "SelfLearning",
        "TrajectoryTempering",
    }


@pytest.mark.parametrize("section", ["train", "importance"])
def test_a_section_of_models_needs_one(section):
    table = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "sampler": {"name": "auto"}}
    assert config_from_dict(table).labels == ["mcmc"]
    with pytest.raises(InputError, match=rf"\[{section}\] belongs beside a \[\[model\]\]"):
        config_from_dict({**table, section: {}})


def test_a_model_has_its_own_training_before_the_common_one():
    table = {
        "target": {"name": "ising-2d", "L": 4, "beta": 0.4},
        "sampler": {"name": "auto"},
        "model": [
            {"label": "a"},
            {"label": "b", "train": {"n_epochs": 3, "on": "configurations"}},
        ],
        "train": {"budget": "5s", "learning_rate": 0.1},
    }
    config = config_from_dict(table)
    a, b = (model.train for model in config.model)
    assert (a.budget, a.n_epochs, a.on, a.learning_rate) == ("5s", None, "auto", 0.1)
    assert (b.budget, b.n_epochs, b.on, b.learning_rate) == (None, 3, "configurations", 0.1)
    assert config.labels == ["mcmc", "a", "b", "smc"]
    without = {key: value for key, value in table.items() if key != "sampler"}
    with pytest.raises(InputError, match="needs configurations, which the first"):
        config_from_dict(without)
    with pytest.raises(InputError, match=r"must have a .*sampler.* or a .*model"):
        config_from_dict({"target": table["target"]})


def test_how_often_to_checkpoint_does_not_identify_a_run():
    table = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "model": {}}
    often = {**table, "train": {"checkpoint_every": 1.0}, "sample": {"checkpoint_every": 1.0}}
    one, two = config_from_dict(table).canonical(), config_from_dict(often).canonical()
    assert one == two
    assert config_from_dict({**table, "train": {"n_epochs": 3}}).canonical() != one


def test_how_kernels_are_launched_does_not_identify_a_run():
    table = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "model": {}}
    graphs = {"device": "cuda", "cuda_graphs": True}
    plain = config_from_dict({**table, "train": {"device": "cuda"}})
    replayed = config_from_dict({**table, "train": graphs})
    assert plain.canonical() == replayed.canonical()
    assert replayed.model[0].train.cuda_graphs
    for other in ({"device": "cpu"}, {"shards": 2}):
        with pytest.raises(InputError, match="cuda_graphs needs a CUDA device and shards = 1"):
            config_from_dict({**table, "train": graphs | other})


@pytest.mark.parametrize(
    ("on", "objective"), [("action", "forward-kl"), ("configurations", "reverse-kl")]
)
def test_a_source_that_the_objective_would_ignore_is_refused(on, objective):
    table = {"target": {"name": "ising-2d", "L": 4, "beta": 0.4}, "sampler": {"name": "auto"}}
    train = {"on": on, "objective": objective}
    with pytest.raises(InputError, match=f"{objective}' does not learn on '{on}'"):
        config_from_dict({**table, "model": {}, "train": train})
    assert config_from_dict({**table, "model": {}, "train": {"objective": objective}})
