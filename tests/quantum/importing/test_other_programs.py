"""Files as other programs write them: each is read to the same shots, or refused in one line."""

import json

import h5py
import numpy as np
import pytest

from physgen.core.errors import InputError
from physgen.core.random import Stream
from physgen.quantum import estimate_observables, povm
from physgen.quantum.importing import import_measurements

N, L = 900, 3


@pytest.fixture(scope="module")
def shots():
    """Shots of |0> |+> |+i>, an asymmetric state: random bases 0 = Z, 1 = X, 2 = Y, and bits."""
    rng = Stream(1).numpy()
    bases, bits = rng.integers(0, 3, (N, L)), rng.integers(0, 2, (N, L))
    return bases, np.where(bases == [0, 1, 2], 0, bits)


def words(bases):
    return ["".join("ZXY"[b] for b in row) for row in bases]


def strings(bits):
    return ["".join(map(str, row)) for row in bits]


def save(path, text):
    path.write_text(text if text.endswith("\n") else text + "\n")
    return path


def lines(path, rows):
    return save(path, "\n".join(rows))


def same_shots(data, outcomes):
    """Whether these are the same shots, in whatever order."""
    ours, theirs = np.asarray(data.outcomes), np.asarray(outcomes)
    return ours.shape == theirs.shape and sorted(ours.tolist()) == sorted(theirs.tolist())


def histogram(rows):
    found = {}
    for row in rows:
        found[row] = found.get(row, 0) + 1
    return found


# --- bases as integers


@pytest.mark.parametrize("order", ["XYZ", "ZXY", "YZX", "XZY", "zyx"])
def test_integer_bases_are_read_in_the_stated_order_alone(tmp_path, shots, order):
    bases, bits = shots
    theirs = np.array([order.upper().index("ZXY"[b]) for b in range(3)])[bases]
    np.save(tmp_path / "bits.npy", bits)
    np.save(tmp_path / "recipes.npy", theirs)
    np.savez(tmp_path / "both.npz", bits=bits, recipes=theirs)
    np.savetxt(tmp_path / "recipes.txt", theirs, fmt="%d")
    with h5py.File(tmp_path / "both.h5", "w") as file:
        file["shadow/bits"], file["shadow/bases"] = bits, theirs.astype(float)
    for file, more in (
        ("bits.npy", {"bases": tmp_path / "recipes.npy"}),
        ("bits.npy", {"bases": tmp_path / "recipes.txt"}),
        ("both.npz", {}),
        ("both.h5", {"format": "bits"}),
    ):
        with pytest.raises(InputError, match=r"bases_order|letters X, Y, Z") as error:
            import_measurements(tmp_path / file, **more)
        assert "--bases-order" in str(error.value)
        assert "\n" not in str(error.value)
        data = import_measurements(tmp_path / file, bases_order=order, **more)
        np.testing.assert_array_equal(data.outcomes, bases + 3 * bits)
        ds = estimate_observables(data)
        assert float(ds.z[0]) > 0.9
        assert float(ds.x[1]) > 0.9
    # saboteur: another order makes |+> of |0>
    wrong = "ZXY" if order != "ZXY" else "XYZ"
    data = import_measurements(tmp_path / "both.npz", bases_order=wrong)
    ds = estimate_observables(data)
    assert min(float(ds.z[0]), float(ds.x[1])) < 0.5


@pytest.mark.parametrize(
    ("change", "how", "says"),
    [
        (lambda b: b + 1, {"bases_order": "XYZ"}, r"must be 0, 1 and 2, got 1\.\.3 .*subtract 1"),
        (lambda b: b - 1, {"bases_order": "XYZ"}, r"must be 0, 1 and 2, got -1\.\.1"),
        (lambda b: np.array(list("ZXY"))[b], {"bases_order": "XYZ"}, "integers for bases, got"),
        (lambda b: b, {"bases_order": "XYY"}, "must be the letters of 0, 1 and 2"),
        (lambda b: b, {"bases_order": "012"}, "must be the letters of 0, 1 and 2"),
        (lambda b: b > 0, {}, "got shape .* of bool"),
        (lambda b: b[:-1], {"bases_order": "XYZ"}, "one row a shot, 900, got 899"),
        (lambda b: b[:, :2], {"bases_order": "XYZ"}, r"shape \(900, 3\), got \(900, 2\)"),
        (lambda b: b[:, 0], {"bases_order": "XYZ"}, r"got shape \(900,\)"),
        (lambda b: np.eye(3, dtype=int)[b], {"bases_order": "XYZ"}, r"got shape \(900, 3, 3\)"),
    ],
)
def test_bases_that_are_not_understood(tmp_path, shots, change, how, says):
    bases, bits = shots
    np.savez(tmp_path / "a.npz", bits=bits, bases=change(bases))
    with pytest.raises(InputError, match=says):
        import_measurements(tmp_path / "a.npz", **how)


def test_an_order_without_integers(tmp_path, shots):
    bases, bits = shots
    np.save(tmp_path / "bits.npy", bits)
    for more in ({}, {"bases": "Z"}):
        with pytest.raises(InputError, match="bases_order must"):
            import_measurements(tmp_path / "bits.npy", bases_order="XYZ", format="bits", **more)
    both = lines(tmp_path / "a.txt", map(" ".join, zip(words(bases), strings(bits))))
    with pytest.raises(InputError, match="bases_order must not be given"):
        import_measurements(both, bases_order="XYZ")


# --- several arrays in one file

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


# --- histograms


def test_counts_in_the_z_basis(tmp_path, shots):
    _, bits = shots
    counts = histogram(strings(bits))
    spaced = {f"{key[:1]} {key[1:]}": n for key, n in counts.items()}
    tuples = {str(tuple(map(int, key))): n for key, n in counts.items()}
    hexed = {hex(int(key, 2)): n for key, n in counts.items()}
    files = {
        "a.json": json.dumps(counts),
        "b.json": json.dumps(spaced),
        "c.json": json.dumps(tuples),
        "d.txt": str(counts),  # print(counts)
        "e.json": json.dumps({"counts": counts, "shots": N, "backend": "x"}),
        "f.json": json.dumps(strings(bits)),
        "g.json": json.dumps(bits.tolist()),
        "a.csv": "bitstring,count\n" + "\n".join(f"{k},{n}" for k, n in counts.items()),
        "b.csv": "\ufeffcount;key\r\n" + "\r\n".join(f'{n};"{k}"' for k, n in counts.items()),
        "c.csv": "outcome,shots\n" + "\n".join(f"{k},{n}" for k, n in counts.items()),
        "d.csv": "q0,q1,q2,count\n" + "\n".join(f"{','.join(k)},{n}" for k, n in counts.items()),
        "e.csv": "q2,q1,q0,count\n"
        + "\n".join(f"{','.join(k[::-1])},{n}" for k, n in counts.items()),
    }
    for name, text in files.items():
        data = import_measurements(save(tmp_path / name, text), format="bits")
        assert data.povm is povm("computational")
        assert same_shots(data, bits), name
        if name not in ("f.json", "g.json", "d.csv"):
            assert same_shots(import_measurements(tmp_path / name), bits), name
        reverse = import_measurements(tmp_path / name, format="bits", reverse=True)
        assert same_shots(reverse, bits[:, ::-1]), name
        assert "last of a string is site 0" in reverse.attrs["site_order"]
    path = save(tmp_path / "h.json", json.dumps(hexed))
    with pytest.raises(InputError, match=r"n_sites \(--n-sites\) must be given for hexadecimal"):
        import_measurements(path)
    assert same_shots(import_measurements(path, n_sites=L), bits)
    with pytest.raises(InputError, match="must fit in n_sites = 2 bits"):
        import_measurements(path, n_sites=2)
    for text in (
        "\n".join(f"{k} {n}" for k, n in counts.items()),
        "\n".join(f"{k}: {n}" for k, n in counts.items()),
        "\n".join(f"{' '.join(k)} {n}" for k, n in counts.items()),
    ):
        data = import_measurements(save(tmp_path / "h.txt", text), format="counts")
        assert same_shots(data, bits)
    with pytest.raises(InputError, match="counts"):  # the same, not stated
        import_measurements(save(tmp_path / "h.txt", "000 3\n111 700\n"))


def test_counts_of_every_setting(tmp_path, shots):
    bases, bits = shots
    outcomes = bases + 3 * bits
    per = {w: histogram(strings(bits[np.array(words(bases)) == w])) for w in set(words(bases))}
    rows = [(w, k, n) for w, counts in per.items() for k, n in counts.items()]
    files = {
        "a.json": json.dumps(per),
        "b.json": json.dumps([{"basis": w, "counts": c} for w, c in per.items()]),
        "c.json": json.dumps({"bases": list(per), "counts": list(per.values())}),
        "d.json": json.dumps({str(tuple(w)): c for w, c in per.items()}),
        "e.json": json.dumps([{"bits": k, "basis": w, "count": n} for w, k, n in rows]),
        "f.json": json.dumps(
            {n: list(c) for n, c in zip(("basis", "bits", "n"), zip(*rows))}
            | {"count": [n for _, _, n in rows]}
        ).replace('"n":', '"index":'),
        "g.json": "\n".join(json.dumps({"basis": w, "counts": c}) for w, c in per.items()),
        "a.csv": "basis,bits,count\n" + "\n".join(f"{w},{k},{n}" for w, k, n in rows),
        "b.csv": "count\tresult\tsetting\n"
        + "\n".join(f"{n}\t{k}\t{w.lower()}" for w, k, n in rows),
    }
    for name, text in files.items():
        data = import_measurements(save(tmp_path / name, text))
        assert same_shots(data, outcomes), name
        assert "a histogram does not keep theirs" in data.attrs["counts"]
        assert data.settings is None  # drawn at random: a sorted order would not look so
        data = import_measurements(tmp_path / name, reverse=True, settings="keep")
        assert same_shots(data, outcomes[:, ::-1]), name
        assert len(data.setting_table) == 27
    text = "\n".join(f"{w} {k} {n}" for w, k, n in rows)
    assert same_shots(
        import_measurements(save(tmp_path / "h.txt", text), format="counts"), outcomes
    )
    one = save(
        tmp_path / "one.json", json.dumps({"basis": "XZY", "counts": {"000": 10, "011": 5}})
    )
    assert import_measurements(one).setting_table.names == ["XZY"]
    same = save(tmp_path / "same.json", json.dumps({"000": 10, "011": 5}))
    assert import_measurements(same, bases="XZY").setting_table.names == ["XZY"]


def test_counts_of_outcomes(tmp_path, shots):
    bases, bits = shots
    outcomes = bases + 3 * bits
    path = save(tmp_path / "a.json", json.dumps(histogram(strings(outcomes))))
    assert same_shots(import_measurements(path, povm="pauli-6"), outcomes)
    np.savez(tmp_path / "a.npz", outcomes=outcomes[:40], counts=np.arange(40))
    data = import_measurements(tmp_path / "a.npz", povm="pauli-6")
    assert same_shots(data, np.repeat(outcomes[:40], np.arange(40), axis=0))


BAD_COUNTS = {
    '{"00": 0.5, "11": 0.5}': "counts must be whole numbers, 0 or more, and not 0.5: shares",
    '{"00": -1, "11": 2}': "and not -1",
    '{"0": 5, "11": 5}': "results must have .* values like most, with leading zeros",
    '{"00": 5, "0x": 5}': "results must be a string of bits, got entry 1 of a.json",
    '{"00": 0, "11": 0}': "at least one shot, got counts of 0 alone",
    '{"00": 5, "00": 6}': "keys of JSON must differ, got '00' twice",
    '{"0": 5, "3": 5}': "povm must be given",
    '{"XQ": {"00": 5}}': "bases must be letters X, Y, Z",
    '{"XX": {"00": 5}, "Z": {"00": 5}}': "bases must be 1 letters, and not 2",
    '{"XX": {"000": 5}}': r"one for each result, shape \(1, 3\), got \(1, 2\)",
    '{"XX": [1, 2]}': "must be an array of integers",
    '[{"00": 5}, {"00": 6}]': "dictionaries of counts must say their settings",
    '[{"basis": "XX", "counts": {"00": 1}}, {"counts": {"00": 1}}]': "every entry must have",
    '{"counts": {"00": 5}, "qubits": [1, 0]}': "got qubits; rename it",
    '{"results": [], "backend_name": "x"}': "a whole result of Qiskit",
    "{": "must be counts .* got line 1 of a.json",
    "[]": "must be counts",
    '"00"': "must be counts",
    "12": "must be counts",
}


@pytest.mark.parametrize("text", BAD_COUNTS)
def test_counts_that_are_none(tmp_path, text):
    with pytest.raises(InputError, match=BAD_COUNTS[text]) as error:
        import_measurements(save(tmp_path / "a.json", text))
    assert "\n" not in str(error.value)


# --- basis and result by turns, and named columns


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


# --- lost qubits


def test_lost_qubits(tmp_path, shots):
    bases, bits = shots
    rng = Stream(5).numpy()
    gone = rng.random((N, L)) < [0.05, 0.0, 0.1]
    marked = np.where(gone, "-", bits.astype(str))
    kept = ~gone.any(axis=1)
    everything = bases + 3 * bits
    w = words(bases)
    files = {
        "a.txt": [f"{b} {''.join(x)}" for b, x in zip(w, marked)],
        "b.txt": [f"{b} {''.join(x)}" for b, x in zip(w, np.where(gone, "?", marked))],
        "c.csv": ["basis,bits", *(f"{b},{''.join(x)}" for b, x in zip(w, marked))],
        "d.txt": [" ".join(f"{b} {x}" for b, x in zip(u, v)) for u, v in zip(w, marked)],
    }
    for name, text in files.items():
        path = lines(tmp_path / name, text)
        with pytest.raises(InputError, match="lost"):
            import_measurements(path)
        data = import_measurements(path, lost="drop")
        np.testing.assert_array_equal(data.outcomes, everything[kept], name)
        assert data.attrs["lost"] == f"{(~kept).sum()} of {N} shots left out"
        data = import_measurements(path, lost="marginalise")
        np.testing.assert_array_equal(data.outcomes, everything[:, 1:2], name)
        assert data.attrs["lost"] == "sites left out: 0, 2"
    numbers = {
        "a": np.where(gone, np.nan, bits),
        "b": np.where(gone, -1, bits),
        "c": np.where(gone, np.nan, 1.0 - 2 * bits),
    }
    for name, array in numbers.items():
        np.savez(tmp_path / f"{name}.npz", bits=array, bases=np.array(w))
        with pytest.raises(InputError, match="lost"):
            import_measurements(tmp_path / f"{name}.npz")
        data = import_measurements(tmp_path / f"{name}.npz", lost="drop")
        np.testing.assert_array_equal(data.outcomes, everything[kept])
    np.savetxt(tmp_path / "n.txt", numbers["c"], fmt="%g")
    b = lines(tmp_path / "bases.txt", w)
    with pytest.raises(InputError, match="lost"):
        import_measurements(tmp_path / "n.txt", bases=b)
    data = import_measurements(tmp_path / "n.txt", bases=b, lost="drop")
    np.testing.assert_array_equal(data.outcomes, everything[kept])
    counts = save(tmp_path / "c.json", json.dumps({"0-1": 5, "011": 7, "001": 2}))
    data = import_measurements(counts, lost="drop")
    assert same_shots(data, [[0, 1, 1]] * 7 + [[0, 0, 1]] * 2)
    data = import_measurements(counts, lost="marginalise")
    assert same_shots(data, [[0, 1]] * 14)
    nothing = lines(tmp_path / "nothing.txt", ["0-1", "-01", "01-"] * 9)
    with pytest.raises(InputError, match=r"at least one shot|must leave a shot"):
        import_measurements(nothing, format="bits", lost="drop")
    with pytest.raises(InputError, match=r"'marginalise' must leave a site, got .* all 3 sites"):
        import_measurements(nothing, format="bits", lost="marginalise")


def test_lost_values_are_no_results(tmp_path):
    """The saboteur of lost qubits: filled with 0, they would look like Z+."""
    text = ["1-", "11"] * 50
    data = import_measurements(lines(tmp_path / "a.txt", text), format="bits", lost="drop")
    assert float(estimate_observables(data).z[1]) == -1


# --- layouts


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
