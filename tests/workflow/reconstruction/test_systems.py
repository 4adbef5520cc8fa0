"""[system] names any Hamiltonian of the catalogue: its keys, its errors, and a run of it."""

import json

import numpy as np
import pytest

from physgen.catalogue import load_system
from physgen.core.errors import InputError
from physgen.quantum import MPS, TFIM, XXZ, MeasurementData
from physgen.results import config_hash, open_run
from physgen.workflow.loading import config_from_dict, config_of_run
from physgen.workflow.reconstruction.inputs import check
from physgen.workflow.reconstruction.job import JOB
from physgen.workflow.reconstruction.symmetries import check_state_symmetries
from physgen.workflow.run import run as run_job

# Before there was any other system than tfim-1d.
OLD = {
    "c72bcfa015d53e417ab51fb0ba42faa896f5688fdf4095b125a9a148d65402da": {"system": {"L": 4}},
    "f88492bd08ce5fd7b356989d48af5e7edbc11fb19bbb179a952a8b1be6e66988": {
        "seed": 3,
        "system": {"L": 50, "J": -1, "h": -1.0, "boundary": "periodic", "name": "tfim-1d"},
        "model": [
            {"family": "lstm", "symmetries": ["reflection"]},
            {"family": "mps", "parity": "X"},
        ],
    },
}


@pytest.mark.parametrize("digest", OLD)
def test_configs_of_the_ising_chain_are_the_runs_they_were(digest):
    config = config_from_dict(OLD[digest])
    assert config_hash(config.canonical()) == digest
    assert list(config.canonical()["system"]) == ["name", "L", "J", "h", "boundary"]


SYSTEMS = [
    {"name": "xxz-1d", "L": 6, "Delta": 0.5},
    {"name": "ising-ladder", "rungs": 3, "J_rung": 2},
    {"name": "tfim-2d", "Lx": 3, "Ly": 3, "boundary": "cylinder", "order": "snake"},
    {"name": "pauli", "L": 4, "terms": "sum XX - 0.5 Z"},
]


@pytest.mark.parametrize("system", SYSTEMS, ids=lambda s: s["name"])
def test_a_system_is_named_with_its_parameters(system):
    config = config_from_dict({"system": system})
    given = {k: v for k, v in system.items() if k != "name"}
    assert config.system.hamiltonian() == load_system(system["name"]).hamiltonian(**given)
    stored = {"config": json.dumps(config.canonical()), "files": "{}"}
    assert config_of_run(stored) == config
    other = config_from_dict({"system": system | {"boundary": "open"}, "seed": 1})
    same = config.system.boundary == "open"
    assert (config_hash(other.canonical()) == config_hash(config.canonical())) == same
    check(config)


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (
            {"name": "xxz-1d", "L": 6, "delta": 1},
            "[system] delta is not a known key; did you mean",
        ),
        (
            {"name": "xxz-1d", "L": 6, "rungs": 3},
            "[system] rungs is no parameter of xxz-1d, which",
        ),
        (
            {"L": 6, "Delta": 3},
            "[system] Delta is no parameter of tfim-1d, which takes L, J, h, b",
        ),
        ({"name": "xxz-1d"}, "[system] L must be given as an integer >= 2 (the number of sites)"),
        ({"name": "xxz-1d", "L": 6.0}, "[system] L must be an integer >= 2 (the number of sites)"),
        ({"name": "xxz-1d", "L": 6, "h": True}, "[system] h must be a finite number, got True"),
        ({"name": "xxz-1d", "L": 2, "boundary": "periodic"}, "[system] L must be an integer >= 3"),
        ({"name": "xxz-1d", "L": 4, "J": 0}, "[system] J, Delta and h must not all be 0; every"),
        ({"name": "pauli", "L": 4, "terms": "1"}, "[system] terms must act on a site; every"),
        ({"name": "pauli", "L": 4}, "[system] terms must be given as a text (terms of H, such"),
        ({"name": "pauli", "L": 4, "terms": 3}, "[system] terms must be a text (terms of H"),
        ({"name": "pauli", "L": 4, "terms": "Q0"}, "[system] an operator must be text such"),
        (
            {"name": "ising-2d", "L": 4},
            "[system] name must be a system with a Hamiltonian, one of",
        ),
        (
            {"name": "xzx-1d", "L": 4},
            "[system] name must be one of 'ising-ladder', 'pauli', 'tfim",
        ),
        ({"name": 3, "L": 4}, "[system] name must be one of"),
    ],
    ids=str,
)
def test_what_is_no_system_is_refused_in_one_line(system, message):
    with pytest.raises(InputError) as error:
        config_from_dict({"system": system})
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


XXZ6 = {"name": "xxz-1d", "L": 6}
ODD_Y = {"name": "pauli", "L": 4, "terms": "sum XY + 0.3 Z"}


@pytest.mark.parametrize(
    ("system", "model", "message"),
    [
        (
            XXZ6 | {"h": 0.5},
            {"symmetries": ["z2"]},
            "got 'z2', but H does not commute with prod X",
        ),
        (XXZ6, {"symmetries": ["translation"]}, "H does not go into itself by i -> i"),
        (ODD_Y, {"symmetries": ["reflection"]}, "H is not its own mirror image"),
        (ODD_Y, {"symmetries": ["y-flip"]}, "H is not real in the basis of Z"),
        ({"L": 4}, {"family": "mps", "parity": "-Z"}, "H does not commute with prod Z"),
        (XXZ6 | {"h": 0.5}, {"family": "mps", "parity": "X"}, "got 'X', but H does not commute"),
    ],
    ids=str,
)
def test_a_symmetry_that_h_has_not_is_refused(system, model, message):
    config = config_from_dict({"system": system, "model": model, "data": {"povm": "pauli-6"}})
    with pytest.raises(InputError, match=r"\[model\] (symmetries|parity) must be") as error:
        check(config)
    assert message in str(error.value)


def test_symmetries_that_h_has_are_taken():
    ring = XXZ6 | {"boundary": "periodic"}
    for name in ("z2", "translation", "reflection", "y-flip"):
        model = {"symmetries": [name]}
        check(config_from_dict({"system": ring, "model": model, "data": {"povm": "pauli-6"}}))


def test_the_parity_of_the_state_itself_is_seen():
    from physgen.quantum import ground_state

    def models(**model):
        return config_from_dict({"system": XXZ6, "model": model}).model

    odd = ground_state(XXZ(5))  # sum Z = 1: H commutes with prod X, the state has no parity
    with pytest.raises(InputError, match=r"got 'z2', but the state has no definite parity"):
        check_state_symmetries(models(symmetries=["z2"]), odd)
    even = ground_state(XXZ(6))  # three singlets: prod X = -1
    check_state_symmetries(models(symmetries=["z2"]), even)
    check_state_symmetries(models(family="mps", parity="-X"), even)
    with pytest.raises(InputError, match=r"got 'X', but <prod X> = -1.000; write '-X'"):
        check_state_symmetries(models(family="mps", parity="X"), even)
    with pytest.raises(InputError, match=r"got 'Z', but <prod Z> = 0.256; remove it"):
        check_state_symmetries(models(family="mps", parity="Z"), ground_state(TFIM(4)))


def test_a_ground_state_that_could_not_be_chosen_is_refused_before_the_run():
    ghosh = "sum XX + YY + ZZ + 0.5 XIX + 0.5 YIY + 0.5 ZIZ"
    system = {"name": "pauli", "L": 6, "terms": ghosh, "boundary": "periodic"}
    with pytest.raises(InputError, match="unique in its sector, got 2"):
        check(config_from_dict({"system": system}))


def test_data_of_another_system_are_refused(tmp_path):
    shots = np.zeros((10, 6), int)
    for name, hamiltonian in (("same", XXZ(6)), ("field", XXZ(6, h=0.1)), ("chain", TFIM(6))):
        MeasurementData(shots, "pauli-4", hamiltonian.attrs()).save(tmp_path / f"{name}.h5")
    told = {"same": None, "field": "h = 0.0, got a file of h = 0.1", "chain": "system = xxz-1d"}
    for name, message in told.items():
        config = config_from_dict({"system": XXZ6, "data": {"file": str(tmp_path / f"{name}.h5")}})
        if message is None:
            check(config)
            continue
        with pytest.raises(InputError, match="must belong to the chain of") as error:
            check(config)
        assert message in str(error.value)


RUN = {
    "system": XXZ6,
    "data": {"povm": "tetrahedral", "n_shots": 3000},
    "model": {"family": "mps", "bond": 8},
    "errors": {"refits": 0},
    "tomography": {"max_sites": 0},
    "sample": {"n_samples": 1000},
    "validate": {"n_samples": 1000},
}


def test_a_run_from_end_to_end(tmp_path):
    out = tmp_path / "run"
    run_job(config_from_dict(RUN), out)
    tree = open_run(out)
    exact = load_system("xxz-1d").reference("ground_state_energy", L=6).value
    assert float(tree["observables/exact"].energy) == pytest.approx(exact, abs=1e-10)
    for source in ("data", "model"):
        found = tree[f"observables/{source}"]
        assert found.energy.attrs["units"] == "unit of J and h"
        assert found.attrs["system"] == "xxz-1d"
    data = tree["observables/data"]
    assert abs(float(data.energy) - exact) < 4 * float(data.energy_error) < 4
    # the energy of the model is that of its state, term by term
    assert exact - 1e-9 < float(tree["observables/model"].energy) < exact + 1
    state = tree["state"]
    assert state.attrs["energy"] == pytest.approx(exact, abs=1e-9)
    assert state.attrs["energy_variance"] < 1e-9
    assert (state.attrs["sector"], state.attrs["degeneracy"]) == ("sum Z = 0", 1)
    assert MPS.from_dataset(state.to_dataset()).attrs["system"] == "xxz-1d"
    told = JOB.summarize(tree, config_from_dict(RUN))
    assert told.title.startswith("XXZ chain, L = 6, J = 1, Delta = 1, h = 0, boundary = open; 3,")
    assert not [w for w in told.warnings if "ground" in w]
    assert tree["observables/exact"].attrs["exactness"] == tree["state"].attrs["exactness"]
    assert tree["state"].attrs["exactness"] == "exact"  # diagonalised
    assert not any("DMRG" in note for note in told.notes)
    again = MeasurementData.load(out / "run.h5")
    assert again.hamiltonian.pauli_sum() == XXZ(6).pauli_sum()
    assert "XXZ chain" in (out / "report.html").read_text()
    assert "free-fermions" not in str(tree.attrs)


def test_a_state_of_dmrg_says_how_far_it_may_be(tmp_path):
    out = tmp_path / "run"
    table = RUN | {"state": {"chi_max": 7}, "data": {"n_shots": 100}, "model": {"family": "mps"}}
    run_job(config_from_dict(table), out, until="generate")
    state = open_run(out)["state"].to_dataset()
    assert (state.attrs["exactness"], state.attrs["converged"]) == ("approximate", 1)
    assert 0 < state.attrs["energy_error"] < state.attrs["energy_variance"] ** 0.5 < 0.2
    told = JOB.summarize(open_run(out), config_from_dict(table))
    assert any("not quite a ground state: <H^2> - <H>^2 = " in line for line in told.warnings)
    assert "dmrg" in str(open_run(out).attrs)


def test_a_level_of_two_states_is_told(tmp_path):
    out = tmp_path / "run"
    table = RUN | {"system": {"name": "xxz-1d", "L": 3}}
    run_job(config_from_dict(table), out, until="validate")
    told = JOB.summarize(open_run(out), config_from_dict(table)).warnings
    assert any("has 2 states: measured is the one with sum Z = 1" in line for line in told)
