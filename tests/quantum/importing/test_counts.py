"""Histograms of other programs: the same shots, or one line."""

import json

import numpy as np
import pytest
from helpers.shots import L, N, drawn, histogram, same_shots, save, strings, words

from physgen.core.errors import InputError
from physgen.quantum import povm
from physgen.quantum.importing import import_measurements


@pytest.fixture(scope="module")
def shots():
    return drawn()


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
