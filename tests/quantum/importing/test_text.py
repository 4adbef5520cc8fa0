"""Text files of shots: every form that laboratories write, and what is said of bad ones."""

import gzip
import time

import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum.importing import import_measurements, text


def shots(K, n=300, L=5, seed=1):
    return Stream(seed).numpy().integers(K, size=(n, L)).astype(np.uint8)


def write(path, rows, between=" ", end="\n"):
    lines = (between.join(map(str, row)) for row in rows)
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize("chunk", [1 << 20, 97])
@pytest.mark.parametrize(
    ("between", "end"), [(" ", "\n"), ("", "\n"), (",", "\r\n"), ("; ", "\n"), ("\t", " \n")]
)
def test_integers_with_any_separator(tmp_path, monkeypatch, between, end, chunk):
    monkeypatch.setattr(text, "CHUNK", chunk)
    x = shots(6)
    data = import_measurements(write(tmp_path / "a.txt", x, between, end), povm="pauli-6")
    np.testing.assert_array_equal(data.outcomes, x)
    assert data.settings is None
    assert data.attrs["source"] == "a.txt"


@pytest.mark.parametrize("chunk", [1 << 20, 61])
def test_lines_that_are_not_alike(tmp_path, monkeypatch, chunk):
    """A byte order mark, a header, comments, empty lines, and no newline at the end."""
    monkeypatch.setattr(text, "CHUNK", chunk)
    x = shots(4, n=9)
    lines = [",".join(map(str, row)) for row in x]
    lines[3:3] = ["", "# the laser was off", "   "]
    lines[7] += "   # doubtful"
    body = "\ufeff# run 12\nsite0,site1,site2,site3,site4\n" + "\n".join(lines)
    (tmp_path / "a.csv").write_text(body, encoding="utf-8")
    data = import_measurements(tmp_path / "a.csv", povm="tetrahedral")
    np.testing.assert_array_equal(data.outcomes, x)
    with gzip.open(tmp_path / "a.txt.gz", "wb") as file:
        file.write(body.encode())
    again = import_measurements(tmp_path / "a.txt.gz", povm="tetrahedral")
    np.testing.assert_array_equal(again.outcomes, x)


@pytest.mark.parametrize("style", ["{:d}", "{:.1f}", "{:.18e}"])
def test_onehot(tmp_path, style):
    x = shots(4, n=50)
    onehot = np.eye(4, dtype=int)[x].reshape(50, -1)
    rows = [[style.format(int(v) if style == "{:d}" else v) for v in row] for row in onehot]
    path = write(tmp_path / "a.txt", rows)
    for how in ({}, {"format": "onehot"}):
        data = import_measurements(path, povm="pauli-4", **how)
        np.testing.assert_array_equal(data.outcomes, x)
    rows[20][5] = style.format(1)
    rows[20][4] = style.format(1)
    with pytest.raises(InputError, match=r"every 4 numbers must be a single 1.*got line 21 of"):
        import_measurements(write(tmp_path / "b.txt", rows), povm="pauli-4", format="onehot")
    with pytest.raises(InputError, match="povm must be given for onehot"):
        import_measurements(path, format="onehot")


def test_spins(tmp_path, monkeypatch):
    bits = shots(2)
    path = write(tmp_path / "a.txt", 1 - 2 * bits.astype(int))
    data = import_measurements(path)
    assert data.povm.name == "computational"
    np.testing.assert_array_equal(data.outcomes, bits)  # +1 is Z+, outcome 0
    with pytest.raises(InputError, match="bit_one must not be given for spins"):
        import_measurements(path, bit_one="up")
    monkeypatch.setattr(text, "CHUNK", 100)  # most of the blocks hold nothing but 1
    ordered = np.sort(bits, axis=0)
    ordered[0, 0] = 1
    data = import_measurements(write(tmp_path / "b.txt", 1 - 2 * ordered.astype(int)))
    np.testing.assert_array_equal(data.outcomes, ordered)
    mixed = 1 - 2 * bits.astype(int)
    mixed[7, 1] = 0
    with pytest.raises(InputError, match="got both: a 0 in shot 7"):
        import_measurements(write(tmp_path / "c.txt", mixed), format="bits")


def test_a_million_outcomes_a_second(tmp_path):
    x = shots(6, n=40_000, L=50)
    path = tmp_path / "a.txt"
    lines = np.full((len(x), 100), ord(" "), np.uint8)
    lines[:, ::2], lines[:, -1] = x + ord("0"), ord("\n")
    path.write_bytes(lines.tobytes())
    start = time.process_time()
    data = import_measurements(path, povm="pauli-6")
    assert time.process_time() - start < 2  # measured 0.1 s
    np.testing.assert_array_equal(data.outcomes, x)


BAD = {
    "a value too many": ("0 1 2\n0 1 2 3\n", "must hold 3 values.*not 4, got line 2 .*'0 1 2 3'"),
    "a value too few": ("0 1 2\n0 1 2\n0 1\n", "must hold 3 values.*not 2, got line 3 .*'0 1'"),
    "an outcome too large": ("0 1 2\n\n0 4 2\n", r"must be 0\.\.3, got line 3 of .*'0 4 2'"),
    "a letter": ("0 1 2\n0 q 2\n", r"must be 0\.\.3, got line 2 of bad\.txt: '0 q 2'"),
    "two in one": ("0 1 2\n" * 300 + "0 12 2\n", "one character each, got line 301 .*'0 12 2'"),
    "a fraction": ("0 1\n0 1.5\n", "must be integers below 256, got line 2 .*'0 1.5'"),
    "not a number": (
        "-1 1\n" * 300 + "-1 ?\n",
        "2 numbers like most; if a qubit was lost, choose lost .*got line 301 .*'-1 \\?'",
    ),
    "words": ("hello world\n", "must be numbers, or letters.*got line 1 .*'hello world'"),
    "nothing": ("\n# nothing\n", "must hold at least one shot, got none"),
    "a wider number": ("10 1\n", r"must be integers 0\.\.3, one a site, got line 1 of .*'10 1'"),
}


@pytest.mark.parametrize("kind", BAD)
def test_the_first_bad_line_is_named(tmp_path, kind):
    content, says = BAD[kind]
    (tmp_path / "bad.txt").write_text(content)
    with pytest.raises(InputError, match=says) as error:
        import_measurements(tmp_path / "bad.txt", povm="tetrahedral", format="integers")
    assert "\n" not in str(error.value)


def test_a_bad_line_far_into_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(text, "CHUNK", 1000)
    rows = [list(row) for row in shots(4, n=5000)]
    rows[4321][2] = 9
    with pytest.raises(InputError, match="got line 4322 of"):
        import_measurements(write(tmp_path / "a.txt", rows), povm="pauli-4")


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / "a.dat").write_bytes(b"\x00\x01\x02" * 50)
    with pytest.raises(InputError, match=r"must be plain text.*name an array file \.npy"):
        import_measurements(tmp_path / "a.dat", povm="pauli-4")
    with pytest.raises(InputError, match="there is no such file"):
        import_measurements(tmp_path / "absent.txt", povm="pauli-4")
