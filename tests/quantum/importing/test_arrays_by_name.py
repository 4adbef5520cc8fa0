"""Files of several arrays: each is used, or named."""

import h5py
import numpy as np
import pytest
from helpers.shots import L, N, drawn, lines, same_shots, save, strings, words

from physgen.core.errors import InputError
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


NAMES = [("bits", "recipes"), ("samples", "settings"), ("measurements", "paulis"), ("q", "basis")]


@pytest.mark.parametrize(("name", "other"), NAMES)
@pytest.mark.parametrize("format", [None, "bits"])
def test_every_array_of_a_file_is_used(tmp_path, shots, name, other, format):
    bases, bits = shots
    letters = np.array(list("ZXY"))[bases]
    np.savez(tmp_path / "a.npz", **{other: letters, name: bits, "shot": np.arange(N), "L": L})
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file[f"run/{name}"], file[f"run/{other}"] = bits, letters.astype("S1")
        file["run/time"], file["run/J"] = np.arange(1.0 * N), 0.5
    whole = np.array(words(bases))
    np.savez(tmp_path / "w.npz", **{other: whole, name: strings(bits)})
    fields = np.zeros(N, [(name, "i1", L), (other, "U1", L)])
    fields[name], fields[other] = bits, letters
    np.save(tmp_path / "a.npy", fields)
    for file in ("a.npz", "a.h5", "w.npz", "a.npy"):
        data = import_measurements(tmp_path / file, format=format)
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)
    told = import_measurements(tmp_path / "a.npz").attrs["left_aside"]
    assert set(told.split(", ")) == {"L", "shot"}
    with pytest.raises(InputError, match="bases must not be given for a file that holds bases"):
        import_measurements(tmp_path / "a.npz", bases="Z")


def test_arrays_that_nobody_understands_are_named(tmp_path, shots):
    bases, bits = shots
    for name in ("mask", "angles", "unitaries", "bits2", "qubit_order", "povm"):
        np.savez(tmp_path / "a.npz", **{"bits": bits, name: bases})
        with pytest.raises(InputError, match=rf"got .*{name}; .*--ignore") as error:
            import_measurements(tmp_path / "a.npz", format="bits")
        assert "\n" not in str(error.value)
        data = import_measurements(tmp_path / "a.npz", format="bits", ignore=name)
        np.testing.assert_array_equal(data.outcomes, bits)
        assert data.attrs["left_aside"] == name
    with pytest.raises(InputError, match=r"ignore must name what a\.npz holds"):
        import_measurements(tmp_path / "a.npz", format="bits", ignore=["masks"])
    np.savez(tmp_path / "a.npz", bits=bits, order=np.array("XYZ"))
    with pytest.raises(InputError, match="got order; rename it"):
        import_measurements(tmp_path / "a.npz", format="bits")
    np.savez(tmp_path / "a.npz", outcomes=bases + 3 * bits, bases=np.array(list("ZXY"))[bases])
    with pytest.raises(InputError, match="bases must not stand beside integers"):
        import_measurements(tmp_path / "a.npz", povm="pauli-6", format="integers")
    np.save(tmp_path / "stack.npy", np.stack([bits, bases]))
    with pytest.raises(InputError, match=r"np\.savez\(FILE, bits=\.\.\., bases=\.\.\.\)"):
        import_measurements(tmp_path / "stack.npy", format="bits")


def test_what_nobody_can_tell_is_asked(tmp_path, shots):
    bases, bits = shots
    path = lines(tmp_path / "ones.txt", ["Z 1 X 1"] * 9)  # bits 1, or eigenvalues +1
    with pytest.raises(InputError, match="may be bits or eigenvalues"):
        import_measurements(path)
    data = import_measurements(path, format="bits")
    np.testing.assert_array_equal(data.outcomes[0], [3, 4])
    np.savez(tmp_path / "unnamed.npz", bits[:, 0], bases[:, 0])  # no sites, though numbered
    with pytest.raises(InputError, match="got arr_0, arr_1"):
        import_measurements(tmp_path / "unnamed.npz", format="bits")
    path = lines(tmp_path / "counts.txt", ["ZXY 010 5", "ZXX 011 6"])
    with pytest.raises(InputError, match=r"--format\) counts"):
        import_measurements(path)
    with h5py.File(tmp_path / "scalar.h5", "w") as file:
        file["bits"], file["bases"] = bits, "ZXY"
    with pytest.raises(InputError, match=r"bases of scalar\.h5 must have a row a shot"):
        import_measurements(tmp_path / "scalar.h5")
    np.savez(tmp_path / "one.npz", bits=bits, bases=np.array("ZXY"))  # of all shots
    assert import_measurements(tmp_path / "one.npz").setting_table.names == ["ZXY"]
    total = save(tmp_path / "t.json", '{"ZZ": {"00": 3}, "XX": {"00": 5, "11": 4}, "shots": 12}')
    assert same_shots(import_measurements(total), [[0, 0]] * 3 + [[1, 1]] * 5 + [[4, 4]] * 4)
    for text in ("Z X Y | 0 1 0", "ZXY:010"):
        data = import_measurements(lines(tmp_path / "bar.txt", [text] * 9))
        np.testing.assert_array_equal(data.outcomes[0], [0, 4, 2])
