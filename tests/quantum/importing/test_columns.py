"""Basis and result by turns, and tables with named columns."""

import numpy as np
import pytest
from helpers.shots import drawn, lines, strings, words

from physgen.core.errors import InputError
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


def test_basis_and_result_by_turns(tmp_path, shots):
    bases, bits = shots
    spins = 1 - 2 * bits
    rows = list(zip(words(bases), bits, spins))
    files = {
        "signs": [" ".join(f"{b}{'+-'[x]}" for b, x in zip(w, r)) for w, r, _ in rows],
        "close": ["".join(f"{b}{'+-'[x]}" for b, x in zip(w, r)) for w, r, _ in rows],
        "shadow": [" ".join(f"{b} {s}" for b, s in zip(w, t)) for w, _, t in rows],
        "commas": [",".join(f"{b.lower()},{x}" for b, x in zip(w, r)) for w, r, _ in rows],
        "bits": [" ".join(f"{b}{x}" for b, x in zip(w, r)) for w, r, _ in rows],
    }
    for name, text in files.items():
        data = import_measurements(lines(tmp_path / f"{name}.txt", text))
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits, name)
        data = import_measurements(tmp_path / f"{name}.txt", reverse=True)
        np.testing.assert_array_equal(data.outcomes, (bases + 3 * bits)[:, ::-1], name)
    np.save(tmp_path / "a.npy", np.array([row.split() for row in files["signs"]]))
    data = import_measurements(tmp_path / "a.npy")
    np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)
    bad = [*files["signs"][:20], "X+ Z", *files["signs"][20:]]
    with pytest.raises(InputError, match=r"pairs of a basis .* got line 21 of bad\.txt: 'X"):
        import_measurements(lines(tmp_path / "bad.txt", bad))
    up = import_measurements(tmp_path / "bits.txt", bit_one="up")
    np.testing.assert_array_equal(up.outcomes, bases + 3 * (1 - bits))
    first = [f"{x} {w}" for w, x in zip(words(bases), strings(bits))]
    data = import_measurements(lines(tmp_path / "first.txt", first))
    np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)


def test_named_columns(tmp_path, shots):
    bases, bits = shots
    pairs = list(zip(words(bases), strings(bits)))
    rows = {
        "a": ["shot,basis,bits", *(f"{k},{w},{x}" for k, (w, x) in enumerate(pairs))],
        "b": ["basis bits", *(f"{w} {x}" for w, x in pairs)],
        "c": ["time;Bit String;Measurement Basis", *(f"0.5;{x};{w}" for w, x in pairs)],
        "d": [
            "basis_0,basis_1,basis_2,bit_0,bit_1,bit_2",
            *(",".join(w) + "," + ",".join(x) for w, x in pairs),
        ],
        "e": [
            "bit_2,basis_0,bit_0,basis_1,bit_1,basis_2",
            *(f"{x[2]},{w[0]},{x[0]},{w[1]},{x[1]},{w[2]}" for w, x in pairs),
        ],
    }
    for name, text in rows.items():
        data = import_measurements(lines(tmp_path / f"{name}.csv", text))
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits, name)
    assert import_measurements(tmp_path / "a.csv").attrs["left_aside"] == "shot"
    bad = ["shot,bits,temperature", *(f"{k},{x},0.1" for k, (_, x) in enumerate(pairs))]
    path = lines(tmp_path / "bad.csv", bad)
    with pytest.raises(InputError, match="got temperature; rename it, or leave it aside"):
        import_measurements(path)
    data = import_measurements(path, ignore=["temperature"])
    np.testing.assert_array_equal(data.outcomes, bits)
    assert data.attrs["left_aside"] == "temperature, shot"
    bad[5] = "4,010"
    with pytest.raises(InputError, match=r"3 columns like the header, and not 2, got line 6"):
        import_measurements(lines(tmp_path / "bad.csv", bad))
    bad = ["shot,basis,bits", "0,XZY,010", "1,XQY,010", "2,XYZ,111"]
    with pytest.raises(InputError, match="bases must be letters X, Y, Z"):
        import_measurements(lines(tmp_path / "bad.csv", bad))
    bad = ["shot,basis,bits", "0,XZY,010", "1,XZY,01", "2,XYZ,111"]
    with pytest.raises(InputError, match=r"results must have 3 values .* got line 3 of bad\.csv"):
        import_measurements(lines(tmp_path / "bad.csv", bad))
