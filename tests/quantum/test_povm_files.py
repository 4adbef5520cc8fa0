"""POVMs of a user: from arrays and files, and the orders of other programs."""

import h5py
import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.quantum import POVM, Born, MeasurementData, load_povm, outcome_table, povm, save_povm
from physgen.quantum.states import random_mps

SIC = povm("tetrahedral").elements
TURN = np.array([[1, 1], [1j, -1j]]) / np.sqrt(2)  # unitary, complex
MINE = POVM.from_elements("mine", TURN @ SIC @ TURN.conj().T, ("a", "b", "c", "d"))


def test_from_elements_names_the_outcomes():
    assert POVM.from_elements("mine", SIC).outcomes == ("0", "1", "2", "3")
    with pytest.raises(InputError, match=r"shape \(K, 2, 2\), got \(2, 2\)"):
        POVM.from_elements("mine", np.eye(2))
    with pytest.raises(InputError, match="sum to the identity"):
        POVM.from_elements("mine", SIC / 2)


def test_npz_keeps_everything(tmp_path):
    save_povm(MINE, tmp_path / "lab.npz")
    read = povm(str(tmp_path / "lab.npz"))
    assert (read.name, read.outcomes) == ("mine", ("a", "b", "c", "d"))
    np.testing.assert_array_equal(read.elements, MINE.elements)
    state = random_mps(3, 2, 1)
    x = Born(state, MINE).sample(50, 1)
    np.testing.assert_array_equal(Born(state, str(tmp_path / "lab.npz")).sample(50, 1), x)
    with pytest.raises(InputError, match=r"saved as \.npz"):
        save_povm(MINE, tmp_path / "lab.h5")


def test_a_changed_file_is_read_anew(tmp_path):
    path = str(tmp_path / "lab.npz")
    save_povm(MINE, path)
    assert povm(path).K == 4
    save_povm(povm("trine"), path)
    assert povm(path).K == 3


def test_npy_and_hdf5(tmp_path):
    np.save(tmp_path / "sic.npy", SIC)
    assert load_povm(tmp_path / "sic.npy").name == "sic"
    with h5py.File(tmp_path / "lab.h5", "w") as file:
        file["elements"], file["outcomes"] = MINE.elements, list(MINE.outcomes)
        file["name"] = "mine"
    with h5py.File(tmp_path / "attrs.hdf5", "w") as file:
        file["elements"] = MINE.elements
        file.attrs["outcomes"], file.attrs["name"] = list(MINE.outcomes), "mine"
    MeasurementData([[0, 1, 3]], MINE).save(tmp_path / "data.h5")
    for name in ("lab.h5", "attrs.hdf5", "data.h5"):
        read = load_povm(tmp_path / name)
        assert (read.name, read.outcomes) == ("mine", ("a", "b", "c", "d"))
        assert read.matches(MINE)


def test_bad_files(tmp_path):
    np.save(tmp_path / "half.npy", SIC / 2)
    with pytest.raises(InputError, match=r"sum to the identity, got 0\.5 off; in .*half\.npy"):
        povm(str(tmp_path / "half.npy"))
    np.savez(tmp_path / "other.npz", shots=np.zeros(3))
    with pytest.raises(InputError, match=r"must hold elements .*, got shots in"):
        load_povm(tmp_path / "other.npz")
    for name in ("absent.npz", "absent.h5"):
        with pytest.raises(InputError, match="absent"):
            povm(str(tmp_path / name))
    with pytest.raises(InputError, match=r"must be \.npz, \.npy, \.h5 or \.hdf5, got povm\.txt"):
        load_povm(tmp_path / "povm.txt")
    with pytest.raises(InputError, match=r"one of 'pauli-4'.*or a file"):
        povm("povm.txt")


def test_orders_of_other_programs():
    """A file's element a is ours at table[a]: element by element, not label by label."""
    spin = [[0, 0, 1], [0, 0, -1], [1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0]]
    z, x, y = spin[:2], spin[2:4], spin[4:]
    pauli = np.array([[[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])
    theirs = [(np.eye(2) + np.tensordot(v, pauli, axes=1)) / 6 for v in (*x, *y, *z)]
    table = outcome_table("pauli-6", "povm-genmodel")
    np.testing.assert_allclose(povm("pauli-6").elements[table], theirs, atol=1e-15)
    # AQT: outcome = 3 bit + setting, settings Z, X, Y
    aqt = [basis[bit] for bit in (0, 1) for basis in (z, x, y)]
    theirs = [(np.eye(2) + np.tensordot(v, pauli, axes=1)) / 6 for v in aqt]
    table = outcome_table("pauli-6", "aqt")
    np.testing.assert_allclose(povm("pauli-6").elements[table], theirs, atol=1e-15)
    assert outcome_table("computational", "spins").tolist() == [1, 0]
    assert outcome_table(MINE, ("d", "c", "b", "a")).tolist() == [3, 2, 1, 0]
    assert outcome_table("tetrahedral", "physgen").tolist() == [0, 1, 2, 3]
    with pytest.raises(InputError, match="must be one of aqt, physgen, povm-genmodel"):
        outcome_table("pauli-6", "qiskit")
    with pytest.raises(InputError, match="must name each of Z\\+"):
        outcome_table("pauli-6", ("Z+", "Z-"))
