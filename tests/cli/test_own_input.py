"""A user's own outcomes, and a user's own state, take the place of the ground state's."""

import shutil

import numpy as np
import pytest
from helpers.marks import slow
from helpers.statistics import within

from physgen import MPS, TFIM, Born, MeasurementData, ground_state
from physgen.cli import main
from physgen.results import open_run

TOY_TRAINING = """
[model]
hidden = 8
[train]
n_epochs = 3
batch_size = 32
[sample]
n_samples = 400
[validate]
n_samples = 200
[errors]
refits = 2
n_samples = 200
[tomography]
max_sites = 0
"""


def run(folder, text, *argv):
    (folder / "config.toml").write_text(text + TOY_TRAINING)
    command = ["run", str(folder / "config.toml"), "--out", str(folder / "run"), *argv]
    assert main(command) == 0
    return open_run(folder / "run")


@pytest.fixture(scope="module")
def chain():
    return TFIM(L=4)


@pytest.fixture(scope="module")
def shots(chain):
    return Born(ground_state(chain, chi_max=4), "pauli-6").sample(300, rng=3)


@pytest.mark.slow
def test_outcomes_of_unknown_origin_give_held_out_likelihood_and_no_energy(
    tmp_path, shots, chain, capsys
):
    MeasurementData(shots, "pauli-6").save(tmp_path / "lab.h5")
    tree = run(tmp_path, '[data]\nfile = "lab.h5"\nn_shots = 250\n')
    np.testing.assert_array_equal(tree["data"]["outcomes"], shots[:250])
    np.testing.assert_array_equal(tree["held_out"]["outcomes"], shots[250:])
    assert "state" not in tree.children
    assert "fidelity" not in tree["validation"]
    assert 0.5 < float(tree["validation"]["nll"]) < np.log(6) + 0.5
    assert float(tree["validation"]["nll_error"]) > 0
    assert set(tree["observables"].children) == {"data", "model"}
    for source in ("data", "model"):
        assert "energy" not in tree["observables"][source]
        assert not chain.attrs().keys() & tree["observables"][source].attrs.keys()
    out = capsys.readouterr().out
    assert "held-out NLL per site" in out
    assert "F_c" not in out
    assert not (tmp_path / "run" / "figures" / "log_prob.png").exists()


@pytest.mark.slow
def test_without_spare_shots_the_validation_split_is_used_and_said_so(tmp_path, shots):
    np.save(tmp_path / "lab.npy", shots)
    tree = run(tmp_path, '[data]\nfile = "lab.npy"\npovm = "pauli-6"\n')
    assert "optimistic" in tree["validation"]["nll"].attrs["estimator"]
    history = tree["training"].to_dataset()
    (kept,) = np.nonzero(history["step"].values == history.attrs["best_step"])
    kept = history.isel(evaluation=kept.item())
    assert float(tree["validation"]["nll"]) == float(kept["validation_nll"])
    assert float(tree["validation"]["nll_error"]) == float(kept["validation_nll_error"])


@pytest.mark.slow
def test_without_held_out_shots_no_likelihood_is_told(tmp_path, shots, capsys):
    np.save(tmp_path / "lab.npy", shots)
    text = '[data]\nfile = "lab.npy"\npovm = "pauli-6"\n'
    tree = run(tmp_path, text, "--set", "train.validation_fraction=0")
    assert np.isnan(tree["validation"]["nll"])
    out, err = capsys.readouterr()
    assert "no shots held out" in out
    assert err.count("no shots held out") == 2  # by train and by validate
    assert "nan" not in out + err
    assert "no shots held out" in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.parametrize("held_out_by", [slow("n_shots"), slow("validation_fraction")])
def test_one_held_out_shot_has_no_error_bar(tmp_path, shots, held_out_by, capsys):
    np.save(tmp_path / "lab.npy", shots)
    text = '[data]\nfile = "lab.npy"\npovm = "pauli-6"\n'
    override = {"n_shots": "data.n_shots=299", "validation_fraction": "train.validation_fraction="}
    argv = ("--set", override[held_out_by] + ("0.001" if held_out_by[0] == "v" else ""))
    validation = run(tmp_path, text, *argv)["validation"]
    assert np.isfinite(validation["nll"])
    assert np.isnan(validation["nll_error"])
    assert "nan" not in "".join(capsys.readouterr())


@pytest.mark.parametrize("named_in", [slow("config"), slow("file")])
def test_with_a_hamiltonian_the_energy_is_estimated(tmp_path, shots, chain, named_in):
    attrs = chain.attrs() if named_in == "file" else {}
    MeasurementData(shots, "pauli-6", attrs).save(tmp_path / "lab.h5")
    system = "[system]\nL = 4\n" if named_in == "config" else ""
    tree = run(tmp_path, f'{system}[data]\nfile = "lab.h5"\n')
    data = tree["observables/data"]
    exact = chain.ground_state_energy()
    assert within(data["energy"], exact, data["energy_error"], largest=0.6)


def test_a_given_state_is_measured_and_is_the_truth(tmp_path, capsys):
    """All spins up along Z: <Z> = 1 and <ZZ> = 1 exactly, which no ground state here has."""
    up = np.array([1.0, 0.0]).reshape(1, 2, 1)
    MPS([up] * 4).save(tmp_path / "up.npz")
    text = '[system]\nL = 4\nJ = 1.0\nh = 0.5\n[state]\nfile = "up.npz"\n[data]\nn_shots = 300\n'
    tree = run(tmp_path, text)
    exact = tree["observables/exact"]
    np.testing.assert_allclose(exact["z"], 1, atol=1e-12)
    np.testing.assert_allclose(exact["zz"], 1, atol=1e-12)
    assert float(exact["energy"]) == pytest.approx(-3)  # three bonds, <X> = 0
    data = tree["observables/data"]
    assert within(data["z_mean"], 1, data["z_mean_error"], largest=0.13)
    assert tree["state"].attrs["exactness_for"] == "the state, as given in a file"
    assert tree["data"].attrs["state"] == "from up.npz"
    out = " ".join(capsys.readouterr().out.split())
    assert "state from up.npz, L = 4; H of J = 1, h = 0.5, open; 300 pauli-4 shots" in out
    assert "values of the given state itself" in out


@pytest.mark.slow
def test_the_shots_of_another_run_can_be_learned_from(tmp_path, finished):
    shutil.copy(finished / "run.h5", tmp_path / "other.h5")
    tree = run(tmp_path, '[data]\nfile = "other.h5"\n')
    np.testing.assert_array_equal(tree["data"]["outcomes"], open_run(finished)["data"]["outcomes"])


@pytest.mark.slow
def test_a_ring_runs_too(tmp_path):
    tree = run(tmp_path, '[system]\nL = 4\nboundary = "periodic"\n[data]\nn_shots = 300\n')
    exact = float(tree["observables/exact"]["energy"])
    assert exact == pytest.approx(TFIM(L=4, boundary="periodic").ground_state_energy())
