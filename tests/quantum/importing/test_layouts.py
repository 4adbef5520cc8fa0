"""Line ends, headers, transposed arrays, broken lines, chains of any length."""

import json

import numpy as np
import pytest
from helpers.shots import drawn, histogram, lines, same_shots, save, strings, words

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


def test_transposed_arrays_are_asked_about(tmp_path, shots):
    bases, bits = shots
    six = bases + 3 * bits
    np.save(tmp_path / "a.npy", six.T)
    with pytest.raises(InputError, match=r"got 3 shots of 900 sites in a.npy: is it transposed"):
        import_measurements(tmp_path / "a.npy", povm="pauli-6")
    data = import_measurements(tmp_path / "a.npy", povm="pauli-6", n_sites=3)
    np.testing.assert_array_equal(data.outcomes, six)
    assert "transposed" in data.attrs["orientation"]
    assert import_measurements(tmp_path / "a.npy", povm="pauli-6", n_sites=900).n == 3
    with pytest.raises(InputError, match=r"n_sites must be the 900 sites of a\.npy, got 7"):
        import_measurements(tmp_path / "a.npy", povm="pauli-6", n_sites=7)
    np.savez(tmp_path / "a.npz", bits=bits.T, bases=np.array(list("ZXY"))[bases].T)
    data = import_measurements(tmp_path / "a.npz", n_sites=3)
    np.testing.assert_array_equal(data.outcomes, six)
    np.savetxt(tmp_path / "a.txt", six.T, fmt="%d")
    with pytest.raises(InputError, match="got 3 shots of 900 sites"):
        import_measurements(tmp_path / "a.txt", povm="pauli-6")


def test_line_ends_and_encodings(tmp_path, shots):
    bases, bits = shots
    rows = [f"{w} {x}" for w, x in zip(words(bases), strings(bits))]
    for name, raw in {
        "cr": "\r".join(rows).encode(),
        "crlf": "\r\n".join(rows).encode(),
        "bom": b"\xef\xbb\xbf" + "\n".join(rows).encode(),
        "bom_cr": b"\xef\xbb\xbf" + "\r".join(rows).encode(),
        "utf16": "\r\n".join(rows).encode("utf-16"),
    }.items():
        path = tmp_path / f"{name}.txt"
        path.write_bytes(raw)
        data = import_measurements(path)
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits, name)
    counts = tmp_path / "bom.json"
    counts.write_bytes(b"\xef\xbb\xbf" + json.dumps(histogram(strings(bits))).encode())
    assert same_shots(import_measurements(counts), bits)


FIRST = {
    "XZY 0-0": "values must be .* got line 1 of a.txt: 'XZY 0-0'",
    "XZQ 010": "got line 1 of a.txt: 'XZQ 010'",
    "HZZ 110": "got line 1 of a.txt: 'HZZ 110'",
    "XZY O10": "got line 1 of a.txt: 'XZY O10'",
    "XZY 01": "6 values like most, and not 5, got line 1",
    "XZY": "6 values like most, and not 3, got line 1",
    "XZY 010 1": "6 values like most, and not 7, got line 1",
    "XZYX 0101": "6 values like most, and not 8, got line 1",
    "010": "6 values like most, and not 3, got line 1",
    "abc def": "got line 1 of a.txt: 'abc def'",
}


@pytest.mark.parametrize("line", FIRST)
@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_broken_line_is_named_wherever_it_stands(tmp_path, line, place):
    rows = ["XZZ 010", "XXZ 001", "ZZY 111", "YXZ 011"]
    rows.insert(place - 1, line)
    with pytest.raises(InputError) as error:
        import_measurements(lines(tmp_path / "a.txt", rows))
    assert f"got line {place} of a.txt: {line!r}" in str(error.value)


@pytest.mark.parametrize("line", ["0-0", "01", "O10", "0110", "0 1 0 1", "l01", "?10"])
def test_a_broken_line_of_bits_is_named(tmp_path, line):
    for place in (1, 2):
        rows = ["010", "001", "111", "011"]
        rows.insert(place - 1, line)
        with pytest.raises(InputError) as error:
            import_measurements(lines(tmp_path / "a.txt", rows), format="bits")
        assert f"got line {place} of a.txt: {line!r}" in str(error.value)


def test_a_header_is_said(tmp_path):
    data = import_measurements(lines(tmp_path / "a.csv", ["q0,q1", "0,1", "1,1"]), format="bits")
    assert data.attrs["header"] == "q0, q1"
    for header in ("q0 q2", "site_1 site_0 site_0", "alpha beta"):
        with pytest.raises(InputError):
            import_measurements(lines(tmp_path / "a.txt", [header, "0 1", "1 1"]), format="bits")
    data = import_measurements(lines(tmp_path / "b.txt", ["q1 q0", "0 1", "0 1"]), format="bits")
    np.testing.assert_array_equal(data.outcomes, [[1, 0], [1, 0]])  # by their numbers


@pytest.mark.parametrize("L", [646, 647, 1000])
def test_chains_of_any_length(tmp_path, L):
    rng = Stream(L).numpy()
    x = rng.integers(0, 6, (1200, L)).astype(np.uint8)
    np.save(tmp_path / "a.npy", x)
    data = import_measurements(tmp_path / "a.npy", povm="pauli-6")
    assert data.settings is None
    x[1:] = x[1:] // 3 * 3 + x[0] % 3  # one setting
    np.save(tmp_path / "a.npy", x)
    assert len(import_measurements(tmp_path / "a.npy", povm="pauli-6").setting_table) == 1


def test_one_qubit(tmp_path):
    rows = ["Z 0", "X 1", "Y 0", "X 0"] * 20
    data = import_measurements(lines(tmp_path / "a.txt", rows))
    np.testing.assert_array_equal(data.outcomes[:4], [[0], [4], [2], [1]])
    for text in (["X+", "Z-"] * 9, ["X 1", "Z -1"] * 9):
        data = import_measurements(lines(tmp_path / "a.txt", text))
        np.testing.assert_array_equal(data.outcomes[:2], [[1], [3]])
    counts = save(tmp_path / "a.json", '{"0": 3, "1": 5}')
    assert same_shots(import_measurements(counts), [[0]] * 3 + [[1]] * 5)
    np.save(tmp_path / "a.npy", np.array([0, 5, 3, 1]))
    with pytest.raises(InputError, match=r"a single site is n_sites \(--n-sites\) 1"):
        import_measurements(tmp_path / "a.npy", povm="pauli-6")
    data = import_measurements(tmp_path / "a.npy", povm="pauli-6", n_sites=1)
    np.testing.assert_array_equal(data.outcomes[:, 0], [0, 5, 3, 1])
